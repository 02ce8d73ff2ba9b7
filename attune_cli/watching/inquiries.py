"""Waiting for inquiries: until one is answered, until there is one, and each as it comes."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from attune_cli.documents import tab_separated
from attune_cli.errors import CancelledError, PendingError, RunFailedError
from attune_cli.listing.inquiry_columns import SECTIONS, SHOWN
from attune_cli.runtime.clock import SystemClock, monotonic_seconds, pause, rfc3339
from attune_cli.runtime.host import open_store, settle_inquiries
from attune_cli.runtime.model.inquiries import InquiryStatus, is_approval
from attune_cli.runtime.services import inquiries as services
from attune_cli.runtime.store import inquiries
from attune_cli.runtime.store.inquiries import InquiryFilter
from attune_cli.watching.outbox import Feed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attune_cli.context import Context
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Store

_LOOK_SECONDS = 0.1
_ASKED = {"inquiry_created": "inquiry", "inquiry_reminder": "reminder"}
"""The changes that say that an answer is wanted → their type in a stream."""

_PENDING = InquiryFilter(statuses=(InquiryStatus.PENDING,), limit=10_000)


def wait_for_answer(context: Context, word: str, *, give_up_seconds: float | None) -> int:
    """Wait until an inquiry is closed, and print it; returns 1 when nobody has said yes."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        number = services.find(tx, word).id

    def closed() -> Inquiry | None:
        settle_inquiries(store, context.home)  # one that nobody owns would never run out of time
        with store.read(SystemClock().now()) as tx:
            inquiry = services.find(tx, str(number))
        return None if inquiry.is_pending else inquiry

    inquiry = _until(closed, give_up_seconds)
    if inquiry is None:
        raise PendingError(f"inquiry {number} is still pending", hint=f"attune inquiry wait {number}")
    _print(context, store, inquiry)
    if inquiry.status is not InquiryStatus.RESPONDED:
        raise RunFailedError(
            f"inquiry {number} was not answered: its status is {inquiry.status}", code=str(inquiry.status)
        )
    if not is_approval(inquiry.response_schema, inquiry.response):
        raise RunFailedError(
            f"inquiry {number} was rejected by {inquiry.responded_by or 'its default'}", code="rejected"
        )
    return 0


def wait_for_any(context: Context, *, give_up_seconds: float | None) -> int:
    """Wait until there is an inquiry that waits for an answer, and print the oldest."""
    store = open_store(context.home, context.settings)

    def oldest() -> Inquiry | None:
        settle_inquiries(store, context.home)
        with store.read(SystemClock().now()) as tx:
            first = inquiries.pending_ids(tx, limit=1)
            return inquiries.get(tx, first[0]) if first else None

    inquiry = _until(oldest, give_up_seconds)
    if inquiry is None:
        raise PendingError("no inquiry is pending yet", hint="attune inquiry wait --any")
    _print(context, store, inquiry)
    return 0


def _until(find: Callable[[], Inquiry | None], give_up_seconds: float | None) -> Inquiry | None:
    """Look until something is found; None when waiting is over first."""
    started = monotonic_seconds()
    while (found := find()) is None:
        if give_up_seconds is not None and monotonic_seconds() - started > give_up_seconds:
            return None
        pause(_LOOK_SECONDS)
    return found


def _print(context: Context, store: Store, inquiry: Inquiry) -> None:
    with store.read(SystemClock().now()) as tx:
        record = services.inquiry_record(tx, inquiry)
    context.out.record(record, SHOWN, SECTIONS)


# --- each as it comes


def watch(context: Context, command: str | None) -> int:
    """Print what waits for an answer, and what comes to wait, until Ctrl-C; or give each to a command."""
    feed = Feed(context, None)
    out = context.out
    if command is None:
        out.event({"v": 1, "type": "hello", "stream": "inquiry", "seq": feed.sequence}, None)
    with suppress(KeyboardInterrupt):
        for record in _asked(feed):
            if command is None:
                out.event(record, _line(record))
            else:
                _hand_to(context, command, record)
    if command is None:
        now = rfc3339(SystemClock().now())
        out.event(
            {"v": 1, "type": "end", "seq": feed.sequence, "ts": now, "exit_code": CancelledError.exit_code},
            None,
        )
    return CancelledError.exit_code


def _asked(feed: Feed) -> Iterator[Record]:
    """Yield the inquiries that wait, oldest first, then each when it is asked and when people are reminded of it."""
    told: set[int] = set()
    for inquiry in _pending(feed):
        told.add(inquiry["id"])
        yield {"v": 1, "type": "inquiry", "seq": feed.sequence, "ts": inquiry["created"], **inquiry}
    for news in feed:
        for change in news.records:
            kind = _ASKED.get(change["notification_type"])
            number = change["entity_id"]
            if kind is None or (kind == "inquiry" and number in told):
                continue
            record = _record(feed, number)
            if record is not None:
                yield {"v": 1, "type": kind, "seq": change["seq"], "ts": change["ts"], **record}


def _pending(feed: Feed) -> list[Record]:
    if feed.store is None:
        return []
    with feed.store.read(SystemClock().now()) as tx:
        return [services.inquiry_record(tx, one) for one in reversed(inquiries.search(tx, _PENDING))]


def _record(feed: Feed, number: int) -> Record | None:
    """Return an inquiry as it stands now; None when it was deleted since."""
    if feed.store is None:
        return None
    with feed.store.read(SystemClock().now()) as tx:
        inquiry = inquiries.get(tx, number)
        return None if inquiry is None else services.inquiry_record(tx, inquiry)


def _line(record: Record) -> str:
    first_line = record["prompt"].partition("\n")[0]
    return tab_separated((record["ts"], record["id"], record["execution"], record["asker"], first_line))


def _hand_to(context: Context, command: str, record: Record) -> None:
    """Run a command line with an inquiry on its stdin; how it ends is its own affair, but said."""
    environment = {**os.environ, "ATTUNE_HOME": str(context.home.path)}
    text = json.dumps(record, ensure_ascii=False) + "\n"
    done = subprocess.run(["/bin/sh", "-c", command], input=text.encode(), env=environment, check=False)
    if done.returncode != 0:
        context.out.warning(f"inquiry {record['id']}: {command!r} ended with {done.returncode}")
