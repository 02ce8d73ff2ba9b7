"""What the event of a fired timer says (domain.md 3.1, the column of payloads)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.schedules.schedule import (
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    RecurrenceSchedule,
)

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.schedules.schedule import Schedule

SENSOR_REF = "core.timer_sensor"

_MICROSECONDS_IN_A_MILLISECOND = 1000


def payload(
    schedule: Schedule, *, scheduled: Instant, fired: Instant, count: int, next_fire: Instant | None
) -> dict[str, Any]:
    """Return the payload: `scheduled` is the instant planned, `count` how often the timer has fired, this included.

    `next_fire_at` is left out when nothing comes any more.
    """
    content: dict[str, Any] = {"type": schedule.type, "fired_at": rfc3339(fired), "sensor_ref": SENSOR_REF}
    delay_ms = max(0, fired - scheduled) // _MICROSECONDS_IN_A_MILLISECOND
    match schedule:
        case IntervalSchedule():
            own = {"interval_seconds": schedule.interval_seconds, "execution_count": count}
        case CronSchedule():
            own = {
                "scheduled_at": rfc3339(scheduled),
                "expression": schedule.expression,
                "timezone": schedule.timezone,
                "execution_count": count,
                **({} if next_fire is None else {"next_fire_at": rfc3339(next_fire)}),
            }
        case DateSchedule():
            own = {
                "fire_at": rfc3339(schedule.fire_at),
                "timezone": schedule.timezone,
                "delay_ms": delay_ms,
            }
        case RecurrenceSchedule():
            own = {"scheduled_at": rfc3339(scheduled), "delay_ms": delay_ms, "execution_count": count}
    return content | own
