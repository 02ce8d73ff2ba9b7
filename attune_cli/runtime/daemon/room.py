"""The daemon's engine with all that belongs to it alone: host, lock, bell, store, runner, and the supervisor's ear.

It can be replaced while the daemon goes on: a new one takes over what the old one left, as after a crash.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.engine.doorbell import Doorbell, ring_host
from attune_cli.runtime.engine.jobs import JobReader
from attune_cli.runtime.engine.loop import EngineLoop
from attune_cli.runtime.engine.presence import HostLock, dead_hosts
from attune_cli.runtime.engine.tick import Engine
from attune_cli.runtime.host import boot_id, connect_again, docker_runner, orchestrator
from attune_cli.runtime.model.entities import Host
from attune_cli.runtime.runners.launch import Launcher
from attune_cli.runtime.runners.process import ProcessRunner
from attune_cli.runtime.runners.supervised import forget_notes
from attune_cli.runtime.store import executions, hosts
from attune_cli.runtime.supervisor import address
from attune_cli.runtime.supervisor.client import SupervisorClient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.engine.reactor import Reactor
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.model.facts import Fact
    from attune_cli.runtime.runners.api import Runner, ServerVariables
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.supervisor import RunExit

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
        api: ServerVariables,
        changed: Callable[[], None],
        supervisor_lost: Callable[[], None],
    ) -> None:
        self.id = os.urandom(8).hex()
        self._home = home
        clock = SystemClock()
        self._lock = HostLock(home.hosts, self.id)
        self._doorbell = Doorbell(home.hosts, self.id)
        self._store = connect_again(home, settings)
        launcher = Launcher(home, environment=os.environ, allow=settings.environment_allow, api=api)
        self._processes = ProcessRunner(home=home, settings=settings, launcher=launcher, report=self._report)
        self._containers = docker_runner(
            home,
            settings,
            host=self.id,
            pack_folder=launcher.pack_folder,
            report=self._report,
            api=api,
            keeps_warm=True,
        )
        self._supervisor = SupervisorClient(folder=home.hosts, report=self._ended, lost=supervisor_lost)
        runners: dict[str, Runner] = {one.kind: one for one in (self._processes, self._containers)}
        self._engine = Engine(
            store=self._store,
            clock=clock,
            host=Host(id=self.id, kind="daemon", pid=os.getpid(), boot_id=boot_id(), started=clock.now()),
            runners=runners,
            jobs=JobReader(sealer),
            slots=settings.slots,
            poke=lambda other: ring_host(home.hosts, other),
            orchestrate=lambda: orchestrator(settings, sealer),
            reactor=reactor,
            committed=self._committed,
        )
        self.loop = EngineLoop(
            engine=self._engine,
            store=self._store,
            clock=clock,
            doorbell=self._doorbell,
            changed=changed,
        )

    def start(self) -> None:
        """Find the supervisor or start one, take over what dead hosts left, and begin to tick."""
        self._supervisor.start()
        for runner in (self._processes, self._containers):
            runner.supervise_with(self._supervisor, journal=self._supervisor.name)
        with self._store.read(SystemClock().now()) as tx:
            recorded = [host.id for host in hosts.all_hosts(tx)]
        self.loop.start(dead_hosts(self._home.hosts, recorded))
        self.request(lambda _tx: None).result()  # raises what kept the engine from booting
        for run in self._supervisor.running():
            if not self._processes.knows(run) and not self._containers.knows(run):
                # Its execution was deleted, or belongs to another copy of the database.
                self._supervisor.stop(run)
        self._supervisor.listen()
        self._sweep()
        if self._home.containers.is_dir():
            threading.Thread(target=self._sweep_containers, daemon=True).start()

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        return self.loop.request(work)

    def drain(self) -> None:
        """Start nothing more; what runs goes on."""
        self._engine.drain()

    def leave(self) -> None:
        """End the engine; what runs goes on in the supervisor, for whoever comes next."""
        self.loop.leave()
        self._containers.close()
        self._supervisor.detach()
        self._doorbell.close()
        self._store.close()
        self._lock.release()

    def _report(self, fact: object) -> None:
        self._engine.report(fact)  # pyright: ignore[reportArgumentType] - the runner reports facts only
        self._doorbell.ring()

    def _ended(self, run_exit: RunExit) -> None:
        """Each runner knows its own; what none knows was settled by the journal."""
        runner = self._containers if self._containers.knows(run_exit.run) else self._processes
        runner.ended(run_exit)

    def _committed(self, facts: Sequence[Fact]) -> None:
        self._processes.committed(facts)
        self._containers.committed(())
        forget_notes(self._home, facts)

    def _sweep_containers(self) -> None:
        """Remove the containers that dead hosts made and nobody runs; without an engine there is nothing to sweep."""
        with suppress(AttuneError):
            self._containers.sweep()

    def _sweep(self) -> None:
        """Remove what dead supervisors left, but for journals that tell of an execution which is not settled yet."""
        folder = self._home.hosts
        journals = {path.stem for path in folder.glob("*.journal")}

        def still_needed(tx: Transaction) -> set[str]:
            return {host.id for host in hosts.all_hosts(tx)} | {
                ref.partition(":")[0] for ref in executions.live_runner_refs(tx)
            }

        for name in address.recorded(folder):
            if not address.is_alive(folder, name):
                address.forget(folder, name)
        for name in journals - self.request(still_needed).result():
            if not address.is_alive(folder, name):
                address.journal_of(folder, name).unlink(missing_ok=True)
