"""Lines at the end of a terminal that change, below text that scrolls on above them."""

from __future__ import annotations

import sys
from contextlib import suppress
from shutil import get_terminal_size
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WHOLE = ("\x1b[?2026h", "\x1b[?2026l")
"""Terminals that know it show what stands between these at once, others ignore it."""


class LiveRegion:
    """Draws on stderr, each time over what it drew before. No line may be wider than the terminal."""

    def __init__(self) -> None:
        self._drawn = 0

    def draw(self, lines: Sequence[str]) -> None:
        """Replace what is drawn; only the last lines are where the terminal is too low for all."""
        room = max(1, get_terminal_size().lines - 1)
        shown = list(lines)
        if len(shown) > room:
            hidden = len(shown) - room + 1
            shown = [*shown[:1], f"… {hidden} lines more", *shown[hidden + 1 :]][:room]
        text = "".join(f"{line}\x1b[K\n" for line in shown)
        self._write(f"{_WHOLE[0]}{self._back()}{text}\x1b[J{_WHOLE[1]}")
        self._drawn = len(shown)

    def erase(self) -> None:
        """Take away what is drawn, so that other text may follow."""
        if self._drawn:
            self._write(f"{self._back()}\x1b[J")
            self._drawn = 0

    def leave(self) -> None:
        """Let what is drawn stand for good."""
        self._drawn = 0

    def _back(self) -> str:
        return f"\x1b[{self._drawn}A\r" if self._drawn else ""

    @staticmethod
    def _write(text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal may be gone
            sys.stderr.write(text)
            sys.stderr.flush()
