"""Inquiries as the engine moves them on (domain.md 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.model.inquiries import question_in, without_question
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.packs.questions import read_question
from attune_cli.runtime.services import inquiries as service
from attune_cli.runtime.services.inquiry_settling import cancel_waiting, ended, waiting_result
from attune_cli.runtime.store import executions, inquiries
from attune_cli.runtime.store.sealing import opened_parameters

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer

_LOOKED_AT = 200
"""Inquiries in one part: a thousand whose time is over at once must not hold the file for long."""


class Inquiries:
    """Begins, settles and expires inquiries."""

    def __init__(self, *, settings: Settings, sealer: Sealer) -> None:
        self._settings = settings
        self._sealer = sealer

    def begin(self, tx: Transaction, execution: Startable, job: JobDefinition, host: str) -> None:
        """Ask what the parameters of an action of kind `inquiry` say; the execution's time limit is the answer's."""
        del job
        if not executions.run(tx, execution, host, None):
            return
        running = replace(execution, status=Status.RUNNING, host=host)
        try:
            question = read_question(opened_parameters(execution, self._sealer)[0], strict=False)
            limit = execution.timeout_seconds or question.timeout_seconds
            asked = replace(question, timeout_seconds=limit)
            inquiry = service.ask(tx, running, asked, sealer=self._sealer)
        except AttuneError as error:
            executions.finish(tx, running, Status.FAILED, Outcome(succeeded=False, error=_error_of(error)))
            return
        executions.set_result(tx, execution.id, waiting_result(inquiry))

    def ask(self, tx: Transaction, execution: Startable, outcome: Outcome) -> bool:
        """Ask what an action's run ended with; a question that cannot be asked fails it."""
        own = dict(outcome.result or {})
        question = question_in(own.get("data"))
        if question is None:
            return False
        own["data"] = without_question(own["data"])
        if not own["data"]:
            del own["data"]
        try:
            inquiry = service.ask(tx, execution, read_question(question), sealer=self._sealer)
        except AttuneError as error:
            failure = _error_of(error)
            result = own | {"succeeded": False, "error": failure.message}
            failed = replace(outcome, succeeded=False, error=failure, result=result)
            executions.finish(tx, execution, Status.FAILED, failed)
            return True
        executions.wait_for_answer(tx, execution, replace(outcome, result=own | waiting_result(inquiry)))
        return True

    def cancel(self, tx: Transaction, execution: Startable, job: JobDefinition) -> None:
        del job
        cancel_waiting(tx, execution)

    def advance(self, tx: Transaction, host: str, *, ownerless_too: bool) -> bool:
        due = inquiries.due(tx, host, ownerless_too=ownerless_too, limit=_LOOKED_AT)
        for inquiry in due:
            self._look_at(tx, inquiry)
        return bool(due)

    def next_due(self, tx: Transaction, host: str, *, ownerless_too: bool) -> Instant | None:
        return inquiries.next_due(tx, host, ownerless_too=ownerless_too)

    def _look_at(self, tx: Transaction, inquiry: Inquiry) -> None:
        try:
            service.look_at(tx, inquiry, sealer=self._sealer)
        except AttuneError as error:  # a default answer that cannot be sealed
            execution = executions.startable(tx, inquiry.execution)
            if execution is not None and execution.waits:
                executions.finish(tx, execution, Status.FAILED, ended(tx, execution, _error_of(error)))
            inquiries.settled(tx, inquiry.id)


def _error_of(error: AttuneError) -> RunError:
    return RunError(type=error.code, message=error.in_words)
