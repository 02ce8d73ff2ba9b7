"""Logs: the files an execution's streams were written to, read by offset (architecture.md 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home

StreamName = Literal["stdout", "stderr"]
STREAMS: tuple[StreamName, StreamName] = ("stdout", "stderr")
CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Piece:
    """Some bytes of one stream, where they stand in its file, and when they came (None: not recorded)."""

    stream: StreamName
    offset: int
    data: bytes
    time: int | None = None


def stream_file(home: Home, execution_id: int, stream: StreamName) -> Path:
    """Return the file of one stream; it is made at the first byte."""
    return home.runs / str(execution_id) / stream


def read_from(home: Home, execution_id: int, stream: StreamName, offset: int) -> bytes:
    """Return what stands at `offset`, at most CHUNK_BYTES; nothing at the end or when there is no file yet."""
    try:
        with stream_file(home, execution_id, stream).open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES) or b""
    except FileNotFoundError:
        return b""
