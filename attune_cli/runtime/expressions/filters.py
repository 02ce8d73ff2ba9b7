"""The filters of expressions, named and meant as Jinja's. Each is pure and takes JSON values."""

# pyright: reportUnknownLambdaType=none
# What the tables hold takes any JSON; a lambda cannot say so.

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import urllib.parse
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions import functions
from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.expressions.functions import (
    check_size,
    integer_in,
    list_in,
    number_in,
    object_in,
    string_in,
)
from attune_cli.runtime.expressions.json_values import MAX_SIZE, Missing, as_json, is_number, step, text_of
from attune_cli.runtime.expressions.patterns import found, replaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.model.actions import Json


def default(value: Json, instead: Json = "", boolean: Json = False) -> Json:
    """Return another value for a missing one, and with `true` for an empty one too."""
    return instead if isinstance(value, Missing) or (boolean and not value) else value


def first(value: Json) -> Json:
    return step_to(value, 0)


def last(value: Json) -> Json:
    return step_to(value, -1)


def step_to(value: Json, index: int) -> Json:
    items: Json = value if isinstance(value, str) else list_in(value)
    return items[index] if items else Missing("the first or last of nothing")


def members(value: Json) -> list[Any]:
    if isinstance(value, (str, dict)):
        return list(cast("dict[str, Any]", value))
    return list_in(value)


def to_int(value: Json, instead: Json = 0) -> Json:
    try:
        return functions.to_integer(value)
    except ExpressionError:
        return instead


def to_float(value: Json, instead: Json = 0.0) -> Json:
    try:
        return float(functions.to_number(value))
    except (ExpressionError, OverflowError):
        return instead


def rounded(value: Json, precision: Json = 0, method: Json = "common") -> Json:
    ways: dict[Any, Callable[[float], int]] = {"ceil": math.ceil, "floor": math.floor}
    if method not in ways:
        return functions.rounded(value, precision)
    scale = 10.0 ** max(-300, min(300, integer_in(precision)))
    return ways[method](number_in(value) * scale) / scale


def by_attribute(values: Json, attribute: Json) -> list[tuple[Any, Any]]:
    """Return each member with what a dotted path leads to in it, or with itself."""
    return [(one if attribute is None else attribute_of(one, attribute), one) for one in list_in(values)]


def attribute_of(value: Json, path: Json) -> Json:
    for part in [path] if isinstance(path, int) else string_in(path).split("."):
        value = step(value, part)
    return Missing("the attribute of a member") if isinstance(value, Missing) else value


def ordered(
    values: Json, reverse: Json = False, case_sensitive: Json = False, attribute: Json = None
) -> list[Any]:
    keyed = by_attribute(members(values), attribute)
    return functions.in_order([(fold(key, case_sensitive), one) for key, one in keyed], reverse=bool(reverse))


def fold(value: Json, case_sensitive: Json) -> Json:
    return value.lower() if isinstance(value, str) and not case_sensitive else value


def unique(values: Json, case_sensitive: Json = False, attribute: Json = None) -> list[Any]:
    seen: dict[str, Any] = {}
    for key, one in by_attribute(members(values), attribute):
        seen.setdefault(functions.canonical(_given(fold(key, case_sensitive))), one)
    return list(seen.values())


def _given(value: Json) -> Json:
    if isinstance(value, Missing):
        raise ExpressionError(f"{value.path} is missing")
    return value


def total(values: Json, attribute: Json = None, start: Json = 0) -> Json:
    return functions.total([start, *(_given(key) for key, _ in by_attribute(values, attribute))])


def grouped(values: Json, attribute: Json) -> list[Any]:
    groups: dict[str, list[Any]] = {}
    for key, one in by_attribute(values, attribute):
        groups.setdefault(functions.canonical(_given(key)), [_given(key), []])[1].append(one)
    return [groups[name] for name in sorted(groups)]


def joined(values: Json, separator: Json = "", attribute: Json = None) -> str:
    return functions.join([_given(key) for key, _ in by_attribute(members(values), attribute)], separator)


def indented(text: Json, width: Json = 4, first: Json = False) -> str:
    lines = string_in(text).split("\n")
    prefix = width if isinstance(width, str) else " " * min(MAX_SIZE, integer_in(width))
    check_size(len(text) + len(lines) * len(prefix))
    return "\n".join(prefix + line if line and (index or first) else line for index, line in enumerate(lines))


def truncated(text: Json, length: Json = 255, killwords: Json = False, end: Json = "...") -> str:
    whole, limit, tail = string_in(text), integer_in(length), string_in(end)
    if len(whole) <= limit:
        return whole
    kept = whole[: max(0, limit - len(tail))]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + tail


def trimmed(text: Json, characters: Json = None) -> str:
    return string_in(text).strip(None if characters is None else string_in(characters))


def title(text: Json) -> str:
    from jinja2.filters import do_title

    return do_title(string_in(text))


def quoted(value: Json) -> str:
    """Write for an address: a text by percent signs, an object as a query."""
    try:
        if isinstance(value, dict):
            return urllib.parse.urlencode(
                {name: text_of(one) for name, one in cast("dict[str, Any]", value).items()}
            )
        return urllib.parse.quote(text_of(value), safe="/")
    except UnicodeError:
        raise ExpressionError("the text holds half a character") from None


def from_json(text: Json) -> Json:
    try:
        return json.loads(string_in(text), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ExpressionError("the text is no JSON") from None


def _no_constant(name: str) -> Json:
    raise ValueError(name)


def to_base64(text: Json) -> str:
    return base64.b64encode(string_in(text).encode(errors="surrogatepass")).decode()


def from_base64(text: Json) -> str:
    try:
        return base64.b64decode(string_in(text), validate=True).decode()
    except (binascii.Error, ValueError):
        raise ExpressionError("the text is no base64 of text") from None


def digest(text: Json) -> str:
    return hashlib.sha256(string_in(text).encode(errors="surrogatepass")).hexdigest()


def json_text(value: Json, indent: Json = None) -> str:
    if indent is None:
        return as_json(value)
    return json.dumps(value, ensure_ascii=False, indent=max(0, min(16, integer_in(indent))))


def sorted_items(value: Json, by: Json = "key", reverse: Json = False) -> list[Any]:
    items = [list(item) for item in object_in(value).items()]
    return ordered(items, reverse, attribute=1 if by == "value" else 0)


def _any_sum(value: Json) -> Json:
    return abs(number_in(value))


FILTERS: dict[str, tuple[Callable[..., Any], str]] = {
    "abs": (_any_sum, "the number without its sign"),
    "b64decode": (from_base64, "the text that base64 stands for"),
    "b64encode": (to_base64, "the text as base64"),
    "capitalize": (lambda text: string_in(text).capitalize(), "the first letter large, the others small"),
    "count": (functions.count_of_members, "the same as `length`"),
    "d": (default, "the same as `default`"),
    "default": (default, "another value for a missing one; with `true` for an empty one too"),
    "dictsort": (sorted_items, "the pairs of an object in order"),
    "first": (first, "the first member"),
    "flatten": (functions.flat, "the members of the arrays in an array"),
    "float": (to_float, "a number; another value (0.0) where there is none"),
    "fromjson": (from_json, "the value that JSON text stands for"),
    "from_json": (from_json, "the same as `fromjson`"),
    "groupby": (grouped, "pairs of a value and the members that have it at a path"),
    "indent": (indented, "the lines of a text moved to the right"),
    "int": (to_int, "a whole number; another value (0) where there is none"),
    "items": (lambda value: [list(item) for item in object_in(value).items()], "the pairs of an object"),
    "join": (joined, "an array as text, with a separator between"),
    "keys": (lambda value: list(object_in(value)), "the keys of an object"),
    "last": (last, "the last member"),
    "length": (functions.count_of_members, "members of an array or object, characters of a text"),
    "list": (
        lambda value: list(members(value)),
        "the members of an array, keys of an object, characters of a text",
    ),
    "lower": (lambda text: string_in(text).lower(), "the text in small letters"),
    "max": (functions.greatest, "the greatest member"),
    "min": (functions.least, "the least member"),
    "regex_replace": (
        lambda text, pattern, new: replaced(string_in(pattern), string_in(text), string_in(new), MAX_SIZE),
        "a text with each match of a pattern (RE2) replaced; `\\1` is its first group",
    ),
    "regex_search": (
        lambda text, pattern: found(string_in(pattern), string_in(text)),
        "whether a pattern (RE2) matches anywhere in the text",
    ),
    "replace": (functions.replace, "a text with each part replaced by another"),
    "reverse": (functions.backwards, "an array or text from its end"),
    "round": (rounded, "so many digits; `ceil` or `floor` as second argument"),
    "sha256": (digest, "the SHA-256 of a text in hexadecimal"),
    "sort": (ordered, "members in order; `reverse`, `case_sensitive`, `attribute`"),
    "split": (functions.split, "the parts of a text between a separator"),
    "string": (text_of, "the value as text"),
    "sum": (total, "the numbers of an array, added; `attribute`"),
    "title": (title, "each word with a large letter"),
    "tojson": (json_text, "the value as JSON text"),
    "to_json": (json_text, "the same as `tojson`"),
    "trim": (
        trimmed,
        "without white space around it",
    ),
    "truncate": (truncated, "the beginning of a text; `length`, `killwords`, `end`"),
    "unique": (unique, "the members without repetitions; `attribute`"),
    "upper": (lambda text: string_in(text).upper(), "the text in capitals"),
    "urlencode": (quoted, "a text or an object for an address"),
    "values": (lambda value: list(object_in(value).values()), "the values of an object"),
    "wordcount": (lambda text: len(string_in(text).split()), "how many words a text has"),
}
"""name → what computes it, and what it gives."""

BY_MEMBER = frozenset(
    {
        "batch",
        "first",
        "groupby",
        "join",
        "last",
        "list",
        "max",
        "min",
        "reverse",
        "slice",
        "sort",
        "sum",
        "unique",
    }
)
"""What goes through a text character by character, too."""

TAKE_MISSING = frozenset({"default", "d"})

CHOOSERS: dict[str, str] = {
    "map": "each member through a filter, or its `attribute`",
    "reject": "the members for which a test does not hold",
    "rejectattr": "the members for whose value at a path a test does not hold",
    "select": "the members for which a test holds",
    "selectattr": "the members for whose value at a path a test holds",
}
"""Filters that apply others to each member (choosing.py)."""


def _same(one: Json, other: Json) -> bool:
    from attune_cli.runtime.expressions.json_values import same

    return same(one, other)


def _ordered(wanted: frozenset[int]) -> Callable[[Any, Any], bool]:
    def test(one: Json, other: Json) -> bool:
        from attune_cli.runtime.expressions.json_values import order

        return order(one, other) in wanted

    return test


def _within(value: Json, container: Json) -> bool:
    from attune_cli.runtime.expressions.json_values import holds

    return holds(container, value)


_BEFORE, _AFTER, _NOT_AFTER, _NOT_BEFORE = map(frozenset[int], ({-1}, {1}, {-1, 0}, {0, 1}))

TESTS: dict[str, tuple[Callable[..., bool], str]] = {
    "defined": (lambda value: not isinstance(value, Missing), "it is there"),
    "undefined": (lambda value: isinstance(value, Missing), "it is not there"),
    "none": (lambda value: value is None, "it is null"),
    "true": (lambda value: value is True, "it is true"),
    "false": (lambda value: value is False, "it is false"),
    "boolean": (lambda value: isinstance(value, bool), "it is true or false"),
    "number": (is_number, "it is a number"),
    "integer": (lambda value: isinstance(value, int) and not isinstance(value, bool), "it is a whole number"),
    "float": (lambda value: isinstance(value, float), "it is a number with a fraction"),
    "string": (lambda value: isinstance(value, str), "it is text"),
    "mapping": (lambda value: isinstance(value, dict), "it is an object"),
    "sequence": (lambda value: isinstance(value, (list, str)), "it is an array or text"),
    "iterable": (lambda value: isinstance(value, (list, str, dict)), "it has members"),
    "even": (lambda value: integer_in(value) % 2 == 0, "it is even"),
    "odd": (lambda value: integer_in(value) % 2 == 1, "it is odd"),
    "divisibleby": (lambda value, by: functions.integer_in(value) % nonzero(by) == 0, "it can be divided so"),
    "lower": (lambda value: string_in(value).islower(), "it is in small letters"),
    "upper": (lambda value: string_in(value).isupper(), "it is in capitals"),
    "in": (_within, "an array, object or text holds it"),
    "eq": (_same, "the same as `==`"),
    "equalto": (_same, "the same as `==`"),
    "==": (_same, "both are the same"),
    "ne": (lambda one, other: not _same(one, other), "the same as `!=`"),
    "!=": (lambda one, other: not _same(one, other), "both differ"),
    "lt": (_ordered(_BEFORE), "it is less"),
    "lessthan": (_ordered(_BEFORE), "it is less"),
    "<": (_ordered(_BEFORE), "it is less"),
    "le": (_ordered(_NOT_AFTER), "it is at most so much"),
    "<=": (_ordered(_NOT_AFTER), "it is at most so much"),
    "gt": (_ordered(_AFTER), "it is more"),
    "greaterthan": (_ordered(_AFTER), "it is more"),
    ">": (_ordered(_AFTER), "it is more"),
    "ge": (_ordered(_NOT_BEFORE), "it is at least so much"),
    ">=": (_ordered(_NOT_BEFORE), "it is at least so much"),
    "match": (lambda value, pattern: found(string_in(pattern), string_in(value)), "a pattern (RE2) matches"),
}
"""What may stand behind `is`."""

TESTS_OF_MISSING = frozenset({"defined", "undefined"})


def nonzero(value: Json) -> int:
    number = integer_in(value)
    if number == 0:
        raise ExpressionError("nothing can be divided by zero")
    return number
