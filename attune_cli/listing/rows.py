"""Printing a list of what is installed: sorted, cut into pages, counted (cli.md 3.9, LISTOPTS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.documents import MISSING, pluck
from attune_cli.errors import NotFoundError, UsageError, did_you_mean
from attune_cli.reading.naming import warn_of_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.options import Rows
    from attune_cli.output import Column
    from attune_cli.runtime.model.notices import Subjects


def show_rows(
    context: Context,
    records: list[dict[str, Any]],
    columns: Sequence[Column],
    rows: Rows,
    noun: str,
    meant: Subjects | None = None,
) -> None:
    """Print records by ref, or by the field asked for; a note says when there are more.

    Where there are none, names among those that were `meant` are looked up: a slip may be why.
    """
    if meant is not None and not records:
        warn_of_unknown(context, meant)
    if rows.fail_empty and not records:
        raise NotFoundError(f"no {noun} meets this", code="empty")
    if rows.count:
        context.out.value(len(records))
        return
    if rows.sort is not None:
        records = sorted(records, key=lambda record: _key(record, str(rows.sort)))
    if rows.reverse:
        records = records[::-1]
    shown = records if rows.everything else records[: rows.limit]
    context.out.records(shown, columns)
    if len(shown) < len(records):
        context.out.note(f"there are {len(records)}: --all, or --after {shown[-1]['ref']}")


def _key(record: dict[str, Any], field: str) -> tuple[bool, bool, Any]:
    """Return a key that never compares a text with a number; absent values come last."""
    value = pluck(record, field)
    if value is MISSING:
        raise UsageError(
            f"no field '{field}'; fields are {', '.join(record)}",
            code="unknown_field",
            hint=did_you_mean(field, record),
        )
    absent = value is None
    is_text = not isinstance(value, (int, float))
    return absent, is_text, "" if absent else str(value) if is_text else value
