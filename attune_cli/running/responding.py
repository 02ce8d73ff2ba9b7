"""Behind `attune inquiry respond` and `attune inbox`: answers from the words of a command line, or from a form."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, cast

from attune_cli.answering.terminal import LeftError, Terminal, WithdrawnError
from attune_cli.errors import CancelledError, ConflictError, DeniedError, Detail, UsageError
from attune_cli.listing.inquiry_columns import COLUMNS
from attune_cli.reading.parameters import ParameterReader
from attune_cli.reading.people import answerer
from attune_cli.reading.words import read_words
from attune_cli.running.asking import on_inquiry_of
from attune_cli.running.ownerless import tell_nobody_runs, tops_nobody_runs
from attune_cli.running.questions import answer, heading, read_question, respond
from attune_cli.running.rehearsing import rehearsed
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store, settle_inquiries, wake
from attune_cli.runtime.model.agreement import taken_over
from attune_cli.runtime.model.inquiries import refusal, verdict_field
from attune_cli.runtime.model.parameters import example_of, in_order, shown, types_of
from attune_cli.runtime.packs.questions import fitted
from attune_cli.runtime.services import inquiries as services
from attune_cli.runtime.services.approvals import earlier_values
from attune_cli.runtime.services.people import members_of
from attune_cli.runtime.store import executions, inquiries
from attune_cli.runtime.store.inquiries import InquiryFilter
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.context import Context
    from attune_cli.running.questions import Question
    from attune_cli.runtime.model.actions import Json, Schema
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.store.database import Store

_IN_THE_INBOX = 50
_LOOKED_AT = 10_000
"""Pending inquiries that are looked through for those of one person: many may be for others."""


@immutable(kw_only=True)
class Words:
    """An answer as it is typed."""

    items: Sequence[str] = ()
    response: str | None = None
    """JSON, `@FILE` or `-`."""
    approved: bool | None = None
    comment: str | None = None
    name: str | None = None

    @property
    def are_given(self) -> bool:
        return bool(self.items) or self.response is not None or self.approved is not None


def respond_to(context: Context, word: str, words: Words, *, wait: bool) -> int:
    """Answer an inquiry, and with `wait` follow what goes on then; returns the exit code."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        inquiry = services.find(tx, word)
        services.check_open(tx, inquiry)
        earlier = earlier_values(tx, inquiry, Sealer(context.home.secret_key))
    if words.are_given:
        response = _response(context, inquiry, words, earlier)
        answered = respond(context, store, str(inquiry.id), response, name=words.name, comment=words.comment)
    elif context.interactive and not context.dry_run:
        answered = _ask(context, store, inquiry, words)
    else:
        raise UsageError(
            f"no answer to inquiry {inquiry.id} is given, and nobody can be asked here",
            code="answer_needed",
            hint=_example(inquiry),
        )
    if context.dry_run:
        context.out.note(f"inquiry {inquiry.id} would be answered; nothing was changed")
        return 0
    tell_answered(context, store, answered)
    return (
        _go_on(context, store, answered, words.name) if wait else _say_who_goes_on(context, store, answered)
    )


def tell_answered(context: Context, store: Store, inquiry: Inquiry) -> None:
    """Say that an answer was taken; programs get the inquiry as it stands now."""
    with store.read(SystemClock().now()) as tx:
        record = services.inquiry_record(tx, inquiry)
    if not context.out.is_text:
        context.out.record(record)
    if inquiry.is_pending:
        given = len(record["approvals"]["given"])
        context.out.note(
            f"inquiry {inquiry.id}: {given} of {inquiry.required} approvals; it waits for others"
        )
    else:
        context.out.note(f"inquiry {inquiry.id} answered")


# --- what was typed


def _response(context: Context, inquiry: Inquiry, words: Words, earlier: dict[str, Json]) -> Json:
    """Read the words; all that cannot be read, and all that does not fit, is told together.

    What they leave open is taken over from `earlier` approvals.
    """
    schema = inquiry.response_schema
    reader = ParameterReader(schema, keys=False)
    whole: Json = {}
    if words.response is not None:
        try:
            whole = reader.whole(words.response, "--response")
        except ValueError as error:
            reader.faults.append(Detail("--response", str(error)))
    if words.approved is not None:
        reader.values[_verdict_field(inquiry)] = words.approved
    reader.read_items(words.items)
    for warning in reader.warnings:
        context.out.warning(warning)
    response = _merged(reader, whole)
    told = {fault.path for fault in reader.faults}
    more = [] if "--response" in told else fitted(schema, taken_over(schema, earlier, response))[1]
    faults = [*reader.faults, *(fault for fault in more if fault.path not in told)]
    if faults:
        raise UsageError(
            f"response to inquiry {inquiry.id} does not fit",
            code="invalid_response",
            details=sorted(faults, key=lambda fault: fault.path),
            hint=_example(inquiry, faults),
        )
    return response


def _merged(reader: ParameterReader, whole: Json) -> Json:
    """Return the whole answer with single members in their places; they need an object to go into."""
    if not reader.values:
        return whole
    if isinstance(whole, dict):
        return {**cast("dict[str, Json]", whole), **reader.values}
    reader.faults.append(Detail("--response", "expected an object, because members are given as well"))
    return reader.values


def _verdict_field(inquiry: Inquiry) -> str:
    """Return the member that `--approve` and `--reject` set; raises UsageError where there is none."""
    field = verdict_field(inquiry.response_schema)
    if field is not None:
        return field
    booleans = [name for name, leaf in inquiry.response_schema.items() if types_of(leaf) == ["boolean"]]
    count = f"{len(booleans)} booleans: {', '.join(booleans)}" if booleans else "no boolean"
    raise UsageError(
        f"inquiry {inquiry.id} cannot be answered by --approve or --reject: its answer has {count}",
        code="no_verdict",
        hint=_example(inquiry),
    )


def _example(inquiry: Inquiry, faults: Sequence[Detail] = ()) -> str:
    """Return a command line that could answer it, with the fields that have faults."""
    schema = inquiry.response_schema
    faulty = {fault.path.partition(".")[0] for fault in faults}
    wanted = [name for name, leaf in in_order(schema) if leaf.get("required") is True or name in faulty]
    wanted = wanted or list(schema)[:1]
    words = [_example_of(name, schema) for name in wanted] or ["--response '{}'"]
    return f"attune inquiry respond {inquiry.id} {' '.join(words)}"


def _example_of(name: str, schema: Schema) -> str:
    """Return a word that could be pasted into a shell, whatever whoever asks calls things."""
    leaf = schema[name]
    if leaf.get("secret") is True:
        return f"{shlex.quote(name)}=@FILE"
    value = example_of(leaf)
    if value == "text" and not leaf.get("enum"):
        return f"{shlex.quote(name)}=TEXT"
    return shlex.quote(f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")


# --- a form


def _ask(context: Context, store: Store, inquiry: Inquiry, words: Words) -> Inquiry:
    question = read_question(context, store, inquiry, words.name)
    _refuse(question)
    try:
        return answer(context, store, question, name=words.name, comment=words.comment)
    except LeftError as error:
        raise CancelledError(
            f"inquiry {inquiry.id} stays open; nothing was answered", code="left_open", hint=_example(inquiry)
        ) from error
    except WithdrawnError as error:
        raise ConflictError(str(error), hint=f"attune inquiry show {inquiry.id}") from error


def _refuse(question: Question) -> None:
    """Raise DeniedError before anything is typed that would not be taken."""
    if question.refused is not None:
        number = question.inquiry.id
        raise DeniedError(
            f"inquiry {number} may not be answered: {question.refused}",
            code="not_yours",
            hint=f"attune inquiry show {number}",
        )


# --- what goes on then


def _go_on(context: Context, store: Store, inquiry: Inquiry, name: str | None) -> int:
    """Wait for the whole tree, as its host where it has none; its further questions are asked here."""
    from attune_cli.running.viewing import wait_for

    with store.read(SystemClock().now()) as tx:
        top = executions.get(tx, inquiry.root)
        found = [] if top is None else [executions.last_attempt(tx, top)]
    # A document was printed already.
    quiet = context if context.out.is_text else replace(context, quiet=2)
    mode = on_inquiry_of(context, None)
    return wait_for(quiet, store, found, any_one=False, give_up_seconds=None, on_inquiry=mode, name=name)


def _say_who_goes_on(context: Context, store: Store, inquiry: Inquiry) -> int:
    """What nobody runs does not go on by itself."""
    if not inquiry.is_pending:
        with store.read(SystemClock().now()) as tx:
            ownerless = tops_nobody_runs(tx, context, [inquiry.execution])
        tell_nobody_runs(context, ownerless)
    return 0


# --- other ends


def cancel_inquiries(
    context: Context, words: Sequence[str], reason: str | None, *, confirm: Callable[[Context, str], None]
) -> None:
    """Close inquiries unanswered, all or none, which cancels what waits for them: that is asked about first."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        found = {one.id: one for one in (services.find(tx, word) for word in read_words(words))}
        for inquiry in found.values():
            services.check_open(tx, inquiry)
    told = "; ".join(
        f"cancel inquiry {one.id}, and execution {one.execution} that waits for it" for one in found.values()
    )
    if context.dry_run:
        context.out.note(f"would {told or 'cancel nothing'}")
        return
    if context.interactive and found:
        confirm(context, f"{told.capitalize()}?")
    sealer = Sealer(context.home.secret_key)
    with store.write(SystemClock().now()) as tx:
        cancelled = [services.cancel(tx, str(number), reason=reason, sealer=sealer) for number in found]
        owners = {services.owner_of(tx, one) for one in cancelled}
        records = [services.inquiry_record(tx, one) for one in cancelled]
    for owner in owners:
        wake(context.home, owner)
    if len(records) == 1 or context.out.is_text:
        for record in records:
            context.out.outcome(record, [])
    else:
        context.out.records(records, COLUMNS)
    for record in records:
        context.out.note(f"inquiry {record['id']} cancelled")


def extend_inquiry(context: Context, word: str, by_seconds: float) -> None:
    """Give an inquiry more time, and wake whoever waits for its end."""
    store = open_store(context.home, context.settings)
    with rehearsed(context, store) as tx:
        extended = services.extend(tx, word, by_seconds=by_seconds)
        owner = services.owner_of(tx, extended)
        record = services.inquiry_record(tx, extended)
    if context.dry_run:
        context.out.note(f"inquiry {extended.id} would expire at {record['timeout_at']}; nothing was changed")
        return
    wake(context.home, owner)
    context.out.outcome(record, [])
    context.out.note(f"inquiry {extended.id} expires at {record['timeout_at']}")


# --- the inbox


def inbox(context: Context, name: str | None) -> int:
    """Let somebody at a terminal pick and answer what waits for them, one after another."""
    if not context.interactive:
        raise UsageError("an inbox needs a terminal", hint="attune inquiry list --pending")
    store = open_store(context.home, context.settings)
    settle_inquiries(store, context.home)
    while True:
        waiting = _waiting_for(context, store, name)
        if not waiting:
            context.out.note(f"nothing waits for your answer{_others_wait(store)}")
            return 0
        try:
            chosen = _pick(context, waiting)
        except LeftError as left:
            return 0 if left.by_end_of_input else CancelledError.exit_code
        if chosen is None:
            return 0
        try:
            answered = answer(context, store, chosen, name=name)
            tell_answered(context, store, answered)
            _say_who_goes_on(context, store, answered)
        except LeftError:
            context.out.note(f"inquiry {chosen.inquiry.id} stays open")
        except (WithdrawnError, ConflictError) as error:
            context.out.note(str(error))


def _others_wait(store: Store) -> str:
    """Say how many wait for others."""
    with store.read(SystemClock().now()) as tx:
        count = inquiries.count_pending(tx)
    return f"; {count} for that of others: attune inquiry list --pending" if count else ""


def _waiting_for(context: Context, store: Store, name: str | None) -> list[Question]:
    """Return the oldest questions that this person may answer."""
    with store.read(SystemClock().now()) as tx:
        found = inquiries.search(tx, InquiryFilter(statuses=("pending",), limit=_LOOKED_AT))
        person = answerer(tx, context, name)
    members = members_of(context.settings)
    theirs = (one for one in reversed(found) if refusal(one, person, members) is None)
    questions = (read_question(context, store, one, name) for one in theirs)
    return [*islice((one for one in questions if one.refused is None), _IN_THE_INBOX)]


def _pick(context: Context, waiting: Sequence[Question]) -> Question | None:
    """Ask which one; None: none of them. Raises LeftError."""
    terminal = Terminal(context)
    now = SystemClock().now()
    for number, question in enumerate(waiting, start=1):
        first_line = question.inquiry.prompt.partition("\n")[0]
        terminal.say(f"{number:>3}  {first_line}")
        terminal.say(f"     {heading(question.inquiry, question.votes, now)}", "dim")
    numbers = "1" if len(waiting) == 1 else f"1-{len(waiting)}"
    while True:
        text = terminal.ask(f"which one? {numbers}, Enter for 1, q to leave: ")
        if text in ("q", "quit"):
            return None
        if text == "" or (text.isascii() and text.isdecimal() and 0 < int(text) <= len(waiting)):
            return waiting[int(text or 1) - 1]
        terminal.say(f"  {shown(text)} is none of them", "red")
