"""Which status may follow which: the one table. The database guard, the log and the docs are made from it.

Names and spellings are the existing platform's (`canceling` has one l, `cancelled` two). `scheduling` is
read for compatibility and never written. `timeout` is an unanswered inquiry's; an action that ran out of
time is `failed` with `timed_out`.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The status of an execution."""

    REQUESTED = "requested"
    SCHEDULING = "scheduling"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    CANCELING = "canceling"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL

    @property
    def holds_slot(self) -> bool:
        return self in HOLDS_SLOT


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.TIMEOUT, Status.CANCELLED, Status.ABANDONED})
LIVE = frozenset(Status) - TERMINAL
HOLDS_SLOT = frozenset({Status.SCHEDULED, Status.RUNNING, Status.CANCELING})

TRANSITIONS: dict[tuple[Status, Status], str] = {
    (Status.REQUESTED, Status.SCHEDULED): "admitted; something has to be prepared first",
    (Status.REQUESTED, Status.RUNNING): "admitted; nothing to prepare",
    (Status.REQUESTED, Status.FAILED): "faulty parameters, or it can never start",
    (Status.REQUESTED, Status.CANCELLED): "cancelled before it started",
    (Status.REQUESTED, Status.ABANDONED): "its database was copied or restored elsewhere",
    (Status.SCHEDULED, Status.RUNNING): "prepared; the gate opens after this commit",
    (Status.SCHEDULED, Status.REQUESTED): "its engine died before the start; the attempt does not count",
    (Status.SCHEDULED, Status.FAILED): "it could not be prepared",
    (Status.SCHEDULED, Status.CANCELLED): "cancelled before it started",
    (Status.SCHEDULED, Status.ABANDONED): "its database was copied or restored elsewhere",
    (Status.RUNNING, Status.COMPLETED): "ended well",
    (Status.RUNNING, Status.FAILED): "ended badly, or ran out of time",
    (Status.RUNNING, Status.TIMEOUT): "its inquiry was not answered in time",
    (Status.RUNNING, Status.CANCELING): "asked to stop",
    (Status.RUNNING, Status.ABANDONED): "its engine died, and what became of it is not known",
    (Status.RUNNING, Status.REQUESTED): "its engine died before the gate opened; the attempt does not count",
    (Status.CANCELING, Status.CANCELLED): "stopped, however it ended",
}


def is_legal(old: Status, new: Status) -> bool:
    """Tell whether the table has the step from `old` to `new`."""
    return (old, new) in TRANSITIONS
