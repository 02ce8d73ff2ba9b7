"""How a workflow ends: when nothing of it goes on any more, when its time is over, and when it was cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.engine.endings import end
from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.workflows.causes import WORKFLOW_FAILED, failure
from attune_cli.runtime.model.workflows.states import unmet_join
from attune_cli.runtime.orchestration.workflows.outputs import output_of
from attune_cli.runtime.services.workflow_cancelling import (
    cancel_children,
    end_if_over,
    outcome_of,
    settle_tasks,
)
from attune_cli.runtime.services.workflow_causes import cause_among
from attune_cli.runtime.services.workflow_resuming import take_over
from attune_cli.runtime.store import executions, workflow_children, workflow_tasks, workflows

if TYPE_CHECKING:
    from attune_cli.runtime.orchestration.workflows.case import Case
    from attune_cli.runtime.orchestration.workflows.following import Following
    from attune_cli.runtime.store.database import Transaction


class Ending:
    """Ends one workflow."""

    def __init__(self, case: Case, following: Following) -> None:
        self._case = case
        self._following = following

    def finish(self) -> None:
        """End a workflow in which nothing goes on any more."""
        failed = workflow_tasks.failed(self._case.tx, self._case.id)
        others = [
            fault["message"]
            if fault["field"] == "max_iterations"
            else f"task '{fault['task']}', {fault['field']}: {fault['message']}"
            for fault in self._case.workflow.faults
        ]
        others += [
            unmet_join(self._case.graph, row.name, self._following.inbound(row))
            for row in workflow_tasks.waiting(self._case.tx, self._case.id)
        ]
        workflow_tasks.end_open(self._case.tx, self._case.id)
        if failed or others:
            cause = cause_among(self._case.tx, failed)
            message = failure(cause, [row.name for row in failed[1:]], others)
            self._end_with(failed_outcome(WORKFLOW_FAILED, message))
            return
        self._end_with(self._output())

    def _output(self) -> Outcome:
        try:
            return output_of(
                self._case.plan, self._case.surroundings.scope(), self._case.sealer, self._case.settings
            )
        except AttuneError as error:
            return failed_outcome("output", failure(None, [], [error.in_words]))

    def run_out_of_time(self) -> None:
        seconds = self._case.execution.timeout_seconds
        message = f"the workflow took longer than {seconds:g} s"
        give_up(self._case.tx, self._case.id, "timeout", message, timed_out=True)
        self.close()

    def close(self) -> None:
        """End a workflow that is being ended, when nothing below it goes on."""
        workflows.set_due(self._case.tx, self._case.id, None)
        is_cancelled = self._case.execution.status is Status.CANCELING
        # What ran when it was ended may have failed, and would be tried again.
        cancel_children(self._case.tx, self._case.id, running_too=not is_cancelled, by_force=not is_cancelled)
        if is_cancelled:
            end_if_over(self._case.tx, self._case.id)
            return
        settle_tasks(self._case.tx, self._case.id)
        state = workflows.get(self._case.tx, self._case.id)
        if state is None or state.closing is None or workflow_children.any_live(self._case.tx, self._case.id):
            return
        workflow_tasks.end_open(self._case.tx, self._case.id)
        self._end_with(outcome_of(state.closing))

    def _end_with(self, outcome: Outcome) -> None:
        workflows.set_due(self._case.tx, self._case.id, None)
        current = executions.startable(self._case.tx, self._case.id)
        if current is not None and end(self._case.tx, current, outcome, self._case.plan.job.action.retry):
            self._hand_on()

    def _hand_on(self) -> None:
        """Let the next attempt at a workflow that began in its midst go on where this one failed.

        From the beginning it would do what somebody wanted left out, or kept.
        """
        ended = executions.get(self._case.tx, self._case.id)
        following = None if ended is None else ended.next_attempt
        if following is not None and workflow_tasks.began_in_midst(self._case.tx, self._case.id):
            take_over(self._case.tx, following, self._case.graph, self._case.id, self._case.sealer)


def give_up(tx: Transaction, workflow: int, kind: str, message: str, *, timed_out: bool = False) -> None:
    """Say that a workflow has failed, and stop all below it; it ends when nothing of that goes on."""
    closing = {"status": "failed", "error": {"type": kind, "message": message}, "timed_out": timed_out}
    workflows.close(tx, workflow, closing)
    cancel_children(tx, workflow, running_too=True, by_force=True)


def failed_outcome(kind: str, message: str) -> Outcome:
    return Outcome(
        succeeded=False,
        error=RunError(type=kind, message=message),
        result={"error": message, "succeeded": False},
    )
