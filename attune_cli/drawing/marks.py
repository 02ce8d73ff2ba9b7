"""The characters of drawings, and what stands in for them where the terminal knows only ASCII."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Mapping

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8

_LINES = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"
_ASCII_LINES = " '.|-'.+-`.+-+++"
_STATES = {
    "waiting": "○",
    "requested": "○",
    "scheduled": "○",
    "running": "●",
    "canceling": "●",
    "paused": "◐",
    "completed": "✔",
    "failed": "✖",
    "timed_out": "✖",
    "timeout": "✖",
    "abandoned": "✖",
    "cancelled": "⊘",
    "skipped": "»",
}
_ASCII = {ord(mark): text for mark, text in zip("○●◐✔✖⊘»↺→…×█░", "o>=+x/-^>~x#.", strict=True)} | {
    ord("→"): "->",
    ord("·"): "-",
}
"""Where a terminal knows only ASCII."""


@immutable(kw_only=True)
class Marks:
    """One set of characters."""

    lines: str
    """By the sum of UP, DOWN, LEFT and RIGHT."""
    task: str
    states: Mapping[str, str]
    is_ascii: bool = False

    def of(self, status: str | None) -> str:
        """Return the mark of a state; a drawing without states has the same for all."""
        return self.task if status is None else self.states.get(status, self.task)

    def text(self, text: str) -> str:
        """Return a text with the characters of drawings replaced by what this set has."""
        return text.translate(_ASCII) if self.is_ascii else text


UNICODE = Marks(lines=_LINES, task="●", states=_STATES)
ASCII = Marks(
    lines=_ASCII_LINES,
    task="*",
    states={status: mark.translate(_ASCII) for status, mark in _STATES.items()},
    is_ascii=True,
)


def marks_here() -> Marks:
    """Return the characters that the terminal of this command can show, as its locale says.

    Our streams always write UTF-8. Where no locale is set at all, as in containers, terminals read that too.
    """
    environment = os.environ
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    name = next((environment[one] for one in names if environment.get(one)), "")
    charset = name.partition(".")[2].partition("@")[0].lower().replace("-", "")
    is_ascii = name in ("C", "POSIX") or charset not in ("", "utf8")
    return ASCII if is_ascii else UNICODE
