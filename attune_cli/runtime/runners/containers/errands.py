"""Work that asks the engine and that nobody waits for, until the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import monotonic_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

_PUT_OFF_SECONDS = 0.5
"""How long work is put off for runs that go on: most that a lull is worth waiting for are shorter."""


class Errands:
    """Each on a thread of its own. May be used from any thread."""

    def __init__(self, *, put_off_seconds: float = _PUT_OFF_SECONDS) -> None:
        self._put_off_seconds = put_off_seconds
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._under_way: set[str] = set()
        self._put_off: list[Callable[[], None]] = []

    def run(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._begin(work)

    # --- work that would slow down short runs

    def begin(self, run: str) -> None:
        """Say that a run begins which may soon be over."""
        with self._lock:
            self._under_way.add(run)

    def end(self, run: str) -> None:
        """Say that a run is over; then what was put off is done, if it was the last."""
        with self._lock:
            self._under_way.discard(run)
            is_busy = bool(self._under_way)
        if not is_busy:
            self.hurry()

    def put_off(self, work: Callable[[], None]) -> None:
        """Do it when no run is under way, or when that takes too long."""
        with self._lock:
            self._put_off.append(work)
            is_first, is_busy = len(self._put_off) == 1, bool(self._under_way)
        if not is_busy:
            self.hurry()
        elif is_first:
            timer = threading.Timer(self._put_off_seconds, self.hurry)
            timer.daemon = True
            timer.start()

    def hurry(self) -> None:
        """Do at once what was put off."""
        with self._lock:
            due, self._put_off = self._put_off, []
            for work in due:
                self._begin(work)

    def finish(self, seconds: float) -> None:
        """Wait until all are done, for so long at most."""
        give_up = monotonic_seconds() + seconds
        self.hurry()
        while (thread := self._next()) is not None and monotonic_seconds() < give_up:
            thread.join(max(0.0, give_up - monotonic_seconds()))

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _next(self) -> threading.Thread | None:
        with self._lock:
            return next((one for one in self._threads if one.is_alive()), None)
