"""What a timer does at an instant: what fires, what was missed, and what is planned next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.clock import SECOND, parse_rfc3339, rfc3339
from attune_cli.runtime.model.schedules.firing import (
    FAR_BACK,
    GRACE,
    Plan,
    Timer,
    begin,
    clock_went_back,
    due,
    next_plan,
)
from attune_cli.runtime.model.schedules.payloads import payload
from attune_cli.runtime.model.schedules.policy import TimerPolicy
from attune_cli.runtime.model.schedules.reading import read_schedule
from attune_cli.runtime.model.schedules.schedule import DateSchedule, IntervalSchedule, Schedule

NOW = parse_rfc3339("2026-11-25T12:00:00Z")
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND


def timer(schedule: Schedule | None = None, **policy: Any) -> Timer:
    return Timer(
        id=7,
        schedule=schedule or IntervalSchedule(interval=1, unit="minutes"),
        policy=TimerPolicy(**policy),
        anchor=NOW,
    )


def date_timer(fire_at: int, **policy: Any) -> Timer:
    return timer(DateSchedule(fire_at=fire_at, timezone="UTC"), **policy)


def cron_timer(expression: str, **policy: Any) -> Timer:
    schedule, _ = read_schedule("core.crontimer", {"expression": expression})
    return timer(schedule, **policy)


# --- the beginning


def test_an_interval_begins_one_interval_from_now() -> None:
    assert begin(timer(), NOW).next == Plan(planned=NOW + MINUTE, due=NOW + MINUTE)


def test_a_past_date_never_fires_unless_its_policy_says_so() -> None:
    began = begin(date_timer(NOW - 1), NOW)
    assert (began.state, began.next) == ("expired", Plan())


def test_a_past_date_may_fire_immediately() -> None:
    began = begin(date_timer(NOW - HOUR, past="immediately"), NOW)
    assert (began.state, began.next) == ("active", Plan(planned=NOW - HOUR, due=NOW))
    fired = due(date_timer(NOW - HOUR, past="immediately"), NOW, planned=NOW - HOUR)
    assert (fired.fire, fired.missed, fired.next) == ((NOW - HOUR,), 0, Plan())


def test_a_past_date_may_be_refused() -> None:
    began = begin(date_timer(NOW - HOUR, past="refuse"), NOW)
    assert began.state == "refused"
    assert began.fault is not None
    assert "has passed: 2026-11-25T11:00:00" in began.fault.message


def test_a_rule_whose_end_has_passed_is_expired() -> None:
    schedule, _ = read_schedule("core.rruletimer", {"rule": "FREQ=DAILY;COUNT=2", "dtstart": "2026-01-01"})
    assert begin(timer(schedule), NOW).state == "expired"


# --- firing


def test_a_punctual_firing_misses_nothing_and_plans_the_next() -> None:
    fired = due(timer(), NOW + MINUTE + 3, planned=NOW + MINUTE)
    assert (fired.fire, fired.missed, fired.last) == ((NOW + MINUTE,), 0, NOW + MINUTE)
    assert fired.next.planned == NOW + 2 * MINUTE


def test_skip_leaves_out_what_is_late_by_more_than_a_minute() -> None:
    fired = due(timer(misfire="skip"), NOW + HOUR + 30 * SECOND, planned=NOW + MINUTE)
    assert fired.fire == (NOW + HOUR,)
    assert fired.missed == 59


def test_skip_of_a_rare_timer_fires_nothing_late() -> None:
    rare = cron_timer("0 9 * * *")
    nine = parse_rfc3339("2026-11-26T09:00:00Z")
    fired = due(rare, nine + GRACE + 1, planned=nine)
    assert (fired.fire, fired.missed, fired.last) == ((), 1, nine)
    assert fired.next.planned == parse_rfc3339("2026-11-27T09:00:00Z")
    assert due(rare, nine + GRACE, planned=nine).fire == (nine,)


def test_once_fires_the_newest_alone() -> None:
    fired = due(timer(misfire="once"), NOW + HOUR + 30 * SECOND, planned=NOW + MINUTE)
    assert (fired.fire, fired.missed) == ((NOW + HOUR,), 59)
    rare = due(cron_timer("0 9 * * *", misfire="once"), NOW + 3 * 24 * HOUR, planned=NOW + 21 * HOUR)
    assert rare.fire == (NOW + 69 * HOUR,)


def test_all_fires_as_many_as_its_bound_the_newest_of_them() -> None:
    fired = due(timer(misfire="all", misfire_bound=3), NOW + HOUR, planned=NOW + MINUTE)
    assert fired.fire == (NOW + 58 * MINUTE, NOW + 59 * MINUTE, NOW + HOUR)
    assert fired.missed == 57


def test_ten_years_of_missed_seconds_are_counted_by_division() -> None:
    every = timer(IntervalSchedule(interval=1, unit="seconds"), misfire="once")
    years = 10 * 365 * 24 * 3600
    fired = due(every, NOW + years * SECOND, planned=NOW + SECOND)
    assert (fired.fire, fired.missed, fired.more_missed) == ((NOW + years * SECOND,), years - 1, False)


def test_missed_instants_of_other_schedules_are_counted_up_to_a_bound() -> None:
    fired = due(cron_timer("* * * * *", misfire="once"), NOW + 3000 * MINUTE, planned=NOW + MINUTE)
    assert (fired.missed, fired.more_missed) == (1000, True)


# --- clocks that jump


def test_a_clock_that_goes_back_fires_nothing_twice() -> None:
    fired = due(timer(), NOW + MINUTE, planned=NOW + MINUTE)
    back = due(timer(), NOW + MINUTE, planned=NOW + MINUTE, last=fired.last)
    assert back.fire == ()
    assert back.next.planned == NOW + 2 * MINUTE


def test_a_clock_that_was_far_ahead_is_told_from_one_that_is_a_little_off() -> None:
    daily = cron_timer("0 9 * * *")
    assert not clock_went_back(daily, NOW, last=NOW + FAR_BACK)
    assert clock_went_back(daily, NOW, last=NOW + FAR_BACK + 1)
    assert clock_went_back(daily, NOW - FAR_BACK - 1, last=None)
    assert not clock_went_back(timer(), NOW, last=NOW + MINUTE)
    assert clock_went_back(timer(), NOW, last=NOW + MINUTE + 1)


def test_a_plan_is_later_than_now_and_than_the_last() -> None:
    assert next_plan(timer(), NOW, last=NOW + 5 * MINUTE).planned == NOW + 6 * MINUTE
    assert next_plan(timer(), NOW + HOUR, last=NOW + 5 * MINUTE).planned == NOW + HOUR + MINUTE


# --- jitter


def test_jitter_puts_off_and_a_restart_does_not_move_it() -> None:
    jittered = timer(jitter_seconds=30)
    plans = [next_plan(jittered, NOW + minute * MINUTE) for minute in range(20)]
    delays = {(plan.due or 0) - (plan.planned or 0) for plan in plans}
    assert len(delays) > 10
    assert all(0 <= delay < 30 * SECOND for delay in delays)
    assert plans == [next_plan(jittered, NOW + minute * MINUTE) for minute in range(20)]


def test_jitter_never_reaches_the_next_instant() -> None:
    jittered = timer(jitter_seconds=3600)
    for minute in range(20):
        plan = next_plan(jittered, NOW + minute * MINUTE)
        assert plan.planned is not None
        assert plan.due is not None
        assert plan.due < plan.planned + MINUTE


def test_two_timers_have_different_jitter() -> None:
    first, second = (
        Timer(id=number, schedule=timer().schedule, policy=TimerPolicy(jitter_seconds=50), anchor=NOW)
        for number in (1, 2)
    )
    assert next_plan(first, NOW).due != next_plan(second, NOW).due


# --- properties


SCHEDULES = st.one_of(
    st.builds(IntervalSchedule, interval=st.integers(1, 500), unit=st.just("seconds")),
    st.sampled_from(["*/5 * * * *", "0 * * * *", "* * * * * *"]).map(lambda text: cron_timer(text).schedule),
    st.builds(DateSchedule, fire_at=st.integers(NOW - HOUR, NOW + HOUR), timezone=st.just("UTC")),
)
POLICIES = st.builds(
    TimerPolicy,
    misfire=st.sampled_from(["skip", "once", "all"]),
    misfire_bound=st.integers(1, 5),
    jitter_seconds=st.sampled_from([0, 0.5, 90, 5000]),
    past=st.sampled_from(["never", "immediately"]),
)


@given(SCHEDULES, POLICIES, st.lists(st.integers(-20 * MINUTE, 40 * MINUTE), max_size=12))
@settings(deadline=None)
def test_no_instant_fires_twice_whatever_the_clock_does(
    schedule: Schedule, policy: TimerPolicy, steps: list[int]
) -> None:
    one = Timer(id=3, schedule=schedule, policy=policy, anchor=NOW)
    now, plan, last = NOW, begin(one, NOW).next, None
    fired: list[int] = []
    for step in steps:
        now += step
        if plan.planned is None or plan.due is None or plan.due > now:
            continue
        firings = due(one, now, planned=plan.planned, last=last)
        fired += firings.fire
        plan, last = firings.next, firings.last
        assert plan.due is None or plan.due > now
    assert fired == sorted(set(fired))


@given(SCHEDULES, st.integers(1, 200))
@settings(deadline=None)
def test_a_timer_asked_whenever_it_is_due_misses_nothing(schedule: Schedule, rounds: int) -> None:
    one = Timer(id=3, schedule=schedule, policy=TimerPolicy(jitter_seconds=20), anchor=NOW)
    plan, last = begin(one, NOW).next, None
    for _ in range(min(rounds, 20)):
        if plan.planned is None or plan.due is None:
            break
        firings = due(one, plan.due, planned=plan.planned, last=last)
        assert (firings.fire, firings.missed) == ((plan.planned,), 0)
        plan, last = firings.next, firings.last


# --- payloads


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (
            IntervalSchedule(interval=5, unit="minutes"),
            {"type": "interval", "interval_seconds": 300, "execution_count": 4},
        ),
        (
            DateSchedule(fire_at=NOW, timezone="UTC"),
            {"type": "one_shot", "fire_at": rfc3339(NOW), "timezone": "UTC", "delay_ms": 2},
        ),
        (
            cron_timer("0 9 * * *").schedule,
            {
                "type": "cron",
                "scheduled_at": rfc3339(NOW),
                "expression": "0 9 * * *",
                "timezone": "UTC",
                "execution_count": 4,
                "next_fire_at": rfc3339(NOW + HOUR),
            },
        ),
    ],
    ids=lambda part: part.type if not isinstance(part, dict) else "",
)
def test_the_payload_of_each_timer(schedule: Schedule, expected: dict[str, Any]) -> None:
    told = payload(schedule, scheduled=NOW, fired=NOW + 2345, count=4, next_fire=NOW + HOUR)
    assert told == {"fired_at": rfc3339(NOW + 2345), "sensor_ref": "core.timer_sensor", **expected}


def test_the_payload_of_a_recurrence() -> None:
    schedule, _ = read_schedule("core.rruletimer", {"rule": "FREQ=DAILY", "dtstart": "2026-01-01"})
    assert schedule is not None
    assert payload(schedule, scheduled=NOW, fired=NOW, count=1, next_fire=None) == {
        "type": "rrule",
        "fired_at": rfc3339(NOW),
        "scheduled_at": rfc3339(NOW),
        "delay_ms": 0,
        "execution_count": 1,
        "sensor_ref": "core.timer_sensor",
    }
