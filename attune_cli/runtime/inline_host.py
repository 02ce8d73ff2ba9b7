"""The host of `attune run`: an engine thread and a supervisor thread in this process, which end with it."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Self, TypeVar

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.engine.doorbell import Doorbell, ring_host
from attune_cli.runtime.engine.jobs import JobReader
from attune_cli.runtime.engine.loop import EngineLoop
from attune_cli.runtime.engine.presence import HostLock
from attune_cli.runtime.engine.tick import Engine
from attune_cli.runtime.host import boot_id, docker_runner, orchestrator
from attune_cli.runtime.model.entities import Host
from attune_cli.runtime.runners.launch import Launcher
from attune_cli.runtime.runners.process import ProcessRunner
from attune_cli.runtime.runners.supervised import forget_notes, journal_path
from attune_cli.runtime.store import executions
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.runners.api import Runner
    from attune_cli.runtime.store.database import Store, Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.supervisor import RunExit

Answer = TypeVar("Answer")

_POLL_SECONDS = 1.0


class InlineHost:
    """Runs executions in this process. Use as a context: leaving it ends what still runs."""

    def __init__(self, home: Home, settings: Settings, store: Store) -> None:
        self.id = os.urandom(8).hex()
        self.sealer = Sealer(home.secret_key)
        self.changed = threading.Event()
        self._home = home
        self._lock = HostLock(home.hosts, self.id)
        self._doorbell = Doorbell(home.hosts, self.id)
        self._in_a_hurry = False
        self._grace_seconds = settings.grace_seconds
        clock = SystemClock()
        host = Host(id=self.id, kind="inline", pid=os.getpid(), boot_id=boot_id(), started=clock.now())
        launcher = Launcher(home, environment=os.environ, allow=settings.environment_allow)
        self._processes = ProcessRunner(home=home, settings=settings, launcher=launcher, report=self._report)
        self._containers = docker_runner(
            home, settings, host=self.id, pack_folder=launcher.pack_folder, report=self._report
        )
        self._journal = journal_path(home, self.id)
        self._supervisor = Supervisor(journal=self._journal, clock=clock, report=self._ended)
        runners: dict[str, Runner] = {}
        for runner in (self._processes, self._containers):
            runner.supervise_with(self._supervisor, journal=self.id)
            runners[runner.kind] = runner
        self._engine = Engine(
            store=store,
            clock=clock,
            host=host,
            runners=runners,
            jobs=JobReader(self.sealer),
            slots=settings.slots,
            poke=lambda other: ring_host(home.hosts, other),
            orchestrate=lambda: orchestrator(settings, self.sealer),
            committed=lambda facts: forget_notes(home, facts),
        )
        self._loop = EngineLoop(
            engine=self._engine,
            store=store,
            clock=clock,
            doorbell=self._doorbell,
            changed=self.changed.set,
        )

    def __enter__(self) -> Self:
        self._supervisor.start()
        self._loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._in_a_hurry:
            self._end_runs()
        self._supervisor.close()
        self._containers.close()
        self._loop.leave()
        self._doorbell.close()
        if self._loop.failure is None:
            self._journal.unlink(missing_ok=True)
        self._lock.release()

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        """Do `work` in the engine's next transaction; the reply comes after its commit."""
        return self._loop.request(work)

    def wait(self, seconds: float) -> None:
        """Wait until this host has done something, at most so long; raises what ended the engine, if it did."""
        self.check()
        self.changed.wait(seconds)
        self.changed.clear()

    def check(self) -> None:
        """Raise what ended the engine, if anything did."""
        if self._loop.failure is not None:
            raise self._loop.failure

    def cancel_tree(self, execution_id: int, reason: str) -> None:
        """Leave the intent to cancel an execution, its further attempts and all below it."""
        self.request(lambda tx: executions.request_cancel_tree(tx, execution_id, reason))

    def drain(self) -> None:
        """Start nothing more. What waits then, and what has not started, is nobody's when this host ends."""
        self.request(lambda _tx: self._engine.drain()).result()

    def running(self) -> list[int]:
        """Return the executions that this host has under way."""
        return self.request(lambda tx: [one.id for one in self._running(tx)]).result()

    def hurry(self) -> None:
        """Leave without grace: what still runs is killed at once."""
        self._in_a_hurry = True

    def _end_runs(self) -> None:
        """Cancel what still runs, so that its row says so; the supervisor kills whatever resists."""
        give_up = monotonic_seconds() + self._grace_seconds + _POLL_SECONDS
        with contextlib.suppress(
            AttuneError
        ):  # an engine that is gone has raised where somebody waited for it
            while self.request(self._cancel_running).result():
                if monotonic_seconds() > give_up:
                    return
                self.changed.clear()
                self.changed.wait(_POLL_SECONDS)

    def _cancel_running(self, tx: Transaction) -> int:
        running = self._running(tx)
        for execution in running:
            executions.request_cancel(tx, execution.id, "its host ended")
        return len(running)

    def _running(self, tx: Transaction) -> list[Startable]:
        owned = executions.owned_live(tx, [self.id])
        return [one for one in owned if one.status.holds_slot and not one.waits]

    def _ended(self, run: RunExit) -> None:
        """Each runner knows its own."""
        self._processes.ended(run)
        self._containers.ended(run)

    def _report(self, fact: object) -> None:
        self._engine.report(fact)  # pyright: ignore[reportArgumentType] - the runner reports facts only
        self._doorbell.ring()
