"""The files of a run's folder, which is made with the first byte of output.

`stdout`, `stderr`  the output, append-only
`index`             one line a chunk of output: time in microseconds, stream, offset, length
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.supervisor.values import Chunk

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "index"


def read_index(folder: Path) -> list[Chunk]:
    """Return the chunks in the order they came; a line that is still being written is left out."""
    return read_index_from(folder, 0)[0]


def read_index_from(folder: Path, offset: int) -> tuple[list[Chunk], int]:
    """Return the chunks whose lines begin at `offset` or later, and where to go on."""
    try:
        with (folder / INDEX).open("rb", buffering=0) as file:
            file.seek(offset)
            *lines, unfinished = file.read().split(b"\n")
            return [Chunk(*map(int, line.split())) for line in lines], file.tell() - len(unfinished)
    except OSError:
        return [], offset
