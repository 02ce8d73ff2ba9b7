"""How a closed inquiry ends the execution that waits for it: its answer goes into the result, or the lack of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.errors import AttuneError
from attune_cli.runtime.model.entities import QUESTION_ID, Outcome, RunError
from attune_cli.runtime.model.inquiries import InquiryStatus
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.store import executions, inquiries

if TYPE_CHECKING:
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer

_WHILE_WAITING = ("inquiry_id", "status")

_TIMED_OUT = RunError(type="timeout", message="was not answered in time")
_CANCELLED = RunError(type="cancelled", message="cancelled while it waited for an answer")


def waiting_result(inquiry: Inquiry) -> dict[str, Any]:
    """Return what the result of an execution says as long as it waits."""
    return {"inquiry_id": inquiry.id, "status": str(InquiryStatus.PENDING)}


def settle(tx: Transaction, inquiry: Inquiry, sealer: Sealer) -> None:
    """End the execution that waits for a closed inquiry. One that goes on, or is over, is left alone."""
    inquiries.settled(tx, inquiry.id)
    execution = executions.startable(tx, inquiry.execution)
    if execution is None or not execution.waits or execution.status is not Status.RUNNING:
        return
    match inquiry.status:
        case InquiryStatus.RESPONDED:
            _complete(tx, execution, inquiry, sealer)
        case InquiryStatus.TIMEOUT:
            executions.finish(tx, execution, Status.TIMEOUT, ended(tx, execution, _TIMED_OUT, timed_out=True))
        case _:
            cancel_waiting(tx, execution)


def cancel_waiting(tx: Transaction, execution: Startable) -> None:
    """End an execution that waits for an answer as cancelled; its inquiry is closed with it."""
    if execution.waits and executions.begin_cancel(tx, execution):
        stopping = replace(execution, status=Status.CANCELING)
        executions.finish(tx, stopping, Status.CANCELLED, ended(tx, execution, _CANCELLED))


def _complete(tx: Transaction, execution: Startable, inquiry: Inquiry, sealer: Sealer) -> None:
    own = ended(tx, execution, None)
    answer = {
        "response": inquiry.response,
        QUESTION_ID: inquiry.id,
        "responded_by": inquiry.responded_by,
    }
    try:
        sealed = _both(own.result_sealed, inquiry.sealed, sealer)
    except AttuneError as error:
        lost = ended(tx, execution, RunError(type=error.code, message=error.message))
        executions.finish(tx, execution, Status.FAILED, lost)
        return
    outcome = replace(own, result={**(own.result or {}), **answer}, result_sealed=sealed)
    executions.finish(tx, execution, Status.COMPLETED, outcome)


def ended(
    tx: Transaction, execution: Startable, error: RunError | None, *, timed_out: bool = False
) -> Outcome:
    """Return the outcome of what waited: what its own run left, if it had one, and why there is no answer."""
    row = executions.get(tx, execution.id)
    if row is None:
        return Outcome(succeeded=error is None, error=error)
    result = {name: value for name, value in (row.result or {}).items() if name not in _WHILE_WAITING}
    if error is not None:
        told = "inquiry timed out" if timed_out else error.message
        result |= {"succeeded": False, "error": told} if result else {"error": told}
    return Outcome(
        succeeded=error is None,
        exit_code=row.exit_code,
        timed_out=timed_out,
        error=error,
        result=result,
        result_sealed=executions.sealed_result(tx, execution.id),
        stdout=row.stdout,
        stderr=row.stderr,
    )


def _both(one: bytes | None, other: bytes | None, sealer: Sealer) -> bytes | None:
    """Return the secret values of two parts of a result, sealed as one."""
    if one is None or other is None:
        return one or other
    return sealer.seal({**sealer.unseal(one), **sealer.unseal(other)})
