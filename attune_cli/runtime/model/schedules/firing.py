"""What a timer does now: which of its instants fire, which were missed, and what it plans next.

A timer remembers `planned`, the next instant of its schedule, `due`, the same with its jitter, and `last`: at or
before that instant nothing fires any more. All three come from here, in one commit with the events.

Clocks jump. Forwards, the instants passed over count as missed. Backwards, those up to `last` do not fire again: the
timer waits until the clock is where it was. If that is more than a day off (`clock_went_back`), the clock was wrong
before, not now: the timer is to be enabled anew, with `anchor` now and no `last`. So is an interval, which means no
time of day, as soon as it would have to wait for longer than it is.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from attune_cli.errors import Detail
from attune_cli.runtime.clock import SECOND, Instant, rfc3339
from attune_cli.runtime.model.schedules.occurrences import (
    latest_between,
    next_after,
    occurrences_between,
)
from attune_cli.runtime.model.schedules.schedule import DateSchedule, IntervalSchedule
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.schedules.policy import TimerPolicy
    from attune_cli.runtime.model.schedules.schedule import Schedule

GRACE: Instant = 60 * SECOND
"""What is late by no more than this was not missed: a restart or a busy moment costs no firing."""

FAR_BACK: Instant = 24 * 3600 * SECOND
"""A clock that is set back by more than this was wrong before."""

MOST_COUNTED = 1000
"""So many missed instants are counted one by one; intervals are divided and have no such bound."""


@immutable(kw_only=True)
class Timer:
    """A rule's timer, apart from its state. `id` tells its jitter from that of others."""

    id: int
    schedule: Schedule
    policy: TimerPolicy
    anchor: Instant
    """When it was enabled: what intervals are counted from."""


@immutable(kw_only=True)
class Plan:
    """The next instant, and when it fires; both None when nothing comes any more."""

    planned: Instant | None = None
    due: Instant | None = None


@immutable(kw_only=True)
class Firings:
    """The instants that fire now, ascending; how many were missed; and what to remember.

    `missed` is the least number when `more_missed`. `last` is None only when nothing ever fell due.
    """

    fire: tuple[Instant, ...] = ()
    missed: int = 0
    more_missed: bool = False
    last: Instant | None = None
    next: Plan


@immutable(kw_only=True)
class Beginning:
    """A timer just enabled: active, or expired (nothing comes any more), or refused with a fault."""

    state: Literal["active", "expired", "refused"]
    next: Plan
    fault: Detail | None = None


def begin(timer: Timer, now: Instant) -> Beginning:
    """Plan the first firing, after `now`. A date that has passed is treated as the policy says."""
    plan = next_plan(timer, now)
    if plan.planned is not None:
        return Beginning(state="active", next=plan)
    schedule = timer.schedule
    if isinstance(schedule, DateSchedule) and timer.policy.past == "immediately":
        moment = max(now, _moment(timer, schedule.fire_at))
        return Beginning(state="active", next=Plan(planned=schedule.fire_at, due=moment))
    if timer.policy.past != "refuse":
        return Beginning(state="expired", next=plan)
    if isinstance(schedule, DateSchedule):
        fault = Detail("fire_at", f"has passed: {rfc3339(schedule.fire_at)}")
    else:
        fault = Detail("until", "has passed: the rule fires no more")
    return Beginning(state="refused", next=plan, fault=fault)


def next_plan(timer: Timer, now: Instant, *, last: Instant | None = None) -> Plan:
    """Plan the first instant after `now` and after `last`."""
    begin_after = now if last is None else max(now, last)
    planned = next_after(timer.schedule, begin_after, anchor=timer.anchor)
    return Plan() if planned is None else Plan(planned=planned, due=_moment(timer, planned))


def clock_went_back(timer: Timer, now: Instant, *, last: Instant | None) -> bool:
    """Tell whether a timer was enabled, or fell due last, so long after now that it is not to wait until then."""
    patience = FAR_BACK
    if isinstance(timer.schedule, IntervalSchedule):
        patience = min(patience, timer.schedule.interval_seconds * SECOND)
    return max(timer.anchor, last or timer.anchor) > now + patience


def due(timer: Timer, now: Instant, *, planned: Instant, last: Instant | None = None) -> Firings:
    """Say what fires at `now` of the instants from `planned` on, and what comes next.

    Under `skip` that is all within GRACE, under `once` the newest, under `all` the newest `misfire_bound`. One date
    whose policy says `past: immediately` fires however late it is.
    """
    first = planned if last is None else max(planned, last + 1)
    newest, plan = _newest(timer, now, first)
    if newest is None:
        return Firings(last=last, next=plan)
    fire = _chosen(timer, now, first, newest)
    missed, more = _count(timer, first - 1, fire[0] - 1 if fire else newest)
    return Firings(fire=fire, missed=missed, more_missed=more, last=newest, next=plan)


def _newest(timer: Timer, now: Instant, first: Instant) -> tuple[Instant | None, Plan]:
    """Return the newest instant whose moment has come, and what follows it."""
    newest = latest_between(timer.schedule, first - 1, now, anchor=timer.anchor)
    if newest is None:
        return None, next_plan(timer, first - 1)
    moment = _moment(timer, newest)
    if moment <= now:
        return newest, next_plan(timer, newest)
    plan = Plan(planned=newest, due=moment)  # jitter puts it off; the one before it has come in any case
    return latest_between(timer.schedule, first - 1, newest - 1, anchor=timer.anchor), plan


def _chosen(timer: Timer, now: Instant, first: Instant, newest: Instant) -> tuple[Instant, ...]:
    policy = timer.policy
    if policy.misfire == "once" or (
        isinstance(timer.schedule, DateSchedule) and policy.past == "immediately"
    ):
        return (newest,)
    if policy.misfire == "all":
        return _last_ones(timer, first, newest, policy.misfire_bound)
    edge = max(first, now - GRACE)
    punctual = _last_ones(timer, edge, newest, GRACE // SECOND + 1)
    before = latest_between(timer.schedule, first - 1, edge - 1, anchor=timer.anchor)
    if before is not None and before <= newest and _moment(timer, before) >= edge:
        return (before, *punctual)  # its jitter put it off until a moment ago
    return punctual


def _last_ones(timer: Timer, first: Instant, newest: Instant, limit: int) -> tuple[Instant, ...]:
    """Return the newest `limit` instants from `first` to `newest`, ascending, going backwards."""
    found: list[Instant] = []
    until = newest
    while len(found) < limit:
        instant = latest_between(timer.schedule, first - 1, until, anchor=timer.anchor)
        if instant is None:
            break
        found.append(instant)
        until = instant - 1
    return tuple(reversed(found))


def _count(timer: Timer, after: Instant, until: Instant) -> tuple[int, bool]:
    schedule, anchor = timer.schedule, timer.anchor
    if isinstance(schedule, IntervalSchedule):
        step = schedule.interval_seconds * SECOND
        return max(0, (until - anchor) // step - (after - anchor) // step), False
    found = occurrences_between(schedule, after, until, anchor=anchor, limit=MOST_COUNTED + 1)
    return min(len(found), MOST_COUNTED), len(found) > MOST_COUNTED


def _moment(timer: Timer, planned: Instant) -> Instant:
    """Return when an instant fires: put off by its jitter, though never as far as the next one.

    The jitter comes from the timer and the instant alone, so that a restart does not move it.
    """
    if timer.policy.jitter_seconds == 0:
        return planned
    span = round(timer.policy.jitter_seconds * SECOND)
    following = next_after(timer.schedule, planned, anchor=timer.anchor)
    if following is not None:
        span = min(span, following - planned)
    digest = hashlib.blake2b(f"{timer.id}:{planned}".encode(), digest_size=8).digest()
    return planned + int.from_bytes(digest, "big") % max(span, 1)
