"""Rules that react to the platform itself, and the guard against their going round in circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.reactions.platform_triggers import (
    EXECUTION_FINISHED,
    INQUIRY_CREATED,
    INQUIRY_RESPONDED,
    RULE_FIRED,
)
from tests.engine.question_stage import ASK, ask, respond
from tests.engine.stage import BAD, GOOD

if TYPE_CHECKING:
    from tests.reactions.stage import ReactionStage


def cursor(stage: ReactionStage) -> object:
    return stage.store.connection.execute(
        "SELECT value FROM meta WHERE name = 'platform_events_cursor'"
    ).fetchone()


@pytest.fixture
def watching(stage: ReactionStage) -> ReactionStage:
    """With a rule that runs `demo.tell` when an execution ends badly."""
    stage.action("demo.tell")
    stage.rule(
        "tell",
        EXECUTION_FINISHED,
        action_ref="demo.tell",
        trigger_params={"status": ["failed", "timeout"]},
        action_params={"of": "{{ event.payload.execution }}"},
    )
    stage.tick()
    return stage


def test_no_rule_no_event(stage: ReactionStage) -> None:
    stage.finish(stage.submit(None), BAD)
    assert stage.events_of(EXECUTION_FINISHED) == []
    assert cursor(stage) is None


def test_an_end_that_a_rule_wants_becomes_an_event(watching: ReactionStage) -> None:
    failed = watching.submit(None)
    watching.finish(failed, BAD)
    (event,) = watching.events_of(EXECUTION_FINISHED)
    assert event.payload["execution"] == failed
    assert event.payload["error"] == {"type": "exit", "message": "exited with 1"}
    assert (event.source, event.cause, event.depth) == ("attune", failed, 0)
    assert watching.parameters()[-1] == {"of": failed}


def test_an_end_that_no_rule_wants_is_no_event(watching: ReactionStage) -> None:
    watching.finish(watching.submit(None), GOOD)
    assert watching.events_of(EXECUTION_FINISHED) == []


@pytest.mark.parametrize(
    ("params", "fires"),
    [
        ({}, True),
        ({"status": "failed"}, True),
        ({"status": ["completed", "failed"]}, True),
        ({"status": ["completed"]}, False),
        ({"action_ref": "demo.*"}, True),
        ({"action_ref": ["other.*", "demo.job"]}, True),
        ({"action_ref": "demo.jo"}, False),
        ({"pack_ref": "demo", "status": None}, True),
        ({"pack_ref": "core"}, False),
        ({"rule_ref": "demo.any"}, False),
    ],
)
def test_parameters_narrow_what_a_rule_reacts_to(
    stage: ReactionStage, params: dict[str, object], fires: bool
) -> None:
    stage.rule("react", EXECUTION_FINISHED, trigger_params=params)
    stage.finish(stage.submit(None), BAD)
    assert len(stage.events_of(EXECUTION_FINISHED)) == fires


def test_of_a_run_that_is_tried_again_only_the_last_attempt_is_its_end(watching: ReactionStage) -> None:
    first = watching.submit(None, retry=Retry(count=1, delay_seconds=5))
    watching.finish(first, BAD)
    assert watching.events_of(EXECUTION_FINISHED) == []
    watching.advance(5)
    watching.finish(first + 1, BAD)
    (event,) = watching.events_of(EXECUTION_FINISHED)
    assert (event.payload["execution"], event.payload["attempt"]) == (first + 1, 2)


def test_what_is_cancelled_before_it_starts_has_ended_too(stage: ReactionStage) -> None:
    stage.rule("react", EXECUTION_FINISHED, trigger_params={"status": "cancelled"})
    waiting = stage.submit(None, due=stage.clock.instant + 3600 * SECOND)
    stage.cancel(waiting)
    assert [event.payload["execution"] for event in stage.events_of(EXECUTION_FINISHED)] == [waiting]


def test_what_ended_while_no_daemon_ran_is_not_forgotten(watching: ReactionStage) -> None:
    watching.dies("a")
    ended = watching.ask(None, action_ref="demo.other").id
    watching.store.connection.execute(
        "UPDATE execution SET status = 'failed', finished = 1 WHERE id = ?", (ended,)
    )
    watching.start("b", "a")
    watching.tick()
    assert [event.payload["execution"] for event in watching.events_of(EXECUTION_FINISHED)] == [ended]


def test_a_new_rule_does_not_react_to_what_was_before_it(stage: ReactionStage) -> None:
    stage.finish(stage.submit(None), BAD)
    stage.advance(1)
    stage.rule("react", EXECUTION_FINISHED)
    stage.tick()
    assert stage.events_of(EXECUTION_FINISHED) == []


def test_the_last_rule_that_goes_takes_the_place_in_the_outbox_with_it(watching: ReactionStage) -> None:
    watching.finish(watching.submit(None), BAD)
    assert cursor(watching) is not None
    watching.enable("rule", "demo.tell", enabled=False)
    watching.tick()
    assert cursor(watching) is None


def test_a_rule_does_not_set_itself_off(watching: ReactionStage) -> None:
    watching.finish(watching.submit(None), BAD)
    told = watching.runs.started[-1]
    watching.finish(told, BAD)
    assert len(watching.events_of(EXECUTION_FINISHED)) == 1
    assert len(watching.runs.started) == 2


def test_rules_that_set_each_other_off_stop_at_a_bound(stage: ReactionStage) -> None:
    for name in ("ping", "pong"):
        stage.rule(name, EXECUTION_FINISHED)
    stage.finish(stage.submit(None))
    for _ in range(2000):
        if not stage.runs.alive:
            break
        stage.finish(next(iter(stage.runs.alive.values())))
    assert not stage.runs.alive
    assert max(stage.row(one).depth for one in stage.runs.started) == 10
    assert {"fired", "no_match", "too_deep"} == set(stage.outcomes())


def test_a_rule_that_fires_is_something_to_react_to(stage: ReactionStage) -> None:
    stage.action("demo.audit")
    stage.rule("push")
    stage.rule(
        "audit",
        RULE_FIRED,
        action_ref="demo.audit",
        trigger_params={"trigger_ref": "demo.*"},
        action_params={"rule": "{{ event.payload.rule_ref }}"},
    )
    stage.emit()
    (event,) = stage.events_of(RULE_FIRED)
    assert (event.payload["rule_ref"], event.payload["execution"], event.depth) == ("demo.push", 1, 1)
    assert stage.parameters()[-1] == {"rule": "demo.push"}
    assert [stage.row(one).depth for one in stage.runs.started] == [1, 2]


def test_a_tick_that_changes_nothing_writes_nothing(watching: ReactionStage) -> None:
    watching.finish(watching.submit(None), BAD)
    watching.tick()
    before = watching.store.connection.total_changes
    watching.tick()
    assert watching.store.connection.total_changes == before


# --- inquiries


def test_questions_and_answers_set_rules_off(stage: ReactionStage) -> None:
    stage.action("demo.tell")
    for name, trigger in (("asked", INQUIRY_CREATED), ("answered", INQUIRY_RESPONDED)):
        stage.rule(name, trigger, action_ref="demo.tell", trigger_params={"action_ref": "core.*"})
    stage.tick()
    execution = ask(stage, prompt="Open valve 3?", assigned_to="ben")
    (asked,) = stage.events_of(INQUIRY_CREATED)
    assert (asked.payload["inquiry"], asked.payload["execution"]) == (1, execution)
    assert (asked.payload["prompt"], asked.payload["assigned_to"]) == ("Open valve 3?", "ben")
    respond(stage, "1", {"approved": True})
    (answered,) = stage.events_of(INQUIRY_RESPONDED)
    assert answered.payload["responded_by"] == "ben"
    assert "approved" not in str(answered.payload)


def test_a_rule_that_asks_is_not_set_off_by_its_own_question(stage: ReactionStage) -> None:
    stage.define("action", ASK.action)
    stage.rule("ask", INQUIRY_CREATED, action_ref="core.ask")
    stage.tick()
    ask(stage)
    assert len(stage.events_of(INQUIRY_CREATED)) == 1
    assert stage.store.connection.execute("SELECT count(*) FROM inquiry").fetchone() == (2,)
