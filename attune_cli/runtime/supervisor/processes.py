"""What Linux tells about processes, and signals to them. Elsewhere the answers are empty.

Every answer may be out of date when it arrives, and a process may go at any moment: that is never an error here.
Sources: proc(5), and `Documentation/filesystems/proc.rst` of Linux for `children`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable

_READ_BYTES = 65536


@immutable
class Stat:
    """A part of /proc/PID/stat. `state` is `Z` for a zombie; `start_ticks` are clock ticks since boot."""

    state: str
    parent: int
    group: int
    session: int
    start_ticks: int


@cache
def boot_id() -> str:
    """Return the name of this boot of the machine, or an empty text where there is none."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def stat(pid: int) -> Stat | None:
    """Return what is known of a process, zombies included; None when it is gone."""
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    # The name stands in parentheses and may hold anything, parentheses too.
    fields = text[text.rindex(b")") + 2 :].split()
    state, parent, group, session = fields[:4]
    return Stat(state.decode(), int(parent), int(group), int(session), int(fields[19]))


def everything() -> dict[int, Stat]:
    """Return all processes that can be seen."""
    found: dict[int, Stat] = {}
    with suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208  # Path objects for a thousand names are waste
            if name.isdigit() and (about := stat(int(name))) is not None:
                found[int(name)] = about
    return found


def environment(pid: int) -> frozenset[bytes]:
    """Return the `NAME=value` entries a process started with; empty for a zombie or a stranger's process."""
    return frozenset(_read(f"/proc/{pid}/environ").split(b"\0"))


def personality(pid: int) -> int:
    """Return the personality flags of a process, a zombie's too (personality(2)); 0 when they may not be read."""
    return int(_read(f"/proc/{pid}/personality") or b"0", 16)


def tree(roots: Iterable[int]) -> set[int]:
    """Return the roots and everything below them."""
    found: set[int] = set()
    ahead = list(roots)
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead += _children(pid)
    return found


def session(pid: int) -> int:
    """Return the session of a process, or 0 when it is gone. (As cheap as a call can be, unlike `stat`.)"""
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def group(pid: int) -> int:
    """Return the group of a process, or 0 when it is gone."""
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def send(pid: int, number: int) -> bool:
    """Send a signal to a process, or to the group `-pid`; False when it is not there or may not be signalled."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def reap(pid: int) -> bool:
    """Take a child's exit status if it has ended, and say whether it is gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  # names are all that is wanted
        return [child for thread in threads for child in _children_of_thread(pid, int(thread))]
    return []


def _children_of_thread(pid: int, thread: int) -> list[int]:
    return [int(child) for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


def _read(path: str) -> bytes:
    """Return a file of /proc, or nothing when the process is gone or is another user's."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        pieces: list[bytes] = []
        while piece := os.read(descriptor, _READ_BYTES):
            pieces.append(piece)
        return b"".join(pieces)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
