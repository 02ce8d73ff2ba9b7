"""Reading the parameters of a timer one by one: every fault noted, nothing raised."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import TYPE_CHECKING, cast

from attune_cli.errors import Detail, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.actions import Json

_INTEGER = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_DATE = re.compile(r"\d{4}-?\d\d-?\d\d", re.ASCII)
_YEARS = range(1900, 3000)
_DEFAULT_ZONE = "UTC"
_MOMENT = "a date-time such as 2026-05-01T09:00:00"


def integer_of(value: Json) -> int | None:
    """Return a whole number, also one that is written as text or as 5.0; None for anything else."""
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class Given:
    """The parameters given. A null one counts as absent.

    Those in `names` come out of the text of the parameter `inside`: their faults are told of that, under their names
    in the text.
    """

    def __init__(
        self,
        values: Mapping[str, Json],
        *,
        faults: list[Detail] | None = None,
        inside: str = "",
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.values = {name: value for name, value in values.items() if value is not None}
        self.faults: list[Detail] = [] if faults is None else faults
        self._inside = inside
        self._names = names or {}

    def refuse(self, name: str, message: str, value: object = None) -> None:
        if name in self._names:
            name, message = self._inside, f"{self._names[name]}: {message}"
        self.faults.append(Detail(name, message, value=value))

    def refuse_unknown(self, known: Iterable[str]) -> None:
        known = tuple(known)
        for name in self.values:
            if name not in known:
                suggestion = did_you_mean(name, known)
                self.refuse(name, f"unknown parameter; {suggestion}" if suggestion else "unknown parameter")

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self.values.get(name)
        if value is None:
            if required:
                self.refuse(name, "required (string)")
            return None
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.refuse(name, "expected text", value)
        return None

    def one_of(self, name: str, words: Sequence[str], *, required: bool = False) -> str | None:
        text = self.text(name, required=required)
        word = text and next((one for one in words if one.upper() == text.upper()), None)
        if text and word is None:
            suggestion = did_you_mean(text.upper(), words)
            tail = f"; {suggestion}" if suggestion else ""
            self.refuse(name, f"expected one of {', '.join(words)}{tail}", text)
        return word

    def integer(self, name: str, *, most: int, default: int | None = None) -> int | None:
        """Return a whole number of at least 1."""
        value = self.values.get(name)
        if value is None:
            return default
        number = integer_of(value)
        if number is None:
            self.refuse(name, "expected integer", value)
        elif number < 1:
            self.refuse(name, "must be at least 1", value)
        elif number > most:
            self.refuse(name, f"must be at most {most}", value)
        else:
            return number
        return default

    def integers(self, name: str, least: int, most: int) -> tuple[int, ...]:
        """Return a list of whole numbers, ascending; 0 counts only where `least` is 0."""
        numbers: set[int] = set()
        for value in self.items(name):
            number = integer_of(value)
            if number is None or not least <= number <= most or (number == 0 and least < 0):
                but = " but not 0" if least < 0 else ""
                self.refuse(name, f"expected integers between {least} and {most}{but}", value)
            else:
                numbers.add(number)
        return tuple(sorted(numbers))

    def items(self, name: str) -> list[Json]:
        value = self.values.get(name)
        if value is None:
            return []
        if isinstance(value, (list, tuple)):
            return list(cast("Sequence[Json]", value))
        self.refuse(name, "expected array", value)
        return []

    def zone(self, name: str = "timezone") -> tuple[str, ZoneInfo]:
        """Return a time zone with its name; UTC when none is given, or when it does not exist."""
        from attune_cli.runtime.model.schedules.wall_clock import zone, zone_names

        text = self.text(name) or _DEFAULT_ZONE
        try:
            return text, zone(text)
        except ValueError:
            suggestion = did_you_mean(text, zone_names())
            self.refuse(name, f"unknown time zone{f'; {suggestion}' if suggestion else ''}", text)
        return _DEFAULT_ZONE, zone(_DEFAULT_ZONE)

    def wall(self, name: str, place: ZoneInfo, *, required: bool = False) -> datetime | None:
        """Return what clocks in `place` show at a date-time, to the second; a date is its midnight."""
        moment = self._moment(name, time(0), required=required)
        if moment is None:
            return None
        return (moment.astimezone(place) if moment.tzinfo else moment).replace(
            tzinfo=None, microsecond=0, fold=0
        )

    def instant(
        self,
        name: str,
        place: ZoneInfo,
        *,
        date_means: time = time(0),
        years: range = _YEARS,
        required: bool = False,
    ) -> Instant | None:
        """Return the instant of a date-time, by the clocks in `place` when it names no offset."""
        from attune_cli.runtime.model.schedules.wall_clock import moved, to_instant

        moment = self._moment(name, date_means, years, required=required)
        if moment is None:
            return None
        return to_instant(moment) if moment.tzinfo else moved(moment, place)

    def _moment(
        self, name: str, date_means: time, years: range = _YEARS, *, required: bool = False
    ) -> datetime | None:
        if required and name not in self.values:
            self.refuse(name, "required (date-time)")
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text.upper())
        except (ValueError, OverflowError):
            self.refuse(name, f"expected {_MOMENT}", text)
            return None
        if moment.year not in years:
            self.refuse(name, f"expected a year between {years[0]} and {years[-1]}", text)
            return None
        return datetime.combine(moment, date_means) if _DATE.fullmatch(text) else moment
