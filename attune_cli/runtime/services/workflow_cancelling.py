"""How workflows are cancelled, with all below them. No engine is needed for it (domain.md 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.workflows.states import OPEN, TaskStatus, together
from attune_cli.runtime.services.inquiry_settling import cancel_waiting
from attune_cli.runtime.store import executions, jobs, workflow_children, workflow_tasks, workflows

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.workflow_tasks import TaskRow

_NOT_STARTED = Outcome(
    succeeded=False, error=RunError(type="cancelled", message="cancelled before it started")
)
_CANCELLED = {
    "status": "cancelled",
    "error": {"type": "cancelled", "message": "Workflow cancelled"},
    "timed_out": False,
}


def cancel(tx: Transaction, execution: Startable, *, by_force: bool = False) -> None:
    """Cancel a workflow that goes on, with all below it as its `cancellation_policy` says (domain.md 5.5).

    It ends in this transaction unless something of it still runs; then when that has ended. `by_force` what runs is
    stopped whatever the policy says: the time of a workflow above it is over.
    """
    if execution.status is Status.RUNNING and not executions.begin_cancel(tx, execution):
        return
    definition: dict[str, Any] = jobs.get(tx, execution.job).get("workflow") or {}
    workflows.close(tx, execution.id, _CANCELLED)
    cancel_children(
        tx,
        execution.id,
        running_too=by_force or definition["cancellation_policy"] == "cancel_running",
        by_force=by_force,
    )
    end_if_over(tx, execution.id)


def cancel_children(tx: Transaction, workflow: int, *, running_too: bool, by_force: bool = False) -> None:
    """Cancel what a workflow has begun: what has not started, or only waits, at once; what runs is asked to stop.

    Workflows below it do as their own policies say, unless they are ended `by_force`.
    """
    for child in workflow_children.live(tx, workflow):
        if child.status is Status.REQUESTED:
            executions.finish(tx, child, Status.CANCELLED, _NOT_STARTED)
        elif child.waits and workflows.get(tx, child.id) is not None:
            cancel(tx, child, by_force=by_force)
        elif child.waits:
            cancel_waiting(tx, child)
        elif running_too or child.status is Status.SCHEDULED:
            executions.request_cancel(tx, child.id, "its workflow was cancelled")


def end_ownerless(tx: Transaction) -> None:
    """End the workflows that are being cancelled, that nobody owns, and below which nothing goes on any more."""
    for workflow in workflows.ownerless_canceling(tx):
        end_if_over(tx, workflow)


def end_if_over(tx: Transaction, workflow: int) -> bool:
    """End a workflow that is being cancelled when nothing below it goes on; tells whether it has ended."""
    state = workflows.get(tx, workflow)
    execution = executions.startable(tx, workflow)
    if state is None or execution is None or execution.status is not Status.CANCELING:
        return False
    settle_tasks(tx, workflow)
    if workflow_children.any_live(tx, workflow):
        workflows.set_due(tx, workflow, None)
        return False
    workflow_tasks.end_open(tx, workflow)
    workflows.set_due(tx, workflow, None)
    closing = _CANCELLED if state.closing is None else state.closing
    return executions.finish(tx, execution, Status.CANCELLED, outcome_of(closing))


def settle_tasks(tx: Transaction, workflow: int) -> None:
    """Write down how the tasks ended that are over, in a workflow that begins nothing more."""
    for row in reversed(workflow_tasks.running(tx, workflow)):
        if workflow_children.count_live(tx, row.id) == 0:
            status = _status_of(tx, row)
            if status is not None:
                workflow_tasks.end(tx, row.id, status, error=row.error)


def _status_of(tx: Transaction, row: TaskRow) -> TaskStatus | None:
    """Return how a task ended whose workflow is being ended; None while one nested in it goes on.

    One that is done with many items is cancelled as a whole: it may not have come to the last of them.
    """
    nested = workflow_tasks.nested(tx, row.id)
    if nested:
        over = all(one.status not in OPEN for one in nested)
        return together(one.status for one in nested) if over else None
    ended = [child.task_status for child in workflow_children.ended(tx, workflow_tasks.sources(tx, row))]
    return TaskStatus.CANCELLED if row.has_items or not ended else together(ended)


def outcome_of(closing: dict[str, Any]) -> Outcome:
    """Return the outcome of a workflow that was ended before its last task."""
    error = RunError(**closing["error"])
    return Outcome(
        succeeded=False,
        timed_out=closing["timed_out"],
        error=error,
        result={"error": error.message, "succeeded": False},
    )
