"""What is wrong with the graph of a workflow: names, targets, ways, cycles without end, joins that cannot be met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import did_you_mean, nearest
from attune_cli.runtime.expressions.faults import Fault, fault_at
from attune_cli.runtime.model.workflows.cycles import back_edges, cycles_of, reached_from, reversed_edges
from attune_cli.runtime.model.workflows.graph import entries
from attune_cli.runtime.packs.workflow_shapes import Steps, targets_of, tasks_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.workflows.cycles import Edges


class WorkflowGraph:
    """The graph as far as it can be read."""

    def __init__(self, document: dict[str, Json]) -> None:
        self._document = document
        self._named = [
            (steps, task, within, task["name"])
            for steps, task, within in tasks_in(document)
            if isinstance(task.get("name"), str) and task["name"]
        ]
        self._places: dict[str, Steps] = {}
        for steps, _, _, name in self._named:
            self._places.setdefault(name, steps)
        self._tasks = {name: task for _, task, within, name in self._named if within is None}
        self._within = {name: within for _, _, within, name in self._named if within is not None}
        self._edges: Edges = {
            name: tuple(dict.fromkeys(to for to, _ in targets_of(task) if to in self._tasks))
            for name, task in self._tasks.items()
        }
        self._entries = entries(self._edges)
        self._back = back_edges([*self._entries, *self._edges], self._edges)
        self._cycles = cycles_of(tuple(self._edges), self._edges)
        self._lost = self._lost_cycles()
        self._inbound = {
            name: [origin for origin in origins if (origin, name) not in self._back]
            for name, origins in reversed_edges(self._edges, self._edges).items()
        }

    def faults(self) -> Iterator[Fault]:
        """Yield every fault of the graph."""
        yield from self._repeated()
        yield from self._unknown_targets()
        yield from self._unreachable()
        yield from self._endless()
        yield from self._impossible_joins()

    def doubts(self) -> Iterator[Fault]:
        """Yield what has no effect as it is written."""
        for name, task in self._tasks.items():
            if task.get("max_iterations") is not None and name not in self._cycles:
                steps = (*self._places[name], "max_iterations")
                yield fault_at(steps, f"has no effect: task '{name}' is in no cycle")
            if task.get("join") == "all" and not self._inbound[name]:
                yield fault_at(
                    (*self._places[name], "join"), f"has no effect: nothing leads to task '{name}'"
                )

    def _repeated(self) -> Iterator[Fault]:
        for steps, _, _, name in self._named:
            if steps != self._places[name]:
                yield fault_at((*steps, "name"), f"a second task '{name}'")

    def _unknown_targets(self) -> Iterator[Fault]:
        for steps, task, _, _ in self._named:
            for to, below in targets_of(task):
                if to in self._within:
                    said = f"task '{to}' is nested in '{self._within[to]}', and only that can be led to"
                    yield fault_at((*steps, *below), said)
                elif to not in self._tasks:
                    suggestion = did_you_mean(to, self._tasks)
                    said = f"unknown task '{to}'" + (f"; {suggestion}" if suggestion else "")
                    yield fault_at((*steps, *below), said)

    def _unreachable(self) -> Iterator[Fault]:
        """Yield a fault for each cycle that nothing leads into; what only that leads to is not told as well."""
        for number in self._lost:
            around = self._around(number)
            origin, to = self._leading_back(around)
            said = f"leads back to '{to}', and no task but {', '.join(around)} leads there: they never begin"
            if not self._is_bounded(number):
                said += "; a cycle needs 'max_iterations' too"
            yield fault_at(self._place_of(origin, to), said)

    def _endless(self) -> Iterator[Fault]:
        """Yield a fault for each cycle that says nowhere how often it may go round, where it leads back."""
        for number in sorted(set(self._cycles.values()) - set(self._lost)):
            if not self._is_bounded(number):
                around = self._around(number)
                origin, to = self._leading_back(around)
                where = f"task '{to}'" if len(around) == 1 else f"one of {', '.join(around)}"
                said = (
                    f"leads back to '{to}' without a bound; give {where}, or the workflow, 'max_iterations'"
                )
                yield fault_at(self._place_of(origin, to), said)

    # --- cycles ---

    def _lost_cycles(self) -> list[int]:
        """Return the cycles that no task outside them leads into, though other tasks do begin."""
        reached = reached_from(self._entries, self._edges)
        led_to: dict[int, set[str]] = {}
        for origin, targets in self._edges.items():
            for to in targets:
                if to in self._cycles and to not in reached:
                    led_to.setdefault(self._cycles[to], set()).add(origin)
        return [number for number, origins in led_to.items() if origins <= set(self._around(number))]

    def _around(self, number: int) -> list[str]:
        return [name for name, other in self._cycles.items() if other == number]

    def _edges_of(self, around: list[str]) -> Iterator[tuple[str, str]]:
        """Yield the edges between tasks of a cycle, in the order in which they are written."""
        inside = frozenset(around)
        for name in self._tasks:
            if name in inside:
                yield from ((name, to) for to in self._edges[name] if to in inside)

    def _leading_back(self, around: list[str]) -> tuple[str, str]:
        """Return the first edge that leads back."""
        return next(edge for edge in self._edges_of(around) if edge in self._back)

    def _is_bounded(self, number: int) -> bool:
        whole = self._document.get("max_iterations")
        return whole is not None or any(
            self._tasks[name].get("max_iterations") is not None for name in self._around(number)
        )

    def _place_of(self, origin: str, to: str) -> Steps:
        below = next(below for other, below in targets_of(self._tasks[origin]) if other == to)
        return (*self._places[origin], *below)

    # --- joins ---

    def _impossible_joins(self) -> Iterator[Fault]:
        unknown = [to for _, task, _, _ in self._named for to, _ in targets_of(task) if to not in self._tasks]
        meant = {nearest(to, self._tasks) for to in unknown}
        for name, task in self._tasks.items():
            wanted, inbound = task.get("join"), self._inbound[name]
            if type(wanted) is int and wanted > len(inbound) and name not in meant:
                leading = f"only {', '.join(inbound)}" if inbound else "no task"
                verb = "leads" if len(inbound) < 2 else "lead"  # noqa: PLR2004 - one, or more
                said = f"{wanted} can never be met: {leading} {verb} to '{name}'"
                yield fault_at((*self._places[name], "join"), said)
