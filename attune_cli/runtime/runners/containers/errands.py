"""Work that asks the engine and that nobody waits for, until the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import monotonic_seconds

if TYPE_CHECKING:
    from collections.abc import Callable


class Errands:
    """Each on a thread of its own. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()

    def finish(self, seconds: float) -> None:
        """Wait until all are done, for so long at most."""
        give_up = monotonic_seconds() + seconds
        while (thread := self._next()) is not None and monotonic_seconds() < give_up:
            thread.join(max(0.0, give_up - monotonic_seconds()))

    def _next(self) -> threading.Thread | None:
        with self._lock:
            return next((one for one in self._threads if one.is_alive()), None)
