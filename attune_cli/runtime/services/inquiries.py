"""What may be asked of inquiries: ask, look, answer, cancel, extend; and how a closed one ends its execution.

Whoever has the file may answer. An execution that waits is ended by its owner, in its next tick; one that nobody owns
is ended in the transaction that closes its inquiry.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.errors import ConflictError, DeniedError, Detail, NotFoundError, UsageError
from attune_cli.runtime.clock import SECOND, rfc3339
from attune_cli.runtime.model.agreement import in_words, own_words, taken_over
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.model.ids import is_id
from attune_cli.runtime.model.inquiries import (
    Inquiry,
    InquiryStatus,
    Person,
    Vote,
    is_approval,
    is_decided,
    missing_approvers,
    refusal,
    reminder_after,
)
from attune_cli.runtime.model.parameters import secret_pointers
from attune_cli.runtime.model.pointers import put_at, value_at
from attune_cli.runtime.packs.questions import fitted, invalid_question
from attune_cli.runtime.services.approvals import check_agreement, earlier_values
from attune_cli.runtime.services.inquiry_settling import settle
from attune_cli.runtime.services.people import members_of
from attune_cli.runtime.services.records import Record, time_or_none
from attune_cli.runtime.store import executions, inquiries
from attune_cli.runtime.store.executions import dump

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.actions import Json, Schema
    from attune_cli.runtime.model.inquiries import Question
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.inquiries import InquiryFilter
    from attune_cli.runtime.store.sealing import Sealer

_NAMED_PENDING = 20
"""Inquiries that are named when `@last` could mean each of them."""

_LAST_INSTANT: Instant = 253_402_300_799_000_000
"""The end of the year 9999: what comes later has no form that could be shown."""

_SETTLED_AT_ONCE = 200


# --- asking


def ask(tx: Transaction, execution: Startable, question: Question, *, sealer: Sealer) -> Inquiry:
    """Insert what a running execution asks. Raises ConflictError when it has asked before, UsageError when nobody
    could ever answer.
    """
    earlier = inquiries.of_execution(tx, execution.id)
    if earlier is not None:
        raise ConflictError(
            f"execution {execution.id} has asked already: inquiry {earlier.id}", code="asked_already"
        )
    requester = _requester(tx, execution)
    missing = missing_approvers(question, requester)
    if missing is not None:
        raise invalid_question([Detail("approvals", missing)])
    timeout_at = _timeout_at(question, tx.now)
    if timeout_at is not None and timeout_at <= tx.now:
        raise invalid_question([Detail("timeout_at", "is over already", rfc3339(timeout_at))])
    default, sealed = _sealed(question.response_schema, question.default_response, sealer)
    asked = replace(question, timeout_at=timeout_at, default_response=default)
    return _known(tx, inquiries.insert(tx, execution.id, asked, requester=requester, sealed=sealed))


def _requester(tx: Transaction, execution: Startable) -> str | None:
    """Return for whom the whole tree is done: a run inside it may go by any name."""
    top = executions.startable(tx, executions.top_of(tx, execution.id))
    return (None if top is None else top.executor) or execution.executor


def _timeout_at(question: Question, now: Instant) -> Instant | None:
    if question.timeout_seconds is None:
        return question.timeout_at
    after = min(now + round(question.timeout_seconds * SECOND), _LAST_INSTANT)
    return after if question.timeout_at is None else min(after, question.timeout_at)


# --- looking


def find(tx: Transaction, word: str) -> Inquiry:
    """Return the inquiry a user's word names: an id, or `@last`, the oldest pending one if it is the only one."""
    inquiry = inquiries.get(tx, _id_of(tx, word))
    if inquiry is None:
        raise NotFoundError(f"no inquiry {word}", hint="attune inquiry list")
    return inquiry


def _id_of(tx: Transaction, word: str) -> int:
    if word.isascii() and word.isdecimal():
        return int(word) if is_id(word) else 0
    if word != "@last":
        raise UsageError(f"{word!r} is no inquiry: expected an id or @last", hint="attune inquiry list")
    pending = inquiries.pending_ids(tx, limit=_NAMED_PENDING)
    if not pending:
        raise NotFoundError("no inquiry is pending", hint="attune inquiry list")
    if len(pending) > 1:
        named = ", ".join(str(one) for one in pending)
        raise UsageError(
            f"@last could be any of these pending inquiries: {named}",
            code="ambiguous",
            hint="attune inquiry list --pending",
        )
    return pending[0]


def show(tx: Transaction, word: str) -> Record:
    """Return one inquiry, with the votes given so far; see `find`."""
    return inquiry_record(tx, find(tx, word))


def list_inquiries(tx: Transaction, wanted: InquiryFilter) -> tuple[list[Record], int]:
    """Return a page of the inquiries that are meant, newest first, and how many there are."""
    return [inquiry_record(tx, one) for one in inquiries.search(tx, wanted)], inquiries.count(tx, wanted)


def inquiry_record(tx: Transaction, inquiry: Inquiry) -> Record:
    """Return the record of an inquiry (api.md, records); secret values are marked, not told."""
    return {
        "kind": "inquiry",
        "id": inquiry.id,
        "execution": inquiry.execution,
        "root": inquiry.root,
        "action_ref": inquiry.action_ref,
        "asker": inquiry.asker,
        "prompt": inquiry.prompt,
        "response_schema": inquiry.response_schema,
        "assigned_to": inquiry.assigned_to,
        "status": str(inquiry.status),
        "response": inquiry.response,
        "default_response": inquiry.default_response,
        "comment": inquiry.comment,
        "requester": inquiry.requester,
        "timeout_at": time_or_none(inquiry.timeout_at),
        "responded_at": time_or_none(inquiry.responded_at),
        "responded_by": inquiry.responded_by,
        "remind_every": inquiry.reminder_seconds,
        "next_reminder": time_or_none(inquiry.next_reminder) if inquiry.is_pending else None,
        "approvals": _approvals(tx, inquiry),
        "created": rfc3339(inquiry.created),
        "updated": rfc3339(inquiry.updated),
    }


def _approvals(tx: Transaction, inquiry: Inquiry) -> Record | None:
    if inquiry.approvers is None:
        return None
    given = [
        {
            "person": vote.person,
            "approved": vote.approved,
            "response": vote.response,
            "comment": vote.comment,
            "created": rfc3339(vote.created),
        }
        for vote in inquiries.votes(tx, inquiry.id)
    ]
    return {"required": inquiry.required, "from": list(inquiry.approvers), "given": given}


# --- answering


def person(tx: Transaction, name: str | None, *, inside: int | None = None) -> Person:
    """Return who answers: by name, and from inside which execution (its id), if any.

    An execution answers in the name of whoever asked for it, unless another name is given.
    """
    if inside is None:
        return Person(name=name)
    from_inside = executions.startable(tx, inside)
    executor = None if from_inside is None else from_inside.executor
    return Person(name=name or executor, inside=executions.top_of(tx, inside))


def respond(
    tx: Transaction,
    word: str,
    response: Json,
    *,
    by: Person,
    settings: Settings,
    sealer: Sealer,
    comment: str | None = None,
) -> Inquiry:
    """Answer an inquiry, and return it as it stands then: `pending` still, where others have to approve as well.

    Raises UsageError with all that does not fit, DeniedError for who may not answer, ConflictError when it is
    closed, or its time is over. The owner of its execution has to be woken (`owner_of`).
    """
    inquiry = find(tx, word)
    check_open(tx, inquiry)
    refused = refusal(inquiry, by, members_of(settings))
    if refused is not None:
        raise DeniedError(
            f"inquiry {inquiry.id} may not be answered: {refused}",
            code="not_yours",
            hint=f"attune inquiry show {inquiry.id}",
        )
    earlier = earlier_values(tx, inquiry, sealer)
    answer = _checked(inquiry, taken_over(inquiry.response_schema, earlier, response), settings)
    if inquiry.approvers is not None:
        vote = _vote(inquiry, response, answer, by=by, comment=comment, sealer=sealer, now=tx.now)
        given = _earlier_votes(tx, inquiry, vote)
        if vote.approved:
            check_agreement(tx, inquiry, earlier, answer)
        inquiries.add_vote(tx, inquiry.id, vote)
        if not is_decided(inquiry, [*given, vote]):
            return _again(tx, inquiry)
    shown, sealed = _sealed(inquiry.response_schema, answer, sealer)
    inquiries.respond(tx, inquiry.id, shown, sealed=sealed, responded_by=by.shown, comment=comment)
    return _settled(tx, inquiry, sealer)


def check_open(tx: Transaction, inquiry: Inquiry) -> None:
    """Raise ConflictError when no answer is taken any more."""
    if not inquiry.is_pending:
        raise ConflictError(
            f"inquiry {inquiry.id} is not pending: {_closed_how(inquiry)}",
            code=str(inquiry.status),
            hint=f"attune inquiry show {inquiry.id}",
        )
    if inquiry.timeout_at is not None and inquiry.is_late(tx.now):
        raise ConflictError(
            f"inquiry {inquiry.id} is not pending: its time was over at {rfc3339(inquiry.timeout_at)} (timeout)",
            code="timeout",
            hint=f"attune inquiry show {inquiry.id}",
        )
    cancelled = executions.cancelled_with(tx, inquiry.execution)
    if cancelled is not None:
        what = "its execution" if cancelled == inquiry.execution else "workflow"
        raise ConflictError(
            f"inquiry {inquiry.id} is not pending: {what} {cancelled} is being cancelled (cancelled)",
            code="cancelled",
            hint=f"attune execution show {cancelled}",
        )


def _closed_how(inquiry: Inquiry) -> str:
    answered = f", {how_answered(inquiry)}" if inquiry.status is InquiryStatus.RESPONDED else ""
    return f"its status is {inquiry.status}{answered}"


def how_answered(inquiry: Inquiry) -> str:
    """Say who has answered an inquiry, and what; secret values are not told."""
    who = inquiry.responded_by or "nobody, its default counts"
    return f"answered by {who}: {in_words(inquiry.response_schema, inquiry.response)}"


def _checked(inquiry: Inquiry, response: Json, settings: Settings) -> Json:
    answer, faults = fitted(inquiry.response_schema, response)
    if not faults and len(dump(answer).encode()) > settings.max_parameters_bytes:
        faults = [Detail("", f"takes more than the {settings.max_parameters_bytes} bytes that are allowed")]
    if faults:
        raise UsageError(
            f"response to inquiry {inquiry.id} does not fit",
            code="invalid_response",
            details=faults,
            hint=f"attune inquiry show {inquiry.id}",
        )
    return answer


def _vote(
    inquiry: Inquiry,
    response: Json,
    answer: Json,
    *,
    by: Person,
    comment: str | None,
    sealer: Sealer,
    now: Instant,
) -> Vote:
    """Return what goes on record of a person: the values that were decided about, and their own words."""
    said = own_words(inquiry.response_schema, response, answer)
    shown, sealed = _sealed(inquiry.response_schema, said, sealer)
    approved = is_approval(inquiry.response_schema, answer)
    return Vote(
        person=by.name or "", approved=approved, response=shown, sealed=sealed, comment=comment, created=now
    )


def _earlier_votes(tx: Transaction, inquiry: Inquiry, vote: Vote) -> list[Vote]:
    """Return what others said; raises ConflictError for a second word of the same person."""
    given = inquiries.votes(tx, inquiry.id)
    if any(earlier.person == vote.person for earlier in given):
        raise ConflictError(
            f"{vote.person} has answered inquiry {inquiry.id} already; it is pending for others",
            code="answered_already",
            hint=f"attune inquiry show {inquiry.id}",
        )
    return given


def _sealed(declared: Schema, answer: Json, sealer: Sealer) -> tuple[Json, bytes | None]:
    """Return an answer with its secret values marked, and those by their place in the execution's result."""
    document: dict[str, Any] = {"response": answer}
    schema = {"response": {"type": "object", "properties": declared}}
    pointers = secret_pointers(schema, document)
    if not pointers:
        return answer, None
    hidden = {pointer: value_at(document, pointer) for pointer in pointers}
    for pointer in pointers:
        put_at(document, pointer, dict(REDACTED))
    return document["response"], sealer.seal(hidden)


# --- other ends


def expire(tx: Transaction, inquiry: Inquiry, *, sealer: Sealer) -> None:
    """Close an inquiry whose time is over: with its default as the answer, or without one."""
    if inquiry.default_response is None:
        inquiries.close(tx, inquiry.id, InquiryStatus.TIMEOUT)
    else:
        default, sealed = inquiry.default_response, inquiry.sealed
        if sealed is None:  # asked before secret defaults were sealed, or there is none
            default, sealed = _sealed(inquiry.response_schema, default, sealer)
        inquiries.respond(tx, inquiry.id, default, sealed=sealed, responded_by=None, comment=None)


def cancel(tx: Transaction, word: str, *, reason: str | None, sealer: Sealer) -> Inquiry:
    """Close a pending inquiry; the execution that waits for it is cancelled. Raises ConflictError when it is closed."""
    inquiry = find(tx, word)
    check_open(tx, inquiry)
    inquiries.close(tx, inquiry.id, InquiryStatus.CANCELLED, comment=reason)
    asking = executions.startable(tx, inquiry.execution)
    if asking is not None and asking.waits:
        executions.request_cancel(tx, asking.id, reason or f"inquiry {inquiry.id} was cancelled")
    return _settled(tx, inquiry, sealer)


def extend(tx: Transaction, word: str, *, by_seconds: float) -> Inquiry:
    """Give a pending inquiry so much more time. Raises ConflictError when it is closed, or has no end."""
    inquiry = find(tx, word)
    check_open(tx, inquiry)
    if inquiry.timeout_at is None:
        raise ConflictError(
            f"inquiry {inquiry.id} has no time limit: it waits until it is answered",
            code="no_timeout",
            hint=f"attune inquiry show {inquiry.id}",
        )
    inquiries.extend(tx, inquiry, min(inquiry.timeout_at + round(by_seconds * SECOND), _LAST_INSTANT))
    return _again(tx, inquiry)


def owner_of(tx: Transaction, inquiry: Inquiry) -> str | None:
    """Return the host that has to be woken when an inquiry was closed."""
    asking = executions.startable(tx, inquiry.execution)
    return None if asking is None or asking.status.is_terminal else asking.host


def any_ownerless(tx: Transaction) -> bool:
    """Tell whether there is anything to do for `settle_ownerless`."""
    return bool(inquiries.due(tx, None, ownerless_too=False, limit=1))


def settle_ownerless(tx: Transaction, *, sealer: Sealer) -> None:
    """Close what nobody answered in time, and end what was answered, where no engine will: nobody owns it."""
    for inquiry in inquiries.due(tx, None, ownerless_too=False, limit=_SETTLED_AT_ONCE):
        look_at(tx, inquiry, sealer=sealer)


def look_at(tx: Transaction, inquiry: Inquiry, *, sealer: Sealer) -> None:
    """Do what is due for an inquiry: remind of it, close it, or end the execution that waits for it."""
    if inquiry.is_late(tx.now):
        expire(tx, inquiry, sealer=sealer)
        inquiry = _again(tx, inquiry)
    if inquiry.is_pending:
        inquiries.remind(tx, inquiry, reminder_after(inquiry, tx.now))
    else:
        settle(tx, inquiry, sealer)


def _settled(tx: Transaction, inquiry: Inquiry, sealer: Sealer) -> Inquiry:
    """End what waits for a closed inquiry if nobody owns it; else its owner does."""
    closed = _again(tx, inquiry)
    asking = executions.startable(tx, inquiry.execution)
    if asking is None or not asking.waits or asking.host is None:
        settle(tx, closed, sealer)
    return closed


def _again(tx: Transaction, inquiry: Inquiry) -> Inquiry:
    """Return an inquiry as it stands now."""
    return _known(tx, inquiry.id)


def _known(tx: Transaction, inquiry_id: int) -> Inquiry:
    inquiry = inquiries.get(tx, inquiry_id)
    if inquiry is None:
        raise NotFoundError(f"no inquiry {inquiry_id}", hint="attune inquiry list")
    return inquiry
