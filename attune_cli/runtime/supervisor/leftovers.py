"""Ends what a run left behind when its supervisor died with it still going."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.runtime.supervisor import processes
from attune_cli.runtime.supervisor.family import marks

if TYPE_CHECKING:
    from attune_cli.runtime.supervisor.journal import Identity
    from attune_cli.runtime.supervisor.processes import Stat

_GONE_SECONDS = 5.0
"""How long killed processes are waited for."""

_INTERVAL_SECONDS = 0.005

_ENDED = frozenset("ZX")
"""States of a process that is dead, and only not yet reaped (proc(5))."""


def kill_leftovers(leader: Identity | None, execution: str, home: str) -> int:
    """Kill every process of a run whose supervisor is dead, wait until they are gone, and return how many there were.

    They are known by the leader that the journal names (its session and group), by
    `ATTUNE_EXEC_ID` and `ATTUNE_HOME` in their environment, and by descending from one of those. This process, its
    ancestors and its descendants are spared.
    """
    return _kill(leader, marks({"ATTUNE_EXEC_ID": execution, "ATTUNE_HOME": home}))


def kill_marked(entry: bytes) -> int:
    """Kill every process that has `entry` in its environment, and all below it; waits and returns like the other."""
    return _kill(None, frozenset({entry}))


def _kill(leader: Identity | None, wanted: frozenset[bytes]) -> int:
    killed: set[int] = set()
    until = monotonic_seconds() + _GONE_SECONDS
    while sent := {pid for pid in _leftovers(leader, wanted) if processes.send(pid, signal.SIGKILL)}:
        killed |= sent
        if monotonic_seconds() >= until:
            break
        time.sleep(_INTERVAL_SECONDS)
    return len(killed)


def _leftovers(identity: Identity | None, wanted: frozenset[bytes]) -> set[int]:
    everything = processes.everything()
    own = os.getpid()
    roots = {
        pid
        for pid, about in everything.items()
        if wanted <= processes.environment(pid)
        or (identity and _stayed_with(identity, pid, about, everything))
    }
    found = _below(roots, everything) - _below({own}, everything) - _above(own, everything)
    return {pid for pid in found if everything[pid].state not in _ENDED}


def _stayed_with(leader: Identity, pid: int, about: Stat, everything: dict[int, Stat]) -> bool:
    """Say whether a process is the leader or in its session or group.

    While a session or group lives, no new process gets its number. But when the leader is gone the number may have
    gone round in the meantime, so then only those count that the supervisor branded.
    """
    if leader.boot_id != processes.boot_id() or leader.pid not in {pid, about.session, about.group}:
        return False
    present = everything.get(leader.pid)
    if present is None:
        return bool(processes.personality(pid) & leader.brand)
    return present.start_ticks == leader.start_ticks


def _below(roots: set[int], everything: dict[int, Stat]) -> set[int]:
    """Return the roots and all their descendants."""
    children: dict[int, list[int]] = {}
    for pid, about in everything.items():
        children.setdefault(about.parent, []).append(pid)
    found: set[int] = set()
    ahead = list(roots)
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead += children.get(pid, ())
    return found


def _above(pid: int, everything: dict[int, Stat]) -> set[int]:
    """Return a process and all its ancestors."""
    found: set[int] = set()
    while pid in everything:
        found.add(pid)
        pid = everything[pid].parent
    return found
