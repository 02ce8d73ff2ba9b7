"""A question on a terminal: who asks, since when, what came before it, and the form that takes the answer."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from attune_cli.answering.form import fill
from attune_cli.answering.terminal import Terminal
from attune_cli.errors import ConflictError, UsageError
from attune_cli.reading.people import answerer
from attune_cli.running.rehearsing import rehearsed
from attune_cli.runtime.clock import SECOND, SystemClock
from attune_cli.runtime.host import wake
from attune_cli.runtime.model.agreement import in_words, proposing
from attune_cli.runtime.model.inquiries import refusal
from attune_cli.runtime.model.quantities import format_duration
from attune_cli.runtime.services import inquiries as services
from attune_cli.runtime.services.approvals import DIFFERING, earlier_values
from attune_cli.runtime.services.logs import STREAMS, read_from, stream_file
from attune_cli.runtime.services.people import members_of
from attune_cli.runtime.store import execution_search, inquiries
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.table import cut
from attune_cli.values import immutable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from attune_cli.config import Home
    from attune_cli.context import Context
    from attune_cli.runtime.model.actions import Json, Schema
    from attune_cli.runtime.model.inquiries import Inquiry, Vote
    from attune_cli.runtime.services.logs import StreamName
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Store, Transaction

_SHOWN_LINES = 5
_TAIL_BYTES = 8192


@immutable(kw_only=True)
class Question:
    """An inquiry, with what helps to answer it."""

    inquiry: Inquiry
    votes: Sequence[Vote]
    refused: str | None
    """Why the person at this terminal may not answer."""
    schema: Schema
    """What the form asks for: its defaults are what others have approved already."""
    lines: Sequence[str]
    """The last that its execution, or one before it in its tree, has written."""


def read_question(context: Context, store: Store, inquiry: Inquiry, name: str | None) -> Question:
    """Return what is to be known of an inquiry, to whoever is called `name`."""
    with store.read(SystemClock().now()) as tx:
        votes = inquiries.votes(tx, inquiry.id)
        person = answerer(tx, context, name)
        lines = _lines_before(tx, context.home, inquiry)
        earlier = earlier_values(tx, inquiry, Sealer(context.home.secret_key))
    refused = refusal(inquiry, person, members_of(context.settings))
    if refused is None and any(vote.person == person.name for vote in votes):
        refused = f"{person.name} has answered it already; it waits for others"
    schema = proposing(inquiry.response_schema, earlier)
    return Question(inquiry=inquiry, votes=votes, refused=refused, schema=schema, lines=lines)


def _lines_before(tx: Transaction, home: Home, inquiry: Inquiry) -> list[str]:
    """Return the last lines of the asking execution; one that only asks writes none, and others of its tree did."""
    before = execution_search.newest_with_output(tx, inquiry.root)
    return _last_lines(home, inquiry.execution) or ([] if before is None else _last_lines(home, before))


def _last_lines(home: Home, execution_id: int) -> list[str]:
    """Return the last lines of the stream that was written to last."""
    written: dict[StreamName, os.stat_result] = {}
    for stream in STREAMS:
        with suppress(FileNotFoundError):
            written[stream] = stream_file(home, execution_id, stream).stat()
    if not written:
        return []
    stream = max(written, key=lambda one: written[one].st_mtime_ns)
    begin = max(0, written[stream].st_size - _TAIL_BYTES)
    lines = read_from(home, execution_id, stream, begin).decode("utf-8", "replace").splitlines()
    return lines[1 if begin else 0 :][-_SHOWN_LINES:]


def answer(
    context: Context,
    store: Store,
    question: Question,
    *,
    name: str | None,
    comment: str | None = None,
    shows_lines: bool = True,
    unwanted: Callable[[], str | None] = lambda: None,
) -> Inquiry:
    """Ask until the answer is taken; raises LeftError, WithdrawnError, and what `respond` raises but for misfits."""

    def closed() -> str | None:
        return unwanted() or how_closed(store, question.inquiry.id)

    terminal = Terminal(context, unwanted=closed)
    _show(terminal, question, shows_lines=shows_lines)
    while True:
        response = fill(question.schema, terminal)
        try:
            return respond(context, store, str(question.inquiry.id), response, name=name, comment=comment)
        except (UsageError, ConflictError) as error:
            if isinstance(error, ConflictError) and error.code != DIFFERING:
                raise
            terminal.say(error.message, "red")
            for fault in error.details:
                terminal.say(f"  {fault.path}  {fault.message}", "red")
            question = read_question(context, store, question.inquiry, name)


def respond(
    context: Context, store: Store, word: str, response: Json, *, name: str | None, comment: str | None
) -> Inquiry:
    """Answer in the name of whoever stands behind this command, and wake whoever waits for it."""
    with rehearsed(context, store) as tx:
        inquiry = services.respond(
            tx, word, response, by=answerer(tx, context, name), settings=context.settings,
            sealer=Sealer(context.home.secret_key), comment=comment,
        )  # fmt: skip
        owner = services.owner_of(tx, inquiry)
    if not context.dry_run:
        wake(context.home, owner)
    return inquiry


def shown_record(tx: Transaction, context: Context, word: str) -> Record:
    """Return the record of an inquiry with the last lines that were written before it."""
    inquiry = services.find(tx, word)
    lines = _lines_before(tx, context.home, inquiry)
    return services.inquiry_record(tx, inquiry) | {"lines": "\n".join(lines) or None}


def how_closed(store: Store, inquiry_id: int) -> str | None:
    """Say why an inquiry takes no answer any more; None while it does."""
    with store.read(SystemClock().now()) as tx:
        try:
            services.check_open(tx, services.find(tx, str(inquiry_id)))
        except ConflictError as error:
            return error.message
    return None


def _show(terminal: Terminal, question: Question, *, shows_lines: bool) -> None:
    inquiry = question.inquiry
    terminal.say(heading(inquiry, question.votes, SystemClock().now()), "cyan")
    width = shutil.get_terminal_size().columns
    if shows_lines:
        for line in question.lines:
            terminal.say(cut(f"  │ {line}", width - 1), "dim")
    terminal.say(inquiry.prompt, "bold")
    for vote in question.votes:
        said = in_words(inquiry.response_schema, vote.response)
        terminal.say(f"  {vote.person} said: {said}" + (f" ({vote.comment})" if vote.comment else ""))


def heading(inquiry: Inquiry, votes: Sequence[Vote], now: int) -> str:
    """Say in a line where a question comes from, and how long there is for it."""
    parts = [f"inquiry {inquiry.id} of {inquiry.asker} (execution {inquiry.execution})"]
    age = (now - inquiry.created) // SECOND
    parts.append(f"asked {format_duration(age)} ago" if age > 0 else "asked just now")
    if inquiry.timeout_at is not None:
        parts.append(f"expires in {format_duration(max(SECOND, inquiry.timeout_at - now) // SECOND)}")
    if inquiry.assigned_to is not None:
        parts.append(f"for {inquiry.assigned_to}")
    if inquiry.approvers is not None:
        parts.append(f"{len(votes)} of {inquiry.required} approvals")
    return ", ".join(parts)
