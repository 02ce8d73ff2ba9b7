"""Counting on a schedule: what comes after an instant, and what came before.

Nothing is remembered from one call to the next, so nothing drifts, and no answer is reached by walking there from
the beginning: ten years of an interval of one second are a division.
"""

from __future__ import annotations

from itertools import count, islice, takewhile
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import SECOND, Instant
from attune_cli.runtime.model.schedules.schedule import (
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    RecurrenceSchedule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.model.schedules.schedule import Schedule


def next_after(schedule: Schedule, instant: Instant, *, anchor: Instant) -> Instant | None:
    """Return the first occurrence later than `instant`, or None: never again.

    `anchor` is when the timer was enabled: an interval is due at anchor + k · interval, also for k below 1.
    """
    return next(occurrences_after(schedule, instant, anchor=anchor), None)


def occurrences_between(
    schedule: Schedule, after: Instant, until: Instant, *, anchor: Instant, limit: int
) -> tuple[Instant, ...]:
    """Return the first `limit` occurrences later than `after` and not later than `until`."""
    following = occurrences_after(schedule, after, anchor=anchor)
    return tuple(islice(takewhile(lambda instant: instant <= until, following), limit))


def upcoming(schedule: Schedule, now: Instant, *, anchor: Instant, limit: int) -> tuple[Instant, ...]:
    """Return the next `limit` occurrences; fewer when the schedule ends before."""
    return tuple(islice(occurrences_after(schedule, now, anchor=anchor), limit))


def occurrences_after(schedule: Schedule, instant: Instant, *, anchor: Instant) -> Iterator[Instant]:
    """Give all occurrences later than `instant`, ascending; there may be no end of them."""
    match schedule:
        case IntervalSchedule():
            step = schedule.interval_seconds * SECOND
            return count(anchor + ((instant - anchor) // step + 1) * step, step)
        case DateSchedule():
            return iter((schedule.fire_at,) if schedule.fire_at > instant else ())
        case CronSchedule():
            return _of_cron(schedule, instant)
        case RecurrenceSchedule():
            return _of_recurrence(schedule, instant)


def _of_cron(schedule: CronSchedule, instant: Instant) -> Iterator[Instant]:
    from attune_cli.runtime.model.schedules import cron
    from attune_cli.runtime.model.schedules.wall_clock import instants_after, zone

    expression = schedule.expression
    return instants_after(
        cron.walls(expression), zone(schedule.timezone), instant, cron.adjustment(expression)
    )


def _of_recurrence(schedule: RecurrenceSchedule, instant: Instant) -> Iterator[Instant]:
    from attune_cli.runtime.model.schedules import recurrence
    from attune_cli.runtime.model.schedules.wall_clock import instants_after, zone

    last = schedule.last
    if last is not None and instant >= last:
        return iter(())
    adjustment = recurrence.adjustment(schedule)
    endless = instants_after(recurrence.walls(schedule), zone(schedule.timezone), instant, adjustment)
    return endless if last is None else takewhile(lambda occurrence: occurrence <= last, endless)


def latest_between(schedule: Schedule, after: Instant, until: Instant, *, anchor: Instant) -> Instant | None:
    """Return the last occurrence later than `after` and not later than `until`, or None.

    Found by halving the span, not by walking through it.
    """
    if isinstance(schedule, IntervalSchedule):
        step = schedule.interval_seconds * SECOND
        latest = anchor + (until - anchor) // step * step
        return latest if latest > after else None
    low = next_after(schedule, after, anchor=anchor)
    if low is None or low > until:
        return None
    high = until
    width = SECOND
    while width < until - low:  # most schedules have one not far from the end
        found = next_after(schedule, until - width, anchor=anchor)
        if found is not None and found <= until:
            low = found
            break
        high = until - width
        width *= 8
    while (found := next_after(schedule, low, anchor=anchor)) is not None and found <= until:
        low = found
        middle = (low + high) // 2
        found = next_after(schedule, middle, anchor=anchor)
        if found is not None and found <= until:
            low = found
        else:
            high = middle
    return low
