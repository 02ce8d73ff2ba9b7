"""The tree of an execution: tasks of workflows, their items and attempts, sub-workflows, what runs inside of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.services.records import duration_ms, time_or_none
from attune_cli.runtime.store import workflow_tasks, workflow_trees
from attune_cli.runtime.store.workflow_trees import ChildCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.workflow_trees import ChildRow, TreeTask

Record = dict[str, Any]

DEEPEST = 100
"""Executions below each other that a tree shows: more than any nesting that is allowed."""


def tree(tx: Transaction, execution: Execution, *, most_items: int | None = None) -> Record:
    """Return `paused`, `tasks` and `children` of an execution, each with what is below it.

    `most_items`: of a task with more items only so many that run or ended badly are there, and the rest as numbers.
    """
    return _Tree(tx, execution.top, most_items).below(execution.id, DEEPEST)


class _Tree:
    """One look at a tree."""

    def __init__(self, tx: Transaction, top: int, most_items: int | None) -> None:
        self._tx = tx
        self._most_items = most_items
        self._inside = workflow_trees.runs_inside(tx, top)

    def below(self, execution: int, depth: int) -> Record:
        tasks = workflow_trees.tasks(self._tx, execution)
        own = [task.id for task in tasks if task.origin is None]
        counts = workflow_trees.child_counts(self._tx, own)
        for task in tasks:
            if task.origin is not None:
                sources = workflow_tasks.sources(self._tx, task)
                counts[task.id] = workflow_trees.counts_of_sources(self._tx, sources)
        is_paused, reason = workflow_trees.paused(self._tx, execution) if tasks else (False, None)
        return {
            "paused": is_paused,
            "pause_reason": reason,
            "tasks": self._tasks(tasks, counts, None, depth),
            "children": [self._child(child, depth) for child in self._inside.get(execution, ())],
        }

    def _tasks(
        self, tasks: Sequence[TreeTask], counts: dict[int, ChildCounts], within: int | None, depth: int
    ) -> list[Record]:
        return [
            task_record(task, counts.get(task.id, ChildCounts()))
            | {
                "executions": self._executions(task, depth),
                "tasks": self._tasks(tasks, counts, task.id, depth),
            }
            for task in tasks
            if task.within == within
        ]

    def _executions(self, task: TreeTask, depth: int) -> list[Record]:
        if self._most_items is not None and (task.items or 0) > self._most_items:
            found = workflow_trees.notable_children_of_task(self._tx, task.id, self._most_items)
        else:
            found = workflow_trees.children_of_task(self._tx, workflow_tasks.sources(self._tx, task))
        return [self._child(child, depth) for child in found]

    def _child(self, child: ChildRow, depth: int) -> Record:
        is_parent = child.is_workflow or child.id in self._inside
        below = self.below(child.id, depth - 1) if is_parent and depth else _NOTHING_BELOW
        return child_record(child) | below


_NOTHING_BELOW: Record = {"paused": False, "pause_reason": None, "tasks": [], "children": []}


def task_record(task: TreeTask, counts: ChildCounts) -> Record:
    """Return one task as it stands; numbers of items only where it has `with_items`."""
    has_items = task.items is not None
    return {
        "kind": "workflow_task",
        "id": task.id,
        "name": task.name,
        "action_ref": counts.action_ref,
        "iteration": task.iteration,
        "triggered_by": task.triggered_by,
        "status": task.status,
        "items": task.items,
        "completed_items": counts.completed if has_items else None,
        "failed_items": counts.bad if has_items else None,
        "running_items": counts.live if has_items else None,
        "kept_items": counts.kept if has_items and task.origin is not None else None,
        "attempts": counts.attempts,
        "error": task.error,
        "origin": task.origin_workflow,
        **_times(task.created, task.started, task.finished),
    }


def child_record(child: ChildRow) -> Record:
    """Return one execution in the tree; `execution show` has all of it."""
    return {
        "kind": "execution",
        "id": child.id,
        "action_ref": child.action_ref,
        "status": str(child.status),
        "item": None if child.workflow_task is None else child.item,
        "attempt": child.attempt,
        "next_attempt": child.next_attempt,
        "timed_out": child.timed_out,
        "error": child.error,
        "is_workflow": child.is_workflow,
        "inquiry": child.inquiry,
        **_times(child.created, child.started, child.finished),
    }


def _times(created: Instant, started: Instant | None, finished: Instant | None) -> Record:
    return {
        "created": time_or_none(created),
        "started_at": time_or_none(started),
        "finished_at": time_or_none(finished),
        "duration_ms": duration_ms(started, finished),
    }
