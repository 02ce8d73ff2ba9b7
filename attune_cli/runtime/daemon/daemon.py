"""The daemon: one engine and the parts beside it, for as long as nobody says stop (architecture.md 2).

Its main thread only waits: for a signal, for a part that failed, for the next beat of the watchdog.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

from attune_cli import __version__
from attune_cli.errors import AttuneError, UnavailableError
from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.daemon.neighbours import Neighbours
from attune_cli.runtime.daemon.readiness import tell_service_manager, watchdog_seconds
from attune_cli.runtime.daemon.room import EngineRoom
from attune_cli.runtime.engine.lease import Daemon as Note
from attune_cli.runtime.engine.lease import Lease
from attune_cli.runtime.host import connect_again
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.clock import Clock
    from attune_cli.runtime.engine.reactor import Reactor
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.parts import Part, Platform
    from attune_cli.runtime.store.database import Store, Transaction

Answer = TypeVar("Answer")
Word = Literal["stop", "drain", "reload", "restart", "failed"]

_LOOK_SECONDS = 2.0
"""How often the daemon looks whether its database is still where it was."""

_PATIENT_RESTARTS = 5
"""After so many failures in a row the daemon gives up, and whoever started it decides."""

_HEALTHY_SECONDS = 60.0
_HUNG_SECONDS = 30.0

_WORDS: Mapping[int, Word] = {
    signal.SIGTERM: "stop",
    signal.SIGINT: "stop",
    signal.SIGHUP: "reload",
    signal.SIGUSR1: "drain",
}

log = logging.getLogger("attune.daemon")


class Daemon:
    """Holds the lease of one home from `run` to its end. It is the `Platform` of its parts."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        reread: Callable[[], Settings],
        reactor: Callable[[Platform], Reactor | None],
        parts: Callable[[Platform], Sequence[Part]],
        api: Callable[[Platform, int, str | None], dict[str, str]],
    ) -> None:
        self.home = home
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.sealer = Sealer(home.secret_key)
        self._reread = reread
        self._reactor = reactor
        self._parts = parts
        self.url: str | None = None
        self._api = api
        self._listeners: list[Callable[[], None]] = []
        self._words: queue.SimpleQueue[Word] = queue.SimpleQueue()
        self._is_draining = False
        self._failures = 0
        self._lease = Lease(home.path)
        self._started = self.clock.now()
        self._file = os.stat(home.database)  # noqa: PTH116 - compared with another stat
        self._room = self._new_room()

    # --- what its parts may call, from any thread

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        return self._room.request(work)

    def connect(self) -> Store:
        return connect_again(self.home, self.settings)

    def subscribe(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def announce(self, url: str) -> None:
        self.url = url

    def stop(self) -> None:
        """Ask it to end, from any thread or a signal handler."""
        self._words.put("stop")

    # --- its life, on the main thread

    def run(self) -> None:
        """Run until somebody says stop; raises AttuneError when it cannot start or cannot go on."""
        for number, word in _WORDS.items():
            signal.signal(number, lambda _number, _frame, word=word: self._words.put(word))
        begun: list[Part] = []
        try:
            # An address is taken before the engine starts what is told of it.
            parts = [Neighbours(self), *self._parts(self)]
            self._room.start()
            for part in parts:
                part.start()
                begun.append(part)
            self._tell(is_ready=True)
            tell_service_manager("READY=1")
            log.info("ready%s", f" at {self.url}" if self.url else "")
            self._wait()
        except Exception as error:
            # An error of the user's world needs no traceback.
            log.log(logging.ERROR, "%s", error, exc_info=not isinstance(error, AttuneError))
            raise
        finally:
            tell_service_manager("STOPPING=1")
            for part in reversed(begun):
                part.stop()
            self._room.leave()
            self._lease.release()
            log.info("stopped")

    def _new_room(self) -> EngineRoom:
        room = EngineRoom(
            home=self.home,
            settings=self.settings,
            sealer=self.sealer,
            reactor=self._reactor(self),
            api=lambda execution, gateway=None: self._api(self, execution, gateway),
            changed=self._changed,
            supervisor_lost=lambda: self._words.put("restart"),
        )
        self._room_since = monotonic_seconds()
        self._note = Note(pid=os.getpid(), host=room.id, version=__version__, started=self._started)
        self._tell(is_ready=False)
        return room

    def _tell(self, *, is_ready: bool) -> None:
        self._note = replace(self._note, url=self.url, is_ready=is_ready, is_draining=self._is_draining)
        self._lease.tell(self._note)

    def _changed(self) -> None:
        """Pass a tick on to the parts, and the end of the engine to the main thread; on the engine's thread."""
        if self._room.loop.failure is not None:
            self._words.put("failed")
        for listener in self._listeners:
            listener()

    def _wait(self) -> None:
        beat = watchdog_seconds()
        while True:
            try:
                word = self._words.get(timeout=min(_LOOK_SECONDS, beat or _LOOK_SECONDS))
            except queue.Empty:
                self._look()
                if beat is not None and self._is_alive():
                    tell_service_manager("WATCHDOG=1")
                continue
            match word:
                case "stop":
                    return
                case "drain":
                    self._drain()
                case "reload":
                    self._reload()
                case "restart":
                    log.error("the supervisor is gone: taking over what it left")
                    self._restart()
                case "failed":
                    self._mend()

    def _is_alive(self) -> bool:
        """Tell whether the engine still looks around; it may wait for a busy file for as long as it may wait."""
        patience = self.settings.busy_timeout_seconds + _HUNG_SECONDS
        return monotonic_seconds() - self._room.loop.looked_at < patience

    def _look(self) -> None:
        """Raise when the database is no longer the file that is open: what is written would be lost to everybody."""
        with suppress(FileNotFoundError):
            found = os.stat(self.home.database)  # noqa: PTH116 - compared with another stat
            if os.path.samestat(found, self._file):
                return
        raise UnavailableError(
            f"the database {self.home.database} was moved away or replaced under the running daemon",
            code="database_gone",
            hint="put it back, then: attune up",
        )

    def _drain(self) -> None:
        log.info("draining: nothing more is started")
        self._is_draining = True
        self._room.drain()
        self._tell(is_ready=True)

    def _reload(self) -> None:
        try:
            self.settings = self._reread()
        except AttuneError as error:
            log.error("the settings stay as they were: %s", error.message)  # noqa: TRY400 - told in the user's words
            return
        self._is_draining = False
        self._restart()
        log.info("settings read again")

    def _restart(self) -> None:
        """Put a new engine in the old one's place; it takes over what that left."""
        tell_service_manager("RELOADING=1")
        self._room.leave()
        self._room = self._new_room()
        self._room.start()
        if self._is_draining:
            self._room.drain()
        self._tell(is_ready=True)
        tell_service_manager("READY=1")

    def _mend(self) -> None:
        """After a failure of the engine: a new one, later each time, until the failures are too many."""
        failure = self._room.loop.failure
        log.error("the engine failed", exc_info=failure)
        self._look()
        if monotonic_seconds() - self._room_since > _HEALTHY_SECONDS:
            self._failures = 0
        self._failures += 1
        if failure is None or self._failures > _PATIENT_RESTARTS:
            raise UnavailableError("the engine failed again and again", code="engine_failed") from failure
        with suppress(queue.Empty):
            word = self._words.get(timeout=2.0 ** (self._failures - 1))
            self._words.put(word)
            if word == "stop":
                return
        self._restart()
