"""The tasks of a workflow over time: a bar for each, as long as it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import SECOND, parse_rfc3339
from attune_cli.runtime.model.quantities import format_duration
from attune_cli.table import cut, display_width, paint, status_style, visible
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.drawing.marks import Marks
    from attune_cli.runtime.clock import Instant

Record = dict[str, Any]

_SHORTEST_BAR = 10
_SHORTEST_NAME = 8
_LONGEST_NAME = 24
"""Of a name on a terminal that is not wide: on others it may take a third of the line."""
_AROUND_BAR = 12
"""Cells of a line that neither name nor bar takes: the gaps, and how long it took."""


@immutable(kw_only=True)
class Timeline:
    """How to draw. A task's bar is light while it waits for a next attempt or item, and full while one runs."""

    width: int
    marks: Marks
    now: Instant
    color: bool = False

    def lines(self, execution: Record) -> list[str]:
        """Return an axis, and a line for each task that has begun."""
        begin = _instant(execution["started_at"]) or self.now
        end = max(begin + 1, _instant(execution["finished_at"]) or self.now)
        rows = list(_rows(execution["tasks"], ""))
        wanted = max(_LONGEST_NAME, self.width // 3)
        longest = max(_SHORTEST_NAME, min(wanted, self.width - _AROUND_BAR - _SHORTEST_BAR))
        names = min(longest, max((display_width(name) for name, _ in rows), default=0))
        room = max(_SHORTEST_BAR, self.width - names - _AROUND_BAR)
        lines = [f"{'':<{names}}  {_axis((end - begin) / SECOND, room)}"]
        for name, task in rows:
            lines.append(self._line(name, task, names, (begin, end), room))
        return [self.marks.text(line.rstrip()) for line in lines]

    def _line(self, name: str, task: Record, names: int, span: tuple[Instant, Instant], room: int) -> str:
        cells = [" "] * room
        self._fill(cells, task, span, "░")
        for child in _own(task):
            self._fill(cells, child, span, "█")
        if task["status"] == "skipped":
            took = "skipped"
        else:
            ended = _instant(task["finished_at"]) or self.now
            took = format_duration((ended - (_instant(task["started_at"]) or ended)) / SECOND)
        style = status_style(task["status"])
        bar = paint("".join(cells), style, on=self.color)
        shown = cut(visible(name), names)
        return f"{shown}{' ' * max(0, names - display_width(shown))}  {bar}  {took}"

    def _fill(self, cells: list[str], record: Record, span: tuple[Instant, Instant], mark: str) -> None:
        started = _instant(record["started_at"])
        if started is None:
            return
        begin, end = span
        scale = len(cells) / (end - begin)
        ended = _instant(record["finished_at"]) or self.now
        first = min(len(cells) - 1, max(0, int((started - begin) * scale)))
        last = min(len(cells), max(first + 1, int((ended - begin) * scale)))
        cells[first:last] = mark * (last - first)


def _rows(tasks: list[Record], indent: str) -> Iterator[tuple[str, Record]]:
    """Yield what this run began, by name: each task, and below it those that it runs itself."""
    for task in tasks:
        is_kept = task["origin"] is not None and not _own(task)
        if is_kept or (task["started_at"] is None and task["status"] != "skipped"):
            continue
        name = task["name"] if task["iteration"] == 1 else f"{task['name']} ({task['iteration']})"
        yield f"{indent}{name}", task
        yield from _rows(task["tasks"], f"{indent}  ")
        if task["items"] is None:
            for child in task["executions"]:
                yield from _rows(child["tasks"], f"{indent}  ")


def _own(task: Record) -> list[Record]:
    """Return what ran for a task since it was begun: an earlier run may have done some of its items."""
    begun = _instant(task["started_at"]) or 0
    return [one for one in task["executions"] if (_instant(one["started_at"]) or begun) >= begun]


def _axis(seconds: float, room: int) -> str:
    """Return the scale: where it begins, its middle, and where it ends."""
    middle, end = format_duration(seconds / 2), format_duration(seconds)
    is_wide = room // 2 >= len(middle) + len(end)
    axis = f"{'0':<{room // 2}}{middle}" if is_wide else "0"
    return f"{axis:<{room - len(end)}}{end}"


def _instant(text: str | None) -> Instant | None:
    return None if text is None else parse_rfc3339(text)
