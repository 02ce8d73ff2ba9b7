"""What tasks gave, read when an expression asks for it, and no more of it than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.expressions.scope import Found
from attune_cli.runtime.model.pointers import put_back
from attune_cli.runtime.model.workflows.results import ALIASES, View, view_of, view_of_items
from attune_cli.runtime.model.workflows.states import TaskStatus
from attune_cli.runtime.store import workflow_children, workflow_tasks

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.scope import Path
    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.workflow_children import ChildResult
    from attune_cli.runtime.store.workflow_tasks import TaskRow


class Results:
    """Of one workflow within one transaction."""

    def __init__(
        self, tx: Transaction, workflow: int, graph: Graph, *, sealer: Sealer, max_result_bytes: int
    ) -> None:
        self._tx = tx
        self._workflow = workflow
        self._graph = graph
        self._sealer = sealer
        self._max_result_bytes = max_result_bytes
        self._views: dict[tuple[int, int | None], View | None] = {}

    def named(self, name: str, path: Path) -> Found | None:
        """Return what a task gave when it was over last; None when it never was, and for what lies in one skipped."""
        row = workflow_tasks.latest_over(self._tx, self._workflow, name)
        if row is None or (row.status is TaskStatus.SKIPPED and _behind_aliases(path)):
            return None
        return self.of(row, path)

    def of(self, row: TaskRow, path: Path) -> Found | None:
        """Return what a task gave, or the one item of it to which a path leads."""
        if row.has_items:
            path = _behind_aliases(path)
            index = _index(path)
            if index is not None:
                view = self._kept(row, index)
                return None if view is None else Found(view.value, path[1:], view.secrets)
        view = self._kept(row, None)
        return None if view is None else Found(view.value, path, view.secrets)

    def _kept(self, row: TaskRow, index: int | None) -> View | None:
        key = (row.id, index)
        if key not in self._views:
            self._views[key] = self._whole(row) if index is None else self._item(row, index)
        return self._views[key]

    def _whole(self, row: TaskRow) -> View:
        if row.status is TaskStatus.SKIPPED:
            return View(None)
        if self._graph.tasks[row.name].type == "parallel":
            return _together(
                {one.name: self._kept(one, None) for one in workflow_tasks.nested(self._tx, row.source)}
            )
        if not row.has_items:
            found = workflow_children.results(self._tx, [row.source], 0)
            return self._view(found[0]) if found else view_of(_failure(row.error))
        sources = workflow_tasks.sources(self._tx, row)
        size = workflow_children.results_bytes(self._tx, sources)
        if size > self._max_result_bytes:
            raise ExpressionError(
                f"the results of task '{row.name}' take {size} bytes together, more than max_result_bytes allows"
                f" ({self._max_result_bytes}); one of them is task.{row.name}[0]"
            )
        return view_of_items([self._view(one) for one in workflow_children.results(self._tx, sources)])

    def _item(self, row: TaskRow, index: int) -> View | None:
        sources = workflow_tasks.sources(self._tx, row)
        if index < 0:
            index += workflow_children.extent(self._tx, sources)[1]
        found = workflow_children.results(self._tx, sources, index) if index >= 0 else []
        return self._view(found[0]) if found else None

    def _view(self, child: ChildResult) -> View:
        result = child.result if child.result is not None else _failure(child.error)
        if child.sealed is None or result is None:
            return view_of(result)
        hidden: dict[str, Any] = self._sealer.unseal(child.sealed)
        put_back(result, hidden)
        return view_of(result, hidden)


def _failure(error: dict[str, str] | None) -> dict[str, Any] | None:
    return None if error is None else {"error": error["message"], "succeeded": False}


def _together(views: dict[str, View | None]) -> View:
    """Return the results of nested tasks by their names."""
    there = {name: view for name, view in views.items() if view is not None}
    secrets = {f"/{name}{pointer}" for name, view in there.items() for pointer in view.secrets}
    return View({name: view.value for name, view in there.items()}, frozenset(secrets))


def _behind_aliases(path: Path) -> Path:
    while path and path[0] in ALIASES:
        path = path[1:]
    return path


def _index(path: Path) -> int | None:
    first = path[0] if path else None
    if isinstance(first, int):
        return first
    return int(first) if first is not None and first.isascii() and first.isdecimal() else None
