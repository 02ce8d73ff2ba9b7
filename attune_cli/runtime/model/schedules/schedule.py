"""When a timer fires: one value for each of the core timers (domain.md 3.1).

Nothing here knows what time it is, and nothing heavy is imported: a schedule is read once, stored as JSON, and
counted on in `occurrences`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant

Unit = Literal["seconds", "minutes", "hours", "days"]
Frequency = Literal["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]

UNIT_SECONDS: dict[Unit, int] = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
FREQUENCY_UNITS: dict[Frequency, str] = {
    "YEARLY": "years",
    "MONTHLY": "months",
    "WEEKLY": "weeks",
    "DAILY": "days",
    "HOURLY": "hours",
    "MINUTELY": "minutes",
    "SECONDLY": "seconds",
}
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
"""As RFC 5545 has them, in the order of `date.weekday`."""


@immutable(kw_only=True)
class IntervalSchedule:
    """Again and again, the same time apart, counted from when the timer was enabled."""

    type: ClassVar[str] = "interval"
    trigger_ref: ClassVar[str] = "core.intervaltimer"

    interval: int
    unit: Unit

    @property
    def interval_seconds(self) -> int:
        return self.interval * UNIT_SECONDS[self.unit]

    def describe(self) -> str:
        return _every(self.interval, self.unit)


@immutable(kw_only=True)
class CronSchedule:
    """By the clock on a wall of `timezone`. `expression` is as written, with five or six fields or an alias."""

    type: ClassVar[str] = "cron"
    trigger_ref: ClassVar[str] = "core.crontimer"

    expression: str
    timezone: str

    def describe(self) -> str:
        from attune_cli.runtime.model.schedules.cron import explain

        return f"{explain(self.expression)}, {self.timezone}"


@immutable(kw_only=True)
class DateSchedule:
    """Once. `timezone` is where the date was written; the instant is the same everywhere."""

    type: ClassVar[str] = "one_shot"
    trigger_ref: ClassVar[str] = "core.datetimetimer"

    fire_at: Instant
    timezone: str

    def describe(self) -> str:
        from attune_cli.runtime.model.schedules.wall_clock import local, zone

        moment = local(self.fire_at, zone(self.timezone)).replace(tzinfo=None)
        return f"once, {moment.isoformat(' ')}, {self.timezone}"


@immutable(kw_only=True)
class RecurrenceSchedule:
    """A rule of RFC 5545, by the clock on a wall of `timezone`.

    `dtstart` is a time on that clock, `2026-05-01T09:00:00`. `last` is the instant after which nothing comes:
    that of `until`, or of the occurrence number `count`.
    """

    type: ClassVar[str] = "rrule"
    trigger_ref: ClassVar[str] = "core.rruletimer"

    freq: Frequency
    dtstart: str
    timezone: str
    interval: int = 1
    count: int | None = None
    last: Instant | None = None
    by_day: tuple[str, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_year_day: tuple[int, ...] = ()
    by_week_no: tuple[int, ...] = ()
    by_hour: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    by_second: tuple[int, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    week_start: str = "MO"

    def describe(self) -> str:
        conditions = [
            f"{name.removeprefix('by_').replace('_', ' ')} {', '.join(map(str, chosen))}"
            for name, chosen in asdict(self).items()
            if name.startswith("by_") and chosen
        ]
        times = [] if self.count is None else [f"{self.count} times"]
        start = f"from {self.dtstart.replace('T', ' ')}"
        every = _every(self.interval, FREQUENCY_UNITS[self.freq])
        return ", ".join([every, *conditions, *times, start, self.timezone])


Schedule = IntervalSchedule | CronSchedule | DateSchedule | RecurrenceSchedule

_KINDS: tuple[type[Schedule], ...] = (IntervalSchedule, CronSchedule, DateSchedule, RecurrenceSchedule)
TIMER_TRIGGERS = frozenset(kind.trigger_ref for kind in _KINDS)


def to_json(schedule: Schedule) -> dict[str, Any]:
    """Return the fields and, as `type`, the kind, which is also the payload's."""
    return {"type": schedule.type, **asdict(schedule)}


def from_json(document: dict[str, Any]) -> Schedule:
    """Read what `to_json` made."""
    kind = next(one for one in _KINDS if one.type == document["type"])
    fields: dict[str, Any] = {
        name: tuple(value) if name.startswith("by_") else value
        for name, value in document.items()
        if name != "type"
    }
    return kind(**fields)


def _every(count: int, units: str) -> str:
    return f"every {units.removesuffix('s')}" if count == 1 else f"every {count} {units}"
