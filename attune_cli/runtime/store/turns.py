"""Taking turns at writing: a lock that processes wait for in line, in front of SQLite's own.

SQLite makes those that wait try again and again, and under two hundred writers some never get their turn in
half a minute. The kernel keeps a queue, and frees the lock of a process that dies.
"""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Turns:
    """The queue of one file; each connection has its own place in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, timeout_seconds: float) -> bool:
        """Wait for our turn; False when it did not come in time."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not _Wait(descriptor).until(timeout_seconds):
                return False
        self._descriptor = descriptor
        return True

    def give_back(self) -> None:
        """Let the next one write."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Wait:
    """Waits in line in a thread of its own: a lock of the kernel cannot be waited for with a time limit."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._ours = threading.Event()
        self._given_up = False

    def until(self, timeout_seconds: float) -> bool:
        threading.Thread(target=self._stand_in_line, daemon=True).start()
        self._ours.wait(timeout_seconds)
        with self._lock:
            self._given_up = not self._ours.is_set()
            return not self._given_up

    def _stand_in_line(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._lock:
            if self._given_up:
                os.close(self._descriptor)
            else:
                self._ours.set()
