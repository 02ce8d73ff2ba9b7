"""A simulation that never fails proves nothing: each bug planted here has to be found."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.engine import admission, recovery, tick
from attune_cli.runtime.engine.effects import Start
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.runners.api import Lost, Standing
from attune_cli.runtime.store import executions
from tests.simulation.history import History
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
    real = executions.glance

    def glance(tx: Transaction, host: str) -> executions.Glance:
        running = int(tx.execute("SELECT count(*) FROM execution WHERE status = 'running'").fetchone()[0])
        return replace(real(tx, host), slots_held=running, cancels=False)

    patch.setattr(tick.executions, "glance", glance)


def an_adopted_run_is_not_watched(patch: pytest.MonkeyPatch) -> None:
    real = recovery._settle_one

    def settle_one(tx: Transaction, item: Any, current: Any, heir: Any) -> list[Any]:
        return [] if item.found is Standing.RUNNING else real(tx, item, current, heir)

    patch.setattr(recovery, "_settle_one", settle_one)


def a_lost_run_is_run_again(patch: pytest.MonkeyPatch) -> None:
    real = WorldRunner.attach

    def attach(self: WorldRunner, seen: Any) -> Any:
        found = real(self, seen)
        return Standing.NEVER_RAN if isinstance(found, Lost) else found

    patch.setattr(WorldRunner, "attach", attach)


def a_limit_is_asked_once_a_tick(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admission, "_group_is_full", lambda _tx, _execution: False)


def a_retry_is_not_linked(patch: pytest.MonkeyPatch) -> None:
    """The next attempt is inserted, but the attempt before it does not name it."""
    real = executions.finish

    def finish(*args: Any, **rest: Any) -> bool:
        rest.pop("next_attempt", None)
        return real(*args, **rest)

    patch.setattr(executions, "finish", finish)


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
    knobs = Knobs(failure=0.5, prepare=0.5, duplicate_fact=0.3, lost=0.4, ignores_stop=0.5)
    for seed in range(20):
        for point in range(0, 120, 3):
            history = History(
                seed, knobs=knobs, crash_at=frozenset({point}), cancels=frozenset({1, 2, 5}), executions=12
            )
            try:
                if history.play():
                    return
            except (sqlite3.DatabaseError, KeyError):
                return  # the database refused it: found, too
    pytest.fail("800 histories, and none of them noticed")
