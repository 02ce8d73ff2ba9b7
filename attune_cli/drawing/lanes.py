"""A graph as lines from top to bottom: a column for each task that something drawn already leads to (ADR 0058)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.drawing.marks import DOWN, LEFT, RIGHT, UP, Marks
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.model.workflows.task import Task, Transition


@immutable(kw_only=True)
class Row:
    """One row: the columns on its left, and the task that it is about, or a transition of that."""

    task: Task
    transition: Transition | None = None
    at: int
    """Column of the task."""
    columns: tuple[int, ...]
    """For each column where lines leave: UP, DOWN, LEFT, RIGHT added up."""
    gaps: frozenset[int] = frozenset()
    """Columns from which a line leads on to the next one."""
    crossed: frozenset[int] = frozenset()
    """Columns whose line such a line passes behind."""
    below: frozenset[int] = frozenset()
    """Columns with a line that goes on below."""

    def rail(self, marks: Marks, mark: str) -> str:
        """Return the columns as text; `mark` stands for the task."""
        found: list[str] = []
        for column, directions in enumerate(self.columns):
            line = marks.lines[UP | DOWN if column in self.crossed else directions]
            found.append(mark if self.transition is None and column == self.at else line)
            found.append(marks.lines[LEFT | RIGHT] if column in self.gaps else " ")
        return "".join(found)

    def rest(self, marks: Marks) -> str:
        """Return the columns of a further line of the same row."""
        width = max([len(self.columns), *(column + 1 for column in self.below)])
        return "".join(f"{marks.lines[UP | DOWN] if one in self.below else ' '} " for one in range(width))


def tasks_in_order(graph: Graph) -> Iterator[Task]:
    """Yield the tasks so that what leads to another comes before it, and a branch stays together."""
    awaited = {name: set(origins) for name, origins in graph.inbound.items()}
    ready = [name for name in reversed(graph.inbound) if not awaited[name]]
    while ready:
        task = graph.tasks[ready.pop()]
        yield task
        ahead = _ahead(graph, task, task.targets)
        for target in reversed(ahead):
            awaited[target].discard(task.name)
            if not awaited[target]:
                ready.append(target)


def rows_of(graph: Graph) -> Iterator[Row]:
    """Yield the rows of a drawing, from top to bottom."""
    lanes: dict[str, int] = {}
    for task in tasks_in_order(graph):
        at = lanes.pop(task.name) if task.name in lanes else _free(lanes)
        others = frozenset(lanes.values())
        transitions = [one for one in task.next if one.do or one.publish]
        below = others | {at} if transitions else others
        width = max([at, *others]) + 1
        columns = tuple(UP | DOWN if one in others else 0 for one in range(width))
        yield Row(task=task, at=at, columns=columns, below=below)
        yield from _transition_rows(graph, task, transitions, at, lanes)


def _transition_rows(
    graph: Graph, task: Task, transitions: Sequence[Transition], at: int, lanes: dict[str, int]
) -> Iterator[Row]:
    """Yield a row for each transition, and give each task that it leads to a column."""
    new = [target for one in transitions for target in _ahead(graph, task, one.do) if target not in lanes]
    heir = new[0] if new else None
    if heir is not None:
        lanes[heir] = at  # the first one goes on below the task itself
    for number, transition in enumerate(transitions):
        before = frozenset(lanes.values())
        targets = _ahead(graph, task, transition.do)
        for target in targets:
            lanes.setdefault(target, _free(lanes, taken=at))
        ends = heir is None and number == len(transitions) - 1
        yield _transition_row(
            task, transition, at, {lanes[target] for target in targets} - {at}, before, ends=ends
        )


def _transition_row(
    task: Task, transition: Transition, at: int, to: set[int], before: frozenset[int], *, ends: bool
) -> Row:
    first, last = min([at, *to]), max([at, *to])
    after: frozenset[int] = before.union(to, () if ends else (at,))
    columns: list[int] = []
    for column in range(max([*before, *after, at]) + 1):
        is_met = column == at or column in to
        directions = UP if column in before or column == at else 0
        directions |= DOWN if column in after and not (ends and column == at) else 0
        if first < column <= last:
            directions |= LEFT
        if first <= column < last:
            directions |= RIGHT
        columns.append(directions if is_met or first <= column <= last else directions & (UP | DOWN))
    inside = {column for column in before if first < column < last}
    return Row(
        task=task,
        transition=transition,
        at=at,
        columns=tuple(columns),
        gaps=frozenset(range(first, last)),
        crossed=frozenset(inside - to - {at}),
        below=frozenset(after - {at}) if ends else frozenset(after),
    )


def _ahead(graph: Graph, task: Task, targets: Sequence[str]) -> list[str]:
    return [target for target in dict.fromkeys(targets) if not graph.is_back(task.name, target)]


def _free(lanes: dict[str, int], taken: int = -1) -> int:
    """Return the first column that nothing goes through."""
    used = {*lanes.values(), taken}
    return next(column for column in range(len(used) + 1) if column not in used)
