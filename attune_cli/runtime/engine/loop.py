"""The engine's thread: it ticks whenever something is new, and sleeps otherwise."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from attune_cli.errors import UnavailableError
from attune_cli.runtime.clock import SECOND, monotonic_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.runtime.clock import Clock, Instant
    from attune_cli.runtime.engine.doorbell import Doorbell
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.engine.tick import Engine
    from attune_cli.runtime.store.database import Store, Transaction

Answer = TypeVar("Answer")

_POLL_SECONDS = 1.0
_PASSING = frozenset({"database_busy", "disk_full"})
"""What a store says when it cannot be written now, and may be a little later."""

NO_ENGINE = "no_engine"
_REPLACED = UnavailableError("the engine has ended, or is being replaced", code=NO_ENGINE, hint="try again")
"""What those are told who ask an engine that has left: nothing was done of what they asked."""


class EngineLoop:
    """Ticks `engine` on a thread of its own. `changed` is called there, after the boot and after each tick.

    A failure that no waiting mends ends the thread: it stands in `failure`, and every request is answered with it.
    """

    def __init__(
        self, *, engine: Engine, store: Store, clock: Clock, doorbell: Doorbell, changed: Callable[[], None]
    ) -> None:
        self.failure: BaseException | None = None
        self.looked_at = monotonic_seconds()
        """When it last looked around; at most some seconds ago while it is well."""
        self._engine = engine
        self._store = store
        self._clock = clock
        self._doorbell = doorbell
        self._changed = changed
        self._told = clock.now()
        """What the clock said when it was looked at last: it may be set back."""
        self._leaving = False
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._dead_hosts: Sequence[str] = ()

    def start(self, dead_hosts: Sequence[str] = ()) -> None:
        """Boot on the thread, settling what `dead_hosts` left."""
        self._dead_hosts = dead_hosts
        self._thread.start()

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        """Do `work` in the engine's next transaction; the reply comes after its commit."""
        reply = self._engine.request(work)
        self._doorbell.ring()
        return reply

    def leave(self) -> None:
        """Let the engine do what it has heard of, forget its host, and end the thread, if it was started."""
        self._leaving = True
        self._doorbell.ring()
        if self._thread.ident is not None:
            self._thread.join()

    def _serve(self) -> None:
        """Tick whenever something is new: a fact, a request, a ring, a due time, another's commit."""
        try:
            self._engine.boot(self._dead_hosts)
            version = self._store.data_version()
            self._changed()
            has_news = False
            while not self._leaving:
                self.looked_at = monotonic_seconds()
                due = self._engine.next_due
                has_news |= self._engine.has_news
                if not has_news and not self._doorbell.wait(self._patience(due)):
                    # Nobody rang: something may be due, the clock may have been set back, or another process may
                    # have committed without a ring.
                    seen, version = version, self._store.data_version()
                    told, self._told = self._told, self._clock.now()
                    if seen == version and told <= self._told and (due is None or due > self._told):
                        continue
                has_news = not self._tick()
                self._changed()
            while self._engine.has_news:
                self._engine.tick()
            self._engine.leave()
            self._engine.refuse(_REPLACED)
        except BaseException as error:  # noqa: BLE001 - told to whoever asks, and raised there
            self.failure = error
            self._engine.refuse(error)
        finally:
            self._changed()

    def _tick(self) -> bool:
        """Tick, and tell whether it was done: when the file is busy or the disk is full, all waits a moment."""
        try:
            self._engine.tick()
        except UnavailableError as error:
            if error.code not in _PASSING:
                raise
            self._doorbell.wait(_POLL_SECONDS)
            return False
        return True

    def _patience(self, due: Instant | None) -> float:
        """Return how long to wait for a ring: until something is due, or the poll for rings that were missed."""
        if due is None:
            return _POLL_SECONDS
        return min(_POLL_SECONDS, max(0.0, (due - self._clock.now()) / SECOND))
