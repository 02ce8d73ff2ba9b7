"""Questions, answers and crashes at every point: each is closed once, and what waited for it ends as it was closed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.config import Settings
from attune_cli.errors import ConflictError
from attune_cli.runtime.model.facts import Fact, RunEnded
from attune_cli.runtime.services import inquiries
from attune_cli.runtime.store import executions, jobs
from attune_cli.runtime.store import inquiries as inquiry_rows
from attune_cli.runtime.store.sealing import Sealer
from tests.engine.question_stage import ASK, asking
from tests.simulation.history import SLOTS, History
from tests.simulation.invariants import rows
from tests.simulation.strangers import with_stranger
from tests.simulation.world import World

if TYPE_CHECKING:
    from attune_cli.runtime.engine.tick import Engine
    from attune_cli.runtime.store.database import Store, Transaction

SEEDS = range(int(os.environ.get("ATTUNE_SIMULATION_SEEDS", "1")))
KINDS = ("daemon", "inline")
_LIMIT_SECONDS = 90
_NO_SECRETS = Sealer(Path("no-secret.key"))


class AskingWorld(World):
    """Every second run that ends well ends with a question."""

    def plan(self, delay_seconds: float, fact: Fact) -> None:
        if isinstance(fact, RunEnded) and fact.outcome.succeeded and fact.execution % 2 == 0:
            question = {"prompt": "Go on?", "timeout_seconds": _LIMIT_SECONDS}
            fact = replace(fact, outcome=asking(question, n=fact.execution))
        super().plan(delay_seconds, fact)


@dataclass
class QuestionHistory(History):
    """Every third execution is a question; now and then somebody answers."""

    accepted: dict[int, object] = field(default_factory=dict[int, object])
    answers: float = 0.5

    def make_world(self) -> World:
        return AskingWorld(self.seed, self.knobs, SLOTS)

    def _submit(self, engine: Engine, number: int) -> int:
        if number % 3:
            return super()._submit(engine, number)
        parameters = '{"remind_every": 20%s}' % (', "default_response": {"approved": false}' * (number % 2))
        engine.request(lambda tx: ask(tx, engine.host.id, parameters))
        return 1

    def _go_on(self, engine: Engine) -> bool:
        if self.world.chance.random() < self.answers and self.answer(self.database):
            return True
        return super()._go_on(engine)

    def answer(self, store: Store) -> bool:
        """Somebody says yes to whatever is pending; tells whether there was anything."""
        with store.write(self.world.now) as tx:
            taken = dict(_answer_all(tx, len(self.accepted)))
        for inquiry in taken:
            if inquiry in self.accepted:
                self.world.problems.append(f"inquiry {inquiry} took two answers")
        self.accepted |= taken
        return bool(taken)

    def _verdict(self) -> list[str]:
        return [*super()._verdict(), *closings(self.database), *self._forgotten()]

    def _forgotten(self) -> list[str]:
        known = {row[0]: row[1] for row in rows(self.database, "SELECT id, status FROM inquiry")}
        return [f"the answer to {one} was lost" for one in self.accepted if known.get(one) != "responded"]


def ask(tx: Transaction, host: str | None, parameters: str) -> int:
    new = executions.NewExecution(
        action_ref="core.ask",
        job=jobs.intern(tx, ASK),
        host=host,
        parameters=parameters,
        timeout_seconds=_LIMIT_SECONDS,
        waits=True,
    )
    return executions.insert(tx, new)


def _answer_all(tx: Transaction, number: int) -> list[tuple[int, object]]:
    taken: list[tuple[int, object]] = []
    for inquiry in inquiry_rows.pending_ids(tx, limit=100):
        response = {"approved": True}
        by = inquiries.person(tx, f"person-{number}")
        try:
            inquiries.respond(tx, str(inquiry), response, by=by, settings=Settings(), sealer=_NO_SECRETS)
        except ConflictError:
            continue  # its time is over, or it is being cancelled
        taken.append((inquiry, response))
    return taken


def closings(store: Store) -> list[str]:
    """Return what is wrong with how questions were closed, and with what waited for them."""
    ends = {"responded": "completed", "timeout": "timeout", "cancelled": "cancelled"}
    found = [
        f"inquiry {one} is {status}, and its execution {ended}"
        for one, status, ended in rows(
            store,
            "SELECT i.id, i.status, e.status FROM inquiry AS i JOIN execution AS e ON e.id = i.execution",
        )
        if ends.get(str(status)) != ended
    ]
    found += [
        f"inquiry {one} is due" for (one,) in rows(store, "SELECT id FROM inquiry WHERE due IS NOT NULL")
    ]
    found += [
        f"inquiry {one} was told of as {kind} {count} times"
        for one, kind, count in rows(
            store,
            """SELECT entity_id, iif(notification_type = 'inquiry_created', 'new', 'closed'), count(*)
               FROM notification WHERE entity_type = 'inquiry' AND notification_type <> 'inquiry_reminder'
               GROUP BY 1, 2 HAVING count(*) <> 1""",
        )
    ]
    found += [
        f"execution {one} waited for an answer and was run, or tried, again"
        for (one,) in rows(
            store,
            """SELECT e.id FROM inquiry AS i JOIN execution AS e ON e.id = i.execution
               WHERE e.next_attempt IS NOT NULL OR e.runner_ref IS NOT NULL""",
        )
    ]
    found += [
        f"execution {one} ended with a question that nobody was asked"
        for (one,) in rows(store, "SELECT id FROM execution WHERE result LIKE '%\"__inquiry\":%'")
    ]
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_at_any_point_loses_no_question_and_no_answer(seed: int, kind: str) -> None:
    calm = QuestionHistory(seed, kind, cancels=frozenset({4}))
    assert calm.play() == []
    assert len(rows(calm.database, "SELECT 1 FROM inquiry")) > 2
    assert calm.accepted
    for point in range(1, calm.points + 1):
        history = QuestionHistory(seed, kind, cancels=frozenset({4}), crash_at=frozenset({point}))
        assert history.play() == [], f"seed {seed}, {kind}, crash at point {point}"
        assert history.crashes == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stranger_who_answers_at_any_point_is_heard_once(seed: int, memory_path: Path) -> None:
    points, _ = _play_with_stranger(memory_path / "calm.db", seed, at=0)
    heard = 0
    for point in range(1, points + 1):
        _, answered = _play_with_stranger(memory_path / f"{point}.db", seed, at=point)
        heard += answered
    assert heard > points // 4


def _play_with_stranger(path: Path, seed: int, *, at: int) -> tuple[int, bool]:
    """Play once with another connection answering at point `at`; returns the points, and whether it was heard."""
    with with_stranger(path) as (store, stranger):
        history = QuestionHistory(seed, store=store, executions=6, answers=0.0)

        def intrude(point: str) -> None:
            if history.points == at and point != "before commit":
                history.answer(stranger)

        history.intrude = intrude
        assert history.play() == [], f"seed {seed}, a stranger answers at point {at}"
    return history.points, bool(history.accepted)


# --- the simulation finds what it is for


def _answer_without_asking_whether_it_is_pending(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inquiries, "check_open", lambda _tx, _inquiry: None)
    patch.setattr(
        inquiry_rows, "pending_ids", lambda tx, **_: [row[0] for row in tx.execute("SELECT id FROM inquiry")]
    )


def _forget_to_ask_after_a_crash(patch: pytest.MonkeyPatch) -> None:
    from attune_cli.runtime.engine import recovery

    patch.setattr(recovery, "asks", lambda *_: False)


def _answer_and_tell_nobody(patch: pytest.MonkeyPatch) -> None:
    real: Any = inquiry_rows.respond

    def respond(tx: Transaction, inquiry: int, *values: Any, **named: Any) -> bool:
        answered = real(tx, inquiry, *values, **named)
        inquiry_rows.settled(tx, inquiry)
        return bool(answered)

    patch.setattr(inquiry_rows, "respond", respond)


@pytest.mark.parametrize(
    "plant",
    [_answer_without_asking_whether_it_is_pending, _forget_to_ask_after_a_crash, _answer_and_tell_nobody],
)
def test_a_planted_bug_is_found(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(
        _goes_wrong(QuestionHistory(seed, kind, crash_at=frozenset({point})))
        for seed in range(2)
        for kind in KINDS
        for point in range(0, 90, 3)
    )


def _goes_wrong(history: QuestionHistory) -> bool:
    try:
        return history.play() != []
    except Exception:  # noqa: BLE001 - a bug may break anything
        return True
