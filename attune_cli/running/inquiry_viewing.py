"""Behind `attune inquiry list` and `show`: what they print, once that is true."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.listing.history import list_all, show_all
from attune_cli.listing.inquiry_columns import COLUMNS, SECTIONS, SHOWN
from attune_cli.running.ownerless import tell_nobody_runs, tops_nobody_runs
from attune_cli.running.questions import shown_record
from attune_cli.runtime.host import open_store, settle_inquiries
from attune_cli.runtime.model.notices import Subjects
from attune_cli.runtime.services import inquiries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.inquiries import InquiryFilter


def _settle(context: Context) -> None:
    """Close what ran out of time while nobody ran it: it would be shown as if it waited."""
    if os.access(context.home.database, os.W_OK):
        store = open_store(context.home, context.settings)
        settle_inquiries(store, context.home)
        store.close()


def list_inquiries(context: Context, wanted: InquiryFilter, *, limit: int | None, fail_empty: bool) -> None:
    """Print the inquiries that are meant."""
    _settle(context)
    list_all(
        context,
        lambda tx, count: inquiries.list_inquiries(tx, replace(wanted, limit=count))[0],
        COLUMNS,
        limit=limit,
        fail_empty=fail_empty,
        meant=Subjects(),
        goes_by_id=False,
    )


def show_inquiries(context: Context, words: Sequence[str]) -> None:
    """Print inquiries in full, and say where nobody runs what waits for an answer."""
    ownerless: list[int] = []

    def find(tx: Transaction, word: str) -> Record:
        record = shown_record(tx, context, word)
        if record["status"] == "pending":
            ownerless.extend(tops_nobody_runs(tx, context, [record["execution"]]))
        return record

    _settle(context)
    show_all(context, words, find, COLUMNS, SHOWN, SECTIONS)
    tell_nobody_runs(context, dict.fromkeys(ownerless))
