"""Moves bytes through the pipes of a run without ever waiting for the other end."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attune_cli.runtime.supervisor.log import Log
    from attune_cli.runtime.supervisor.mask import Mask

_READ_BYTES = 64 * 1024
"""An ordinary pipe holds as much."""

_WIDE_PIPE_BYTES = 1024 * 1024
"""The most an unprivileged user may ask for (pipe(7)): fewer turns for one who writes much."""

_DRAINS_A_TURN = 16
"""A stream that writes without end must let the others have their turn."""


class Drain:
    """Takes bytes out of a pipe and forgets them; without copying them, where the kernel can."""

    def __init__(self) -> None:
        self._null = os.open(os.devnull, os.O_WRONLY)
        self._splices = hasattr(os, "splice")
        self._buffer = bytearray(_READ_BYTES)

    def take(self, pipe: int) -> int:
        """Return how many bytes went, 0 at the end of the stream. Raises BlockingIOError when none are there."""
        if self._splices:
            try:
                return os.splice(pipe, self._null, _WIDE_PIPE_BYTES, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                raise
            except OSError:
                self._splices = False
        return os.readv(pipe, [self._buffer])

    def close(self) -> None:
        os.close(self._null)


class Pump:
    """Moves one output stream into its log."""

    def __init__(self, pipe: int, log: Log, mask: Mask | None, drain: Drain) -> None:
        self.pipe = pipe
        self.log = log
        self.open = True
        self._mask = mask
        self._drain = drain
        self._wide = False

    def move(self) -> bool:
        """Move what is there; False at the end of the stream. Raises OSError when the log cannot be written."""
        try:
            going = self._drop() if self.log.full else self._take()
        except BlockingIOError:
            return True
        if not going:
            self._flush()
        return going

    def finish(self) -> None:
        """Move what a pipe can hold at most, for a stream whose writers are gone. Raises OSError like `move`."""
        for _ in range(_WIDE_PIPE_BYTES // _READ_BYTES):
            if not self.move():
                return
        self._flush()

    def close(self) -> None:
        self.open = False
        os.close(self.pipe)
        self.log.close()

    def _take(self) -> bool:
        data = os.read(self.pipe, _READ_BYTES)
        if len(data) == _READ_BYTES and not self._wide:
            self._widen()
        self.log.append(data if self._mask is None else self._mask.feed(data))
        return bool(data)

    def _drop(self) -> bool:
        for _ in range(_DRAINS_A_TURN):
            count = self._drain.take(self.pipe)
            if not count:
                return False
            self.log.drop(count)
        return True

    def _flush(self) -> None:
        if self._mask is not None:
            self.log.append(self._mask.flush())

    def _widen(self) -> None:
        self._wide = True
        # Elsewhere than on Linux there is no such call, and a user's pipes together may be too many for it.
        with suppress(OSError, AttributeError):
            fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, _WIDE_PIPE_BYTES)


class Feed:
    """Gives a child its standard input."""

    def __init__(self, pipe: int, rest: memoryview) -> None:
        self.pipe = pipe
        self.open = True
        self._rest = rest

    def give(self) -> bool:
        """Give what the pipe takes; False when there is no more to give, or nobody who reads."""
        try:
            self._rest = self._rest[os.write(self.pipe, self._rest) :]
        except BlockingIOError:
            return True
        except OSError:
            return False  # a child need not read its input (domain.md 2.5)
        return bool(self._rest)

    def close(self) -> None:
        self.open = False
        os.close(self.pipe)
