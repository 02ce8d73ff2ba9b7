"""The daemon's engine with all that belongs to it alone: host, lock, bell, store, runner, and the supervisor's ear.

It can be replaced while the daemon goes on: a new one takes over what the old one left, as after a crash.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.engine.doorbell import Doorbell, ring_host
from attune_cli.runtime.engine.jobs import JobReader
from attune_cli.runtime.engine.loop import EngineLoop
from attune_cli.runtime.engine.presence import HostLock, dead_hosts
from attune_cli.runtime.engine.tick import Engine
from attune_cli.runtime.host import boot_id, connect_again
from attune_cli.runtime.model.entities import Host
from attune_cli.runtime.runners.launch import Launcher
from attune_cli.runtime.runners.process import ProcessRunner, journal_path
from attune_cli.runtime.store import hosts
from attune_cli.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.engine.reactor import Reactor
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.runners.api import Runner
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

Answer = TypeVar("Answer")


class EngineRoom:
    """One engine of a daemon, from its boot to its end. Not to be started twice."""

    def __init__(
        self,
        *,
        home: Home,
        settings: Settings,
        sealer: Sealer,
        reactor: Reactor | None,
        api: Callable[[int], dict[str, str]],
        changed: Callable[[], None],
    ) -> None:
        self.id = os.urandom(8).hex()
        self._home = home
        clock = SystemClock()
        self._lock = HostLock(home.hosts, self.id)
        self._doorbell = Doorbell(home.hosts, self.id)
        self._store = connect_again(home, settings)
        self._runner = ProcessRunner(
            home=home,
            settings=settings,
            launcher=Launcher(home, environment=os.environ, allow=settings.environment_allow, api=api),
            report=self._report,
            journal=self.id,
        )
        journal = journal_path(home, self.id)
        self._supervisor = Supervisor(journal=journal, clock=clock, report=self._runner.ended)
        runners: dict[str, Runner] = {self._runner.kind: self._runner}
        self._engine = Engine(
            store=self._store,
            clock=clock,
            host=Host(id=self.id, kind="daemon", pid=os.getpid(), boot_id=boot_id(), started=clock.now()),
            runners=runners,
            jobs=JobReader(sealer),
            slots=settings.slots,
            poke=lambda other: ring_host(home.hosts, other),
            reactor=reactor,
        )
        self.loop = EngineLoop(
            engine=self._engine, store=self._store, clock=clock, doorbell=self._doorbell, changed=changed
        )

    def start(self) -> None:
        """Take over what dead hosts left, and begin to tick."""
        self._supervisor.start()
        self._runner.supervise_with(self._supervisor)
        with self._store.read(SystemClock().now()) as tx:
            recorded = [host.id for host in hosts.all_hosts(tx)]
        self.loop.start(dead_hosts(self._home.hosts, recorded))
        self.request(lambda _tx: None).result()  # raises what kept the engine from booting

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        return self.loop.request(work)

    def drain(self) -> None:
        """Start nothing more; what runs goes on."""
        self._engine.drain()

    def leave(self) -> None:
        """End what runs, and the engine."""
        self._supervisor.close()
        self.loop.leave()
        self._doorbell.close()
        self._store.close()
        self._lock.release()

    def _report(self, fact: object) -> None:
        self._engine.report(fact)  # pyright: ignore[reportArgumentType] - the runner reports facts only
        self._doorbell.ring()
