"""What is wrong with a text that is no YAML, in words of people: what stands there, and what to write instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.runtime.packs.documents import Position

    Tell = Callable[[Sequence[str], Position, Position | None], tuple[str, Position] | None]

_KEY = re.compile(r"[ ]*(?:- +)*(?:[\w.-]+|\"[^\"]*\"|'[^']*')")
_KEY_AND_TEXT = re.compile(r"[ ]*(?:- +)*([\w.-]+):[ ]+(.+)")
_ENDS_EARLY = "a text in quotes ends before this: use the other kind of quotes within it"
_CLOSERS = {"[": "]", "{": "}"}


def in_words(
    problem: str, lines: Sequence[str], position: Position, opened: Position | None
) -> tuple[str, Position]:
    """Return what is wrong and where, from what the parser says; `opened` is where that began which it was reading."""
    tab = _tab_before(_line(lines, position))
    if tab is not None:
        return "a tab indents this line: write spaces, two for each level", (position[0], tab)
    told = (tell(lines, position, opened) for said, tell in _TELLING if said in problem)
    return next(filter(None, told), (problem, position))


def unquoted_template(lines: Sequence[str], position: Position) -> tuple[str, Position] | None:
    """Say of a place where YAML finds a mapping in a mapping that a template lacks its quotes, if one stands there."""
    line, start = _line(lines, position), position[1] - 2
    if start < 0 or line[start : start + 2] != "{{":
        return None
    is_whole = _KEY.sub("", line[:start], count=1).strip() in {"", ":"}
    end = line.find("}}", start)
    text = line[start:] if is_whole or end < 0 else line[start : end + 2]
    return f"a template needs quotes around it: write {_quoted(text.strip())}", (position[0], start + 1)


def _line(lines: Sequence[str], position: Position) -> str:
    return lines[position[0] - 1] if position[0] <= len(lines) else ""


def _tab_before(line: str) -> int | None:
    """Return the column of the first tab that indents a line."""
    indent = line[: len(line) - len(line.lstrip())]
    return indent.index("\t") + 1 if "\t" in indent else None


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text and "'" not in text else '"' + text.replace('"', '\\"') + '"'


def _second_value(lines: Sequence[str], position: Position, _opened: Position | None) -> tuple[str, Position]:
    """Tell a line that is indented too far, or follows one without a colon, from a text with a colon in it."""
    line = _line(lines, position)
    if not _KEY.fullmatch(line[: position[1] - 1]):
        found = _KEY_AND_TEXT.match(line)
        if found is None:
            return "a second ': ' in one line: put the text around it in quotes", position
        key, text = found.groups()
        return f"a second ': ' in one line: write {key}: {_quoted(text)}, or begin a new line", position
    row, above = _above(lines, position)
    if row and ":" not in above:
        return f"'{above.strip(' -')}' has no ':' behind it", (row, _column(above))
    return _deeper(lines, position)


def _deeper(lines: Sequence[str], position: Position) -> tuple[str, Position]:
    line, (row, above) = _line(lines, position), _above(lines, position)
    name = line.strip(" -").partition(":")[0]
    told = f"'{name}' is indented deeper than line {row}, which has its value already"
    return f"{told}: begin it in column {_column(above)}", (position[0], _column(line))


def _above(lines: Sequence[str], position: Position) -> tuple[int, str]:
    """Return the nearest line above that says something, with its number; 0 where there is none."""
    row = next((row for row in range(position[0] - 1, 0, -1) if _says_something(lines[row - 1])), 0)
    return row, lines[row - 1] if row else ""


def _column(line: str) -> int:
    """Return where the first word of a line begins, behind the dashes of lists."""
    return len(line) - len(line.lstrip(" -")) + 1


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _out_of_line(lines: Sequence[str], position: Position, _opened: Position | None) -> tuple[str, Position]:
    line = _line(lines, position)
    before, char = line[: position[1] - 1], line[position[1] - 1 : position[1]]
    if not before.strip(" -"):
        row, above = _above(lines, position)
        if row and char != "-" and _column(above) < position[1]:
            return _deeper(lines, position)
        return (
            "this line begins in a column in which none above it does: line it up with what it belongs to",
            position,
        )
    if char in _CLOSERS.values():
        return f"one '{char}' too many", position
    return _ENDS_EARLY, position


def _unclosed(
    lines: Sequence[str], position: Position, opened: Position | None
) -> tuple[str, Position] | None:
    if opened is None:
        return None
    opener = _line(lines, opened)[opened[1] - 1 : opened[1]]
    line = _line(lines, position)
    if position[0] == opened[0] and line[position[1] - 2 : position[1] - 1] in {'"', "'"}:
        return _ENDS_EARLY, position
    if position[0] > opened[0]:
        return f"the '{opener}' that opens here is never closed with '{_CLOSERS.get(opener, opener)}'", opened
    return "a ',' is missing before this", position


def _needs_quotes(lines: Sequence[str], position: Position, opened: Position | None) -> tuple[str, Position]:
    line = _line(lines, position)
    begin = opened if opened is not None and opened[0] == position[0] else position
    text = line[begin[1] - 1 :].strip()
    if text.startswith("%") and line[begin[1] - 2 : begin[1] - 1] == "{":
        return "'{% … %}' has no meaning here: an expression is written \"{{ … }}\", in quotes", begin
    return f"a text that begins with '{text[:1]}' needs quotes: write {_quoted(text)}", begin


def _never_closed(
    _lines: Sequence[str], _position: Position, opened: Position | None
) -> tuple[str, Position] | None:
    return None if opened is None else ("the quote that opens here is never closed", opened)


def _no_colon(
    lines: Sequence[str], _position: Position, opened: Position | None
) -> tuple[str, Position] | None:
    return None if opened is None else (f"'{_line(lines, opened).strip()}' has no ':' behind it", opened)


def _unknown_escape(
    lines: Sequence[str], position: Position, _opened: Position | None
) -> tuple[str, Position]:
    written = _line(lines, position)[position[1] - 1 : position[1] + 1]
    return f"'{written}' means nothing in double quotes: write \\{written}, or single quotes", position


_TELLING: tuple[tuple[str, Tell], ...] = (
    ("mapping values are not allowed", _second_value),
    ("did not find expected key", _out_of_line),
    ("'-' indicator", _out_of_line),
    ("did not find expected ','", _unclosed),
    ("cannot start any token", _needs_quotes),
    ("alphabetic or numeric", _needs_quotes),
    ("end of stream", _never_closed),
    ("expected ':'", _no_colon),
    ("unknown escape", _unknown_escape),
)
"""A part of what the parser says → what says it in words of people; None where too little is known for that."""
