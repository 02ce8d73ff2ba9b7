"""A rule's runs that overlap, and its conditions over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.model.actions import WORKFLOW_RUNNER, ActionDefinition, Retry
from attune_cli.runtime.model.automations import After, Unless, WorkflowDefinition
from tests.engine.stage import BAD, GOOD

if TYPE_CHECKING:
    from attune_cli.runtime.model.automations import RuleMode
    from tests.reactions.stage import ReactionStage

ERRORS = [{"field": "severity", "operator": "equals", "value": "error"}]


# --- modes


def test_parallel_runs_overlap(stage: ReactionStage) -> None:
    stage.rule()
    stage.emit()
    stage.emit()
    assert stage.runs.started == [1, 2]


def test_single_leaves_out_what_comes_while_a_run_goes_on(stage: ReactionStage) -> None:
    stage.rule(mode="single")
    stage.emit()
    skipped = stage.verdict(stage.emit())
    assert (skipped.outcome, skipped.reason) == ("skipped", "execution 1 of this rule goes on")
    stage.finish(1)
    stage.emit()
    assert stage.outcomes() == ["fired", "skipped", "fired"]
    assert stage.runs.started == [1, 2]


def test_queued_runs_one_after_the_other_in_order(stage: ReactionStage) -> None:
    stage.rule(mode="queued", action_params={"n": "{{ event.payload.n }}"})
    for number in range(4):
        stage.emit(payload={"n": number})
    assert stage.runs.started == [1]
    assert [one.status for one in stage.enforcements()] == ["processed", "created", "created", "created"]
    for execution in (1, 2, 3, 4):
        stage.finish(execution, BAD if execution == 2 else GOOD)
    assert stage.parameters() == [{"n": number} for number in range(4)]


@pytest.mark.parametrize("mode", ["queued", "replace"])
def test_the_end_of_a_workflow_gives_the_next_run_of_its_rule_its_turn_at_once(
    stage: ReactionStage, mode: RuleMode
) -> None:
    tasks = ({"name": "a", "action": "demo.job"},)
    stage.define("workflow", WorkflowDefinition(ref="demo.flow", pack_ref="demo", version="1", tasks=tasks))
    stage.define("action", ActionDefinition(ref="demo.flow", pack_ref="demo", runner_type=WORKFLOW_RUNNER))
    stage.rule(mode=mode, action_ref="demo.flow")
    stage.emit()
    stage.emit()
    assert stage.runs.started == [2]
    stage.finish(2)
    assert stage.runs.started == [2, 4]
    assert [one.status for one in stage.enforcements()] == ["processed", "processed"]


def test_a_queued_run_that_is_cancelled_before_it_starts_gives_the_next_one_its_turn(
    stage: ReactionStage,
) -> None:
    stage.engines["a"].drain()
    stage.rule(mode="queued")
    stage.emit()
    stage.emit()
    stage.cancel(1)
    assert stage.status(1, 2) == ["cancelled", "requested"]


def test_a_queued_run_waits_for_the_retries_of_the_one_before(stage: ReactionStage) -> None:
    stage.action("demo.job", retry=Retry(count=1, delay_seconds=60))
    stage.rule(mode="queued")
    stage.emit()
    stage.emit()
    stage.finish(1, BAD)
    assert stage.runs.started == [1]
    stage.advance(60)
    assert stage.runs.started == [1, 2]
    stage.finish(2)
    assert stage.runs.started == [1, 2, 3]


def test_queued_runs_that_fail_at_once_let_the_next_begin(stage: ReactionStage) -> None:
    stage.action("demo.job", parameters={"n": {"type": "integer"}})
    stage.rule(mode="queued", action_params={"n": "{{ event.payload.n }}"})
    for number in (1, "x", "y", 4):
        stage.emit(payload={"n": number})
    stage.finish(1)
    assert stage.status(1, 2, 3, 4) == ["completed", "failed", "failed", "running"]


def test_replace_takes_the_place_of_the_run_that_goes_on(stage: ReactionStage) -> None:
    stage.rule(mode="replace", action_params={"n": "{{ event.payload.n }}"})
    for number in range(3):
        stage.emit(payload={"n": number})
    assert stage.runs.stopped == ["run-1"]
    assert stage.runs.started == [1]
    stage.finish(1, BAD)
    assert stage.status(1) == ["cancelled"]
    assert stage.parameters() == [{"n": 0}, {"n": 2}]
    assert [one.error for one in stage.enforcements()] == [None, "replaced by enforcement 3", None]


def test_a_queue_whose_rule_is_disabled_comes_to_nothing(stage: ReactionStage) -> None:
    rule = stage.rule(mode="queued")
    stage.emit()
    stage.emit()
    stage.enable("rule", rule, enabled=False)
    stage.finish(1)
    assert stage.enforcements()[1].status == "disabled"
    assert stage.all_ids() == [1]


# --- conditions over time


def test_once_within_holds_for_each_group_apart(stage: ReactionStage) -> None:
    stage.rule(once_within_seconds=600, group_by=("event.payload.host",))
    for host in ("a", "a", "b"):
        stage.emit(payload={"host": host})
    assert stage.outcomes() == ["fired", "once_within", "fired"]
    stage.advance(599)
    stage.emit(payload={"host": "a"})
    stage.advance(1)
    stage.emit(payload={"host": "a"})
    assert stage.outcomes()[3:] == ["once_within", "fired"]
    assert "less than 10m00s before" in stage.verdicts()[1].reason


def test_after_fires_with_the_last_of_enough_and_counts_anew(stage: ReactionStage) -> None:
    stage.rule(after=After(count=3, within_seconds=60))
    for _ in range(6):
        stage.emit()
    assert stage.outcomes() == ["after", "after", "fired", "after", "after", "fired"]
    assert stage.verdicts()[1].reason == "2 of 3 events within 1m00s"
    assert stage.verdicts()[1].trace["after"]["seen"] == 2


def test_after_forgets_what_is_too_long_ago(stage: ReactionStage) -> None:
    stage.rule(after=After(count=2, within_seconds=60))
    stage.emit()
    stage.advance(61)
    stage.emit()
    stage.advance(60)
    stage.emit()
    assert stage.outcomes() == ["after", "after", "fired"]


def test_windows_go_by_when_events_were_made_not_by_when_they_are_judged(stage: ReactionStage) -> None:
    stage.rule("rare", once_within_seconds=60)
    stage.store_event()
    stage.clock.instant += 61_000_000
    stage.store_event()
    stage.advance(3600)
    assert stage.outcomes() == ["fired", "fired"]


def test_only_what_meets_the_conditions_counts(stage: ReactionStage) -> None:
    stage.rule(after=After(count=2, within_seconds=60), conditions=ERRORS)
    for severity in ("error", "info", "error"):
        stage.emit(payload={"severity": severity})
    assert stage.outcomes() == ["after", "no_match", "fired"]


UNLESS = Unless(trigger_ref="demo.up", within_seconds=60)


@pytest.fixture
def waiting(stage: ReactionStage) -> ReactionStage:
    stage.trigger("demo.up")
    stage.rule(unless=UNLESS, group_by=("event.payload.host",))
    return stage


def test_a_rule_waits_and_fires_when_nothing_comes_between(waiting: ReactionStage) -> None:
    event = waiting.emit()
    assert waiting.verdict(event).outcome == "waiting"
    waiting.advance(59)
    assert waiting.verdict(event).outcome == "waiting"
    waiting.advance(1)
    verdict = waiting.verdict(event)
    assert (verdict.outcome, verdict.due) == ("fired", None)
    assert verdict.trace["unless"]["held"] is True
    assert waiting.runs.started == [1]


def test_a_rule_is_averted_by_the_same_group_only(waiting: ReactionStage) -> None:
    first, second = waiting.emit(payload={"host": "a"}), waiting.emit(payload={"host": "b"})
    waiting.advance(30)
    up = waiting.emit("demo.up", payload={"host": "a"})
    assert waiting.verdict(first).outcome == "averted"
    assert waiting.verdict(first).reason == f"event {up} came between"
    waiting.advance(30)
    assert waiting.verdict(second).outcome == "fired"
    assert len(waiting.runs.started) == 1


def test_what_averts_may_have_conditions(stage: ReactionStage) -> None:
    stage.trigger("demo.up")
    stage.rule(unless=Unless(trigger_ref="demo.up", within_seconds=60, conditions=ERRORS))
    event = stage.emit()
    stage.emit("demo.up", payload={"severity": "info"})
    assert stage.verdict(event).outcome == "waiting"
    stage.emit("demo.up", payload={"severity": "error"})
    assert stage.verdict(event).outcome == "averted"


def test_what_came_in_time_averts_though_the_daemon_was_down(waiting: ReactionStage) -> None:
    event = waiting.emit()
    waiting.clock.instant += 30_000_000
    waiting.store_event("demo.up")
    waiting.advance(3600)
    assert waiting.verdict(event).outcome == "averted"


def test_what_comes_too_late_does_not_avert(waiting: ReactionStage) -> None:
    event = waiting.emit()
    waiting.clock.instant += 61_000_000
    waiting.store_event("demo.up")
    waiting.tick()
    assert waiting.verdict(event).outcome == "fired"


@pytest.mark.parametrize("change", ["disabled", "changed", "deleted", "trigger"])
def test_a_rule_that_changes_while_it_waits_does_not_fire(waiting: ReactionStage, change: str) -> None:
    event = waiting.emit()
    waiting.advance(1)
    match change:
        case "disabled":
            waiting.enable("rule", "demo.rule", enabled=False)
        case "changed":
            waiting.rule(unless=UNLESS, action_params={"x": 1})
        case "deleted":
            waiting.delete_rule("demo.rule")
        case _:
            waiting.enable("trigger", "demo.push", enabled=False)
    waiting.advance(60)
    assert waiting.verdict(event).outcome == "unready"
    assert waiting.all_ids() == []


def test_a_rule_that_waits_may_have_fired_lately_when_its_time_comes(stage: ReactionStage) -> None:
    stage.trigger("demo.up")
    stage.rule(unless=UNLESS, once_within_seconds=300)
    first = stage.emit()
    stage.advance(10)
    second = stage.emit()
    stage.advance(60)
    assert [stage.verdict(one).outcome for one in (first, second)] == ["fired", "once_within"]
