"""Playing one history: a scenario of executions, crashes and strangers, run until nothing more can happen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attune_cli.errors import UnavailableError
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.actions import ActionDefinition, Retry
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.store import executions, jobs
from attune_cli.runtime.store.database import Store, Transaction, memory_store
from tests.simulation.invariants import limits, unfinished, violations
from tests.simulation.world import Crash, Knobs, World, boot

if TYPE_CHECKING:
    from attune_cli.runtime.engine.tick import Engine

SLOTS = 3
_MOST_TICKS = 2_000
_BURST = 5

Intrusion = Callable[[str], None]


def submit(tx: Transaction, host: str | None, number: int) -> int:
    """Insert one of the scenario's executions: every third may be retried, three of four share a limit."""
    retry = Retry(count=2, delay_seconds=5, backoff="exponential") if number % 3 == 0 else Retry()
    action = ActionDefinition(ref=f"sim.action{number}", pack_ref="sim", retry=retry)
    job = jobs.intern(tx, JobDefinition(kind="mock", action=action))
    group = "shared" if number % 4 != 2 else None
    return executions.insert(
        tx,
        executions.NewExecution(
            action_ref=action.ref,
            job=job,
            host=host,
            due=tx.now + 10 * SECOND if number % 5 == 0 else 0,
            limit_group=group,
            limit_size=2 if group else None,
        ),
    )


@dataclass
class History:
    """One run of the scenario: `crash_at` names the points (counted from 1 over the whole history) to die at."""

    seed: int
    kind: str = "daemon"
    knobs: Knobs = field(default_factory=Knobs)
    crash_at: frozenset[int] = frozenset()
    executions: int = 8
    cancels: frozenset[int] = frozenset()
    intrude: Intrusion | None = None
    store: Store | None = None

    def __post_init__(self) -> None:
        self.points = 0
        self.crashes = 0
        self.refused_commits = 0
        self.world = self.make_world()
        if self.store is None:
            self.store = memory_store()
        self.database = self.store
        self.database._probe = self._reached  # the store is ours alone here
        self._boots = 0
        self._version = self.database.data_version()

    def make_world(self) -> World:
        return World(self.seed, self.knobs, SLOTS)

    def _reached(self, point: str) -> None:
        self.points += 1
        if point == "after commit":
            self.world.problems += limits(self.database, SLOTS)
        if self.intrude is not None:
            self.intrude(point)
        if self.points in self.crash_at:
            self.crashes += 1
            raise Crash(point)
        if point == "before commit" and self.world.is_disk_full():
            self.refused_commits += 1
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise full

    def play(self) -> list[str]:
        """Play to the end and return what is wrong with it."""
        dead: list[str] = []
        submitted = 0
        ticks = 0
        while ticks < _MOST_TICKS:
            try:
                engine = self._boot(dead)
                while ticks < _MOST_TICKS:
                    ticks += 1
                    for number in range(submitted, min(submitted + _BURST, self.executions)):
                        submitted += self._submit(engine, number)
                    if not self._tick(engine):
                        # Who asked is told that it failed, and asks again.
                        submitted = self._count_first_attempts()
                        continue
                    if submitted == self.executions and not engine.has_news and not self._go_on(engine):
                        return self._verdict()
            except (Crash, UnavailableError):
                dead = [host for (host,) in self.database.connection.execute("SELECT id FROM host")]
                self.world.engine_dies(with_its_runs=self.kind == "inline")
                submitted = self._count_first_attempts()
        return [*self._verdict(), f"not quiet after {_MOST_TICKS} ticks"]

    def _boot(self, dead: list[str]) -> Engine:
        self._boots += 1
        engine = boot(
            self.world,
            self.database,
            kind=self.kind,
            number=self._boots,
            dead=dead,
            slots=SLOTS,
            probe=self._reached,
        )
        self._go_on_with_trees(engine)
        return engine

    def _go_on_with_trees(self, engine: Engine) -> None:
        if self.kind == "inline":
            # A person goes on with each tree that was left ownerless (`attune execution wait`).
            engine.request(
                lambda tx: [executions.take_tree(tx, row[0], engine.host.id) for row in _ownerless(tx)]
            )

    def _tick(self, engine: Engine) -> bool:
        """Tick as the engine's loop does: what finds the disk full is tried again a little later."""
        try:
            engine.tick()
        except UnavailableError as error:
            if error.code != "disk_full":
                raise
            self.world.now += SECOND // 5
            self._go_on_with_trees(engine)
            return False
        return True

    def _submit(self, engine: Engine, number: int) -> int:
        engine.request(lambda tx: submit(tx, engine.host.id, number))
        if number in self.cancels:
            engine.request(lambda tx: executions.request_cancel(tx, number, "changed my mind"))
        return 1

    def _count_first_attempts(self) -> int:
        row = self.database.connection.execute("SELECT count(*) FROM execution WHERE attempt = 1").fetchone()
        return int(row[0])

    def _go_on(self, engine: Engine) -> bool:
        version = self.database.data_version()
        if version != self._version:  # another connection has committed: what the host's poll would see
            self._version = version
            return True
        if not unfinished(self.database):
            return False
        return self.world.advance(engine.next_due)

    def _verdict(self) -> list[str]:
        left = [f"never ended: {row}" for row in unfinished(self.database)]
        return violations(self.database, self.world) + left


def _ownerless(tx: Transaction) -> list[tuple[int]]:
    return tx.execute("SELECT id FROM execution WHERE host IS NULL AND finished IS NULL").fetchall()
