"""Each bug planted in the reactor has to be found by the simulation of reactions."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.reactions import enforcing, platform_events, reactor, timers, verdict_writing
from attune_cli.runtime.reactions.verdict_writing import VerdictWriter
from tests.simulation.reaction_history import ReactionHistory
from tests.simulation.world import Knobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.store.database import Transaction

    Plant = Callable[[pytest.MonkeyPatch], None]


def commit_in_the_middle(tx: Transaction) -> None:
    """What nobody may do: let half of it be seen, and a crash happen there."""
    tx.execute("COMMIT")
    ReactionHistory.current.reached("in the middle")
    tx.execute("BEGIN IMMEDIATE")


def a_timer_is_advanced_in_a_commit_of_its_own(patch: pytest.MonkeyPatch) -> None:
    real_fire, real_tell = timers.fire_due, timers.tell

    def fire_due(tx: Transaction) -> bool:
        told: list[Any] = []
        patch.setattr(timers, "tell", lambda _tx, *event: told.append(event) or True)
        left = real_fire(tx)
        if told:
            commit_in_the_middle(tx)
        for event in told:
            real_tell(tx, *event)
        return left

    patch.setattr(timers, "fire_due", fire_due)


def a_timer_forgets_what_it_planned(patch: pytest.MonkeyPatch) -> None:
    """It fires by the present alone: what fell due while no daemon ran is not made good."""
    real = timers.firing.due
    patch.setattr(
        timers.firing,
        "due",
        lambda timer, now, *, planned, last: real(
            timer, now, planned=max(planned, now - 1_000_000), last=last
        ),
    )


def an_event_is_marked_before_it_is_judged(patch: pytest.MonkeyPatch) -> None:
    real = VerdictWriter.judge_event

    def judge_event(self: VerdictWriter, tx: Transaction, event: Any, **rest: Any) -> Any:
        verdict_writing.events.mark_judged(tx, event.id)
        commit_in_the_middle(tx)
        return real(self, tx, event, **rest)

    patch.setattr(VerdictWriter, "judge_event", judge_event)


def an_execution_is_started_in_a_commit_of_its_own(patch: pytest.MonkeyPatch) -> None:
    real = enforcing.submit

    def submit(tx: Transaction, submission: Any, **rest: Any) -> Any:
        started = real(tx, submission, **rest)
        commit_in_the_middle(tx)
        tx.execute("SAVEPOINT part")
        return started

    patch.setattr(enforcing, "submit", submit)


def windows_are_kept_in_memory(patch: pytest.MonkeyPatch) -> None:
    """As long as the process lives: a new reactor knows nothing of them."""
    kept: dict[Any, Any] = {}

    class Forgetful(reactor.Reactions):
        def __init__(self, **rest: Any) -> None:
            kept.clear()
            super().__init__(**rest)

    def get(_tx: Transaction, *key: Any) -> Any:
        return kept.get(key)

    def put(_tx: Transaction, rule: int, name: str, group: str, value: Any, *, expires: int) -> None:
        del expires
        kept[rule, name, group] = value

    from tests.simulation import reaction_history

    patch.setattr(reaction_history, "Reactions", Forgetful)
    patch.setattr(verdict_writing.rule_memory, "get", get)
    patch.setattr(verdict_writing.rule_memory, "put", put)
    patch.setattr(verdict_writing.rule_memory, "forget", lambda _tx, *key: kept.pop(key, None))


def a_firing_that_waits_does_not_wait_for_events_to_be_judged(patch: pytest.MonkeyPatch) -> None:
    """Its time is looked at first, and the events that came between afterwards."""
    real = reactor.Reactions._judge_events

    def judge_events(self: reactor.Reactions, tx: Transaction) -> bool:
        for verdict in reactor.verdicts.due(tx, before=tx.now + 1, limit=100):
            self._writer.fire_waiting(tx, verdict)
        return real(self, tx)

    patch.setattr(reactor.Reactions, "_judge_events", judge_events)


def a_queue_does_not_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(enforcing, "_has_to_wait", lambda _tx, _rule, _enforcement: False)


def nobody_looks_at_what_waits_for_its_turn(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reactor.Reactions, "_start_waiting", lambda _self, _tx: False)


def a_new_daemon_begins_with_what_happens_from_now_on(patch: pytest.MonkeyPatch) -> None:
    """The place in the outbox is not kept: what ended between two daemons is never told."""
    real = platform_events.observe
    kept: dict[int, int] = {}

    def observe(tx: Transaction, wanted: Any) -> bool:
        boots = ReactionHistory.current._boots
        if boots not in kept:
            kept.clear()
            kept[boots] = 1
            platform_events.put(
                tx, platform_events.PLATFORM_EVENTS_CURSOR, str(platform_events.notifications.newest(tx))
            )
        return real(tx, wanted)

    patch.setattr(platform_events, "observe", observe)


PLANTS: list[Plant] = [
    a_timer_is_advanced_in_a_commit_of_its_own,
    a_timer_forgets_what_it_planned,
    an_event_is_marked_before_it_is_judged,
    an_execution_is_started_in_a_commit_of_its_own,
    windows_are_kept_in_memory,
    a_firing_that_waits_does_not_wait_for_events_to_be_judged,
    a_queue_does_not_wait,
    nobody_looks_at_what_waits_for_its_turn,
    a_new_daemon_begins_with_what_happens_from_now_on,
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_the_simulation_of_reactions_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(10):
        for point in range(0, 400, 9):
            history = ReactionHistory(
                seed, Knobs(lost=0.4), crash_at=frozenset({point, point + 90}), events=14
            )
            try:
                if history.play():
                    return
            except (sqlite3.DatabaseError, KeyError):
                return  # the database refused it: found, too
    pytest.fail("450 histories, and none of them noticed")
