"""Logs: the files an execution's streams were written to, read by offset (architecture.md 4)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

from attune_cli.runtime.supervisor import read_index
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from attune_cli.config import Home
    from attune_cli.runtime.clock import Instant

StreamName = Literal["stdout", "stderr"]
STREAMS: tuple[StreamName, StreamName] = ("stdout", "stderr")
CHUNK_BYTES = 256 * 1024


@immutable
class Piece:
    """Some bytes of one stream, where they stand in its file, and when they came (None: not recorded)."""

    stream: StreamName
    offset: int
    data: bytes
    time: Instant | None = None


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


def in_order(home: Home, execution_id: int, streams: Iterable[StreamName]) -> Iterator[Piece]:
    """Yield the pieces of an ended run in the order they came, as far as its index goes; then what is left."""
    wanted = tuple(streams)
    ends = dict.fromkeys(wanted, 0)
    for chunk in read_index(home.runs / str(execution_id)):
        stream = STREAMS[chunk.stream - 1]
        if stream in ends and chunk.offset == ends[stream]:
            yield from _pieces(home, execution_id, stream, chunk.offset, chunk.length, chunk.time)
            ends[stream] += chunk.length
    for stream in wanted:
        yield from _pieces(home, execution_id, stream, ends[stream], None, None)


def _pieces(
    home: Home, execution_id: int, stream: StreamName, offset: int, length: int | None, time: Instant | None
) -> Iterator[Piece]:
    while length is None or length > 0:
        data = read_from(home, execution_id, stream, offset)
        if length is not None:
            data = data[:length]
            length -= len(data)
        if not data:
            return
        yield Piece(stream, offset, data, time)
        offset += len(data)


def lines(pieces: Iterable[Piece], *, longest_bytes: int | None = None) -> Iterator[Piece]:
    """Cut pieces into lines, each with its end; a line keeps the place and time of its beginning.

    A line that grows longer than `longest_bytes` is not waited for: it comes in several.
    """
    begun: dict[StreamName, Piece] = {}
    for piece in pieces:
        before = begun.pop(piece.stream, None)
        data = piece.data if before is None else before.data + piece.data
        first = piece if before is None else before
        offset = first.offset
        for line in _split(data):
            whole = Piece(piece.stream, offset, line, first.time if offset == first.offset else piece.time)
            offset += len(line)
            if line.endswith(b"\n") or (longest_bytes is not None and len(line) >= longest_bytes):
                yield whole
            else:
                begun[piece.stream] = whole
    yield from begun.values()


def _split(data: bytes) -> list[bytes]:
    """Split after each newline, and nowhere else: a carriage return is a part of its line."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def tail(pieces: Iterable[Piece], count: int) -> Iterable[Piece]:
    """Return the last `count` lines."""
    return deque(lines(pieces), maxlen=count)
