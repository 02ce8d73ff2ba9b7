"""How an execution ends: the one place where an outcome becomes a status, and a failure another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attune_cli.runtime.model.entities import QUESTION, Outcome, RunError
from attune_cli.runtime.model.retry import next_due
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.runners.api import Lost, Standing
from attune_cli.runtime.store import executions, inquiries

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Retry
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable

CANCELLED_BEFORE_START = Outcome(
    succeeded=False, error=RunError(type="cancelled", message="cancelled before it started")
)
_LOST = RunError(type="abandoned", message="the engine that ran it died, and its end is not known")


def lost_outcome(found: Lost | Standing) -> Outcome:
    """Return the outcome of a run whose end is not known, with what it wrote until then."""
    if isinstance(found, Lost):
        return Outcome(succeeded=False, error=_LOST, stdout=found.stdout, stderr=found.stderr)
    return Outcome(succeeded=False, error=_LOST)


def end(tx: Transaction, execution: Startable, outcome: Outcome, retry: Retry, *, lost: bool = False) -> bool:
    """End a run: what was asked to stop is cancelled however it ended; a failure may be tried
    again, unless somebody asked to cancel meanwhile.

    The next attempt is inserted in the same transaction, with the same owner. What was asked from inside a run that
    did not end well is closed: nobody waits for it, and another attempt asks again. False when the row is no
    longer as `execution` says: a late end changes nothing.
    """
    if execution.status is Status.CANCELING or not outcome.succeeded:
        comment = f"execution {execution.id}, which asked, has ended without success"
        inquiries.close_asked_from(tx, execution.id, comment=comment)
    if execution.status is Status.CANCELING:
        return executions.finish(tx, execution, Status.CANCELLED, outcome)
    if outcome.succeeded:
        return executions.finish(tx, execution, Status.COMPLETED, outcome)
    status = Status.ABANDONED if lost else Status.FAILED
    due = next_due(retry, execution.attempt, tx.now) if _may_succeed(outcome, retry) else None
    if due is None or execution.cancel_requested is not None:
        return executions.finish(tx, execution, status, outcome)
    following = executions.insert_next_attempt(tx, execution, due=due, host=execution.host)
    return executions.finish(tx, execution, status, outcome, next_attempt=following)


def asks(execution: Startable, outcome: Outcome) -> bool:
    """Tell whether a run may have ended with a question: in its data, or in the last of several (domain.md 6)."""
    if execution.status is not Status.RUNNING or not outcome.succeeded or outcome.result is None:
        return False
    data: object = outcome.result.get("data")
    last = cast("list[object]", data)[-1] if isinstance(data, list) and data else cast("object", data)
    return isinstance(last, dict) and QUESTION in last


def _may_succeed(outcome: Outcome, retry: Retry) -> bool:
    """Tell whether another attempt is worth it: something could be started, and the error is one to try again."""
    error = outcome.error
    if error is not None and error.type in {"not_started", "no_runner"}:
        return False
    return not retry.on_error or (error is not None and _is_among(error.message, retry.on_error))


def _is_among(message: str, patterns: tuple[str, ...]) -> bool:
    from attune_cli.runtime.expressions.patterns import found

    return any(found(pattern, message) for pattern in patterns)
