"""Crashes and strangers at every point of a history of reactions: nothing is lost, doubled or left waiting."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.services.events import NewEvent, take_in
from attune_cli.runtime.store import definitions, packs
from tests.simulation.reaction_history import PUSH, ReactionHistory, put, rule_of
from tests.simulation.strangers import with_stranger
from tests.simulation.world import Knobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from attune_cli.runtime.store.database import Transaction

SEEDS = range(int(os.environ.get("ATTUNE_SIMULATION_SEEDS", "1")))
STRIDE = 1 if "ATTUNE_SIMULATION_SEEDS" in os.environ else 5
"""`make test` dies at every fifth point, `make simulation` at each."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_at_any_point_loses_and_doubles_nothing(seed: int) -> None:
    calm = ReactionHistory(seed)
    assert calm.play() == []
    assert calm.points > 200
    for point in range(1 + seed % STRIDE, calm.points + 1, STRIDE):
        history = ReactionHistory(seed, crash_at=frozenset({point}))
        assert history.play() == [], f"seed {seed}, crash at point {point}"
        assert history.crashes == 1


def emits(history: ReactionHistory, tx: Transaction) -> None:
    del history
    take_in(tx, NewEvent(trigger_ref=PUSH, payload={"host": "a"}))


def disables(history: ReactionHistory, tx: Transaction) -> None:
    for name in ("plain", "patient", "queued"):
        history.touched.add(f"sim.{name}")
        definitions.set_enabled(tx, "rule", f"sim.{name}", enabled=False)


def enables(history: ReactionHistory, tx: Transaction) -> None:
    """Disabled and enabled in two commits, with who knows what between them."""
    for name in ("once", "after", "replace"):
        history.touched.add(f"sim.{name}")
        enabled = bool(definitions.set_enabled(tx, "rule", f"sim.{name}", enabled=False))
        definitions.set_enabled(tx, "rule", f"sim.{name}", enabled=enabled)


def changes(history: ReactionHistory, tx: Transaction) -> None:
    pack = packs.get(tx, "sim")
    assert pack is not None
    for name in ("patient", "queued", "told"):
        history.touched.add(f"sim.{name}")
        put(tx, "rule", pack.id, rule_of(name, action_params={"changed": True}))


def deletes(history: ReactionHistory, tx: Transaction) -> None:
    for name in ("patient", "queued", "clock"):
        history.touched.add(f"sim.{name}")
        tx.execute("DELETE FROM rule WHERE ref = ?", (f"sim.{name}",))


@pytest.mark.parametrize("act", [emits, disables, enables, changes, deletes], ids=lambda act: act.__name__)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stranger_at_any_point_breaks_nothing(
    seed: int, act: Callable[[ReactionHistory, Transaction], None], memory_path: Path
) -> None:
    points = _play_with_stranger(memory_path / "calm.db", seed, act, at=0)
    for point in range(1 + seed % (4 * STRIDE), points + 1, 4 * STRIDE):
        _play_with_stranger(memory_path / f"{point}.db", seed, act, at=point)


def _play_with_stranger(
    path: Path, seed: int, act: Callable[[ReactionHistory, Transaction], None], *, at: int
) -> int:
    """Play once with another connection acting at the first point from `at` on where no transaction is open."""
    with with_stranger(path) as (store, stranger):
        history = ReactionHistory(seed, store=store, events=5)
        begun = at == 0

        def intrude(point: str) -> None:
            nonlocal begun
            if begun or history.points < at or point == "before commit":
                return  # inside a transaction SQLite itself keeps strangers out
            begun = True
            history.world.now += 1  # two changes at the same microsecond could not be told apart
            with stranger.write(history.world.now) as tx:
                act(history, tx)

        history.intrude = intrude
        assert history.play() == [], f"seed {seed}, stranger {act.__name__} at point {at}"
    return history.points


@pytest.mark.parametrize("seed", range(len(SEEDS) * 40))
def test_the_swarm_finds_nothing(seed: int) -> None:
    chance = random.Random(seed)
    knobs = Knobs(
        failure=chance.choice([0.0, 0.3, 0.9]),
        prepare=chance.choice([0.0, 0.5]),
        prepare_failure=chance.choice([0.0, 0.3]),
        duplicate_fact=chance.choice([0.0, 0.5]),
        lost=chance.choice([0.0, 0.5]),
        clock_jump=chance.choice([0.0, 0.0, 0.2]),
        ignores_stop=chance.choice([0.0, 0.5]),
    )
    history = ReactionHistory(
        seed,
        knobs,
        crash_at=frozenset(chance.sample(range(1, 600), chance.randrange(8))),
        events=chance.randrange(1, 20),
    )
    assert history.play() == [], f"seed {seed}: {history}"
