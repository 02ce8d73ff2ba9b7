"""Text for people: cells, columns cut to a width, and nothing in the data that could drive a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from attune_cli.documents import MISSING, Json, Record, plain_text, pluck
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["plain", "text", "time", "duration", "bytes", "number", "status"]

_SHORTEST = 10
_LONGEST_AGO_SECONDS = 30 * 86400
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_GAP = "  "
_RIGHT = frozenset({"duration", "bytes", "number"})
_STYLES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36",
}  # fmt: skip
_STATUS_STYLES = {
    "completed": "green", "ok": "green", "pass": "green", "passed": "green",
    "failed": "red", "error": "red", "timeout": "red", "abandoned": "red",
    "running": "cyan", "canceling": "yellow", "cancelled": "yellow", "warning": "yellow", "requested": "dim",
    "timed_out": "red", "paused": "yellow", "waiting": "dim", "skipped": "dim",
}  # fmt: skip

# C0 and DEL become their pictures, C1 (0x9b starts an escape sequence too), lone surrogates and the
# marks that reverse text become escapes.
_PICTURES: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
    0x7F: "\u2421",
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
    **{code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}
_SURROGATE = re.compile("[\ud800-\udfff]")


@immutable
class Column:
    """One column of a list, or one line of a record: heading, dotted path into the record, kind of value.

    Only kind `text` (free text) is ever cut. `time` expects RFC 3339, `duration` milliseconds, `bytes` a count.
    """

    title: str
    path: str
    kind: Kind = "plain"


def visible(text: str) -> str:
    r"""Return `text` with control characters made visible (`\x1b` as ␛), so that it can never drive a terminal.

    Newlines and tabs stay. Lone surrogates (bytes that were not UTF-8) become `\udXXX`.
    """
    if text.isascii() and text.isprintable():
        return text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text.translate(_PICTURES))


def paint(text: str, style: str | None, *, on: bool) -> str:
    """Return `text` in a style of the terminal, or as it is."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if on and style else text


def cell(value: Json, kind: Kind, now: int) -> str:
    """Return a value as a terminal shows it in one line; `now` is the instant times are told from."""
    if value is None or value is MISSING:
        return "-"
    if kind == "time" and isinstance(value, str):
        return _relative(value, now)
    if kind in ("duration", "bytes") and isinstance(value, int | float):
        from attune_cli.runtime.model.quantities import format_duration, format_size

        return format_duration(value / 1000) if kind == "duration" else format_size(int(value))
    return visible(plain_text(value)).replace("\t", " ").replace("\n", "\u240a")


def _relative(text: str, now: int) -> str:
    """Return `5s ago`, `3m ago`, `in 2h`, `4d ago`; the date when it is more than a month away."""
    from attune_cli.runtime.clock import SECOND, parse_rfc3339

    try:
        seconds = (now - parse_rfc3339(text)) // SECOND
    except ValueError:
        return visible(text)
    if abs(seconds) > _LONGEST_AGO_SECONDS:
        return text[:10]
    unit, size = next((unit, size) for unit, size in _UNITS if abs(seconds) >= size or size == 1)
    amount = f"{abs(seconds) // size}{unit}"
    return f"in {amount}" if seconds < 0 else f"{amount} ago"


def status_style(value: Json) -> str | None:
    """Return the colour of a status, or None."""
    return _STATUS_STYLES.get(value) if isinstance(value, str) else None


def table(
    records: Sequence[Record], columns: Sequence[Column], *, width: int, now: int, color: bool
) -> list[str]:
    """Return header and rows in columns that fit `width` where cutting free text suffices for it."""
    rows = [[cell(pluck(record, column.path), column.kind, now) for column in columns] for record in records]
    titles = [column.title for column in columns]
    widths = [max(map(display_width, texts)) for texts in zip(titles, *rows, strict=True)]
    _narrow(widths, columns, width)
    lines = [paint(_line(titles, widths, columns), "bold", on=color)]
    for record, row in zip(records, rows, strict=True):
        styles = [
            status_style(pluck(record, column.path)) if column.kind == "status" else None
            for column in columns
        ]
        lines.append(_line(row, widths, columns, styles if color else None))
    return lines


def _narrow(widths: list[int], columns: Sequence[Column], width: int) -> None:
    """Take what is too much from the widest free text first; refs and ids are never cut."""
    free = [index for index, column in enumerate(columns) if column.kind == "text"]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0 and free:
        widest = max(free, key=lambda index: widths[index])
        if widths[widest] <= _SHORTEST:
            return
        widths[widest] -= 1
        excess -= 1


def _line(
    texts: Sequence[str],
    widths: Sequence[int],
    columns: Sequence[Column],
    styles: Sequence[str | None] | None = None,
) -> str:
    cells: list[str] = []
    for index, (text, width, column) in enumerate(zip(texts, widths, columns, strict=True)):
        short = cut(text, width)
        padding = " " * (width - display_width(short))
        shown = paint(short, styles[index], on=True) if styles else short
        cells.append(padding + shown if column.kind in _RIGHT else shown + padding)
    return _GAP.join(cells).rstrip()


def cut(text: str, width: int) -> str:
    """Return as much of a text as fits so many columns, with an ellipsis where something is missing."""
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - 1:
        text = text[: min(len(text) - 1, width - 1)]
    return f"{text}\u2026"


def display_width(text: str) -> int:
    """Return how many columns of a terminal `text` takes (UAX 11: wide characters take two)."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)
