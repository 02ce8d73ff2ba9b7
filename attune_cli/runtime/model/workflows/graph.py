"""A workflow as a graph: its tasks, what leads to what, and how often a cycle may go round (domain.md 5.4)."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from attune_cli.runtime.model.actions import Json
from attune_cli.runtime.model.workflows.cycles import Edge, Edges, back_edges, cycles_of, reversed_edges
from attune_cli.runtime.model.workflows.task import Task, task_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attune_cli.runtime.model.automations import CancellationPolicy, WorkflowDefinition

MAX_ITERATIONS = 100_000
"""What a bound may be: a task that asks every minute does so for two months."""


@immutable(kw_only=True)
class Graph:
    """What a workflow does, made once from its definition."""

    ref: str
    tasks: dict[str, Task]
    """Every task by its name, nested ones too, in the order in which they are declared."""
    entry: tuple[str, ...]
    """Tasks to which no other leads; the first one declared where there is none such."""
    inbound: dict[str, tuple[str, ...]]
    """For each task that is not nested, those that lead to it other than by a back edge: what a `join` counts."""
    back_edges: frozenset[Edge] = frozenset()
    """(from, to) of the edges that begin another round of a cycle."""
    cycles: dict[str, int] = field(default_factory=dict[str, int])
    """Task in a cycle → a number that those have in common which lead to each other."""
    vars: dict[str, Json] = field(default_factory=dict[str, Json])
    secret_vars: frozenset[str] = frozenset()
    output_map: dict[str, Json] | None = None
    cancellation_policy: CancellationPolicy = "allow_finish"
    max_iterations: int | None = None
    parameters: frozenset[str] = frozenset()
    """Names of the parameters that the workflow declares."""

    @classmethod
    def of(cls, definition: WorkflowDefinition) -> Graph:
        """Make the graph of a definition that has been checked."""
        first = [task_of(written) for written in definition.tasks]
        edges = {task.name: task.targets for task in first}
        entry = entries(edges)
        back = back_edges([*entry, *edges], edges)
        inbound = reversed_edges(edges, edges)
        return cls(
            ref=definition.ref,
            tasks={task.name: task for task in _with_nested(first)},
            entry=entry,
            inbound={
                name: tuple(origin for origin in origins if (origin, name) not in back)
                for name, origins in inbound.items()
            },
            back_edges=back,
            cycles=cycles_of(tuple(edges), edges),
            vars=definition.vars,
            secret_vars=frozenset(definition.secret_vars),
            output_map=definition.output_map,
            cancellation_policy=definition.cancellation_policy,
            max_iterations=definition.max_iterations,
            parameters=frozenset(definition.parameters),
        )

    def is_back(self, origin: str, target: str) -> bool:
        """Tell whether going from one task to the other begins another round."""
        return (origin, target) in self.back_edges

    def same_cycle(self, one: str, other: str) -> bool:
        """Tell whether two tasks lead to each other; a task is in a cycle with itself where it leads to itself."""
        return one in self.cycles and self.cycles[one] == self.cycles.get(other)

    def bound_of(self, name: str) -> int:
        """Return how often a task may run: as it says itself, or its cycle, or the workflow."""
        own = self.tasks[name].max_iterations
        if own is not None:
            return own
        within = [
            bound
            for other in self.cycles
            if self.same_cycle(name, other) and (bound := self.tasks[other].max_iterations) is not None
        ]
        return max(within, default=self.max_iterations or MAX_ITERATIONS)

    @cached_property
    def variables(self) -> frozenset[str]:
        """Names of the variables: what `vars` begins with, and what some task publishes."""
        return frozenset(self.vars).union(*(task.published for task in self.tasks.values()))

    @cached_property
    def edges(self) -> Edges:
        """Each task that is not nested → those that it leads to."""
        return {task.name: task.targets for task in self.tasks.values() if task.within is None}


def entries(edges: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the tasks that begin: those to which no other leads, or else the first one declared."""
    led_to = {target for origin, targets in edges.items() for target in targets if target != origin}
    found = tuple(name for name in edges if name not in led_to)
    return found or tuple(edges)[:1]


def _with_nested(tasks: Iterable[Task]) -> Iterator[Task]:
    for task in tasks:
        yield task
        yield from _with_nested(task.tasks)
