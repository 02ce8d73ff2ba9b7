"""From a rule's `trigger_params` to a schedule (domain.md 3.1), with every fault at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import Detail, did_you_mean
from attune_cli.runtime.model.schedules.given import Given
from attune_cli.runtime.model.schedules.schedule import (
    TIMER_TRIGGERS,
    UNIT_SECONDS,
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.schedules.schedule import Schedule, Unit

_DEFAULT_INTERVAL = 60
_LONGEST_INTERVAL_SECONDS = 100 * 366 * 86_400
"""A century: a longer one is a slip."""

_UNITS: dict[str, Unit] = {
    spelling: unit for unit in UNIT_SECONDS for spelling in (unit, unit.removesuffix("s"))
}


def read_schedule(trigger_ref: str, params: Mapping[str, Json]) -> tuple[Schedule | None, list[Detail]]:
    """Read the parameters of a core timer; returns the schedule, or None and all faults by parameter.

    It needs no defaults filled in. A rule that is over already is none of the faults: one that never was to fire is.
    """
    read = _READERS.get(trigger_ref)
    if read is None:
        suggestion = did_you_mean(trigger_ref, TIMER_TRIGGERS)
        message = f"'{trigger_ref}' is no timer"
        return None, [Detail("trigger_ref", f"{message}; {suggestion}" if suggestion else message)]
    given = Given(params)
    schedule = read(given)
    faults = sorted(given.faults, key=lambda fault: fault.path)
    return (None if faults else schedule), faults


def _interval(given: Given) -> Schedule | None:
    given.refuse_unknown(("unit", "interval", "description"))
    unit = _UNITS.get(given.one_of("unit", tuple(_UNITS)) or "seconds", "seconds")
    most = _LONGEST_INTERVAL_SECONDS // UNIT_SECONDS[unit]
    interval = given.integer("interval", most=most, default=_DEFAULT_INTERVAL)
    return None if interval is None else IntervalSchedule(interval=interval, unit=unit)


def _cron(given: Given) -> Schedule | None:
    from attune_cli.runtime.model.schedules import cron

    given.refuse_unknown(("expression", "timezone", "description"))
    timezone, _ = given.zone()
    expression = given.text("expression", required=True)
    if expression is None:
        return None
    for fault in cron.faults(expression):
        given.refuse("expression", fault, expression)
    return CronSchedule(expression=expression, timezone=timezone)


def _date(given: Given) -> Schedule | None:
    given.refuse_unknown(("fire_at", "timezone", "description"))
    timezone, place = given.zone()
    fire_at = given.instant("fire_at", place, required=True)
    return None if fire_at is None else DateSchedule(fire_at=fire_at, timezone=timezone)


def _recurrence(given: Given) -> Schedule | None:
    from attune_cli.runtime.model.schedules.recurrence_reading import read_recurrence

    return read_recurrence(given)


_READERS: dict[str, Callable[[Given], Schedule | None]] = {
    "core.intervaltimer": _interval,
    "core.crontimer": _cron,
    "core.datetimetimer": _date,
    "core.rruletimer": _recurrence,
}
