"""Timers in the reactor: rows made and renewed with their rules, events once for each instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.clock import SECOND, rfc3339

if TYPE_CHECKING:
    from tests.reactions.stage import ReactionStage

INTERVAL, CRON, DATE, RECURRENCE = (
    "core.intervaltimer",
    "core.crontimer",
    "core.datetimetimer",
    "core.rruletimer",
)
DAY = 86_400


def every(stage: ReactionStage, seconds: int = 60, name: str = "tick", **fields: Any) -> str:
    rule = stage.rule(name, INTERVAL, trigger_params={"unit": "seconds", "interval": seconds}, **fields)
    stage.tick()
    return rule


def at(stage: ReactionStage, seconds_from_now: float, name: str = "once", **timer: Any) -> str:
    moment = rfc3339(stage.clock.instant + round(seconds_from_now * SECOND))
    rule = stage.rule(name, DATE, trigger_params={"fire_at": moment}, timer=timer)
    stage.tick()
    return rule


def instants(stage: ReactionStage, trigger_ref: str = INTERVAL) -> list[str]:
    return [event.payload["fired_at"] for event in stage.events_of(trigger_ref)]


def test_an_interval_fires_again_and_again_without_drift(stage: ReactionStage) -> None:
    begin = stage.clock.instant
    every(stage, 60)
    for _ in range(10):
        stage.advance(60.3)
    events = stage.events_of(INTERVAL)
    assert [event.payload["execution_count"] for event in events] == list(range(1, 11))
    assert [event.dedup_key for event in events] == [
        f"timer:1:{rfc3339(begin + minute * 60 * SECOND)}" for minute in range(1, 11)
    ]
    assert {event.rule_ref for event in events} == {"demo.tick"}
    assert {(event.source, event.source_ref) for event in events} == {("timer", "core.timer_sensor")}
    assert len(stage.runs.started) == 10


def test_the_daemon_is_told_when_the_next_timer_is_due(stage: ReactionStage) -> None:
    every(stage, 60)
    assert stage.engines["a"].next_due == stage.clock.instant + 60 * SECOND


def test_a_timer_fires_its_own_rule_only(stage: ReactionStage) -> None:
    every(stage, 60, "minute")
    every(stage, 3600, "hour")
    stage.advance(60)
    assert [one.rule_ref for one in stage.verdicts()] == ["demo.minute"]


def test_disabling_stops_at_once_and_enabling_starts_anew(stage: ReactionStage) -> None:
    rule = every(stage, 60)
    stage.advance(50)
    stage.enable("rule", rule, enabled=False)
    assert stage.timer(rule) is None
    stage.advance(3600)
    stage.enable("rule", rule, enabled=True)
    stage.tick()
    enabled = stage.clock.instant
    stage.advance(59)
    assert instants(stage) == []
    stage.advance(1)
    assert instants(stage) == [rfc3339(enabled + 60 * SECOND)]


def test_a_disabled_trigger_stops_its_timers(stage: ReactionStage) -> None:
    rule = every(stage, 60)
    stage.enable("trigger", INTERVAL, enabled=False)
    stage.advance(600)
    assert stage.timer(rule) is None
    assert instants(stage) == []


def test_another_action_does_not_move_a_timer_and_another_schedule_does(stage: ReactionStage) -> None:
    every(stage, 60)
    stage.advance(50)
    every(stage, 60, action_params={"x": 1})
    stage.advance(10)
    assert len(instants(stage)) == 1
    stage.advance(30)
    every(stage, 45)
    stage.advance(44)
    assert len(instants(stage)) == 1
    stage.advance(1)
    assert len(instants(stage)) == 2


def test_a_rule_that_goes_to_another_trigger_has_no_timer_any_more(stage: ReactionStage) -> None:
    rule = every(stage, 60)
    stage.rule("tick")
    stage.advance(600)
    assert stage.timer(rule) is None


def test_a_deleted_rule_has_no_timer_any_more(stage: ReactionStage) -> None:
    rule = every(stage, 60)
    stage.delete_rule(rule)
    stage.advance(600)
    assert instants(stage) == []


def test_a_faulty_schedule_says_what_is_wrong_and_can_be_mended(stage: ReactionStage) -> None:
    rule = stage.rule("cron", CRON, trigger_params={"expression": "61 * * * *"}, timer={"misfire": "twice"})
    stage.tick()
    timer = stage.timer(rule)
    assert timer is not None
    assert timer.state == "faulty"
    assert timer.error is not None
    assert "trigger_params.expression: '61' is no minute" in timer.error
    assert "timer.misfire" in timer.error
    stage.advance(1)
    stage.rule("cron", CRON, trigger_params={"expression": "* * * * *"})
    stage.advance(60)
    assert len(instants(stage, CRON)) == 1


def test_missed_instants_are_counted_and_the_policy_decides(stage: ReactionStage) -> None:
    for misfire in ("skip", "once", "all"):
        every(stage, 600, misfire, timer={"misfire": misfire, "misfire_bound": 3})
    stage.clock.instant += 10 * 600 * SECOND + 120 * SECOND
    stage.tick()
    counts = {
        name: len([one for one in stage.verdicts() if one.rule_ref == f"demo.{name}"])
        for name in ("skip", "once", "all")
    }
    assert counts == {"skip": 0, "once": 1, "all": 3}
    timers = {name: stage.timer(f"demo.{name}") for name in counts}
    assert {name: timer.missed for name, timer in timers.items() if timer is not None} == {
        "skip": 10, "once": 9, "all": 7,
    }  # fmt: skip


def test_a_restart_within_the_grace_misses_nothing(stage: ReactionStage) -> None:
    every(stage, 600)
    stage.restart(after_seconds=630)
    assert len(instants(stage)) == 1


def test_what_falls_due_before_the_first_daemon_was_missed_and_is_not_past(stage: ReactionStage) -> None:
    moment = rfc3339(stage.clock.instant + 60 * SECOND)
    for misfire in ("skip", "once"):
        stage.rule(misfire, DATE, trigger_params={"fire_at": moment}, timer={"misfire": misfire})
    stage.advance(3600)
    assert [one.rule_ref for one in stage.verdicts()] == ["demo.once"]
    skipped = stage.timer("demo.skip")
    assert skipped is not None
    assert (skipped.state, skipped.missed) == ("expired", 1)


def test_one_date_fires_once(stage: ReactionStage) -> None:
    rule = at(stage, 60)
    stage.advance(60)
    stage.advance(DAY)
    assert len(instants(stage, DATE)) == 1
    timer = stage.timer(rule)
    assert timer is not None
    assert (timer.state, timer.planned, timer.fired) == ("expired", None, 1)


@pytest.mark.parametrize(
    ("past", "state", "fired"),
    [("never", "expired", 0), ("immediately", "expired", 1), ("refuse", "faulty", 0)],
)
def test_a_past_date_does_what_its_policy_says(
    stage: ReactionStage, past: str, state: str, fired: int
) -> None:
    rule = at(stage, -3600, past=past)
    stage.advance(1)
    timer = stage.timer(rule)
    assert timer is not None
    assert (timer.state, len(instants(stage, DATE))) == (state, fired)
    if past == "refuse":
        assert "has passed" in (timer.error or "")


def test_a_clock_that_is_set_back_fires_nothing_twice(stage: ReactionStage) -> None:
    stage.rule("minutely", CRON, trigger_params={"expression": "* * * * *"})
    stage.tick()
    stage.advance(60)
    stage.clock.instant -= 3600 * SECOND
    stage.tick()
    stage.advance(3600)
    assert len(instants(stage, CRON)) == 1
    stage.advance(60)
    assert len(instants(stage, CRON)) == 2


def test_an_interval_does_not_wait_for_a_clock_that_is_set_back(stage: ReactionStage) -> None:
    every(stage, 60)
    stage.advance(60)
    stage.clock.instant -= 3600 * SECOND
    stage.tick()
    for _ in range(3):
        stage.advance(60)
    assert len(instants(stage)) == 4


def test_a_clock_that_was_far_ahead_does_not_stall_a_timer(stage: ReactionStage) -> None:
    every(stage, 60)
    stage.advance(365 * DAY)
    before = len(instants(stage))
    stage.clock.instant -= 365 * DAY * SECOND
    stage.tick()
    stage.advance(60)
    assert len(instants(stage)) == before + 1


def test_a_daemon_that_starts_after_the_clock_was_mended_does_not_stall(stage: ReactionStage) -> None:
    every(stage, 60)
    stage.advance(365 * DAY)
    before = len(instants(stage))
    stage.restart(after_seconds=-365 * DAY)
    stage.advance(60)
    assert len(instants(stage)) == before + 1


def test_jitter_puts_off_but_keeps_the_planned_instant(stage: ReactionStage) -> None:
    rule = every(stage, 600, timer={"jitter_seconds": 300})
    timer = stage.timer(rule)
    assert timer is not None
    assert timer.planned is not None
    assert timer.due is not None
    assert timer.planned < timer.due < timer.planned + 300 * SECOND
    stage.clock.instant = timer.due
    stage.tick()
    (event,) = stage.events_of(INTERVAL)
    assert event.dedup_key == f"timer:1:{rfc3339(timer.planned)}"


def test_more_timers_than_fit_into_one_tick_are_all_made_and_all_fire(stage: ReactionStage) -> None:
    for number in range(1100):
        stage.rule(
            f"t{number}", INTERVAL, trigger_params={"interval": 60}, conditions={"expression": "false"}
        )
    stage.tick()
    stage.advance(60)
    assert stage.store.connection.execute("SELECT count(*), sum(fired) FROM timer").fetchone() == (1100, 1100)


def test_a_timer_that_cannot_go_on_says_so_and_others_do(
    stage: ReactionStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attune_cli.runtime.reactions import timers

    broken = every(stage, 60, "broken")
    every(stage, 60, "sound")
    real = timers.payload
    calls: list[int] = []

    def first_fails(schedule: Any, **rest: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise OverflowError("a date that no calendar has")
        return real(schedule, **rest)

    monkeypatch.setattr(timers, "payload", first_fails)
    stage.advance(60)
    timer = stage.timer(broken)
    assert timer is not None
    assert (timer.state, timer.error) == (
        "faulty",
        "it cannot go on: OverflowError: a date that no calendar has",
    )
    assert [event.rule_ref for event in stage.events_of(INTERVAL)] == ["demo.sound"]
