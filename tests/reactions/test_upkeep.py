"""What the reactor forgets, and what it costs when there is nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.automations import Unless
from tests.reactions.stage import ReactionStage

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400
TABLES = ("event", "verdict", "enforcement", "notification", "rule_memory")


def counts(stage: ReactionStage) -> dict[str, int]:
    return {
        table: stage.store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in TABLES
    }


def test_what_is_old_and_over_is_forgotten(tmp_path: Path) -> None:
    stage = ReactionStage(tmp_path, retention_seconds=10 * DAY)
    stage.rule(once_within_seconds=60)
    for _ in range(700):
        stage.emit()
    assert counts(stage)["event"] == counts(stage)["verdict"] == 700
    stage.advance(9 * DAY)
    assert counts(stage)["event"] == 700
    stage.advance(2 * DAY)
    assert counts(stage) == dict.fromkeys(TABLES, 0)
    assert stage.all_ids() == [1]


def test_conditions_that_take_much_work_are_spread_over_ticks(tmp_path: Path) -> None:
    stage = ReactionStage(tmp_path)
    stage.rule("costly", conditions="{{ length(upper(lower(event.payload.text))) > 1 }}")
    stage.rule("dear", conditions="{{ length(upper(lower(event.payload.text))) > 2 }}")
    for _ in range(20):
        stage.store_event(payload={"text": "x" * 500_000})
    judged = [0]
    while judged[-1] < 40:
        stage.engines["a"].tick()
        judged.append(len(stage.verdicts()))
        assert judged[-2] < judged[-1] <= judged[-2] + 20
    assert set(stage.outcomes()) == {"fired"}


def test_what_waits_is_never_forgotten(tmp_path: Path) -> None:
    stage = ReactionStage(tmp_path, retention_seconds=DAY)
    stage.trigger("demo.up")
    stage.rule("patient", unless=Unless(trigger_ref="demo.up", within_seconds=5 * DAY))
    stage.rule("queue", mode="queued")
    stage.emit()
    stage.emit()
    stage.advance(2 * DAY)
    assert [verdict.outcome for verdict in stage.verdicts()] == ["waiting", "waiting"]
    assert [one.status for one in stage.enforcements()] == ["created"]


def test_ten_thousand_timers_that_are_not_due_are_not_read(stage: ReactionStage) -> None:
    """Counted in the steps of SQLite's virtual machine: a tick takes as many with ten thousand as with ten."""
    few = _steps_with(stage, 10)
    many = _steps_with(stage, 10_000)
    assert many < 2 * few


def _steps_with(stage: ReactionStage, number: int) -> int:
    for index in range(number):
        stage.rule(f"t{index}", "core.intervaltimer", trigger_params={"unit": "days", "interval": 1})
    stage.tick()
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    stage.store.connection.set_progress_handler(step, 1)
    stage.tick()
    stage.store.connection.set_progress_handler(None, 1)
    return steps


def test_many_rules_on_other_triggers_cost_an_event_nothing(stage: ReactionStage) -> None:
    """Counted in the steps of SQLite's virtual machine, ten rules on the event's trigger both times."""
    for index in range(10):
        stage.rule(f"mine{index}", conditions={"expression": "false"})
    few = _steps_of_an_event(stage)
    for trigger in range(50):
        stage.trigger(f"demo.other{trigger}")
        for index in range(20):
            stage.rule(f"o{trigger}x{index}", f"demo.other{trigger}")
    assert _steps_of_an_event(stage) < 2 * few


def _steps_of_an_event(stage: ReactionStage) -> int:
    stage.emit()
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    stage.store_event()
    stage.clock.instant += SECOND
    stage.store.connection.set_progress_handler(step, 1)
    stage.engines["a"].tick()
    stage.store.connection.set_progress_handler(None, 1)
    return steps
