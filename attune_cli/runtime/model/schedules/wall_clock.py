"""Clocks on walls: between the local time of a zone and instants, over daylight saving.

A local time exists once, or twice (the clocks were put back), or not at all (they were put forward).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from attune_cli.runtime.clock import Instant

Walls = Callable[[datetime], Iterator[datetime]]
"""Local times without a zone, ascending, that are later than the one given."""

Adjustment = Literal["moved", "left_out", "repeated"]
"""What daylight saving does to a series of local times.

moved: one that does not exist is the instant when the clocks are put forward; of two, the first counts.
left_out: one that does not exist is left out (RFC 5545, 3.3.10); of two, the first counts.
repeated: one that does not exist is left out; one that comes twice counts twice, so that no hour is without.
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return an IANA time zone; raises ValueError when there is none of that name."""
    from zoneinfo import ZoneInfo

    if not name or name in {"localtime", "posixrules"}:  # what they are differs from machine to machine
        raise ValueError("no such time zone")
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, UnicodeError, ValueError) as fault:
        raise ValueError("no such time zone") from fault


def zone_names() -> set[str]:
    from zoneinfo import available_timezones

    return available_timezones()


def local(instant: Instant, place: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(place)


def to_instant(moment: datetime) -> Instant:
    """Return the instant of a moment that has a zone."""
    return (moment - _EPOCH) // _MICROSECOND


def instants_of(wall: datetime, place: ZoneInfo) -> tuple[Instant, ...]:
    """Return when the clocks show `wall`: once, twice, or never."""
    earlier, later = _readings(wall, place)
    if earlier == later:
        return (earlier,)
    return (earlier, later) if earlier < later else ()


def moved(wall: datetime, place: ZoneInfo) -> Instant:
    """Return when the clocks first show `wall`, or when they are put forward over it."""
    earlier, later = _readings(wall, place)
    return earlier if earlier <= later else _change_between(later, earlier, place)


def _readings(wall: datetime, place: ZoneInfo) -> tuple[Instant, Instant]:
    """Read `wall` with the offset before, and with that after, a change nearby (PEP 495)."""
    first = wall.replace(tzinfo=place, fold=0)
    return to_instant(first), to_instant(first.replace(fold=1))


def _change_between(before: Instant, after: Instant, place: ZoneInfo) -> Instant:
    """Return the first instant of the other offset."""
    old = local(before, place).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if local(middle, place).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def instants_after(
    walls: Walls, place: ZoneInfo, after: Instant, adjustment: Adjustment
) -> Iterator[Instant]:
    """Give the instants of a series of local times that are later than `after`, ascending."""
    latest = after
    for instant in _in_order(walls(_start(after, place)), place, adjustment):
        if instant > latest:
            latest = instant
            yield instant


def _in_order(walls: Iterator[datetime], place: ZoneInfo, adjustment: Adjustment) -> Iterator[Instant]:
    again: list[Instant] = []
    for wall in walls:
        readings = instants_of(wall, place)
        if not readings and adjustment == "moved":
            readings = (moved(wall, place),)
        if len(readings) == 1:
            yield from again
            again.clear()
        elif readings and adjustment == "repeated":
            again.append(readings[1])
        yield from readings[:1]
    yield from again


def _start(after: Instant, place: ZoneInfo) -> datetime:
    """Return a local time from which on to look: when the clocks show this one again, what they show until then."""
    here = local(after, place)
    wall = here.replace(tzinfo=None, fold=0)
    earlier, later = _readings(wall, place)
    return wall - (later - earlier) * _MICROSECOND if earlier < later and here.fold == 0 else wall
