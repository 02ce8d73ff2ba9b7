"""Recurrence rules of RFC 5545 (3.3.10), as series of local times.

dateutil knows these rules too, and the tests ask it. It is not used here because it cannot be stopped: it walks from
`dtstart` on, through every second of a rule that names no day, and it takes days with and without a number (`MO,2TU`)
for days that are both. This search starts at the period asked for, passes over days and hours that do not match,
and ends after a bounded number of them.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from attune_cli.runtime.model.schedules.schedule import WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from attune_cli.runtime.model.schedules.schedule import Frequency, RecurrenceSchedule
    from attune_cli.runtime.model.schedules.wall_clock import Adjustment

LONGEST_SEARCH = 150_000
"""So many days, or steps within a day, are looked at in a row; more days than the calendar has before it repeats."""

_LAST_DAY = date(9998, 12, 31).toordinal()
_DAY_SECONDS = 86_400
_STEP_SECONDS: dict[Frequency, int] = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}
_LAST_SECOND_OF_A_MINUTE = 59


def walls(schedule: RecurrenceSchedule) -> Callable[[datetime], Iterator[datetime]]:
    """Return the series of local times of a rule, without its end."""
    rule = _Rule(schedule)

    def after(wall: datetime) -> Iterator[datetime]:
        begin = max(wall, rule.start - timedelta(seconds=1))
        return _within_days(rule, begin) if schedule.freq in _STEP_SECONDS else _by_days(rule, begin)

    return after


def adjustment(schedule: RecurrenceSchedule) -> Adjustment:
    return "repeated" if schedule.freq in _STEP_SECONDS else "left_out"


class _Rule:
    """A rule with what `dtstart` says where the rule itself says nothing."""

    def __init__(self, schedule: RecurrenceSchedule) -> None:
        start = datetime.fromisoformat(schedule.dtstart)
        freq = schedule.freq
        self.freq: Frequency = freq
        self.interval = schedule.interval
        self.start = start
        self.positions = schedule.by_set_pos
        self.week_start = WEEKDAYS.index(schedule.week_start)
        self.hours = _set(schedule.by_hour)
        self.minutes = _set(schedule.by_minute)
        self.seconds = _set(min(second, _LAST_SECOND_OF_A_MINUTE) for second in schedule.by_second)
        if freq != "SECONDLY":
            self.seconds = self.seconds or (start.second,)
        if freq not in {"MINUTELY", "SECONDLY"}:
            self.minutes = self.minutes or (start.minute,)
        if freq not in _STEP_SECONDS:
            self.hours = self.hours or (start.hour,)
        self.matches = _days_of(schedule, start.date())


def _set(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(numbers)))


# --- which days ---


def _days_of(schedule: RecurrenceSchedule, start: date) -> Callable[[date], bool]:
    """Return the test of a day by all parts that speak of days."""
    months, month_days, weekdays = schedule.by_month, schedule.by_month_day, schedule.by_day
    if not (month_days or weekdays or schedule.by_year_day or schedule.by_week_no):
        match schedule.freq:
            case "YEARLY":
                months, month_days = months or (start.month,), (start.day,)
            case "MONTHLY":
                month_days = (start.day,)
            case "WEEKLY":
                weekdays = (WEEKDAYS[start.weekday()],)
            case _:
                pass
    tests: list[Callable[[date], bool]] = []
    if months:
        tests.append(lambda day: day.month in months)
    if month_days:
        tests.append(lambda day: _is_among(month_days, day.day, _month_length(day)))
    if schedule.by_year_day:
        tests.append(lambda day: _is_among(schedule.by_year_day, _year_day(day), _year_length(day)))
    if schedule.by_week_no:
        week_start = WEEKDAYS.index(schedule.week_start)
        tests.append(lambda day: _is_among(schedule.by_week_no, *_week_of(day, week_start)))
    if weekdays:
        of_the_year = schedule.freq == "YEARLY" and not months
        tests.append(_weekday_test(weekdays, of_the_year=of_the_year))
    return lambda day: all(test(day) for test in tests)


def _weekday_test(weekdays: Sequence[str], *, of_the_year: bool) -> Callable[[date], bool]:
    """`MO` is every Monday, `2TU` the second Tuesday, `-1FR` the last Friday; any of them."""
    wanted = {(int(text[:-2] or 0), WEEKDAYS.index(text[-2:])) for text in weekdays}

    def matches(day: date) -> bool:
        number, length = (_year_day(day), _year_length(day)) if of_the_year else (day.day, _month_length(day))
        weekday = day.weekday()
        ordinals = (0, (number - 1) // 7 + 1, -((length - number) // 7 + 1))
        return any((ordinal, weekday) in wanted for ordinal in ordinals)

    return matches


def _is_among(wanted: Collection[int], number: int, count: int) -> bool:
    """Tell whether the `number`th of `count` is wanted, counted from the front or from the back."""
    return number in wanted or number - count - 1 in wanted


def _month_length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _year_length(day: date) -> int:
    return 365 + calendar.isleap(day.year)


def _year_day(day: date) -> int:
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1


def _week_of(day: date, week_start: int) -> tuple[int, int]:
    """Return the number of a day's week, and how many weeks that year has: a week is its fourth day's year's."""
    fourth = day + timedelta(days=3 - (day.weekday() - week_start) % 7)
    last = date(fourth.year, 12, 31)
    last_fourth = last - timedelta(days=(last.weekday() - week_start - 3) % 7)
    return (_year_day(fourth) - 1) // 7 + 1, (_year_day(last_fourth) - 1) // 7 + 1


# --- which times, when the rule counts days or more ---


def _by_days(rule: _Rule, begin: datetime) -> Iterator[datetime]:
    idle = 0
    for first, end in _periods(rule, begin.date()):
        looked_at = range(first if rule.positions else max(first, begin.toordinal()), end)
        days = (day for day in map(date.fromordinal, looked_at) if rule.matches(day))
        idle += end - first
        for wall in _walls(days, (rule.hours, rule.minutes, rule.seconds), rule.positions, begin):
            idle = 0
            yield wall
        if idle > LONGEST_SEARCH:
            return


def _periods(rule: _Rule, begin: date) -> Iterator[tuple[int, int]]:
    """Give the years, months, weeks or days of the rule from that of `begin` on, as ordinals of days."""
    base, here = _period_of(rule, rule.start.date()), _period_of(rule, begin)
    period = base + (here - base) // rule.interval * rule.interval
    while (end := _first_day(rule, period + 1)) <= _LAST_DAY:
        yield _first_day(rule, period), end
        period += rule.interval


def _period_of(rule: _Rule, day: date) -> int:
    match rule.freq:
        case "YEARLY":
            return day.year
        case "MONTHLY":
            return day.year * 12 + day.month - 1
        case "WEEKLY":
            return (day.toordinal() - 1 - rule.week_start) // 7
        case _:
            return day.toordinal()


def _first_day(rule: _Rule, period: int) -> int:
    match rule.freq:
        case "YEARLY":
            return date(period, 1, 1).toordinal() if period < date.max.year else _LAST_DAY + 1
        case "MONTHLY":
            year, month = divmod(period, 12)
            return date(year, month + 1, 1).toordinal() if year < date.max.year else _LAST_DAY + 1
        case "WEEKLY":
            return period * 7 + 1 + rule.week_start
        case _:
            return period


# --- which times, when the rule counts less than days ---


def _within_days(rule: _Rule, begin: datetime) -> Iterator[datetime]:
    step = _STEP_SECONDS[rule.freq]
    base = _second_of(rule.start) // step
    index = base + (_second_of(begin) // step - base) // rule.interval * rule.interval
    matching_day = 0
    idle = 0
    while idle < LONGEST_SEARCH:
        idle += 1
        day, second = divmod(index * step, _DAY_SECONDS)
        if day > _LAST_DAY:
            return
        if day != matching_day and not rule.matches(date.fromordinal(day)):
            index = _aligned((day + 1) * _DAY_SECONDS, step, base, rule.interval)
            continue
        matching_day = day
        next_second = _passed_over(rule, second)
        if next_second is not None:
            index = _aligned(day * _DAY_SECONDS + next_second, step, base, rule.interval)
            continue
        for wall in _walls([date.fromordinal(day)], _times(rule, second), rule.positions, begin):
            idle = 0
            yield wall
        index += rule.interval


def _second_of(wall: datetime) -> int:
    return wall.toordinal() * _DAY_SECONDS + wall.hour * 3600 + wall.minute * 60 + wall.second


def _aligned(second: int, step: int, base: int, interval: int) -> int:
    """Return the first step of the rule that begins at `second` or later."""
    return base - (base * step - second) // (step * interval) * interval


def _passed_over(rule: _Rule, second: int) -> int | None:
    """Return from which second of the day on it is worth looking, or None when this one matches."""
    hour, minute = second // 3600, second // 60 % 60
    if rule.hours and hour not in rule.hours:
        return (hour + 1) * 3600
    if rule.freq != "HOURLY" and rule.minutes and minute not in rule.minutes:
        return (second // 60 + 1) * 60
    if rule.freq == "SECONDLY" and rule.seconds and second % 60 not in rule.seconds:
        return second + 1
    return None


_Times = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Hours, minutes and seconds; every combination is meant."""


def _times(rule: _Rule, second: int) -> _Times:
    """Return what belongs to the step that begins at this second of the day."""
    hour, minute = (second // 3600,), (second // 60 % 60,)
    match rule.freq:
        case "HOURLY":
            return hour, rule.minutes, rule.seconds
        case "MINUTELY":
            return hour, minute, rule.seconds
        case _:
            return hour, minute, (second % 60,)


# --- one period ---


def _walls(
    days: Iterable[date], times: _Times, positions: Sequence[int], begin: datetime
) -> Iterator[datetime]:
    """Give the local times of one period that are later than `begin`: all, or those at `positions`."""
    if positions:
        chosen = _at_positions(list(days), times, positions)
        yield from (wall for wall in chosen if wall > begin)
        return
    hours, minutes, seconds = times
    for day in days:
        passed = (begin.hour, begin.minute) if day == begin.date() else (0, 0)
        for hour in hours:
            for minute in minutes if hour >= passed[0] else ():
                if (hour, minute) >= passed:
                    in_turn = (datetime.combine(day, time(hour, minute, second)) for second in seconds)
                    yield from (wall for wall in in_turn if wall > begin)


def _at_positions(days: list[date], times: _Times, positions: Sequence[int]) -> Iterator[datetime]:
    """Pick from all combinations without making them: there may be millions."""
    hours, minutes, seconds = times
    total = len(days) * len(hours) * len(minutes) * len(seconds)
    indexes = {position - 1 if position > 0 else total + position for position in positions}
    for index in sorted(index for index in indexes if 0 <= index < total):
        rest, second = divmod(index, len(seconds))
        rest, minute = divmod(rest, len(minutes))
        day, hour = divmod(rest, len(hours))
        yield datetime.combine(days[day], time(hours[hour], minutes[minute], seconds[second]))
