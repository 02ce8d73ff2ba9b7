"""The files of a run's folder, and how the small ones are written and read.

`stdout`, `stderr`  the output, append-only, made with its first byte
`index`             one line a chunk of output: time in microseconds, stream, offset, length
`process`           who the leader is, so that a later process can find what is left of the run
`exit.json`         how the run ended: whole or absent
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attune_cli.runtime.supervisor import processes
from attune_cli.runtime.supervisor.values import Chunk, RunExit, StreamSummary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INDEX = "index"
PROCESS = "process"
EXIT = "exit.json"

_FILE_MODE = 0o600


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which process the leader is: pid and start (clock ticks since boot) are unique within one boot.

    `brand` is the personality flag that its descendants carry (orphans.py), 0 if none.
    """

    pid: int
    start_ticks: int
    boot_id: str
    brand: int


def write_process(folder: Path, pid: int, brand: int) -> None:
    """Name the leader. Nothing is lost when that fails: the run's processes carry its marks in their environment."""
    stat = processes.stat(pid)
    if stat is not None:
        identity = Identity(pid=pid, start_ticks=stat.start_ticks, boot_id=processes.boot_id(), brand=brand)
        with suppress(OSError):
            _write(f"{folder}/{PROCESS}", vars(identity))


def read_process(folder: Path) -> Identity | None:
    """Return the leader, or None when the file is absent or cut short."""
    try:
        return Identity(**json.loads((folder / PROCESS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def write_exit(folder: Path, run_exit: RunExit) -> None:
    """Write `exit.json` so that it is there whole or not at all. Raises OSError."""
    document = {**vars(run_exit), "stdout": vars(run_exit.stdout), "stderr": vars(run_exit.stderr)}
    path = f"{folder}/{EXIT}"
    _write(path + ".new", document)
    os.rename(path + ".new", path)  # noqa: PTH104  # a string costs a tenth of a Path, thousands of times a second


def read_exit(folder: Path) -> RunExit | None:
    """Return how the run ended, or None when `exit.json` is absent or unreadable."""
    try:
        document = json.loads((folder / EXIT).read_bytes())
        stdout, stderr = StreamSummary(**document.pop("stdout")), StreamSummary(**document.pop("stderr"))
        return RunExit(**document, stdout=stdout, stderr=stderr)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def read_index(folder: Path) -> list[Chunk]:
    """Return the chunks in the order they came; a line that is still being written is left out."""
    try:
        lines = (folder / INDEX).read_bytes().split(b"\n")
    except OSError:
        return []
    return [Chunk(*map(int, line.split())) for line in lines[:-1]]


def _write(path: str, document: Mapping[str, object]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    try:
        os.write(descriptor, json.dumps(document).encode())
    finally:
        os.close(descriptor)
