"""Asking on a terminal: plain lines on stderr, which can be withdrawn while somebody types."""

from __future__ import annotations

import os
import select
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attune_cli.output import paint, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from attune_cli.context import Context

_LOOK_SECONDS = 0.2
"""How often it is looked whether an answer is still wanted."""

_LINE_BYTES = 65536


class LeftError(Exception):
    """Who was asked went away without an answer: Ctrl-C, Ctrl-D, or the terminal is gone."""


class WithdrawnError(Exception):
    """An answer is not wanted any more; its text says why."""


class Terminal:
    """Stdin and stderr of this process, which are terminals (`Context.interactive`)."""

    def __init__(self, context: Context, *, unwanted: Callable[[], str | None] = lambda: None) -> None:
        """`unwanted` says now and then why no answer is wanted any more."""
        self._color = context.out.wants_color(sys.stderr)
        self._unwanted = unwanted
        self._number = sys.stdin.fileno()
        self._typed = b""

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line; nothing in it can drive the terminal."""
        sys.stderr.write(paint(visible(text), style, on=self._color) + "\n")
        sys.stderr.flush()

    def ask(self, question: str, *, hidden: bool = False) -> str:
        """Return the line that is typed, without what surrounds it; raises LeftError and WithdrawnError."""
        if not hidden:
            return self._line(question).strip()
        with self._unseen():  # before the question is there: whoever sees it may type
            return self._line(question)

    def _line(self, question: str) -> str:
        """Read to the end of a line. The terminal hands over whole lines, so nothing is taken that others need."""
        sys.stderr.write(visible(question))
        sys.stderr.flush()
        try:
            while b"\n" not in self._typed:
                if not select.select([self._number], [], [], _LOOK_SECONDS)[0]:
                    self._withdraw_if_unwanted()
                    continue
                part = os.read(self._number, _LINE_BYTES)
                if not part:
                    raise LeftError
                self._typed += part
        except (KeyboardInterrupt, OSError) as error:
            sys.stderr.write("\n")
            raise LeftError from error
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode("utf-8", "replace").removesuffix("\r")

    def _withdraw_if_unwanted(self) -> None:
        reason = self._unwanted()
        if reason is None:
            return
        import termios

        termios.tcflush(self._number, termios.TCIFLUSH)  # half a line is no answer to what comes next
        sys.stderr.write("\n")
        raise WithdrawnError(reason)

    @contextmanager
    def _unseen(self) -> Generator[None]:
        import termios

        shown = termios.tcgetattr(self._number)
        hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]
        termios.tcsetattr(self._number, termios.TCSADRAIN, hidden)
        try:
            yield
        finally:
            termios.tcsetattr(self._number, termios.TCSADRAIN, shown)
            sys.stderr.write("\n")


def is_in_front() -> bool:
    """Tell whether this process may read its terminal: one in the background would be stopped for it."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True  # no controlling terminal: nobody would stop it
