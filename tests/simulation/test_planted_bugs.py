"""A simulation that never fails proves nothing: each bug planted here has to be found."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.errors import UnavailableError
from attune_cli.runtime.engine import admission, recovery, tick
from attune_cli.runtime.engine.effects import Start
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.runners.api import Lost, Standing
from attune_cli.runtime.runners.process import ProcessRunner
from attune_cli.runtime.store import admissions, executions
from attune_cli.runtime.supervisor import Fate
from tests.simulation.history import History
from tests.simulation.supervised import DaemonHistory, DaemonRunner, DaemonWorld, Line, Supervisor
from tests.simulation.world import Knobs, WorldRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.store.database import Transaction

    Plant = Callable[[pytest.MonkeyPatch], None]


def effects_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    real = admission.admit

    def admit_and_start(tx: Transaction, seen: Any, **rest: Any) -> list[Any]:
        left: list[Any] = []
        for effect in real(tx, seen, **rest):
            if isinstance(effect, Start):
                rest["runners"]["mock"].start(effect.job, effect.ref)
            else:
                left.append(effect)
        return left

    patch.setattr(tick, "admit", admit_and_start)


def a_stale_end_is_believed(patch: pytest.MonkeyPatch) -> None:
    real = executions.startable

    def always_running(tx: Transaction, execution_id: int) -> executions.Startable | None:
        found = real(tx, execution_id)
        if found is not None:
            object.__setattr__(found, "status", Status.RUNNING)
        return found

    def all_running(tx: Transaction, ids: Any) -> dict[int, executions.Startable]:
        found = {one: always_running(tx, one) for one in ids}
        return {one: row for one, row in found.items() if row is not None}

    patch.setattr(tick.executions, "startables", all_running)


def recovery_forgets_scheduled(patch: pytest.MonkeyPatch) -> None:
    real = executions.owned_live
    patch.setattr(
        recovery.executions,
        "owned_live",
        lambda tx, hosts: [row for row in real(tx, hosts) if row.status is not Status.SCHEDULED],
    )


def recovery_forgets_canceling(patch: pytest.MonkeyPatch) -> None:
    real = executions.owned_live
    patch.setattr(
        recovery.executions,
        "owned_live",
        lambda tx, hosts: [row for row in real(tx, hosts) if row.status is not Status.CANCELING],
    )


def a_stopping_run_holds_no_slot(patch: pytest.MonkeyPatch) -> None:
    real = admissions.glance

    def glance(tx: Transaction, host: str) -> admissions.Glance:
        running = int(tx.execute("SELECT count(*) FROM execution WHERE status = 'running'").fetchone()[0])
        return replace(real(tx, host), slots_held=running, cancels=False)

    patch.setattr(tick.admissions, "glance", glance)


def an_adopted_run_is_not_watched(patch: pytest.MonkeyPatch) -> None:
    real = recovery._settle_one

    def settle_one(tx: Transaction, item: Any, current: Any, heir: Any, ask: Any) -> list[Any]:
        return [] if item.found is Standing.RUNNING else real(tx, item, current, heir, ask)

    patch.setattr(recovery, "_settle_one", settle_one)


def a_lost_run_is_run_again(patch: pytest.MonkeyPatch) -> None:
    real = WorldRunner.attach

    def attach(self: WorldRunner, seen: Any) -> Any:
        found = real(self, seen)
        return Standing.NEVER_RAN if isinstance(found, Lost) else found

    patch.setattr(WorldRunner, "attach", attach)


def a_limit_is_asked_once_a_tick(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admission, "group_is_full", lambda _tx, _execution: False)


def a_retry_is_not_linked(patch: pytest.MonkeyPatch) -> None:
    """The next attempt is inserted, but the attempt before it does not name it."""
    real = executions.finish

    def finish(*args: Any, **rest: Any) -> bool:
        rest.pop("next_attempt", None)
        return real(*args, **rest)

    patch.setattr(executions, "finish", finish)


def an_adopted_run_is_not_known_to_the_runner(patch: pytest.MonkeyPatch) -> None:
    real = ProcessRunner.attach

    def attach(self: ProcessRunner, seen: Any) -> Any:
        found = real(self, seen)
        self._runs.pop(seen.ref, None)
        return found

    patch.setattr(ProcessRunner, "attach", attach)


def a_new_engine_is_answered_before_what_the_older_one_said(patch: pytest.MonkeyPatch) -> None:
    """And so a run that the older one had asked for seems never to have run."""

    def greet(self: Supervisor, line: Line) -> set[str]:
        self.line = line
        return set(self.known)

    def begin(self: Supervisor, spawn: Any) -> None:
        self.known.add(spawn.run)
        self.journal[spawn.run] = Fate()
        self._world.begin(int(spawn.run.rpartition(":")[2]), spawn.run)

    patch.setattr(Supervisor, "greet", greet)
    patch.setattr(Supervisor, "begin", begin)


def an_end_before_listening_is_dropped(patch: pytest.MonkeyPatch) -> None:
    real = Line.listen

    def listen(self: Line, runner: Any) -> None:
        self._early.clear()
        real(self, runner)

    patch.setattr(Line, "listen", listen)


def the_journal_forgets_what_is_not_committed(patch: pytest.MonkeyPatch) -> None:
    real = ProcessRunner.ended

    def ended(self: ProcessRunner, run: Any) -> None:
        real(self, run)
        assert self._supervisor is not None
        self._supervisor.forget([run.run])

    patch.setattr(ProcessRunner, "ended", ended)


def the_death_of_a_supervisor_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    real = DaemonWorld.supervisor_dies

    def supervisor_dies(self: DaemonWorld) -> None:
        real(self)
        self.is_supervisor_lost = False

    patch.setattr(DaemonWorld, "supervisor_dies", supervisor_dies)


def nobody_asks_whether_the_supervisor_lives(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DaemonRunner, "_lives", lambda _self, _name: False)


def an_end_is_told_before_it_is_written_down(patch: pytest.MonkeyPatch) -> None:
    """And when the engine dies then, it is never written."""

    def end(self: Supervisor, run_exit: Any) -> None:
        self.known.discard(run_exit.run)
        if self.line is not None:
            self.line.hear(run_exit)
        else:
            self.journal[run_exit.run] = Fate(end=run_exit)

    patch.setattr(Supervisor, "end", end)


def a_fact_does_not_wait_when_its_commit_fails(patch: pytest.MonkeyPatch) -> None:
    real = tick.Engine.tick

    def forgetful(self: tick.Engine) -> None:
        heard = len(self._facts)
        try:
            real(self)
        except UnavailableError:
            for _ in range(heard):
                self._facts.popleft()
            raise

    patch.setattr(tick.Engine, "tick", forgetful)


@pytest.mark.parametrize(
    "plant",
    [
        an_adopted_run_is_not_watched,
        an_adopted_run_is_not_known_to_the_runner,
        a_new_engine_is_answered_before_what_the_older_one_said,
        an_end_before_listening_is_dropped,
        the_journal_forgets_what_is_not_committed,
        the_death_of_a_supervisor_is_not_noticed,
        nobody_asks_whether_the_supervisor_lives,
        an_end_is_told_before_it_is_written_down,
    ],
    ids=lambda plant: plant.__name__,
)
def test_the_simulation_of_the_daemon_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    look_for_it(DaemonHistory)


@pytest.mark.parametrize(
    "plant",
    [
        effects_before_the_commit,
        a_stale_end_is_believed,
        recovery_forgets_scheduled,
        recovery_forgets_canceling,
        a_stopping_run_holds_no_slot,
        an_adopted_run_is_not_watched,
        a_lost_run_is_run_again,
        a_limit_is_asked_once_a_tick,
        a_retry_is_not_linked,
    ],
    ids=lambda plant: plant.__name__,
)
def test_the_simulation_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    look_for_it(History)


def test_the_simulation_of_a_full_disk_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    a_fact_does_not_wait_when_its_commit_fails(monkeypatch)
    look_for_it(History, full_disk=0.3)


def look_for_it(history_class: type[History], *, full_disk: float = 0.0) -> None:
    knobs = Knobs(
        failure=0.5, prepare=0.5, duplicate_fact=0.3, lost=0.4, ignores_stop=0.5, full_disk=full_disk
    )
    for seed in range(20):
        for point in range(0, 120, 3):
            history = history_class(
                seed, knobs=knobs, crash_at=frozenset({point}), cancels=frozenset({1, 2, 5}), executions=12
            )
            try:
                if history.play():
                    return
            except (sqlite3.DatabaseError, KeyError):
                return  # the database refused it: found, too
    pytest.fail("800 histories, and none of them noticed")
