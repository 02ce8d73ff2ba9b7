"""What a rule says of its timer beside the schedule: missed fires, jitter, past dates."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from attune_cli.errors import Detail, did_you_mean
from attune_cli.runtime.model.parameters import shown
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.model.schedules.given import integer_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attune_cli.runtime.model.actions import Json

Misfire = Literal["skip", "once", "all"]
Past = Literal["never", "immediately", "refuse"]

_DEFAULT_BOUND = 100
_LARGEST_BOUND = 1000


@immutable(kw_only=True)
class TimerPolicy:
    """What becomes of instants that passed while nothing ran.

    `misfire`: skip leaves out what is late by more than a minute (firing.GRACE), once fires the newest alone,
    all the newest `misfire_bound`. `jitter_seconds` puts each firing off by up to so long. `past` is for one date:
    when it has passed, the rule never fires, fires immediately, or is refused.
    """

    misfire: Misfire = "skip"
    misfire_bound: int = _DEFAULT_BOUND
    jitter_seconds: float = 0
    past: Past = "never"

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> TimerPolicy:
        return cls(**document)


def read_timer_policy(given: Mapping[str, Json]) -> tuple[TimerPolicy, list[Detail]]:
    """Read the `timer` settings of a rule; returns the policy, with defaults for what is faulty, and all faults."""
    fields: dict[str, Any] = {}
    faults: list[Detail] = []
    for name, value in given.items():
        read = _READERS.get(name)
        if read is None:
            suggestion = did_you_mean(name, _READERS)
            faults.append(Detail(name, f"unknown setting; {suggestion}" if suggestion else "unknown setting"))
        elif value is not None:
            try:
                fields[name] = read(value)
            except ValueError as fault:
                faults.append(Detail(name, str(fault), value=value))
    return TimerPolicy(**fields), sorted(faults, key=lambda fault: fault.path)


def _one_of(value: Json, words: tuple[str, ...]) -> str:
    if value in words:
        return cast("str", value)
    suggestion = did_you_mean(value, words) if isinstance(value, str) else None
    raise ValueError(f"expected one of {', '.join(words)}{f'; {suggestion}' if suggestion else ''}")


def _bound(value: Json) -> int:
    number = integer_of(value)
    if number is None or not 1 <= number <= _LARGEST_BOUND:
        raise ValueError(f"expected an integer between 1 and {_LARGEST_BOUND}")
    return number


def _jitter(value: Json) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return parse_duration(format(value, "f"))
    raise ValueError(f"expected a duration such as 45s, 5m or 1h30m, got {shown(value)}")


def _misfire(value: Json) -> str:
    return _one_of(value, get_args(Misfire))


def _past(value: Json) -> str:
    return _one_of(value, get_args(Past))


_READERS: dict[str, Callable[[Json], object]] = {
    "misfire": _misfire,
    "misfire_bound": _bound,
    "jitter_seconds": _jitter,
    "past": _past,
}
