"""From a rule's trigger_params to a schedule: every spelling read, every fault told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.clock import parse_rfc3339
from attune_cli.runtime.model.schedules.policy import TimerPolicy, read_timer_policy
from attune_cli.runtime.model.schedules.reading import read_schedule
from attune_cli.runtime.model.schedules.schedule import (
    TIMER_TRIGGERS,
    DateSchedule,
    IntervalSchedule,
    RecurrenceSchedule,
    Schedule,
    from_json,
    to_json,
)

INTERVAL, CRON, DATE, RECURRENCE = (
    "core.intervaltimer",
    "core.crontimer",
    "core.datetimetimer",
    "core.rruletimer",
)


def read(trigger_ref: str, **params: Any) -> Schedule:
    schedule, faults = read_schedule(trigger_ref, params)
    assert faults == []
    assert schedule is not None
    return schedule


def faults_of(trigger_ref: str, **params: Any) -> dict[str, str]:
    schedule, faults = read_schedule(trigger_ref, params)
    assert schedule is None
    return {fault.path: fault.message for fault in faults}


# --- intervals


def test_an_interval_without_parameters_is_a_minute() -> None:
    assert read(INTERVAL) == IntervalSchedule(interval=60, unit="seconds")


def test_a_unit_may_be_singular_and_in_capitals() -> None:
    assert read(INTERVAL, unit="Hour", interval="2") == IntervalSchedule(interval=2, unit="hours")


@pytest.mark.parametrize("interval", [0, -5, "soon", 1.5, True, [1], 10**12])
def test_an_interval_that_is_none_is_a_fault(interval: object) -> None:
    assert set(faults_of(INTERVAL, interval=interval)) == {"interval"}


def test_all_faults_are_told_together_with_what_was_meant() -> None:
    faults = faults_of(INTERVAL, unti="hours", unit="fortnights", interval=0)
    assert set(faults) == {"unti", "unit", "interval"}
    assert "did you mean unit?" in faults["unti"]


def test_a_trigger_that_is_no_timer_is_a_fault() -> None:
    assert "did you mean core.crontimer?" in faults_of("core.corntimer")["trigger_ref"]


# --- cron


@pytest.mark.parametrize(
    "expression",
    [
        "*/5 * * * *",
        "0 */5 * * * *",
        "30 0 9 * * MON-FRI",
        "0 9 1 jan,jul ?",
        "0 9 * * FRI-SUN",
        "0 9 * * 5L",
        "0 9 * * FRI#2",
        "0 9 L * *",
        "@daily",
        "@HOURLY",
        "0 0 29 2 *",
    ],
)
def test_what_cron_can_say(expression: str) -> None:
    assert read(CRON, expression=expression, timezone="Europe/Berlin").describe()


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("* * * *", "expected 5 or 6 fields, not 4"),
        ("* * * * * * *", "expected 5 or 6 fields, not 7"),
        ("61 * * * *", "'61' is no minute"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * * FEB-XYZ *", "'FEB-XYZ' is no month"),
        ("* * * * FUNDAY", "'FUNDAY' is no day of the week"),
        ("0 0 31 2 *", "never fires"),
        ("0 0 30 FEB *", "never fires"),
        ("@dayly", "did you mean @daily?"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("x" * 2000, "at most 1000 characters"),
        ("0 9 * * 5L/2", "'5L/2' is no day of the week"),
    ],
)
def test_what_cron_cannot_say(expression: str, part: str) -> None:
    assert part in faults_of(CRON, expression=expression)["expression"]


def test_the_fields_of_cron_are_judged_one_by_one() -> None:
    _, faults = read_schedule(CRON, {"expression": "61 25 * * *"})
    assert len(faults) == 2


def test_cron_needs_an_expression_and_a_zone_that_exists() -> None:
    faults = faults_of(CRON, timezone="Europe/Berln")
    assert faults["expression"].startswith("required")
    assert "did you mean Europe/Berlin?" in faults["timezone"]


@pytest.mark.parametrize("zone", ["../etc/passwd", "localtime", "a\0b", "posixrules", "x" * 5000, 7])
def test_a_zone_is_never_a_file(zone: object) -> None:
    assert set(faults_of(CRON, expression="* * * * *", timezone=zone)) == {"timezone"}


@given(st.text(alphabet="*/0123456789-,LW#? MONJA@", max_size=40))
@settings(deadline=None)
def test_no_expression_raises(expression: str) -> None:
    schedule, faults = read_schedule(CRON, {"expression": expression})
    assert (schedule is None) == bool(faults)


# --- one date


def test_a_date_is_read_in_its_zone() -> None:
    schedule = read(DATE, fire_at="2026-07-01T09:00:00", timezone="Europe/Berlin")
    assert schedule == DateSchedule(fire_at=parse_rfc3339("2026-07-01T07:00:00Z"), timezone="Europe/Berlin")


def test_an_offset_stands_above_the_zone() -> None:
    schedule = read(DATE, fire_at="2026-07-01T09:00:00Z", timezone="Europe/Berlin")
    assert isinstance(schedule, DateSchedule)
    assert schedule.fire_at == parse_rfc3339("2026-07-01T09:00:00Z")


def test_a_date_that_daylight_saving_leaves_out_is_the_moment_of_the_change() -> None:
    schedule = read(DATE, fire_at="2026-03-29T02:30:00", timezone="Europe/Berlin")
    assert isinstance(schedule, DateSchedule)
    assert schedule.fire_at == parse_rfc3339("2026-03-29T01:00:00Z")


@pytest.mark.parametrize("fire_at", ["tomorrow", "2026-13-01", "0001-01-01", "9999-12-31T23:59:59", 5, ""])
def test_a_date_that_is_none_is_a_fault(fire_at: object) -> None:
    assert set(faults_of(DATE, fire_at=fire_at)) == {"fire_at"}


# --- recurrence


def test_a_rule_may_be_text_or_parts() -> None:
    parts = read(RECURRENCE, freq="WEEKLY", by_day=["MO", "FR"], by_hour=[9], dtstart="2026-05-01T09:00:00")
    for name in ("rule", "rrule"):
        for text in ("FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9", "RRULE:FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9"):
            assert read(RECURRENCE, dtstart="2026-05-01T09:00:00", **{name: text}) == parts


def test_the_text_may_bring_its_own_start_and_zone() -> None:
    text = "DTSTART;TZID=Europe/Berlin:20260501T090000\nRRULE:FREQ=DAILY;COUNT=3"
    schedule = read(RECURRENCE, rule=text)
    assert isinstance(schedule, RecurrenceSchedule)
    assert (schedule.dtstart, schedule.timezone) == ("2026-05-01T09:00:00", "Europe/Berlin")
    assert schedule.last == parse_rfc3339("2026-05-03T07:00:00Z")


def test_what_a_rule_cannot_say() -> None:
    faults = faults_of(
        RECURRENCE, freq="NEVERLY", dtstart="2026-05-01", count=1, until="2026-06-01", by_hour=[25]
    )
    assert set(faults) == {"freq", "count", "by_hour"}


def test_a_rule_needs_a_frequency_and_a_start() -> None:
    assert set(faults_of(RECURRENCE)) == {"freq", "dtstart"}


def test_the_faults_of_a_text_are_told_of_the_text() -> None:
    faults = faults_of(RECURRENCE, rule="FREQ=DAILY;BYFOO=1;COUNT=x", dtstart="2026-05-01")
    assert set(faults) == {"rule"}


@pytest.mark.parametrize(
    "params",
    [
        {"freq": "YEARLY", "by_month": [2], "by_month_day": [30]},
        {"freq": "SECONDLY", "by_month": [2], "by_month_day": [30]},
        {"freq": "DAILY", "by_month": [4], "by_month_day": [31], "by_hour": [9]},
        {"freq": "HOURLY", "interval": 2, "by_hour": [1], "by_month_day": [31], "by_month": [2]},
    ],
)
def test_a_rule_that_never_fires_is_refused_in_bounded_time(params: dict[str, Any]) -> None:
    assert "never fires" in faults_of(RECURRENCE, dtstart="2026-05-01T00:00:00", **params)["freq"]


def test_a_numbered_weekday_needs_a_month_or_a_year() -> None:
    assert set(faults_of(RECURRENCE, freq="DAILY", by_day=["2TU"], dtstart="2026-05-01")) == {"by_day"}


@given(st.text(alphabet="FREQ=DAILY;BYMONTHSPCUTN:0123456789,-\n", max_size=60))
@settings(deadline=None)
def test_no_text_of_a_rule_raises(text: str) -> None:
    schedule, faults = read_schedule(RECURRENCE, {"rule": text, "dtstart": "2026-05-01T00:00:00"})
    assert (schedule is None) == bool(faults)


JSON = st.sampled_from(
    [None, True, 0, 1, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "2", "UTC", "DAILY", "9999-12-31T23:59:59",
     "* * * * *", "FREQ=DAILY", [], [1], ["MO"], [None], [[]], {}, {"a": 1}]
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "unit",
        "interval",
        "expression",
        "timezone",
        "fire_at",
        "freq",
        "rule",
        "dtstart",
        "by_day",
        "count",
        "x",
    ]
)


@given(st.sampled_from(sorted(TIMER_TRIGGERS)), st.dictionaries(NAMES, JSON, max_size=5))
@settings(deadline=None)
def test_no_parameters_raise(trigger_ref: str, params: dict[str, Any]) -> None:
    schedule, faults = read_schedule(trigger_ref, params)
    assert (schedule is None) == bool(faults)


# --- stored, and described


SCHEDULES = [
    read(INTERVAL, unit="minutes", interval=5),
    read(CRON, expression="0 9 * * MON-FRI", timezone="Europe/Berlin"),
    read(DATE, fire_at="2026-07-01T09:00:00", timezone="Europe/Berlin"),
    read(RECURRENCE, rule="FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9,17;COUNT=4", dtstart="2026-05-01"),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.type)
def test_a_stored_schedule_is_the_same(schedule: Schedule) -> None:
    import json

    assert from_json(json.loads(json.dumps(to_json(schedule)))) == schedule


def test_schedules_tell_of_themselves() -> None:
    assert [schedule.describe() for schedule in SCHEDULES] == [
        "every 5 minutes",
        "at 09:00 on Monday through Friday, Europe/Berlin",
        "once, 2026-07-01 09:00:00, Europe/Berlin",
        "every month, day -1FR, hour 9, 17, 4 times, from 2026-05-01 00:00:00, UTC",
    ]


# --- the policy beside it


def test_a_policy_has_defaults() -> None:
    assert read_timer_policy({}) == (TimerPolicy(), [])


def test_a_policy_is_read() -> None:
    policy, faults = read_timer_policy(
        {"misfire": "all", "misfire_bound": "7", "jitter_seconds": "1m30s", "past": "refuse"}
    )
    assert faults == []
    assert policy == TimerPolicy(misfire="all", misfire_bound=7, jitter_seconds=90, past="refuse")
    assert TimerPolicy.from_json(policy.to_json()) == policy


def test_all_faults_of_a_policy_are_told() -> None:
    _, faults = read_timer_policy(
        {"misfire": "twice", "misfire_bound": 0, "jitter_seconds": -1, "past": [], "jiter": 1}
    )
    assert [fault.path for fault in faults] == ["jiter", "jitter_seconds", "misfire", "misfire_bound", "past"]
