"""A platform for the server: a real engine on its thread and a real file, without reactions."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from attune_cli.config import Settings
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.engine.doorbell import Doorbell
from attune_cli.runtime.engine.jobs import JobReader
from attune_cli.runtime.engine.loop import EngineLoop
from attune_cli.runtime.engine.tick import Engine
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.model.entities import Host
from attune_cli.runtime.orchestration.orchestrator import Orchestration
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from attune_cli.config import Home
    from attune_cli.runtime.clock import Clock
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.store.database import Store, Transaction

Answer = TypeVar("Answer")


class StagePlatform:
    """The engine of one home, as the parts of a daemon see it."""

    def __init__(self, home: Home, settings: Settings | None = None, *, clock: Clock | None = None) -> None:
        self.home = home
        self.settings = settings or Settings()
        self.clock = clock or SystemClock()
        self.sealer = Sealer(home.secret_key)
        self.url: str | None = None
        self._listeners: list[Callable[[], None]] = []
        self._store = open_store(home, self.settings)
        self.requests = 0
        self._begin()

    def _begin(self) -> None:
        host = Host(id="stage", kind="daemon", pid=os.getpid(), boot_id="boot", started=self.clock.now())
        self._bell = Doorbell(self.home.hosts, host.id)
        engine = Engine(
            store=self._store,
            clock=self.clock,
            host=host,
            runners={},
            jobs=JobReader(self.sealer),
            slots=0,  # nothing is started here
            poke=lambda _host: None,
            orchestrate=lambda: Orchestration(settings=self.settings, sealer=self.sealer),
        )
        self.loop = EngineLoop(
            engine=engine, store=self._store, clock=self.clock, doorbell=self._bell, changed=self._changed
        )
        self.loop.start()

    @contextmanager
    def replacing(self) -> Generator[None]:
        """Let the engine leave, and put another in its place when the block is left."""
        self.loop.leave()
        self._bell.close()
        yield
        self._begin()

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        self.requests += 1
        return self.loop.request(work)

    def connect(self) -> Store:
        return connect_again(self.home, self.settings)

    def subscribe(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def announce(self, url: str) -> None:
        self.url = url

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def close(self) -> None:
        self.loop.leave()
        self._bell.close()
        self._store.close()

    # --- what a story does and asks

    def do(self, work: Callable[[Transaction], Answer]) -> Answer:
        return self.request(work).result(30)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.do(lambda tx: tx.execute(statement, values).fetchall())
