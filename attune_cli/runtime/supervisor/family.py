"""Which processes belong to a run, wherever they went."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from attune_cli.runtime.supervisor import orphans, processes

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKS = ("ATTUNE_EXEC_ID", "ATTUNE_HOME")
"""The variables that together name the run to which a process belongs."""

_families: dict[int, Family] = {}
"""Every family of this process by its leader; shared, because all supervisors of a process share its children."""


class Family:
    """A leader and everything that descends from it, until all of it is gone.

    An orphan belongs to the family if its session or group is the leader's (who is reaped last, so that the number
    stays its own), if its environment carries the run's marks, or if it was seen below one of the family when that
    one was killed. A branded orphan that no family claims goes with the last one.
    """

    def __init__(self, leader: int, environment: Mapping[str, str]) -> None:
        self.leader = leader
        self._marks = marks(environment)
        self._seen: set[int] = set()
        _families[leader] = self

    def terminate(self) -> None:
        """Ask all of it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Kill all of it."""
        self._seen |= self._send(signal.SIGKILL)

    def sweep(self) -> set[int]:
        """After the leader ended: kill and reap what it left behind. Return those that are yet to go."""
        processes.send(-self.leader, signal.SIGKILL)
        left = {pid for pid in self._orphans() if not processes.reap(pid)}
        everyone = processes.tree(left)
        self._seen |= everyone
        for pid in everyone:
            processes.send(pid, signal.SIGKILL)
        return left

    def forget(self) -> None:
        """All of it is gone, or cannot be made to go."""
        _families.pop(self.leader, None)

    def owns(self, pid: int, environment: frozenset[bytes]) -> bool:
        return pid in self._seen or bool(self._marks and self._marks <= environment)

    def _orphans(self) -> list[int]:
        alone = len(_families) == 1
        owners = ((pid, _owner(pid)) for pid in orphans.candidates())
        return [
            pid
            for pid, owner in owners
            if owner is self or (alone and owner is None and orphans.branded(pid))
        ]

    def _send(self, number: int) -> set[int]:
        """Signal the group at once, and those outside it one by one. Return all that were found."""
        everyone = processes.tree([self.leader, *self._orphans()])
        processes.send(-self.leader, number)
        for pid in everyone:
            if processes.group(pid) != self.leader:
                processes.send(pid, number)
        return everyone


def marks(environment: Mapping[str, str]) -> frozenset[bytes]:
    """Return the entries that mark a run's processes; none when the environment lacks one of them."""
    if any(name not in environment for name in MARKS):
        return frozenset()
    return frozenset(os.fsencode(f"{name}={environment[name]}") for name in MARKS)


def reap_orphans() -> None:
    """Reap the orphans of all families that have ended by themselves."""
    for pid in orphans.candidates():
        if orphans.branded(pid) or _owner(pid) is not None:
            processes.reap(pid)


def _owner(pid: int) -> Family | None:
    family = _families.get(processes.session(pid)) or _families.get(processes.group(pid))
    if family is not None:
        return family
    environment = processes.environment(pid)
    return next((family for family in tuple(_families.values()) if family.owns(pid, environment)), None)
