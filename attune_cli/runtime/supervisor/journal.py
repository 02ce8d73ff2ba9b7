"""The journal: what a supervisor has begun and what came of it, kept for whoever comes when it is dead.

One line for each of these, appended by one write, so that a supervisor that is killed leaves whole lines:

    begin RUN .           before the run's process is started
    leader RUN {…} .      which process it is, once it has run for a moment (pid, start, boot, brand)
    end RUN {…} .         how it ended, before that is reported

Each line ends with a full stop, so that one which a full disk cut short is known. No `begin`: it never ran. An
`end`: that is how it ended. Else: it was going on when the supervisor died. One file for all runs, because
making a folder and a file for each costs more than all else a short run needs.

What the engine has committed need not be kept (`forget`). A journal that has grown is written anew without it, and
put in the old one's place at once: a reader finds one or the other, and in both all that matters.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from attune_cli.runtime.supervisor import processes
from attune_cli.runtime.supervisor.messages import read_run_exit, run_exit_fields
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from attune_cli.runtime.supervisor.values import RunExit


_LONG_BYTES = 1024 * 1024
"""A journal that is shorter is left as it is: it holds some 1500 runs, and is read in a few milliseconds."""


@immutable(kw_only=True)
class Identity:
    """Which process a leader is: pid and start (clock ticks since boot) are unique within one boot.

    `brand` is the personality flag that its descendants carry (orphans.py), 0 if none.
    """

    pid: int
    start_ticks: int
    boot_id: str
    brand: int


@immutable
class Fate:
    """What a journal tells of one run that was begun."""

    leader: Identity | None = None
    end: RunExit | None = None


class Journal:
    """Written by one supervisor; made with its first line."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._descriptor: int | None = None
        self._wanted: set[str] = set()
        self._worth_it_bytes = _LONG_BYTES

    def begin(self, run: str) -> None:
        """Raises OSError: what cannot be written down must not be started."""
        self._append(f"begin {run} .\n")
        self._wanted.add(run)

    def lead(self, run: str, pid: int, brand: int) -> None:
        """Name the leader. Nothing is lost when that fails: its processes carry marks in their environment."""
        stat = processes.stat(pid)
        if stat is not None:
            boot_id = processes.boot_id()
            identity = Identity(pid=pid, start_ticks=stat.start_ticks, boot_id=boot_id, brand=brand)
            with suppress(OSError):
                self._append(f"leader {run} {json.dumps(vars(identity))} .\n")

    def end(self, run_exit: RunExit) -> None:
        """Write how a run ended. On a full disk the report is all there is."""
        with suppress(OSError):
            self._append(f"end {run_exit.run} {json.dumps(run_exit_fields(run_exit))} .\n")

    def forget(self, runs: Iterable[str]) -> None:
        """Take note that the ends of `runs` are kept elsewhere, and write the journal anew when that is worth it."""
        self._wanted.difference_update(runs)
        if self._descriptor is not None and os.fstat(self._descriptor).st_size > self._worth_it_bytes:
            # On a full disk the long one serves as well.
            with suppress(OSError):
                self._write_anew()
            self._worth_it_bytes = max(_LONG_BYTES, 2 * os.fstat(self._descriptor).st_size)

    def remove_if_needless(self) -> None:
        """Remove the file, unless somebody may yet come for an end in it. Call it when nothing more is begun."""
        if not self._wanted:
            with suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108 - a path that is text

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write_anew(self) -> None:
        draft = f"{self._path}.new"
        with suppress(FileNotFoundError):
            os.unlink(draft)  # noqa: PTH108 - a path that is text
        descriptor = _open(draft)
        try:
            with open(self._path, "rb") as old, open(descriptor, "wb", closefd=False) as new:  # noqa: PTH123 - as above
                new.writelines(line for line in old if _run_of(line) in self._wanted)
            os.rename(draft, self._path)  # noqa: PTH104 - as above
        except OSError:
            os.close(descriptor)
            raise
        self.close()
        self._descriptor = descriptor

    def _append(self, line: str) -> None:
        if self._descriptor is None:
            self._descriptor = _open(self._path)
        data = line.encode("utf-8", "surrogateescape")
        written = os.write(self._descriptor, data)
        if written < len(data):  # the disk is full: the rest of the line is made good by starting a new one
            os.write(self._descriptor, b"\n")
            raise OSError(28, "No space left on device", self._path)


def read_journal(path: Path) -> dict[str, Fate]:
    """Return the fate of every run that was begun; a line that is cut short counts as not written."""
    fates: dict[str, Fate] = {}
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return fates
    for line in text.split("\n"):
        whole, full_stop, after = line.rpartition(" .")
        if not full_stop or after:
            continue
        word, _, rest = whole.partition(" ")
        run, _, document = rest.partition(" ")
        fate = fates.get(run, Fate())
        with suppress(ValueError, TypeError, KeyError):
            match word:
                case "begin":
                    fates[run] = fate
                case "leader":
                    fates[run] = Fate(Identity(**json.loads(document)), fate.end)
                case "end":
                    fates[run] = Fate(fate.leader, read_run_exit(json.loads(document)))
                case _:
                    pass
    return fates


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _run_of(line: bytes) -> str:
    """Return which run a line is about."""
    _, _, rest = line.partition(b" ")
    return rest.partition(b" ")[0].decode("utf-8", "surrogateescape")
