"""A copied or restored database: what the original has done, or will do, is not done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.clock import SECOND, rfc3339
from attune_cli.runtime.model.automations import Unless
from attune_cli.runtime.reactions.platform_triggers import EXECUTION_FINISHED
from attune_cli.runtime.store.identity import renew
from tests.reactions.test_timers import DATE, DAY, INTERVAL, at, every, instants

if TYPE_CHECKING:
    from tests.reactions.stage import ReactionStage

REASON = "its database was copied before this was seen to"


def copied(stage: ReactionStage, *, after_seconds: float) -> None:
    """Become a copy of what the daemon that ran until now has left, and go on a while later."""
    (name,) = stage.engines
    stage.dies(name)
    stage.clock.instant += round(after_seconds * SECOND)
    with stage.store.write(stage.clock.now()) as tx:
        renew(tx, "its database was copied")
    stage.start(f"{name}b", name)
    stage.tick()


@pytest.mark.parametrize("mode", ["queued", "replace"])
def test_a_decision_that_waited_for_its_turn_is_closed_and_says_why(stage: ReactionStage, mode: str) -> None:
    stage.rule(mode=mode)
    stage.emit()
    stage.emit()
    assert [one.status for one in stage.enforcements()] == ["processed", "created"]
    copied(stage, after_seconds=10)
    assert len(stage.runs.started) == 1
    waited = stage.enforcements()[1]
    assert (waited.status, waited.error, waited.execution) == ("disabled", REASON, None)
    stage.emit()
    assert len(stage.runs.started) == 2, "what comes from now on is done"


def test_an_event_that_nobody_had_judged_yet_stays_so_and_says_why(stage: ReactionStage) -> None:
    stage.rule()
    pending = stage.store_event()
    copied(stage, after_seconds=10)
    event = stage.event(pending)
    assert (event.pending, event.config["unjudged"]) == (False, REASON)
    assert (stage.verdicts(), stage.runs.started) == ([], [])


def test_a_firing_that_waited_whether_something_comes_between_does_not_fire(stage: ReactionStage) -> None:
    stage.rule(unless=Unless(trigger_ref="demo.up", within_seconds=60))
    stage.trigger("demo.up")
    waiting = stage.emit()
    assert stage.verdict(waiting).outcome == "waiting"
    copied(stage, after_seconds=120)
    verdict = stage.verdict(waiting)
    assert (verdict.outcome, verdict.reason, verdict.due) == ("unready", REASON, None)
    assert stage.runs.started == []


@pytest.mark.parametrize("misfire", ["skip", "once", "all"])
def test_timers_of_a_copy_go_on_from_now(stage: ReactionStage, misfire: str) -> None:
    rule = every(stage, 600, timer={"misfire": misfire})
    date = at(stage, 3600, past="immediately")
    copied(stage, after_seconds=DAY + 30)
    assert instants(stage) == instants(stage, DATE) == []
    timer, once = stage.timer(rule), stage.timer(date)
    assert timer is not None
    assert once is not None
    assert (timer.state, timer.missed, once.state, once.fired) == ("active", 0, "expired", 0)
    stage.clock.instant += 600 * SECOND
    stage.tick()
    assert len(instants(stage)) == 1


def test_a_timer_that_no_daemon_had_begun_goes_on_from_now_too(stage: ReactionStage) -> None:
    stage.rule("late", INTERVAL, trigger_params={"unit": "hours", "interval": 1}, timer={"misfire": "all"})
    copied(stage, after_seconds=DAY)
    timer = stage.timer("demo.late")
    assert timer is not None
    assert (instants(stage), rfc3339(timer.anchor)) == ([], rfc3339(stage.clock.instant))


def test_rules_on_the_platform_do_not_hear_of_what_was_abandoned(stage: ReactionStage) -> None:
    stage.rule("watch", EXECUTION_FINISHED)
    stage.tick()
    stage.submit(None)
    stage.tick()
    copied(stage, after_seconds=10)
    assert stage.events_of(EXECUTION_FINISHED) == []
    stage.end(stage.submit(None), host="ab")
    assert len(stage.events_of(EXECUTION_FINISHED)) == 1
