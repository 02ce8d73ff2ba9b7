"""Workflows, crashes and strangers at every point: each task runs once, and the end is what the graph says."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.store import executions
from tests.simulation.invariants import rows
from tests.simulation.strangers import with_stranger
from tests.simulation.workflow_history import WORKFLOWS, WorkflowHistory, pause
from tests.simulation.world import Knobs

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.store.database import Transaction

SEEDS = range(int(os.environ.get("ATTUNE_SIMULATION_SEEDS", "1")))
KINDS = ("daemon", "inline")
FIRST = range(len(WORKFLOWS))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_at_any_point_neither_loses_nor_repeats_a_task(seed: int, first: int, kind: str) -> None:
    calm = WorkflowHistory(seed, kind, executions=1, first=first)
    assert calm.play() == []
    assert calm.points > 5
    for point in range(1, calm.points + 1):
        history = WorkflowHistory(seed, kind, executions=1, first=first, crash_at=frozenset({point}))
        assert history.play() == [], f"seed {seed}, {kind}, workflow {first}, crash at point {point}"
        assert history.crashes == 1


@pytest.mark.parametrize("act", ["cancel", "pause"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stranger_at_any_point_breaks_no_workflow(seed: int, act: str, memory_path: Path) -> None:
    points = _play_with_stranger(memory_path / "calm.db", seed, act, at=0)
    for point in range(1, points + 1, 3):
        _play_with_stranger(memory_path / f"{point}.db", seed, act, at=point)


def _play_with_stranger(path: Path, seed: int, act: str, *, at: int) -> int:
    with with_stranger(path) as (store, stranger):
        history = WorkflowHistory(seed, store=store, executions=len(WORKFLOWS))

        def intrude(point: str) -> None:
            if history.points != at or point == "before commit":
                return
            with stranger.write(history.world.now) as tx:
                _interfere(tx, act, at)

        history.intrude = intrude
        assert history.play() == [], f"seed {seed}, stranger's {act} at point {at}"
    return history.points


def _interfere(tx: Transaction, act: str, at: int) -> None:
    for (execution,) in tx.execute("SELECT id FROM execution ORDER BY id").fetchall():
        if act == "pause":
            pause(tx, execution)
        elif execution % 3 == at % 3:
            executions.request_cancel(tx, execution, "a stranger's wish")


@pytest.mark.parametrize("seed", range(len(SEEDS) * 60))
def test_the_swarm_finds_nothing(seed: int) -> None:
    history = swarm(seed)
    assert history.play() == [], f"seed {seed}: {history}"


def swarm(seed: int, **fixed: Any) -> WorkflowHistory:
    """Return a history of which the seed decides everything."""
    chance = random.Random(seed)
    knobs = Knobs(
        failure=chance.choice([0.0, 0.3, 0.7]),
        prepare=chance.choice([0.0, 0.5]),
        prepare_failure=chance.choice([0.0, 0.3]),
        duplicate_fact=chance.choice([0.0, 0.5]),
        lost=chance.choice([0.0, 0.5]),
        clock_jump=chance.choice([0.0, 0.0, 0.2]),
        ignores_stop=chance.choice([0.0, 0.5]),
        full_disk=chance.choice([0.0, 0.0, 0.3]),
    )
    return WorkflowHistory(
        seed,
        chance.choice(KINDS),
        knobs,
        crash_at=frozenset(chance.sample(range(1, 300), chance.randrange(6))),
        executions=chance.randrange(1, 9),
        cancels=frozenset(chance.sample(range(1, 30), chance.randrange(4))),
        first=chance.randrange(len(WORKFLOWS)),
        **fixed,
    )


def test_the_swarm_sees_every_end_of_a_workflow() -> None:
    seen: set[object] = set()
    for seed in range(12):
        history = swarm(seed)
        history.play()
        seen |= {
            (status, timed_out)
            for status, timed_out in rows(
                history.database,
                """SELECT e.status, e.timed_out FROM workflow_execution AS s
                   JOIN execution AS e ON e.id = s.execution""",
            )
        }
    assert seen >= {("completed", 0), ("failed", 0), ("failed", 1), ("cancelled", 0)}
