"""The daemon's world: runs live in a supervisor that outlives engines; the line between the two does not.

The process runner is the real one; the supervisor keeps the promises of docs/adr/0018: it answers a new engine after
all that an older one said, and writes an end down before it tells it. It dies when the seed says.
"""

from __future__ import annotations

import heapq
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attune_cli.config import Home, Settings
from attune_cli.errors import UnavailableError
from attune_cli.runtime.engine.jobs import JobReader
from attune_cli.runtime.engine.recovery import inspect, settle
from attune_cli.runtime.engine.tick import Engine
from attune_cli.runtime.model.entities import Host, Outcome, RunError
from attune_cli.runtime.model.facts import Fact, Prepared, PrepareFailed, RunEnded
from attune_cli.runtime.runners.api import Lost
from attune_cli.runtime.runners.process import ProcessRunner
from attune_cli.runtime.supervisor import Fate, RunExit, Spawn, StreamSummary
from tests.simulation.history import SLOTS, History
from tests.simulation.invariants import rows
from tests.simulation.world import Crash, World, WorldRunner, orchestration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from attune_cli.runtime.runners.api import Job, Runner, Seen
    from attune_cli.runtime.runners.launch import Launcher
    from attune_cli.runtime.store.database import Store
    from attune_cli.runtime.supervisor.values import Why

NOTHING = StreamSummary(bytes=0, lines=0, dropped_bytes=0)
NOWHERE = Home(Path("/nonexistent/attune"))
SUPERVISOR_DEATHS = 0.02
"""How likely a supervisor is to die before the next thing happens."""

COMMANDS = 0.5
"""How likely another command settles what a dead daemon left, before the next daemon boots."""


BOOTS = 0.2
"""How likely a run is to end between the hello of a new engine and its listening."""


class Supervisor:
    """A supervisor process as the world sees it. What is said to it waits in its socket until it reads."""

    def __init__(self, world: DaemonWorld, name: str) -> None:
        self.name = name
        self.known: set[str] = set()
        self.journal = world.journals.setdefault(name, {})
        self.line: Line | None = None
        self.unread: deque[Callable[[], None]] = deque()
        self._world = world

    def read(self) -> None:
        """Do all that was said to it."""
        while self.unread:
            self.unread.popleft()()

    def greet(self, line: Line) -> set[str]:
        """Answer a new engine: with what goes on, after what was said before."""
        self.read()
        self.line = line
        return set(self.known)

    def begin(self, spawn: Spawn) -> None:
        if spawn.run not in self.known:
            self.known.add(spawn.run)
            self.journal[spawn.run] = Fate()
            self._world.begin(int(spawn.run.rpartition(":")[2]), spawn.run)

    def end(self, run_exit: RunExit) -> None:
        self.journal[run_exit.run] = Fate(end=run_exit)
        self.known.discard(run_exit.run)
        if self.line is not None:
            self.line.hear(run_exit)

    def forget(self, runs: Iterable[str]) -> None:
        for run in runs:
            self.journal.pop(run, None)


class Line:
    """One engine's connection: what `SupervisorClient` is."""

    def __init__(self, supervisor: Supervisor, world: DaemonWorld) -> None:
        self.known = supervisor.greet(self)
        self.runner: DaemonRunner | None = None
        self._early: list[RunExit] = []
        self._supervisor = supervisor
        self._world = world

    def listen(self, runner: DaemonRunner) -> None:
        self.runner = runner
        for run_exit in self._early:
            self._tell(run_exit)

    def hear(self, run_exit: RunExit) -> None:
        if self.runner is None:
            self._early.append(run_exit)
        else:
            self._tell(run_exit)

    def _tell(self, run_exit: RunExit) -> None:
        self.known.discard(run_exit.run)
        assert self.runner is not None
        self.runner.ended(run_exit)

    def spawn(self, spawn: Spawn) -> None:
        if spawn.run not in self.known:
            self.known.add(spawn.run)
            self._supervisor.unread.append(lambda: self._supervisor.begin(spawn))

    def stop(self, run: str, *, grace_seconds: float | None = None) -> None:
        del grace_seconds
        self._supervisor.unread.append(lambda: self._world.stop(run))

    def knows(self, run: str) -> bool:
        return run in self.known

    def forget(self, runs: Sequence[str]) -> None:
        self._supervisor.unread.append(lambda: self._supervisor.forget(runs))


@dataclass
class DaemonWorld(World):
    """A world whose runs end in a supervisor."""

    journals: dict[str, dict[str, Fate]] = field(default_factory=dict[str, dict[str, Fate]])
    supervisor: Supervisor | None = None
    is_supervisor_lost: bool = False
    """The living engine has found its line broken."""

    def line(self) -> Line:
        """Connect a new engine with the supervisor, or with a new one."""
        self.is_supervisor_lost = False
        if self.supervisor is None:
            self.supervisor = Supervisor(self, f"supervisor{len(self.journals)}")
        return Line(self.supervisor, self)

    def advance(self, due: int | None) -> bool:
        if self.supervisor is not None:
            self.supervisor.read()
        moved = super().advance(due)
        if self.chance.random() < SUPERVISOR_DEATHS:
            self.supervisor_dies()
        return moved

    def _deliver(self, fact: Fact) -> None:
        if not isinstance(fact, RunEnded):
            super()._deliver(fact)
            return
        run = self.runs[fact.ref]
        if run.over or run.lost or self.supervisor is None:
            return
        run.over, run.outcome = True, fact.outcome
        self.supervisor.end(run_exit(fact.ref, fact.outcome, self.now))

    def end_now(self, ref: str) -> None:
        """Let a run end at this moment."""
        run = self.runs[ref]
        self._deliver(RunEnded(execution=run.execution, ref=ref, outcome=run.outcome))

    def supervisor_dies(self) -> None:
        if self.supervisor is None:
            return
        for run in self.supervisor.known:
            self.runs[run].lost = True
        self.supervisor = None
        self.is_supervisor_lost = self.engine is not None

    def engine_dies(self, *, with_its_runs: bool) -> None:
        del with_its_runs
        self.engine = None
        self.events = [event for event in self.events if isinstance(event[2], RunEnded)]
        heapq.heapify(self.events)
        if self.supervisor is not None:
            self.supervisor.line = None
            if self.chance.random() < self.knobs.lost:
                self.supervisor_dies()


def run_exit(run: str, outcome: Outcome, now: int) -> RunExit:
    why: Why = "cancelled" if outcome.error is not None and outcome.error.type == "cancelled" else "exited"
    return RunExit(
        run=run,
        why=why,
        exit_code=outcome.exit_code,
        signal=None,
        error=None,
        started=now,
        finished=now,
        duration_ms=0,
        stdout=NOTHING,
        stderr=NOTHING,
    )


class DaemonRunner(ProcessRunner):
    """The real runner, but for what it does to files and processes."""

    kind = "mock"

    def __init__(self, world: DaemonWorld, store: Store, report: Callable[[Fact], None]) -> None:
        super().__init__(home=NOWHERE, settings=Settings(), launcher=cast("Launcher", None), report=report)
        self._world = world
        self._check = WorldRunner(world, store)

    def needs_preparation(self, job: Job) -> bool:
        return self._check.needs_preparation(job)

    def prepare(self, job: Job) -> None:
        world = self._world
        fact: Fact = Prepared(execution=job.execution, ref=self.ref(job))
        if world.chance.random() < world.knobs.prepare_failure:
            failed = Outcome(succeeded=False, error=RunError(type="prepare", message="no environment"))
            fact = PrepareFailed(execution=job.execution, outcome=failed)
        world.plan(world.chance.uniform(0, 20), fact)

    def start(self, job: Job, ref: str) -> None:
        self._check.check_committed(job, ref)
        super().start(job, ref)

    def _spawn(self, job: Job, ref: str) -> Spawn:
        return Spawn(
            run=ref,
            argv=(),
            cwd="/",
            environment={},
            stdin=b"",
            folder=NOWHERE.runs / str(job.execution),
            stdout_cap_bytes=0,
            stderr_cap_bytes=0,
            timeout_seconds=None,
            grace_seconds=0,
        )

    def _read_journal(self, name: str) -> dict[str, Fate]:
        return self._world.journals.get(name, {})

    def _lives(self, name: str) -> bool:
        return self._world.supervisor is not None and self._world.supervisor.name == name

    def _lost(self, seen: Seen, fate: Fate) -> Lost:
        del fate
        if self._lives(seen.ref.partition(":")[0]):
            self._world.problems.append(f"{seen.ref} was given up, and its supervisor lives")
        self._world.runs[seen.ref].lost = True
        return Lost()


class DaemonHistory(History):
    """The scenario with a daemon: engines come and go, by crashes and because their supervisor died."""

    def make_world(self) -> DaemonWorld:
        return DaemonWorld(self.seed, self.knobs, SLOTS)

    @property
    def daemon_world(self) -> DaemonWorld:
        assert isinstance(self.world, DaemonWorld)
        return self.world

    def _boot(self, dead: list[str]) -> Engine:
        """Be the daemon that comes next; some runs end while it boots."""
        world = self.daemon_world
        if dead and world.chance.random() < COMMANDS:
            self._settle_by_command(dead)
        self._boots += 1
        facts: deque[Fact] = deque()
        runner = DaemonRunner(world, self.database, facts.append)
        line = world.line()
        runner.supervise_with(line, journal=world.supervisor.name if world.supervisor else "")
        engine = Engine(
            store=self.database,
            clock=world.clock(),
            host=Host(
                id=f"host-{self._boots}", kind="daemon", pid=self._boots, boot_id="boot", started=world.now
            ),
            runners=cast("dict[str, Runner]", {runner.kind: runner}),
            jobs=JobReader(),
            slots=SLOTS,
            poke=lambda _host: None,
            orchestrate=orchestration,
            committed=runner.committed,
            probe=self._reached,
        )
        runner._report = engine.report
        world.engine = engine
        engine.boot(dead)
        for ref in sorted(line.known):
            if world.chance.random() < BOOTS and ref in world.runs:
                world.end_now(ref)
        line.listen(runner)
        return engine

    def _settle_by_command(self, dead: list[str]) -> None:
        """Do what any command does that opens the file while no daemon lives."""
        jobs = JobReader()
        runner = DaemonRunner(self.daemon_world, self.database, lambda _fact: None)
        with self.database.read(self.world.now) as tx:
            inspected = inspect(
                tx, dead, jobs, cast("dict[str, Runner]", {runner.kind: runner}), boot_id="boot"
            )
        with suppress(UnavailableError), self.database.write(self.world.now) as tx:
            settle(tx, inspected, dead, heir=None, ask=lambda *_: False)

    def _go_on(self, engine: Engine) -> bool:
        moved = super()._go_on(engine)
        if self.daemon_world.is_supervisor_lost:
            while engine.has_news:
                engine.tick()
            engine.leave()
            raise Crash("its supervisor died, and the engine is replaced")
        return moved

    def _verdict(self) -> list[str]:
        return [*super()._verdict(), *_false_ends(self.database, self.daemon_world)]


def _false_ends(store: Store, world: DaemonWorld) -> list[str]:
    """Return what is recorded otherwise than it was."""
    found: list[str] = []
    for execution, status, ref in rows(store, "SELECT id, status, runner_ref FROM execution"):
        run = world.runs.get(str(ref))
        if run is None:
            continue
        was = "lost" if run.lost else "completed" if run.outcome.succeeded else "failed"
        may_be = {"lost": {"abandoned"}, "completed": {"completed"}, "failed": {"failed"}}[was]
        if status not in may_be | {"cancelled"}:
            found.append(f"execution {execution} is {status}, and its run {was}")
    return found
