"""Showing the daemon's own log: JSON lines in a file that is rotated while it is read."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, UsageError
from attune_cli.reading.words import read_time
from attune_cli.runtime.clock import pause, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from attune_cli.context import Context

_LEVELS = ("info", "warning", "error", "critical")
_LOOK_SECONDS = 0.2


def show(context: Context, *, follow: bool, since: str | None, level: str) -> None:
    """Print the log's lines of at least `level`, from `since` on; with `follow` until Ctrl-C."""
    if level not in _LEVELS:
        raise UsageError(f"--level: expected one of {', '.join(_LEVELS)}, not {level!r}")
    path = context.home.daemon_log
    if not path.exists():
        raise NotFoundError(f"no daemon has ever run for {context.home.path}", hint="attune up -d")
    earliest = read_time("--since", since)
    begin = "" if earliest is None else rfc3339(earliest)
    wanted = _LEVELS[_LEVELS.index(level) :]
    for line in _lines(path, follow=follow):
        record = _record(line)
        if record["level"] in wanted and record["time"] >= begin:
            context.out.event(record, _text(record))


def _lines(path: Path, *, follow: bool) -> Iterator[str]:
    """Yield what is kept, oldest file first; with `follow` also what comes, through rotations."""
    for old in sorted(path.parent.glob(f"{path.name}.*"), reverse=True):
        yield from old.read_text("utf-8", "replace").splitlines()
    file = path.open(encoding="utf-8", errors="replace")
    pending = ""
    while True:
        pending += file.readline()
        if pending.endswith("\n"):
            yield pending
            pending = ""
        elif not follow:
            break
        elif path.exists() and not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            file.close()
            file = path.open(encoding="utf-8", errors="replace")
        else:
            pause(_LOOK_SECONDS)
    file.close()


def _record(line: str) -> dict[str, Any]:
    """Read a line; one that a crash cut short is shown as it is."""
    try:
        found: dict[str, Any] = json.loads(line)
        return {name: found.get(name) for name in ("time", "level", "part", "message", "error")}
    except ValueError:
        return {"time": "", "level": "error", "part": "", "message": line.rstrip("\n"), "error": None}


def _text(record: dict[str, Any]) -> str:
    text = f"{record['time']} {record['level']:<7} {record['part']}: {record['message']}"
    return text if not record["error"] else f"{text}\n{record['error']}"
