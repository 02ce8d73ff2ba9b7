"""A workflow drawn for a terminal, as its definition says it or as one execution of it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.drawing.lanes import Row, rows_of
from attune_cli.drawing.words import state_words, transition_words, words_of
from attune_cli.table import display_width, paint, status_style, visible
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from attune_cli.drawing.marks import Marks
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.model.workflows.task import Task

_NARROWEST = 24
"""Columns that words have at least, however little room the lines leave."""
_LONGEST_NAME = 24
_BETWEEN = " · "
_MARK = "\0"
"""Stands for the mark of a task until its colour is known: colours take no columns."""


@immutable(kw_only=True)
class Drawing:
    """How to draw: the room, the characters, and the states of an execution's tasks where one is shown."""

    width: int
    marks: Marks
    color: bool = False
    states: Mapping[str, dict[str, Any]] | None = None
    """Task → its record (services.workflow_trees) where an execution is shown; one without has not begun."""
    is_workflow: Callable[[str], bool] = lambda _ref: False
    now: Instant = 0
    """What the durations of running tasks are told from."""

    def lines(self, graph: Graph) -> list[str]:
        """Return the lines of a drawing; one may be wider than asked for where the lanes leave no room."""
        rows = list(rows_of(graph))
        rail = max(len(row.columns) for row in rows) * 2
        names = min(_LONGEST_NAME, max(display_width(task.name) for task in graph.tasks.values()))
        found: list[str] = []
        for row in rows:
            found += self._row(graph, row, rail, names)
        return [self.marks.text(line.rstrip()) for line in found]

    def _row(self, graph: Graph, row: Row, rail: int, names: int) -> Iterator[str]:
        if row.transition is None:
            yield from self._task(graph, row.task, row, rail, names)
        else:
            several = len(row.task.next) > 1 or len(row.transition.do) > 1
            words = transition_words(graph, row.task, row.transition, with_targets=several)
            room = max(_NARROWEST, self.width - rail)
            texts = wrapped(words, room) or [""]
            for number, text in enumerate(texts):
                left = row.rest(self.marks) if number else row.rail(self.marks, "")
                yield f"{left:<{rail}}{paint(visible(text), 'dim', on=self.color and bool(text))}"

    def _task(self, graph: Graph, task: Task, row: Row, rail: int, names: int) -> Iterator[str]:
        left = row.rail(self.marks, _MARK)
        yield from self._named(graph, task, f"{left:<{rail}}", f"{row.rest(self.marks):<{rail}}", names)
        yield from self._nested(graph, task.tasks, f"{row.rest(self.marks):<{rail}}", names)

    def _nested(self, graph: Graph, tasks: Sequence[Task], rail: str, names: int) -> Iterator[str]:
        """Draw what a parallel task runs at once, as branches of it."""
        for number, task in enumerate(tasks):
            is_last = number == len(tasks) - 1
            corner = self.marks.lines[9 if is_last else 11]
            further = " " if is_last else self.marks.lines[3]
            first = f"{rail}{corner}{self.marks.lines[12]}{_MARK} "
            rest = f"{rail}{further}  "
            yield from self._named(graph, task, first, f"{rest} ", names)
            yield from self._nested(graph, task.tasks, rest, names)

    def _named(self, graph: Graph, task: Task, first: str, rest: str, names: int) -> Iterator[str]:
        """Draw one task: its mark, its name, and what there is to say, over as many lines as that takes."""
        record = None if self.states is None else self.states.get(task.name)
        status = None if self.states is None else "waiting" if record is None else str(record["status"])
        style = status_style(status) if status else None
        name = visible(task.name)
        gap = " " * max(2, names + 2 - display_width(name))
        room = max(_NARROWEST, self.width - display_width(rest) - names - 2)
        state = [] if self.states is None else [_BETWEEN.join(state_words(record, self.now))]
        texts = wrapped([*state, *words_of(graph, task, is_workflow=self.is_workflow)], room) or [""]
        mark = paint(self.marks.of(status), style, on=self.color)
        yield f"{first.replace(_MARK, mark)}{paint(name, 'bold', on=self.color)}{gap}{self._painted(texts[0], style)}"
        for text in texts[1:]:
            yield f"{rest}{' ' * (names + 2)}{visible(text)}"

    def _painted(self, text: str, style: str | None) -> str:
        """Return a line whose first word, the status, has its colour."""
        status, dot, others = visible(text).partition(_BETWEEN)
        return paint(status, style, on=self.color) + dot + others


def wrapped(words: Iterable[str], width: int) -> list[str]:
    """Return words with dots between them, in lines no wider than `width` where spaces allow it."""
    lines: list[str] = []
    for word in words:
        if lines and display_width(lines[-1]) + len(_BETWEEN) + display_width(word) <= width:
            lines[-1] += _BETWEEN + word
            continue
        lines += _broken(word, width)
    return lines


def _broken(word: str, width: int) -> list[str]:
    """Return one phrase over several lines, the further ones a little to the right."""
    lines = [""]
    for part in word.split(" "):
        if lines[-1].strip() and display_width(lines[-1]) + 1 + display_width(part) > width:
            lines.append(f"  {part}")
        else:
            lines[-1] += f" {part}" if lines[-1] else part
    return lines
