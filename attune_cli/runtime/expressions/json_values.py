"""JSON values as expressions see them: their types, when two are the same, and how large they are."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Json

MAX_SIZE = 1024 * 1024
"""Characters and members that one value of an expression may have; a whole event payload is no larger."""
MAX_INTEGER_BITS = 1024

Number = int | float


@immutable
class Missing:
    """Stands for a value that is not there; `path` tells what was looked for."""

    path: str
    why: str = ""
    """What is known of the reason."""


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def type_of(value: object) -> str:
    """Name the type as the parameter dialect does."""
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return "null"


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
    (Missing, "missing value"),
)


def same(one: object, other: object) -> bool:
    """Compare as JSON does: 1 is 1.0, and neither is true."""
    pending = [(one, other)]
    while pending:
        left, right = pending.pop()
        if isinstance(left, list) and isinstance(right, list):
            lists = cast("list[object]", left), cast("list[object]", right)
            if len(lists[0]) != len(lists[1]):
                return False
            pending.extend(zip(*lists, strict=True))
        elif isinstance(left, dict) and isinstance(right, dict):
            mine, others = cast("dict[str, object]", left), cast("dict[str, object]", right)
            if mine.keys() != others.keys():
                return False
            pending.extend((mine[name], others[name]) for name in mine)
        elif isinstance(left, bool) != isinstance(right, bool) or left != right:
            return False
    return True


def order(one: object, other: object) -> int:
    """Return -1, 0 or 1 for numbers or texts; nothing else has an order."""
    if is_number(one) and is_number(other):
        left, right = cast("Number", one), cast("Number", other)
        return (left > right) - (left < right)
    if isinstance(one, str) and isinstance(other, str):
        return (one > other) - (one < other)
    raise ExpressionError(
        f"cannot order {type_of(one)} and {type_of(other)}: both must be numbers, or both texts"
    )


def holds(container: object, wanted: object) -> bool:
    """Tell whether a list has a member, an object a key, or a text a part."""
    if isinstance(container, list):
        return any(same(item, wanted) for item in cast("list[object]", container))
    if isinstance(container, dict):
        return isinstance(wanted, str) and wanted in container
    if isinstance(container, str) and isinstance(wanted, str):
        return wanted in container
    raise ExpressionError(f"cannot look for {type_of(wanted)} in {type_of(container)}")


def step(value: object, part: str | int) -> object:
    """Go one segment into a value; a number may be an index. Returns a Missing when it leads nowhere."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get(str(part), _NOWHERE)
    if isinstance(value, list):
        return _item(cast("list[object]", value), part)
    return _NOWHERE


_NOWHERE = Missing("")


def _item(items: list[object], part: str | int) -> object:
    if isinstance(part, str):
        if not (part.isascii() and part.isdecimal() and len(part) < 10):  # noqa: PLR2004 - no list is longer
            return _NOWHERE
        part = int(part)
    return items[part] if -len(items) <= part < len(items) else _NOWHERE


def text_of(value: object) -> str:
    """Write a value inside text: null is nothing, objects and lists are JSON (domain.md 4.3)."""
    if isinstance(value, str):
        return value
    return "" if value is None else as_json(value)


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
"""Made once: it is asked for each of many small members."""


def as_json(value: object) -> str:
    try:
        return _ENCODER.encode(value)
    except RecursionError:
        raise ExpressionError("the value is nested too deeply") from None


def copied(value: Json) -> Json:
    """Return a value that shares no list and no object with the one given: who gets it may change it."""
    return json.loads(as_json(cast("object", value))) if isinstance(value, (list, dict)) else value


def size_of(value: object) -> tuple[int, int]:
    """Count characters and members together, and members alone, no further than to more than MAX_SIZE."""
    total = members = 0
    pending: list[Any] = [value]
    while pending and total <= MAX_SIZE:
        one = pending.pop()
        kind = cast("type[Any]", type(one))
        members += 1
        total += 1
        if kind is str:
            total += len(one)
        elif kind is list:
            total += len(one)
            pending += one[:MAX_SIZE]
        elif kind is dict:
            total += len(one) + sum(map(len, one))
            pending += one.values()
    return total, members


def finite(value: Json) -> Json:
    """Return a result of arithmetic; raises when it is none that JSON can hold, or too long to compute with."""
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise ExpressionError("the number is too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("the number is too large")
    return value
