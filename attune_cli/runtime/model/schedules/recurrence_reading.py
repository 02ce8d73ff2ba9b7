"""Reading a recurrence rule: in parts, or as the text of RFC 5545, which stands above the parts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, time
from itertools import islice
from typing import TYPE_CHECKING, cast

from attune_cli.errors import did_you_mean
from attune_cli.runtime.model.schedules.given import Given
from attune_cli.runtime.model.schedules.occurrences import occurrences_after
from attune_cli.runtime.model.schedules.recurrence import LONGEST_SEARCH
from attune_cli.runtime.model.schedules.schedule import FREQUENCY_UNITS, WEEKDAYS, RecurrenceSchedule
from attune_cli.runtime.model.schedules.wall_clock import moved, zone

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.schedules.schedule import Frequency

_LISTS = {
    "by_month_day": (-31, 31),
    "by_month": (1, 12),
    "by_year_day": (-366, 366),
    "by_week_no": (-53, 53),
    "by_hour": (0, 23),
    "by_minute": (0, 59),
    "by_second": (0, 60),
    "by_set_pos": (-366, 366),
}
"""The least and the greatest number of each list."""

_PARTS = {
    "FREQ": "freq",
    "INTERVAL": "interval",
    "COUNT": "count",
    "UNTIL": "until",
    "BYDAY": "by_day",
    "WKST": "week_start",
    **{name.replace("_", "").upper(): name for name in _LISTS},
}
"""RFC 5545's names, and ours."""

_KNOWN = (*_PARTS.values(), "dtstart", "timezone", "rule", "rrule", "description")
_PROPERTY = re.compile(r"([A-Z-]+)((?:;[^:]*)?):(.*)", re.IGNORECASE)
_BY_DAY = re.compile(r"([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_LARGEST_INTERVAL = 1_000_000_000
_LARGEST_COUNT = 10_000
"""The end of a rule is looked up when it is read: one occurrence after the other."""
_LONGEST_TEXT = 5000
_END_OF_DAY = time(23, 59, 59)


def read_recurrence(given: Given) -> RecurrenceSchedule | None:
    """Read the parameters of core.rruletimer; the faults are `given`'s.

    `until` counts as well; as a date it means the whole of that day.
    """
    given.refuse_unknown(_KNOWN)
    given = _with_text(given)
    timezone, place = given.zone()
    freq = given.one_of("freq", tuple(FREQUENCY_UNITS), required=True)
    start = given.wall("dtstart", place, required=True)
    interval = given.integer("interval", most=_LARGEST_INTERVAL, default=1)
    count = given.integer("count", most=_LARGEST_COUNT)
    until = given.instant("until", place, date_means=_END_OF_DAY, years=range(1900, 10_000))
    if count is not None and until is not None:
        given.refuse("count", "not together with until")
    lists = {name: given.integers(name, *bounds) for name, bounds in _LISTS.items()}
    by_day = _by_day(given, ordinals_allowed=freq in {"YEARLY", "MONTHLY"} and not lists["by_week_no"])
    week_start = given.one_of("week_start", WEEKDAYS) or "MO"
    if given.faults or freq is None or start is None:
        return None
    schedule = RecurrenceSchedule(
        freq=cast("Frequency", freq),
        dtstart=start.isoformat(),
        timezone=timezone,
        interval=interval or 1,
        count=count,
        last=until,
        by_day=by_day,
        week_start=week_start,
        **lists,
    )
    return _with_end(given, schedule)


def _by_day(given: Given, *, ordinals_allowed: bool) -> tuple[str, ...]:
    """Return e.g. `MO`, `2TU`, `-1FR`, in the order given."""
    weekdays: dict[str, None] = {}
    for value in given.items("by_day"):
        match = _BY_DAY.fullmatch(value.strip().upper()) if isinstance(value, str) else None
        if match is None:
            given.refuse("by_day", "expected weekdays such as MO, 2TU or -1FR", value)
        elif match[1] and not ordinals_allowed:
            given.refuse("by_day", "a numbered weekday needs freq YEARLY or MONTHLY, without weeks", value)
        else:
            weekdays[(match[1] or "").removeprefix("+") + match[2]] = None
    return tuple(weekdays)


def _with_end(given: Given, schedule: RecurrenceSchedule) -> RecurrenceSchedule | None:
    """Look whether a rule ever fires, and when it does for the last time."""
    begin = moved(datetime.fromisoformat(schedule.dtstart), zone(schedule.timezone)) - 1
    found = tuple(islice(occurrences_after(schedule, begin, anchor=begin), schedule.count or 1))
    if not found:
        given.refuse("freq", f"never fires: {LONGEST_SEARCH} steps from dtstart on hold nothing that fits")
        return None
    return schedule if schedule.count is None else replace(schedule, last=found[-1])


# --- as text ---


def _with_text(given: Given) -> Given:
    """Put what the text of a rule says in place of the parts; its faults are told of the text's parameter."""
    name = "rule" if "rule" in given.values else "rrule"
    if name not in given.values:
        return given
    around = {key: given.values[key] for key in ("dtstart", "timezone") if key in given.values}
    text = given.text(name) or ""
    if len(text) > _LONGEST_TEXT:
        given.refuse(name, f"may have at most {_LONGEST_TEXT} characters")
        text = ""
    values, names = _take_apart(given, name, text)
    return Given({**around, **values}, faults=given.faults, inside=name, names={"freq": "FREQ", **names})


def _take_apart(given: Given, parameter: str, text: str) -> tuple[dict[str, Json], dict[str, str]]:
    """Return the values of an RRULE line and of a DTSTART line by our names, and their own names."""
    values: dict[str, Json] = {}
    names: dict[str, str] = {}

    def take(name: str, label: str, value: Json) -> None:
        if name in values:
            given.refuse(parameter, f"{label}: stands there twice")
        values[name], names[name] = value, label

    for line in filter(None, map(str.strip, text.splitlines())):
        match = _PROPERTY.fullmatch(line)
        label, options, content = match.groups() if match else ("RRULE", "", line)
        if label.upper() == "RRULE":
            for name, part, value in _parts(given, parameter, content):
                take(name, part, value)
        elif label.upper() == "DTSTART":
            take("dtstart", "DTSTART", content)
            zones = [option[5:] for option in options.split(";") if option.upper().startswith("TZID=")]
            for zone_name in zones:
                take("timezone", "TZID", zone_name)
        else:
            given.refuse(parameter, f"{label}: only DTSTART and RRULE are read")
    return values, names


def _parts(given: Given, parameter: str, rule: str) -> list[tuple[str, str, Json]]:
    """Return our name, the own name and the value of each part of `FREQ=DAILY;BYHOUR=9,17`."""
    found: list[tuple[str, str, Json]] = []
    for part in filter(None, rule.split(";")):
        label, equals, value = part.partition("=")
        label = label.strip().upper()
        name = _PARTS.get(label)
        if name is None or not equals or not value.strip():
            suggestion = did_you_mean(label, _PARTS) if name is None else "expected NAME=VALUE"
            given.refuse(parameter, f"'{part}' is no part of a rule{f'; {suggestion}' if suggestion else ''}")
        else:
            found.append((name, label, value.split(",") if name.startswith("by_") else value))
    return found
