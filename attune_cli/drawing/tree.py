"""The tree of an execution as lines: tasks, items, attempts, sub-workflows, questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.drawing.marks import DOWN, RIGHT, UP
from attune_cli.drawing.text import wrapped
from attune_cli.drawing.words import duration_words, first_line, state_words
from attune_cli.runtime.model.workflows.causes import WORKFLOW_FAILED
from attune_cli.runtime.model.workflows.states import FAULTY
from attune_cli.table import cut, display_width, paint, status_style, visible
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from attune_cli.drawing.marks import Marks
    from attune_cli.runtime.clock import Instant

Record = dict[str, Any]

SHOWN_ITEMS = 8
"""Of a task with more items only those that run or came to a bad end are named, and so many of these at most."""
_NARROWEST = 24
_WIDEST_NAME = 28


@immutable(kw_only=True)
class Node:
    """One line of a tree, and those below it."""

    status: str
    name: str
    words: tuple[str, ...] = ()
    below: tuple[Node, ...] = ()


@immutable(kw_only=True)
class TreeDrawing:
    """How to draw; with `one_line_each` what does not fit is cut, else it goes on in the next line."""

    width: int
    marks: Marks
    now: Instant
    color: bool = False
    one_line_each: bool = False

    def lines(self, execution: Record) -> list[str]:
        """Return the lines for the record of an execution with its tree (services.workflow_trees)."""
        root = _of_execution(execution, f"{execution['id']} {execution['action_ref']}", self.now)
        return [self.marks.text(line) for line in self._node(root, "", "", display_width(root.name))]

    def _node(self, node: Node, first: str, rest: str, names: int) -> Iterator[str]:
        if self.one_line_each:
            yield self._line(node, first, names)
            yield from self._below(node.below, rest)
            return
        style = status_style(node.status)
        mark = paint(self.marks.of(node.status), style, on=self.color)
        name = visible(node.name)
        gap = " " * max(2, names + 2 - display_width(name))
        room = max(_NARROWEST, self.width - display_width(first) - display_width(name) - len(gap) - 2)
        texts = wrapped(node.words, room) or [""]
        status, dot, others = visible(texts[0]).partition(" · ")
        shown = paint(status, style, on=self.color) + dot + others
        yield f"{first}{mark} {paint(name, 'bold', on=self.color)}{gap}{shown}".rstrip()
        further = f"{rest}{self.marks.lines[UP | DOWN] if node.below else ' '} "
        for text in texts[1:]:
            yield f"{further:<{display_width(first) + 2 + display_width(name) + len(gap)}}{visible(text)}"
        yield from self._below(node.below, rest)

    def _line(self, node: Node, first: str, names: int) -> str:
        """Return a node in one line that is never wider than there is room: names give way first, then words."""
        style = status_style(node.status)
        lead = cut(first, max(1, self.width - 2))
        room = self.width - display_width(lead) - 2
        column = max(min(names, room // 2), 1)
        name = cut(visible(node.name), column) if room > 1 else ""
        left = room - column - 2
        line = f"{lead}{paint(self.marks.of(node.status), style, on=self.color)}"
        if name:
            line += f" {paint(name, 'bold', on=self.color)}"
        if left <= 1:
            return line
        gap = " " * (column + 2 - display_width(name))
        status, dot, others = cut(visible(" · ".join(node.words)), left).partition(" · ")
        return f"{line}{gap}{paint(status, style, on=self.color)}{dot}{others}".rstrip()

    def _below(self, nodes: Sequence[Node], rest: str) -> Iterator[str]:
        lines = self.marks.lines
        names = min(_WIDEST_NAME, max((display_width(node.name) for node in nodes), default=0))
        for number, node in enumerate(nodes):
            is_last = number == len(nodes) - 1
            first = f"{rest}{lines[UP | RIGHT] if is_last else lines[UP | DOWN | RIGHT]}{lines[12]}"
            yield from self._node(node, first, f"{rest}{' ' if is_last else lines[UP | DOWN]} ", names)


# --- what stands in the tree


def _of_execution(record: Record, name: str, now: Instant) -> Node:
    return Node(
        status="paused" if record["paused"] else str(record["status"]),
        name=name,
        words=tuple(_execution_words(record, now)),
        below=tuple(_below_execution(record, now)),
    )


def _execution_words(record: Record, now: Instant) -> Iterator[str]:
    if record["paused"]:
        yield f"paused: {record['pause_reason']}" if record["pause_reason"] else "paused"
    yield _status(record)
    if record.get("ownerless"):
        yield "nobody runs it"
    yield from duration_words(record, now)
    if record["attempt"] > 1:
        yield f"attempt {record['attempt']}"
    inquiry = record.get("inquiry")
    if inquiry is not None and inquiry["status"] == "pending":
        yield f"waits for an answer: {first_line(inquiry['prompt'])}"
        yield f"attune inquiry respond {inquiry['id']}"
    error = None if record["status"] in ("completed", "cancelled") else record["error"]
    # What a sub-workflow says of its tasks stands with them.
    if error is not None and (record.get("item") is None or not _shows_cause(record)):
        yield first_line(error["message"])


def _status(record: Record) -> str:
    return "timed out" if record["timed_out"] else str(record["status"])


def _below_execution(record: Record, now: Instant) -> Iterator[Node]:
    yield from (_of_task(task, now) for task in record["tasks"])
    for child in record["children"]:
        yield _of_execution(child, f"{child['id']} {child['action_ref']}", now)


def _of_task(task: Record, now: Instant) -> Node:
    name = task["name"] if task["iteration"] == 1 else f"{task['name']} ({task['iteration']})"
    if task["items"] is not None:
        return _of_items(task, name, now)
    child = _last(task["executions"])
    words = [*state_words(task, now), *_origin(task)]
    below = [_of_task(nested, now) for nested in task["tasks"]]
    if child is not None:
        words.append(f"{'workflow ' if child['is_workflow'] else ''}{child['action_ref']} #{child['id']}")
        words += [
            word for word in _execution_words(child, now) if word.startswith(("paused", "waits", "attune"))
        ]
        below += _below_execution(child, now)
    words += _fault(task, child)
    status = "paused" if child is not None and child["paused"] else task["status"]
    return Node(status=status, name=name, words=tuple(words), below=tuple(below))


def _of_items(task: Record, name: str, now: Instant) -> Node:
    latest = [one for one in task["executions"] if one["next_attempt"] is None]
    if len(latest) <= SHOWN_ITEMS and task["items"] <= SHOWN_ITEMS:
        shown = latest
    else:
        notable = [one for one in latest if one["status"] != "completed"]
        shown = sorted(notable, key=lambda one: one["finished_at"] is not None)[:SHOWN_ITEMS]
    items = [_of_execution(one, f"[{one['item']}] #{one['id']}", now) for one in shown]
    hidden = _hidden(task, shown) if shown else ""
    if hidden:
        items.append(Node(status="skipped", name="…", words=(hidden,)))
    action = [task["action_ref"]] if task["action_ref"] else []
    words = [*state_words(task, now), *_origin(task), *action, *_fault(task, None)]
    nested = [_of_task(one, now) for one in task["tasks"]]
    return Node(status=task["status"], name=name, words=tuple(words), below=(*nested, *items))


def _hidden(task: Record, shown: Iterable[Record]) -> str:
    """Return how many items are folded, by how they stand."""
    named = [_group(one) for one in shown]
    counts = {
        "completed": task["completed_items"],
        "failed": task["failed_items"],
        "running": task["running_items"],
    }
    left = {group: count - named.count(group) for group, count in counts.items()}
    return ", ".join(f"{count} more {group}" for group, count in left.items() if count > 0)


def _group(child: Record) -> str:
    if child["finished_at"] is None:
        return "running"
    return "completed" if child["status"] == "completed" else "failed"


def _origin(task: Record) -> list[str]:
    """Say what of a task an earlier run has done: all of it, or some of its items."""
    if task["origin"] is None:
        return []
    whole = f"kept from execution {task['origin']}"
    kept = task["kept_items"]
    if kept is None or kept == sum(task[f"{group}_items"] for group in ("completed", "failed", "running")):
        return [whole]
    return [f"{kept} {'item' if kept == 1 else 'items'} {whole}"] if kept else []


def _shows_cause(execution: Record) -> bool:
    """Tell whether an execution failed for tasks that the tree shows below it, with their errors."""
    error = execution["error"]
    bad = any(task["status"] in FAULTY for task in execution["tasks"])
    return bad and error is not None and error["type"] == WORKFLOW_FAILED


def _fault(task: Record, child: Record | None) -> list[str]:
    if child is not None and _shows_cause(child):
        return []
    error = task["error"] or (child["error"] if child is not None else None)
    is_bad = task["status"] in FAULTY
    return [first_line(error["message"])] if error is not None and is_bad else []


def _last(executions: list[Record]) -> Record | None:
    return next((one for one in reversed(executions) if one["next_attempt"] is None), None)
