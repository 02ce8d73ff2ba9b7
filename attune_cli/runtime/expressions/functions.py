"""The functions of expressions (domain.md 5.6). Each is pure, takes JSON values and raises ExpressionError."""

# pyright: reportUnknownLambdaType=none
# What the tables hold takes any JSON; a lambda cannot say so.

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.expressions.json_values import (
    MAX_SIZE,
    as_json,
    finite,
    holds,
    is_number,
    order,
    same,
    text_of,
    type_of,
)
from attune_cli.runtime.expressions.patterns import found

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.model.actions import Json

MAX_RANGE = 10_000


def number_in(value: Json) -> Json:
    if is_number(value):
        return value
    raise ExpressionError(f"expected a number, got {type_of(value)}")


def integer_in(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ExpressionError(f"expected an integer, got {type_of(value)}")


def string_in(value: Json) -> str:
    if isinstance(value, str):
        return value
    raise ExpressionError(f"expected a string, got {type_of(value)}")


def list_in(value: Json) -> list[Any]:
    if isinstance(value, list):
        return cast("list[Any]", value)
    raise ExpressionError(f"expected an array, got {type_of(value)}")


def object_in(value: Json) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    raise ExpressionError(f"expected an object, got {type_of(value)}")


def to_number(value: Json) -> Json:
    """Read a number from a text; a number stays what it is."""
    if is_number(value):
        return value
    text = string_in(value).strip()
    for kind in (int, float):
        try:
            return finite(kind(text))
        except ValueError:
            continue
    raise ExpressionError("the text is no number")


def to_integer(value: Json) -> int:
    """Read a whole number; of a fraction it keeps the whole part."""
    return int(value) if isinstance(value, bool) else math.trunc(to_number(value))


def length(value: Json) -> int:
    """Count members; of a text bytes, as the existing platform does (the filter counts characters)."""
    if isinstance(value, str):
        return len(value.encode(errors="surrogatepass"))
    return count_of_members(value)


def count_of_members(value: Json) -> int:
    if isinstance(value, (str, list, dict)):
        return len(cast("list[Any]", value))
    raise ExpressionError(f"{type_of(value)} has no length")


def rounded(value: Json, digits: int = 0) -> Json:
    """Round half away from zero; without digits to a whole number."""
    number, places = number_in(value), integer_in(digits)
    if not -300 < places < 300:  # noqa: PLR2004 - a float has no more
        raise ExpressionError("so many digits cannot be rounded to")
    if isinstance(number, int) and places >= 0:
        return number
    scale = 10.0**places
    result = finite(math.copysign(math.floor(abs(number) * scale + 0.5) / scale, number))
    return int(result) if places <= 0 else result


def _extreme(values: tuple[Any, ...], wanted: int) -> Json:
    candidates: list[Any] = list_in(values[0]) if len(values) == 1 else list(values)
    if not candidates:
        raise ExpressionError("there is no least or greatest of nothing")
    best = candidates[0]
    for one in candidates[1:]:
        if order(one, best) == wanted:
            best = one
    return best


def least(first: Json, *others: Json) -> Json:
    return _extreme((first, *others), -1)


def greatest(first: Json, *others: Json) -> Json:
    return _extreme((first, *others), 1)


def total(values: Json) -> Json:
    return finite(sum(number_in(one) for one in list_in(values)))


def split(text: Json, separator: Json) -> list[str]:
    parts = string_in(text), string_in(separator)
    return parts[0].split(parts[1]) if parts[1] else list(parts[0])


def join(values: Json, separator: Json = "") -> str:
    parts = [text_of(one) for one in list_in(values)]
    between = string_in(separator)
    check_size(sum(map(len, parts)) + len(parts) * len(between))
    return between.join(parts)


def replace(text: Json, old: Json, new: Json) -> str:
    whole, part, other = string_in(text), string_in(old), string_in(new)
    check_size(len(whole) + whole.count(part) * len(other))
    return whole.replace(part, other)


def check_size(size: int) -> None:
    if size > MAX_SIZE:
        raise ExpressionError("the result is too large")


def backwards(value: Json) -> Json:
    return value[::-1] if isinstance(value, str) else list_in(value)[::-1]


def ordered(values: Json, *, reverse: bool = False) -> list[Any]:
    return in_order([(one, one) for one in list_in(values)], reverse=bool(reverse))


def in_order(keyed: list[tuple[Any, Any]], *, reverse: bool) -> list[Any]:
    """Return the second of each pair, in the order of the first: all numbers, or all texts."""
    for (one, _), (other, _) in itertools.pairwise(keyed):
        order(one, other)
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0], reverse=reverse)]


_SORTED = json.JSONEncoder(sort_keys=True)
"""Made once: it is asked for each of many small members."""


def canonical(value: Json) -> str:
    """Write a value so that two are written alike exactly when they are the same (1.0 within a list is not 1)."""
    if isinstance(value, str):
        return f'"{value}'
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _SORTED.encode(value)


def unique(values: Json) -> list[Any]:
    return list({canonical(one): one for one in reversed(list_in(values))}.values())[::-1]


def flat(values: Json) -> list[Any]:
    result: list[Any] = []
    for one in list_in(values):
        result.extend(cast("list[Any]", one) if isinstance(one, list) else [one])
    return result


def pairs(one: Json, other: Json) -> list[Any]:
    return [list(pair) for pair in zip(list_in(one), list_in(other), strict=False)]


def numbers(first: Json, end: Json = None) -> list[int]:
    start, stop = (0, integer_in(first)) if end is None else (integer_in(first), integer_in(end))
    if stop - start > MAX_RANGE:
        raise ExpressionError(f"a range may have at most {MAX_RANGE} numbers")
    return list(range(start, stop))


def part_of(value: Json, start: Json, end: Json = None) -> Json:
    sequence: Json = value if isinstance(value, str) else list_in(value)
    return sequence[integer_in(start) : None if end is None else integer_in(end)]


def index_of(values: Json, wanted: Json) -> int:
    """Return where a member or a part first stands; -1 when it does not."""
    if isinstance(values, str):
        return values.find(string_in(wanted))
    return next((index for index, one in enumerate(list_in(values)) if same(one, wanted)), -1)


def occurrences(values: Json, wanted: Json) -> int:
    if isinstance(values, str):
        return values.count(string_in(wanted))
    return sum(same(one, wanted) for one in list_in(values))


def merge(*objects: Json) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for one in objects:
        merged |= object_in(one)
    return merged


def chunks(values: Json, size: Json) -> list[Any]:
    items, width = list_in(values), integer_in(size)
    if width < 1:
        raise ExpressionError("a chunk needs at least one member")
    return [items[start : start + width] for start in range(0, len(items), width)]


def truth(value: Json) -> bool:
    return bool(value)


def to_string(value: Json) -> str:
    return "null" if value is None else value if isinstance(value, str) else as_json(value)


FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "string": (to_string, "the value as text; objects and arrays as JSON"),
    "number": (to_number, "the number that a text says"),
    "int": (to_integer, "a whole number; of a fraction the whole part"),
    "bool": (truth, "whether the value is neither null, false, 0 nor empty"),
    "type_of": (type_of, "`null`, `boolean`, `integer`, `number`, `string`, `array` or `object`"),
    "length": (length, "members of an array or object, bytes of a text"),
    "keys": (lambda value: list(object_in(value)), "the keys of an object"),
    "values": (lambda value: list(object_in(value).values()), "the values of an object"),
    "abs": (lambda value: abs(number_in(value)), "the number without its sign"),
    "floor": (lambda value: math.floor(number_in(value)), "the next whole number below"),
    "ceil": (lambda value: math.ceil(number_in(value)), "the next whole number above"),
    "round": (rounded, "the nearest whole number, or so many digits; half away from zero"),
    "min": (least, "the least of several values, or of an array"),
    "max": (greatest, "the greatest of several values, or of an array"),
    "sum": (total, "the numbers of an array, added"),
    "lower": (lambda text: string_in(text).lower(), "the text in small letters"),
    "upper": (lambda text: string_in(text).upper(), "the text in capitals"),
    "trim": (lambda text: string_in(text).strip(), "the text without white space around it"),
    "split": (split, "the parts of a text between a separator"),
    "join": (join, "an array as text, with a separator between"),
    "replace": (replace, "a text with each part replaced by another"),
    "starts_with": (
        lambda text, part: string_in(text).startswith(string_in(part)),
        "whether a text begins so",
    ),
    "ends_with": (lambda text, part: string_in(text).endswith(string_in(part)), "whether a text ends so"),
    "match": (
        lambda pattern, text: found(string_in(pattern), string_in(text)),
        "whether a pattern (RE2) matches anywhere in a text",
    ),
    "contains": (holds, "whether an array, object or text holds a member, key or part"),
    "reversed": (backwards, "an array or text from its end"),
    "sort": (ordered, "numbers or texts in order"),
    "unique": (unique, "the members without repetitions"),
    "flat": (flat, "the members of the arrays in an array"),
    "zip": (pairs, "pairs of the members of two arrays"),
    "range": (numbers, "the numbers from 0, or from the first, to before the last"),
    "slice": (part_of, "a part of an array or text, from an index to before another"),
    "index_of": (index_of, "where a member or part first stands, or -1"),
    "count": (occurrences, "how often a member or part stands in an array or text"),
    "merge": (merge, "several objects in one; later ones win"),
    "chunks": (chunks, "an array in pieces of a length"),
}
"""name → what computes it, and what it gives."""
