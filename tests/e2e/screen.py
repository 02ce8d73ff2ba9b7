"""A terminal with somebody at it, who reads what it shows before typing."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

from tests.e2e.story import PATIENCE_SECONDS

if TYPE_CHECKING:
    import signal


class Screen:
    """`attune …` on a terminal of its own; `shown` is all that it has shown. Leaving it kills what is left."""

    def __init__(self, *arguments: str, columns: int = 80, lines: int = 40, **environment: str) -> None:
        self._mine, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "attune_cli", *arguments],
            stdin=its,
            stdout=its,
            stderr=its,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(its)
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.close()

    def until(self, text: str) -> Self:
        """Wait until a text is shown after what was waited for before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.shown[self._read :]:
            assert self._more(deadline), f"waited in vain for {text!r} in {self.shown!r}"
        self._read = self.shown.index(text, self._read) + len(text)
        return self

    _read = 0

    def type(self, text: str) -> Self:
        os.write(self._mine, text.encode())
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        """Close the terminal, as who closes its window does."""
        if self._mine >= 0:
            os.close(self._mine)
        self._mine = -1

    def is_echoing(self) -> bool:
        """Tell whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._mine)[3] & termios.ECHO)

    def end(self) -> int:
        """Read to its end; returns the exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._more(deadline):
            pass
        return self.process.wait(PATIENCE_SECONDS)

    def _more(self, deadline: float) -> bool:
        """Read some more; False at the end, which Linux reports as an input/output error, or when time is over."""
        if not select.select([self._mine], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            part = os.read(self._mine, 65536)
        except OSError:
            return False
        self.shown += part.decode().replace("\r\n", "\n")
        return bool(part)
