"""Printing lists and single records of what is kept in the file: events, enforcements and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError
from attune_cli.reading.naming import warn_of_unknown
from attune_cli.reading.words import read_words
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store_for_reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.context import Context
    from attune_cli.options import Newest
    from attune_cli.output import Column, Section
    from attune_cli.runtime.model.notices import Subjects
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction

_EVERY_ROW = -1


def list_all(
    context: Context,
    find: Callable[[Transaction, int], list[Record]],
    columns: Sequence[Column],
    *,
    limit: int | None,
    fail_empty: bool,
    meant: Subjects,
    goes_by_id: bool = True,
) -> None:
    """Print records, newest first; `find` returns at most so many of them. A note says when there are more.

    Where there are none, the names that were `meant` are looked up: a slip may be why.
    """
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        # One more than asked for tells whether there are more.
        found = find(tx, _EVERY_ROW if limit is None else limit + 1)
    shown = found if limit is None else found[:limit]
    if not shown:
        warn_of_unknown(context, meant)
    if not shown and fail_empty:
        raise NotFoundError("nothing meets this", code="empty")
    context.out.records(shown, columns)
    if len(found) > len(shown):
        further = f", or --after {shown[-1]['id']}" if goes_by_id else ", or a larger --limit"
        context.out.note(f"there are more: --all{further}")


def list_newest(
    context: Context,
    newest: Newest,
    find: Callable[[Transaction, int], list[Record]],
    count: Callable[[Transaction], int],
    columns: Sequence[Column],
    *,
    meant: Subjects,
) -> None:
    """Print what `list_all` prints, or how many there are, however many rows are asked for."""
    if not newest.count:
        list_all(context, find, columns, limit=newest.most, fail_empty=newest.fail_empty, meant=meant)
        return
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        number = count(tx)
    if not number:
        warn_of_unknown(context, meant)
    context.out.value(number)


def show_all(
    context: Context,
    words: Sequence[str],
    find: Callable[[Transaction, str], Record],
    columns: Sequence[Column],
    shown: Sequence[Column],
    sections: Sequence[Section],
) -> None:
    """Print the record that each word names: one in full, several as a list."""
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        records = [find(tx, word) for word in read_words(words)]
    context.out.show(records, columns, shown, sections)
