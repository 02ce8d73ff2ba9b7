"""The simulated world: a clock, runs that end when the seed says, and an engine that can die anywhere.

What the world holds survives the engine: a run goes on, ends, or is lost without it. Everything that is
chance comes from one seeded source, so a seed names a history.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.config import Settings
from attune_cli.runtime.clock import SECOND, Instant
from attune_cli.runtime.engine.jobs import JobReader
from attune_cli.runtime.engine.tick import Engine
from attune_cli.runtime.model.entities import Host, Outcome, RunError
from attune_cli.runtime.model.facts import Fact, Prepared, PrepareFailed, RunEnded
from attune_cli.runtime.orchestration.orchestrator import Orchestration
from attune_cli.runtime.runners.api import Ended, Job, Lost, Seen, Standing
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from attune_cli.runtime.engine.reactor import Reactor
    from attune_cli.runtime.store.database import Store


def orchestration() -> Orchestration:
    """Move workflows and inquiries on as every host does; no secret is in any of them."""
    return Orchestration(settings=Settings(), sealer=Sealer(Path("no-secret.key")))


class Crash(BaseException):
    """The engine dies here. Not an Exception: nothing may catch it."""


@dataclass(frozen=True)
class Knobs:
    """What goes wrong in this world, and how often (0 to 1)."""

    failure: float = 0.2
    prepare: float = 0.3
    prepare_failure: float = 0.1
    duplicate_fact: float = 0.1
    lost: float = 0.1
    clock_jump: float = 0.0
    ignores_stop: float = 0.1
    full_disk: float = 0.0
    """How often a commit finds the disk full; a moment later there may be room again."""


@dataclass
class Run:
    """One run in the world: started once, and ended or lost by itself."""

    execution: int
    ends: Instant
    outcome: Outcome
    over: bool = False
    lost: bool = False


@dataclass
class World:
    """Everything outside the database."""

    seed: int
    knobs: Knobs = field(default_factory=Knobs)
    slots: int = 3
    now: Instant = 1_000 * SECOND
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    starts: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.events: list[tuple[Instant, int, Fact]] = []
        self._order = 0
        self.engine: Engine | None = None

    # --- the clock ---

    def clock(self) -> WorldClock:
        return WorldClock(self)

    def is_disk_full(self) -> bool:
        return self.knobs.full_disk > 0 and self.chance.random() < self.knobs.full_disk

    def advance(self, due: Instant | None) -> bool:
        """Move to the next thing that happens, an event or `due`; False when nothing will ever happen."""
        moments = [
            moment for moment in (due, self.events[0][0] if self.events else None) if moment is not None
        ]
        if not moments:
            return False
        self.now = max(self.now, min(moments))
        if self.chance.random() < self.knobs.clock_jump:
            self.now += self.chance.randrange(-30, 300) * SECOND
        while self.events and self.events[0][0] <= self.now:
            _, _, fact = heapq.heappop(self.events)
            self._deliver(fact)
        return True

    def plan(self, delay_seconds: float, fact: Fact) -> None:
        self._order += 1
        heapq.heappush(self.events, (self.now + round(delay_seconds * SECOND), self._order, fact))

    def _deliver(self, fact: Fact) -> None:
        if isinstance(fact, RunEnded):
            run = self.runs[fact.ref]
            if run.lost:
                return
            if not run.over:
                run.over = True
                run.outcome = fact.outcome
        if self.engine is not None:
            self.engine.report(fact)
            if self.chance.random() < self.knobs.duplicate_fact:
                self.engine.report(fact)

    def begin(self, execution: int, ref: str) -> None:
        """Start a run, which will end by itself."""
        self.starts[ref] += 1
        if self.starts[ref] > 1:
            self.problems.append(f"{ref} was started {self.starts[ref]} times")
        alive = sum(not run.over and not run.lost for run in self.runs.values())
        if alive >= self.slots:
            self.problems.append(f"{ref} was started beside {alive} live runs")
        duration = self.chance.uniform(0, 60)
        failed = self.chance.random() < self.knobs.failure
        outcome = Outcome(
            succeeded=not failed,
            exit_code=int(failed),
            error=RunError(type="exit", message="exited with 1") if failed else None,
        )
        self.runs[ref] = Run(execution, self.now + round(duration * SECOND), outcome)
        self.plan(duration, RunEnded(execution=execution, ref=ref, outcome=outcome))

    def stop(self, ref: str) -> None:
        """Ask a run to end, which it does sooner or later."""
        run = self.runs.get(ref)
        if run is None or run.over or run.lost:
            return
        delay = 30.0 if self.chance.random() < self.knobs.ignores_stop else self.chance.uniform(0, 2)
        stopped = Outcome(succeeded=False, error=RunError(type="cancelled", message="stopped"))
        self.plan(delay, RunEnded(execution=run.execution, ref=ref, outcome=stopped))

    # --- what a crash does ---

    def engine_dies(self, *, with_its_runs: bool) -> None:
        """The engine is gone, and the facts it had not committed with it. Some runs are lost too."""
        self.engine = None
        for run in self.runs.values():
            if not run.over and (with_its_runs or self.chance.random() < self.knobs.lost):
                run.lost = True


class WorldClock:
    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> Instant:
        return self._world.now


class WorldRunner:
    """The fake launcher: a runner whose runs are promises of future facts."""

    kind = "mock"

    def __init__(self, world: World, store: Store) -> None:
        self._world = world
        self._store = store

    def needs_preparation(self, job: Job) -> bool:
        return random.Random(f"{self._world.seed}/{job.execution}").random() < self._world.knobs.prepare

    def ref(self, job: Job) -> str:
        return f"run-{job.execution}"

    def prepare(self, job: Job) -> None:
        world = self._world
        if world.chance.random() < world.knobs.prepare_failure:
            failed = Outcome(succeeded=False, error=RunError(type="prepare", message="no environment"))
            world.plan(world.chance.uniform(0, 20), PrepareFailed(execution=job.execution, outcome=failed))
        else:
            world.plan(world.chance.uniform(0, 20), Prepared(execution=job.execution, ref=self.ref(job)))

    def start(self, job: Job, ref: str) -> None:
        world = self._world
        self.check_committed(job, ref)
        world.begin(job.execution, ref)

    def check_committed(self, job: Job, ref: str) -> None:
        """No run without a committed `running` row that names it (a later cancel may have been committed too)."""
        row = self._store.connection.execute(
            "SELECT status, runner_ref FROM execution WHERE id = ?", (job.execution,)
        ).fetchone()
        if self._store.connection.in_transaction:
            self._world.problems.append(f"{ref} was started inside a transaction")
        if row is None or row[0] not in {"running", "canceling"} or row[1] != ref:
            self._world.problems.append(f"{ref} was started while its row said {row}")

    def stop(self, ref: str) -> None:
        self._world.stop(ref)

    def attach(self, seen: Seen) -> Standing | Ended | Lost:
        run = self._world.runs.get(seen.ref)
        if run is None:
            return Standing.NEVER_RAN
        if run.lost:
            return Lost()
        if run.over:
            return Ended(run.outcome)
        return Standing.RUNNING


def boot(
    world: World,
    store: Store,
    *,
    kind: str,
    number: int,
    dead: list[str],
    slots: int,
    probe: object,
    reactor: Reactor | None = None,
) -> Engine:
    """Start engine `number` on `store`; `dead` names the hosts that died before."""
    runner = WorldRunner(world, store)
    host = Host(id=f"host-{number}", kind=kind, pid=number, boot_id="boot", started=world.now)
    engine = Engine(
        store=store,
        clock=world.clock(),
        host=host,
        runners={"mock": runner, "process": runner},
        jobs=JobReader(),
        slots=slots,
        poke=lambda _host: None,
        orchestrate=orchestration,
        reactor=reactor,
        probe=probe,  # pyright: ignore[reportArgumentType] - a callable, typed loosely to keep the call sites short
    )
    world.engine = engine
    engine.boot(dead)
    return engine
