"""From a failed task down to where its failure began: through items, nested tasks and sub-workflows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.runtime.model.workflows.causes import (
    WORKFLOW_FAILED,
    Cause,
    cause_in,
    path_of,
    reason_of,
)
from attune_cli.runtime.model.workflows.states import FAILURES
from attune_cli.runtime.store import workflow_children, workflow_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.workflow_tasks import TaskRow


def cause_among(tx: Transaction, failed: Sequence[TaskRow]) -> Cause | None:
    """Return the cause of the first of some failed tasks, with the handled failure that led there."""
    if not failed:
        return None
    cause = cause_of(tx, failed[0])
    return cause if cause.earlier is not None else replace(cause, earlier=_handled_before(tx, failed[0]))


def cause_of(tx: Transaction, row: TaskRow) -> Cause:
    """Return where the failure of a task began."""
    if row.error is not None:
        return Cause(path=(row.name,), message=row.error["message"])
    nested = [one for one in workflow_tasks.nested(tx, row.source) if one.status in FAILURES]
    if nested:
        return cause_of(tx, min(nested, key=lambda one: (one.finished or 0, one.id)))
    child = workflow_children.first_failure(tx, workflow_tasks.sources(tx, row))
    if child is None:
        return Cause(path=(row.name,), message=row.status.replace("_", " "))
    name = f"{row.name}[{child.item}]" if row.has_items else row.name
    if child.error_type == WORKFLOW_FAILED:
        below = cause_among(tx, workflow_tasks.failed(tx, child.execution))
        if below is not None:
            return replace(below, path=(name, *below.path))
    return Cause(path=(name,), message=cause_in(child.message), execution=child.execution)


def _handled_before(tx: Transaction, row: TaskRow) -> Cause | None:
    """Return the latest failure among the tasks that led to this one, task by task."""
    known: set[str] = set()
    origin = row.triggered_by
    while origin is not None and origin not in known:
        known.add(origin)
        before = workflow_tasks.latest_over(tx, row.workflow, origin)
        if before is None:
            return None
        if before.status in FAILURES:
            return cause_of(tx, before)
        origin = before.triggered_by
    return None


def why_failed(tx: Transaction, workflow: int, name: str, iteration: int) -> str | None:
    """Return in a few words why a task failed; of a failure below it only where that was."""
    row = workflow_tasks.at(tx, workflow, name, iteration)
    if row is None or row.status not in FAILURES:
        return None
    cause = cause_of(tx, row)
    if cause.path == (name,):
        return reason_of(cause)
    if len(cause.path) == 1 and row.has_items:
        return f"{path_of(cause)}: {reason_of(cause)}"
    below = cause.path[1:] if cause.path[0] == name else cause.path
    return f"in {path_of(replace(cause, path=below))}"
