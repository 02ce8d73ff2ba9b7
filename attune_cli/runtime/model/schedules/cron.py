"""Cron expressions of five or six fields, as Debian's cron means them (crontab(5)); cronsim does the search.

A job at fixed times (neither minute nor hour begins with `*`) happens once a day whatever daylight saving does;
any other goes by what the clocks show. cronsim does so for five fields only; the second, which is
Attune's, changes nothing about it here.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from attune_cli.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attune_cli.runtime.model.schedules.wall_clock import Adjustment

_ALIASES = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
_FIELDS = (
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, L"),
    ("month", "1-12, JAN-DEC"),
    ("day of the week", "0-7, SUN-SAT, 5L, 5#2"),
)
_MINUTE, _HOUR, _MONTH_DAY, _WEEKDAY = 1, 2, 3, 5
_WEEKDAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONGEST_EXPRESSION = 1000
_ANY_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - a time on a wall; whether an expression ever fires depends on none


def faults(expression: str) -> list[str]:
    """Return everything that is wrong with an expression, in words; nothing when it fires some day."""
    if len(expression) > _LONGEST_EXPRESSION:
        return [f"may have at most {_LONGEST_EXPRESSION} characters"]
    if expression.strip().startswith("@"):
        return _faults_of_alias(expression.strip())
    written = _written(expression)
    if len(written) != len(_FIELDS):
        return [f"expected 5 or 6 fields, not {len(written)}"]
    found = [
        f"'{field}' is no {name}: expected {values}, a list, a range or a step"
        for index, (field, (name, values)) in enumerate(zip(written, _FIELDS, strict=True))
        if not _is_readable(index, _spelled(index, field))
    ]
    if not found and not _ever_fires(_text(expression)):
        return ["never fires: there is no such date"]
    return found


def _faults_of_alias(alias: str) -> list[str]:
    if alias.upper() in _ALIASES:
        return []
    known = [name.lower() for name in _ALIASES]
    return [f"unknown alias; {did_you_mean(alias.lower(), known) or 'expected one of ' + ', '.join(known)}"]


def _written(expression: str) -> list[str]:
    """Return the fields, six when there are five; an alias stands for its five."""
    text = expression.strip()
    fields = _ALIASES.get(text.upper(), text).split()
    return ["0", *fields] if len(fields) == len(_FIELDS) - 1 else fields


def _spelled(index: int, field: str) -> str:
    """Write a field as cronsim knows it; days as numbers, so that `FRI-SUN` is a range and `FRIL` the last Friday."""
    field = field.upper()
    if field == "?" and index in {_MONTH_DAY, _WEEKDAY}:
        return "*"
    if index != _WEEKDAY:
        return field
    field = field.replace("-SUN", "-7")
    return re.sub("|".join(_WEEKDAY_NAMES), lambda name: str(_WEEKDAY_NAMES.index(name[0])), field)


def _text(expression: str) -> str:
    return " ".join(_spelled(index, field) for index, field in enumerate(_written(expression)))


def _is_readable(index: int, field: str) -> bool:
    from cronsim import CronSim, CronSimError

    alone = ["*"] * len(_FIELDS)
    alone[index] = field
    try:
        CronSim(" ".join(alone), _ANY_TIME)
    except (CronSimError, AssertionError):  # cronsim asserts where a step follows `5L`
        return False
    return True


def _ever_fires(text: str) -> bool:
    """Tell whether fifty years, which is as far as cronsim looks, hold a date."""
    from cronsim import CronSim, CronSimError

    try:
        return next(CronSim(text, _ANY_TIME), None) is not None
    except CronSimError:  # it sees by itself that no month has such a day
        return False


def walls(expression: str) -> Callable[[datetime], Iterator[datetime]]:
    """Return the series of local times of an expression without faults."""
    text = _text(expression)

    def after(wall: datetime) -> Iterator[datetime]:
        from cronsim import CronSim

        try:
            yield from CronSim(text, wall)
        except (OverflowError, ValueError):  # the last year there is
            return

    return after


def adjustment(expression: str) -> Adjustment:
    fields = _written(expression)
    fixed = not fields[_MINUTE].startswith("*") and not fields[_HOUR].startswith("*")
    return "moved" if fixed else "repeated"


def explain(expression: str) -> str:
    """Say in plain words when it fires, e.g. `at 09:00 on Monday through Friday`."""
    from cronsim import CronSim

    words = CronSim(_text(expression), _ANY_TIME).explain()
    return words[:1].lower() + words[1:]
