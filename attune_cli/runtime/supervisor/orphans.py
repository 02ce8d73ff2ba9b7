"""How the orphans of our runs come to this process, and how they are known from its other children.

A *subreaper* becomes the parent of every process below it whose own parent ends (prctl(2),
PR_SET_CHILD_SUBREAPER). Those arrive among the children of the main thread, beside the children that other parts of
this program started, which must be left alone. Two things that a process cannot easily shed tell them apart:

- A leader starts in a session of its own, and nobody can enter a session from outside: a child in the session of
  this process does not descend from a leader.
- The *brand*: the supervisor's thread carries a personality flag without any effect, and all that descends from it
  inherits the flag, whatever becomes of session, parents and environment. Even a zombie still shows it. Where flags
  may not be set (some containers) or read, orphans that shed all other marks are left alone.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from attune_cli.runtime.supervisor import processes

if TYPE_CHECKING:
    import ctypes

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

_BRANDS = (0x1000000, 0x2000000)
"""SHORT_INODE and WHOLE_SECONDS: Linux knows their names and does nothing (personality(2))."""

_READ_BYTES = 65536


@dataclass
class _Adoption:
    """The part of the state that all supervisors of this process share, because the kernel keeps it by process."""

    supervisors: int = 0
    before: bool = False
    brand: int = 0
    children: int | None = None


_adoption = _Adoption()
_lock = Lock()


def adopt() -> None:
    """Begin to receive orphans, and brand the calling thread, which is the one that will start the leaders.

    Where that cannot be done, a run ends with its process group.
    """
    libc = _libc()
    if libc is None:
        return
    with _lock:
        if _adoption.supervisors == 0:
            _begin(libc)
        _adoption.supervisors += 1
    if _adoption.brand:
        libc.personality(processes.personality(os.getpid()) | _adoption.brand)


def release() -> None:
    """Stop receiving orphans when the last supervisor of this process is done."""
    libc = _libc()
    if libc is None:
        return
    with _lock:
        _adoption.supervisors -= 1
        if _adoption.supervisors == 0:
            libc.prctl(_PR_SET_CHILD_SUBREAPER, int(_adoption.before), 0, 0, 0)
            if _adoption.children is not None:
                os.close(_adoption.children)
                _adoption.children = None


def candidates() -> list[int]:
    """Return the children that may be orphans of a run: those outside our own session."""
    children = _children()
    own = os.getsid(0)
    return [pid for pid in children if processes.session(pid) != own]


def brand() -> int:
    """Return the personality flag that all descendants of our leaders carry, 0 if there is none."""
    return _adoption.brand


def branded(pid: int) -> bool:
    """Say whether a process, dead or alive, certainly descends from a leader."""
    return bool(processes.personality(pid) & _adoption.brand)


def _begin(libc: ctypes.CDLL) -> None:
    import ctypes

    before = ctypes.c_int(0)
    libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _adoption.before = bool(before.value)
    _adoption.brand = _choose_brand(libc)
    # Kept open, because it is read at the end of every run.
    with suppress(OSError):
        _adoption.children = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)


def _choose_brand(libc: ctypes.CDLL) -> int:
    """Take a flag that is not ours yet: an engine that runs inside an action bears the brand of the outer one."""
    own = processes.personality(os.getpid())
    free = next((brand for brand in _BRANDS if not own & brand), 0)
    return free if libc.personality(own | free) >= 0 else 0


def _libc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


def _children() -> list[int]:
    """Return the children of the main thread, where the orphans arrive."""
    text = b""
    if _adoption.children is not None:
        while piece := os.pread(_adoption.children, _READ_BYTES, len(text)):
            text += piece
    return [int(pid) for pid in text.split()]
