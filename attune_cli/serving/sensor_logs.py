"""Showing what a sensor wrote: two files with times before each line, which are rotated while they are read."""

from __future__ import annotations

import os
from heapq import merge
from typing import TYPE_CHECKING, TextIO

from attune_cli.errors import NotFoundError, UsageError
from attune_cli.reading.words import read_time
from attune_cli.runtime.clock import SystemClock, pause, rfc3339
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.services.sensors import find, log_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from attune_cli.context import Context

_STREAMS = ("stdout", "stderr")
_LOOK_SECONDS = 0.2


def show(context: Context, ref: str, *, follow: bool, since: str | None, stream: str) -> None:
    """Print the lines of one stream or of all, by time, from `since` on; with `follow` until Ctrl-C."""
    if stream not in {*_STREAMS, "all"}:
        raise UsageError(f"--stream: expected stdout, stderr or all, not {stream!r}")
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        find(tx, ref)
    streams = _STREAMS if stream == "all" else (stream,)
    paths = {name: log_path(context.home, ref, name) for name in streams}
    if not follow and not any(path.exists() for path in paths.values()):
        raise NotFoundError(f"sensor '{ref}' has written nothing yet", hint=f"attune sensor show {ref}")
    earliest = read_time("--since", since)
    begin = "" if earliest is None else rfc3339(earliest)
    logs = {name: _Log(path) for name, path in paths.items()}
    try:
        while True:
            lines = [[(line, name) for line in log.more()] for name, log in logs.items()]
            for line, name in merge(*lines, key=lambda pair: pair[0].partition(" ")[0]):
                time, _, text = line.rstrip("\n").partition(" ")
                if time >= begin:
                    record = {"kind": "log", "sensor_ref": ref, "time": time, "stream": name, "line": text}
                    context.out.event(record, f"{time} {text}")
            if not follow:
                return
            pause(_LOOK_SECONDS)
    finally:
        for log in logs.values():
            log.close()


class _Log:
    """One stream's files: first the older ones, then the one that is written, through rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._older = sorted(path.parent.glob(f"{path.name}.*"), reverse=True)
        self._file: TextIO | None = None
        self._pending = ""

    def more(self) -> Iterator[str]:
        """Yield the whole lines that have come."""
        while self._older:
            yield from self._older.pop(0).read_text("utf-8", "replace").splitlines()
        while self._path.exists():
            if self._file is None:
                self._file = self._path.open(encoding="utf-8", errors="replace")
            for piece in self._file:
                self._pending += piece
                if self._pending.endswith("\n"):
                    yield self._pending
                    self._pending = ""
            if os.path.samestat(self._path.stat(), os.fstat(self._file.fileno())):
                return
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
