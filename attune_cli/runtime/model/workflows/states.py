"""What becomes of tasks and of their workflow, decided without a store (domain.md 5.4, 5.5)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attune_cli.runtime.model.states import Status
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from attune_cli.runtime.model.workflows.graph import Graph

TASKS_NAMED = 20
"""Tasks that a message names; a workflow may have thousands that failed."""


class TaskStatus(StrEnum):
    """The status of a task in one round of its workflow."""

    WAITING = "waiting"
    """Something led to it, and it has not begun: its join is not met, or its turn has not come."""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """Its own `when` did not hold, or the workflow was begun behind it."""

    @property
    def is_success(self) -> bool:
        return self in SUCCESSES


SUCCESSES = frozenset({TaskStatus.COMPLETED, TaskStatus.SKIPPED})
OPEN = frozenset({TaskStatus.WAITING, TaskStatus.RUNNING})
FAILURES = frozenset(TaskStatus) - SUCCESSES - OPEN
FAULTY = FAILURES - {TaskStatus.CANCELLED}
"""Failures that nobody wished for."""


@immutable(kw_only=True)
class Inbound:
    """A task that leads to another, as it stands in its latest round."""

    status: TaskStatus
    handled: bool
    is_recent: bool
    """It was begun after the task that it leads to was begun last."""

    @property
    def counts(self) -> bool:
        """Tell whether a join is content with it; one that failed has to have led somewhere."""
        return self.status.is_success or (self.handled and self.status not in OPEN)


@immutable
class Child:
    """How one execution of a task ended, its last attempt."""

    status: Status
    timed_out: bool

    @property
    def task_status(self) -> TaskStatus:
        if self.status is Status.COMPLETED:
            return TaskStatus.COMPLETED
        if self.status is Status.CANCELLED:
            return TaskStatus.CANCELLED
        return TaskStatus.TIMED_OUT if self.timed_out or self.status is Status.TIMEOUT else TaskStatus.FAILED


def together(statuses: Iterable[TaskStatus]) -> TaskStatus:
    """Return how a task ended whose parts ended so: well when all did; in one way of failing when all failures did."""
    failures = {status for status in statuses if not status.is_success}
    if not failures:
        return TaskStatus.COMPLETED
    return failures.pop() if len(failures) == 1 else TaskStatus.FAILED


def iteration_of(graph: Graph, origin: str, iteration: int, target: str) -> int:
    """Return the round in which a task is begun to which another one leads."""
    if graph.is_back(origin, target):
        return iteration + 1
    leaves_cycle = not graph.same_cycle(origin, target)
    return 1 if leaves_cycle and graph.tasks[target].join is not None else iteration


def wanted(graph: Graph, name: str) -> int:
    """Return how many of the tasks that lead to one have to be over; 0 where the first one begins it."""
    join = graph.tasks[name].join
    if join is None:
        return 0
    return len(graph.inbound[name]) if join == "all" else join


def join_is_met(graph: Graph, name: str, inbound: Mapping[str, Inbound]) -> bool:
    """Tell whether a task to which something has led may begin. Those of its own cycle count once for each round."""
    return len(_arrived(graph, name, inbound)) >= wanted(graph, name)


def unmet_join(graph: Graph, name: str, inbound: Mapping[str, Inbound]) -> str:
    """Say why a task never began."""
    arrived = _arrived(graph, name, inbound)
    leading = graph.inbound[name]
    number = "all" if wanted(graph, name) == len(leading) else str(wanted(graph, name))
    only = f"only {listed(arrived)}" if arrived else "none of them"
    return f"join of task '{name}' was never satisfied: it waits for {number} of {listed(leading)}; {only} completed"


def _arrived(graph: Graph, name: str, inbound: Mapping[str, Inbound]) -> list[str]:
    return [
        origin
        for origin in graph.inbound[name]
        if (one := inbound.get(origin)) is not None
        and one.counts
        and (one.is_recent or not graph.same_cycle(origin, name))
    ]


def over_bound(name: str, bound: int) -> str:
    return f"task '{name}' would run more often than its bound allows: max_iterations is {bound}"


def listed(names: Sequence[str]) -> str:
    """Name the first of some tasks, and say how many more there are."""
    more = len(names) - TASKS_NAMED
    return ", ".join(names[:TASKS_NAMED]) + (f" and {more} more" if more > 0 else "")
