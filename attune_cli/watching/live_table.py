"""A table on a terminal that changes with what it shows: one row for each thing, newest below."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from attune_cli.table import status_style, visible
from attune_cli.values import immutable
from attune_cli.watching.changes import status_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.services.records import Record

Key = tuple[str, int]

_KEPT = 500
"""So many things are remembered, for those that come back; a terminal shows the last of them."""

_AROUND_LINES = 4


@immutable(kw_only=True)
class _Row:
    key: Key
    parent: Key | None
    at: str
    subject: str
    status: str


class LiveTable:
    """Shows changes while it is entered."""

    def __init__(self, context: Context, *, tree: bool) -> None:
        self._title = str(context.home.path)
        self._tree = tree
        self._rows: dict[Key, _Row] = {}
        self._console = Console(no_color=not context.out.wants_color(sys.stdout), highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, get_renderable=self._table)

    def __enter__(self) -> Self:
        self._console.print(Text(visible(self._title), style="dim"))
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_reason: object) -> None:
        with suppress(OSError):  # the terminal may be gone
            self._live.stop()

    def show(self, records: Sequence[Record], *, gap: Record | None) -> None:
        """Take in changes and draw what came of them."""
        if gap is not None:
            self._console.print(Text("some changes are gone", style="dim"))
        for record in records:
            row = _row(record)
            self._rows.pop(row.key, None)  # what changed last stands last
            self._rows[row.key] = row
        while len(self._rows) > _KEPT:
            del self._rows[next(iter(self._rows))]
        self._live.refresh()

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("TIME", "KIND", "ID", "WHAT", "STATUS"):
            table.add_column(heading, no_wrap=True, justify="right" if heading == "ID" else "left")
        room = max(1, self._console.height - _AROUND_LINES)
        for depth, row in list(self._in_order())[-room:]:
            table.add_row(
                row.at,
                f"{'  ' * depth}{row.key[0]}",
                str(row.key[1]),
                Text(visible(row.subject)),
                Text(row.status, style=status_style(row.status) or ""),
            )
        return table

    def _in_order(self) -> Iterator[tuple[int, _Row]]:
        """Return depth and row: as they changed, or each below what it came from."""
        if not self._tree:
            yield from ((0, row) for row in self._rows.values())
            return
        below: dict[Key | None, list[_Row]] = {}
        for row in self._rows.values():
            below.setdefault(row.parent if row.parent in self._rows else None, []).append(row)
        waiting = [(0, row) for row in reversed(below.get(None, []))]
        while waiting:
            depth, row = waiting.pop()
            yield depth, row
            waiting += [(depth + 1, child) for child in reversed(below.get(row.key, []))]


def _row(record: Record) -> _Row:
    payload = record["payload"]
    return _Row(
        key=(record["entity_type"], record["entity_id"]),
        parent=_parent(payload),
        at=record["ts"][11:19],
        subject=subject_of(payload),
        status=status_of(record),
    )


def _parent(payload: dict[str, Any]) -> Key | None:
    """Return what something came from: execution from execution or enforcement, enforcement from event."""
    chain = (
        ("parent", "execution"),
        ("enforcement", "enforcement"),
        ("event", "event"),
        ("execution", "execution"),
    )
    return next(((kind, payload[name]) for name, kind in chain if payload.get(name) is not None), None)
