"""What comes after an instant, and what came before: over daylight saving, and against other judges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from attune_cli.runtime.clock import SECOND, parse_rfc3339, rfc3339
from attune_cli.runtime.model.schedules.occurrences import (
    latest_between,
    next_after,
    occurrences_after,
    occurrences_between,
    upcoming,
)
from attune_cli.runtime.model.schedules.reading import read_schedule
from attune_cli.runtime.model.schedules.schedule import DateSchedule, IntervalSchedule, Schedule

DAY = 86_400 * SECOND


def cron(expression: str, timezone: str = "UTC") -> Schedule:
    return _read("core.crontimer", expression=expression, timezone=timezone)


def rule(text: str, dtstart: str, timezone: str = "UTC") -> Schedule:
    return _read("core.rruletimer", rule=text, dtstart=dtstart, timezone=timezone)


def _read(trigger_ref: str, **params: Any) -> Schedule:
    schedule, faults = read_schedule(trigger_ref, params)
    assert schedule is not None, faults
    return schedule


def times(schedule: Schedule, after: str, limit: int) -> list[str]:
    found = upcoming(schedule, parse_rfc3339(after), anchor=0, limit=limit)
    return [rfc3339(instant).replace(".000000Z", "Z") for instant in found]


# --- daylight saving, as crontab(5) and RFC 5545 have it


def test_a_fixed_time_that_is_left_out_happens_when_the_clocks_are_put_forward() -> None:
    assert times(cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T00:00:00Z", 3) == [
        "2026-03-28T01:30:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-30T00:30:00Z",
    ]


def test_a_fixed_time_that_comes_twice_happens_once() -> None:
    assert times(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00:00Z", 2) == [
        "2026-10-25T00:30:00Z",
        "2026-10-26T01:30:00Z",
    ]


def test_every_quarter_of_an_hour_comes_also_in_the_hour_that_comes_twice() -> None:
    found = upcoming(
        cron("*/15 * * * *", "Europe/Berlin"), parse_rfc3339("2026-10-24T23:00:00Z"), anchor=0, limit=16
    )
    assert {later - earlier for earlier, later in pairwise(found)} == {15 * 60 * SECOND}


def test_a_recurrence_that_is_left_out_is_left_out() -> None:
    assert times(rule("FREQ=DAILY", "2026-03-01T02:30:00", "Europe/Berlin"), "2026-03-28T00:00:00Z", 2) == [
        "2026-03-28T01:30:00Z",
        "2026-03-30T00:30:00Z",
    ]


def test_a_zone_that_is_half_an_hour_off_changes_by_half_an_hour() -> None:
    found = times(cron("45 1 * * *", "Australia/Lord_Howe"), "2026-04-04T00:00:00Z", 2)
    assert found == ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]


def test_seconds_are_the_first_of_six_fields() -> None:
    assert times(cron("*/20 * * * * *"), "2026-01-01T00:00:00Z", 3) == [
        "2026-01-01T00:00:20Z",
        "2026-01-01T00:00:40Z",
        "2026-01-01T00:01:00Z",
    ]


def test_names_of_days_count_from_sunday() -> None:
    assert times(cron("0 0 9 * * SUN"), "2026-11-25T00:00:00Z", 1) == ["2026-11-29T09:00:00Z"]
    assert times(cron("0 9 * * FRI-SUN"), "2026-11-25T00:00:00Z", 3) == [
        "2026-11-27T09:00:00Z",
        "2026-11-28T09:00:00Z",
        "2026-11-29T09:00:00Z",
    ]


def test_the_last_day_of_february_is_found_in_leap_years() -> None:
    assert times(cron("0 0 29 2 *"), "2026-01-01T00:00:00Z", 2) == [
        "2028-02-29T00:00:00Z",
        "2032-02-29T00:00:00Z",
    ]


# --- intervals and dates


def test_intervals_do_not_drift() -> None:
    every = IntervalSchedule(interval=7, unit="seconds")
    assert next_after(every, 10**15, anchor=3) == 3 + (10**15 - 3) // (7 * SECOND) * 7 * SECOND + 7 * SECOND


def test_a_date_comes_once() -> None:
    once = DateSchedule(fire_at=5, timezone="UTC")
    assert [next_after(once, instant, anchor=0) for instant in (4, 5, 6)] == [5, None, None]
    assert latest_between(once, 0, 10, anchor=0) == 5
    assert latest_between(once, 5, 10, anchor=0) is None


# --- properties


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"])
CRONS = st.builds(
    cron,
    st.sampled_from(
        [
            "*/7 * * * *",
            "30 2 * * *",
            "0 */5 * * * *",
            "15 1-3 * * *",
            "0 0 * * 0",
            "*/10 2 * * *",
            "59 23 L * *",
        ]
    ),
    ZONES,
)
RULES = st.builds(
    rule,
    st.sampled_from(
        [
            "FREQ=HOURLY;INTERVAL=5",
            "FREQ=DAILY;BYHOUR=2;BYMINUTE=15,45",
            "FREQ=MINUTELY;INTERVAL=17",
            "FREQ=MONTHLY;BYDAY=-1SU",
            "FREQ=SECONDLY;INTERVAL=3607",
        ]
    ),
    st.sampled_from(["2025-10-01T02:30:00", "2026-03-29T02:30:00"]),
    ZONES,
)
INTERVALS = st.builds(
    IntervalSchedule,
    interval=st.integers(1, 10_000),
    unit=st.sampled_from(["seconds", "minutes", "hours", "days"]),
)
SCHEDULES = st.one_of(CRONS, RULES, INTERVALS)
AROUND_CHANGES = st.sampled_from(
    [
        parse_rfc3339(day)
        for day in ("2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04", "2026-03-08", "2026-11-01")
    ]
)
INSTANTS = st.builds(lambda day, offset: day + offset, AROUND_CHANGES, st.integers(-2 * DAY, 2 * DAY))


@given(SCHEDULES, INSTANTS)
@settings(deadline=None)
def test_occurrences_ascend_over_daylight_saving(schedule: Schedule, instant: int) -> None:
    found = list(islice(occurrences_after(schedule, instant, anchor=0), 12))
    assert all(earlier < later for earlier, later in pairwise([instant, *found]))


@given(SCHEDULES, INSTANTS)
@settings(deadline=None)
def test_where_one_begins_to_look_does_not_matter(schedule: Schedule, instant: int) -> None:
    found = list(islice(occurrences_after(schedule, instant, anchor=0), 6))
    for earlier, later in pairwise(found):
        assert next_after(schedule, earlier, anchor=0) == later
        assert next_after(schedule, later - 1, anchor=0) == later


@given(SCHEDULES, INSTANTS, st.integers(0, 3 * DAY))
@settings(deadline=None)
def test_the_latest_is_the_last_of_all(schedule: Schedule, instant: int, span: int) -> None:
    span = min(span, 500 * 60 * SECOND)
    found = occurrences_between(schedule, instant, instant + span, anchor=0, limit=100_000)
    expected = found[-1] if found else None
    assert latest_between(schedule, instant, instant + span, anchor=0) == expected


FREQUENCIES = st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"])


@st.composite
def _texts(draw: st.DrawFn) -> str:
    freq = draw(FREQUENCIES)
    parts = [f"FREQ={freq}", f"INTERVAL={draw(st.integers(1, 5))}"]

    def maybe(name: str, values: st.SearchStrategy[Any]) -> None:
        chosen = draw(st.none() | st.lists(values, min_size=1, max_size=3, unique=True))
        if chosen:
            parts.append(f"{name}={','.join(map(str, chosen))}")

    maybe("BYMONTH", st.integers(1, 12))
    if freq != "WEEKLY":
        maybe("BYMONTHDAY", st.sampled_from([1, 13, 28, 31, -1, -10]))
    maybe("BYDAY", st.sampled_from(["MO", "TU", "FR", "SU"]))
    maybe("BYHOUR", st.integers(0, 23))
    if draw(st.booleans()):
        maybe("BYMINUTE", st.integers(0, 59))
    return ";".join(parts)


@given(_texts(), st.integers(parse_rfc3339("2020-01-01"), parse_rfc3339("2021-01-01")))
@settings(deadline=None)
def test_a_recurrence_is_what_dateutil_says(text: str, begin: int) -> None:
    start = datetime.fromtimestamp(begin // SECOND, UTC)
    until = start + timedelta(days=800)
    try:
        theirs = list(islice(rrulestr(f"{text};UNTIL={until:%Y%m%dT%H%M%SZ}", dtstart=start), 5))
    except ValueError:  # it sees that the hours and the interval never meet
        theirs = []
    assume(theirs)
    schedule = rule(text, start.replace(tzinfo=None).isoformat())
    ours = upcoming(schedule, parse_rfc3339(start.isoformat()) - 1, anchor=0, limit=len(theirs))
    assert [parse_rfc3339(rfc3339(instant)) for instant in ours] == [
        parse_rfc3339(moment.isoformat()) for moment in theirs
    ]


# --- bounds


def test_a_rule_of_every_second_that_began_long_ago_answers_at_once() -> None:
    """A thousand questions would take hours if each walked there from the beginning."""
    endless = rule("FREQ=SECONDLY", "1970-01-01T00:00:00")
    now = parse_rfc3339("2026-11-25T12:00:00.400000Z")
    for _ in range(1000):
        assert next_after(endless, now, anchor=0) == parse_rfc3339("2026-11-25T12:00:01Z")
    assert latest_between(endless, 0, now, anchor=0) == parse_rfc3339("2026-11-25T12:00:00Z")


@pytest.mark.parametrize(
    "schedule", [cron("* * * * * *"), rule("FREQ=SECONDLY;INTERVAL=1;BYSECOND=0,1,2,3", "1999-01-01")]
)
def test_the_end_of_time_ends_the_series(schedule: Schedule) -> None:
    assert len(upcoming(schedule, parse_rfc3339("9998-12-31T23:59:00Z"), anchor=0, limit=10)) <= 10
