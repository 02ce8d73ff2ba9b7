"""Asking on a terminal: plain lines on stderr, which can be withdrawn while somebody types."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from attune_cli.output import paint, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from attune_cli.context import Context

_LOOK_SECONDS = 0.2
"""How often it is looked whether an answer is still wanted."""

_LINE_BYTES = 65536

_LONGEST_LINE_BYTES = 4094
"""Of a line that is typed, Linux keeps one byte more than this, and drops the rest without a word."""

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class LeftError(Exception):
    """Who was asked went away without an answer: Ctrl-C, Ctrl-D, or the terminal is gone."""

    by_end_of_input = False


class _EndedError(LeftError):
    """There is no more input: Ctrl-D."""

    by_end_of_input = True


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
        _write(paint(visible(text), style, on=self._color) + "\n")

    def ask(self, question: str, *, hidden: bool = False) -> str:
        """Return the line that is typed, without what surrounds it; raises LeftError and WithdrawnError."""
        while True:
            line = self._hidden_line(question) if hidden else self._line(question)
            if len(line) <= _LONGEST_LINE_BYTES:
                text = line.decode("utf-8", "replace").removesuffix("\r")
                return text if hidden else text.strip()
            self.say(
                f"  a line that is typed ends at {_LONGEST_LINE_BYTES} bytes; give it as NAME=@FILE", "red"
            )

    def _hidden_line(self, question: str) -> bytes:
        with self._unseen():  # before the question is there: whoever sees it may type
            return self._line(question)

    def _line(self, question: str) -> bytes:
        """Read to the end of a line. The terminal hands over whole lines, so nothing is taken that others need."""
        try:
            _write(visible(question))
            while b"\n" not in self._typed:
                if select.select([self._number], [], [], _LOOK_SECONDS)[0]:
                    self._read()
                else:
                    self._withdraw_if_unwanted()
        except LeftError:
            _write("\n")
            raise
        except (KeyboardInterrupt, OSError) as error:
            _write("\n")
            raise LeftError from error
        line, _, self._typed = self._typed.partition(b"\n")
        return line

    def _read(self) -> None:
        part = os.read(self._number, _LINE_BYTES)
        if not part:
            raise _EndedError
        self._typed += part

    def _withdraw_if_unwanted(self) -> None:
        reason = self._unwanted()
        if reason is None:
            return
        forget_typed()  # half a line is no answer to what comes next
        _write("\n")
        raise WithdrawnError(reason)

    @contextmanager
    def _unseen(self) -> Generator[None]:
        import termios

        shown = termios.tcgetattr(self._number)
        hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]

        def show() -> None:
            with suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(self._number, termios.TCSANOW, shown)

        with _shown_at_the_end(show):
            termios.tcsetattr(self._number, termios.TCSADRAIN, hidden)
            try:
                yield
            finally:
                show()
                _write("\n")


@contextmanager
def _shown_at_the_end(show: Callable[[], None]) -> Generator[None]:
    """Let no signal that ends this process leave behind a terminal that hides what is typed."""

    def end(number: int, _frame: object) -> None:
        show()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    ours = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _write(text: str) -> None:
    """Write to stderr; what nobody can read any more, because the terminal is gone, is no fault."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def forget_typed() -> None:
    """Drop what was typed and is not read yet: it was no answer to a question that nobody had seen."""
    import termios

    with suppress(termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def lose_terminal() -> bool:
    """Tell whether the terminal was closed; from then on what is written to it goes nowhere, and is no fault."""
    import termios

    lost = False
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        try:
            termios.tcgetattr(stream.fileno())
        except (termios.error, OSError, ValueError) as error:
            if error.args and error.args[0] == errno.EIO:
                os.dup2(os.open(os.devnull, os.O_RDWR), stream.fileno())
                lost = True
    return lost


def is_in_front() -> bool:
    """Tell whether this process may read its terminal: one in the background would be stopped for it."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True  # no controlling terminal: nobody would stop it
