"""Crashes and strangers at every point, and many seeds: nothing is lost, doubled or left waiting.

`make test` plays a few seeds; `ATTUNE_SIMULATION_SEEDS=500` (make simulation) plays many.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.store import executions
from tests.simulation.history import History, submit
from tests.simulation.strangers import with_stranger
from tests.simulation.supervised import DaemonHistory
from tests.simulation.world import Knobs

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.store.database import Transaction

SEEDS = range(int(os.environ.get("ATTUNE_SIMULATION_SEEDS", "3")))
KINDS = ("daemon", "inline")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_at_any_point_loses_and_doubles_nothing(seed: int, kind: str) -> None:
    calm = History(seed, kind, cancels=frozenset({2, 5}))
    assert calm.play() == []
    assert calm.points > 40
    for point in range(1, calm.points + 1):
        history = History(seed, kind, cancels=frozenset({2, 5}), crash_at=frozenset({point}))
        assert history.play() == [], f"seed {seed}, {kind}, crash at point {point}"
        assert history.crashes == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_daemon_that_crashes_at_any_point_costs_its_runs_nothing(seed: int) -> None:
    calm = DaemonHistory(seed, cancels=frozenset({2, 5}))
    assert calm.play() == []
    assert calm.points > 40
    for point in range(1, calm.points + 1):
        history = DaemonHistory(seed, cancels=frozenset({2, 5}), crash_at=frozenset({point, point + 25}))
        assert history.play() == [], f"seed {seed}, crash at points {point} and {point + 25}"


@pytest.mark.parametrize("history_class", [History, DaemonHistory])
@pytest.mark.parametrize("seed", SEEDS)
def test_commits_that_find_the_disk_full_lose_and_double_nothing(
    seed: int, history_class: type[History]
) -> None:
    history = history_class(seed, knobs=Knobs(full_disk=0.4), cancels=frozenset({2, 5}))
    assert history.play() == []
    assert history.refused_commits


@pytest.mark.parametrize("act", ["cancel", "submit"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stranger_at_any_point_breaks_nothing(seed: int, act: str, memory_path: Path) -> None:
    points = _play_with_stranger(memory_path / "calm.db", seed, act, at=0)
    for point in range(1, points + 1):
        _play_with_stranger(memory_path / f"{point}.db", seed, act, at=point)


def _play_with_stranger(path: Path, seed: int, act: str, *, at: int) -> int:
    """Play once with another connection acting at point `at` (where no transaction is open); returns the points."""
    with with_stranger(path) as (store, stranger):
        history = History(seed, store=store, executions=6)

        def intrude(point: str) -> None:
            if history.points != at or point == "before commit":
                return  # inside a transaction SQLite itself keeps strangers out
            with stranger.write(history.world.now) as tx:
                if act == "submit":
                    submit(tx, None, 100 + at)
                else:
                    _cancel_something(tx, at)

        history.intrude = intrude
        assert history.play() == [], f"seed {seed}, stranger's {act} at point {at}"
    return history.points


def _cancel_something(tx: Transaction, at: int) -> None:
    for (execution,) in tx.execute("SELECT id FROM execution ORDER BY id").fetchall():
        if execution % 3 == at % 3:
            executions.request_cancel(tx, execution, "a stranger's wish")


@pytest.mark.parametrize("seed", range(len(SEEDS) * 60))
def test_the_swarm_finds_nothing(seed: int) -> None:
    chance = random.Random(seed)
    knobs = Knobs(
        failure=chance.choice([0.0, 0.3, 0.9]),
        prepare=chance.choice([0.0, 0.5, 1.0]),
        prepare_failure=chance.choice([0.0, 0.3]),
        duplicate_fact=chance.choice([0.0, 0.5]),
        lost=chance.choice([0.0, 0.5]),
        clock_jump=chance.choice([0.0, 0.2]),
        ignores_stop=chance.choice([0.0, 0.5]),
        full_disk=chance.choice([0.0, 0.0, 0.3]),
    )
    kind, history_class = chance.choice((*((kind, History) for kind in KINDS), ("daemon", DaemonHistory)))
    history = history_class(
        seed,
        kind,
        knobs,
        crash_at=frozenset(chance.sample(range(1, 200), chance.randrange(6))),
        executions=chance.randrange(1, 14),
        cancels=frozenset(chance.sample(range(1, 14), chance.randrange(5))),
    )
    assert history.play() == [], f"seed {seed}: {history}"
