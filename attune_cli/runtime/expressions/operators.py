"""What the operators of expressions mean (domain.md 5.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.expressions.json_values import (
    MAX_INTEGER_BITS,
    finite,
    holds,
    is_number,
    order,
    same,
    type_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.model.actions import Json


def add(one: Json, other: Json) -> Json:
    if is_number(one) and is_number(other):
        return _computed(lambda: one + other)
    kinds: tuple[type, ...] = (str, list)
    for kind in kinds:
        if isinstance(one, kind) and isinstance(other, kind):
            return cast("Any", one) + other
    raise ExpressionError(f"cannot add {type_of(cast('object', one))} and {type_of(cast('object', other))}")


def divide(one: Json, other: Json) -> Json:
    """Divide; two integers give an integer where that is exact."""
    if isinstance(one, int) and isinstance(other, int) and one % other == 0:
        return one // other
    return one / other


def raise_to(one: Json, other: Json) -> Json:
    if isinstance(one, int) and isinstance(other, int) and one.bit_length() * abs(other) > MAX_INTEGER_BITS:
        raise ExpressionError("the number is too large")
    result = one**other
    if isinstance(result, complex):
        raise ExpressionError("a negative number has no such root")
    return result


def arithmetic(sign: str, compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(one: Json, other: Json) -> Json:
        if not (is_number(one) and is_number(other)):
            raise ExpressionError(f"cannot compute {type_of(one)} {sign} {type_of(other)}")
        return _computed(lambda: compute(one, other))

    return apply


def _computed(compute: Callable[[], Any]) -> Json:
    try:
        return finite(compute())
    except ZeroDivisionError:
        raise ExpressionError("nothing can be divided by zero") from None
    except OverflowError:
        raise ExpressionError("the number is too large") from None


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": add,
    "Sub": arithmetic("-", lambda one, other: one - other),
    "Mul": arithmetic("*", lambda one, other: one * other),
    "Div": arithmetic("/", divide),
    "FloorDiv": arithmetic("//", lambda one, other: one // other),
    "Mod": arithmetic("%", lambda one, other: one % other),
    "Pow": arithmetic("**", raise_to),
}
"""Node of the parser → what it computes."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": same,
    "ne": lambda one, other: not same(one, other),
    "lt": lambda one, other: order(one, other) < 0,
    "lteq": lambda one, other: order(one, other) <= 0,
    "gt": lambda one, other: order(one, other) > 0,
    "gteq": lambda one, other: order(one, other) >= 0,
    "in": lambda one, other: holds(other, one),
    "notin": lambda one, other: not holds(other, one),
}

ORDERING = frozenset({"lt", "lteq", "gt", "gteq"})

OPERATORS: dict[str, str] = {
    "or": "either holds; the second is left alone when the first does",
    "and": "both hold; the second is left alone when the first does not",
    "not": "it does not hold",
    "== !=": "the same, or not; 1 is 1.0, and neither is `true` or `'1'`",
    "< > <= >=": "numbers, or texts, in order; `1 < x < 5` means both",
    "in, not in": "a member of an array, a key of an object, a part of a text",
    "is, is not": "a test, see below",
    "+ -": "numbers; `+` joins texts, and arrays",
    "~": "two values as one text",
    "* / // %": "numbers; `/` of integers gives an integer where it is exact",
    "**": "a power",
    "value|filter": "a filter, see below",
    "a.b, a[b], a[b:c]": "a key of an object, a member of an array (from its end when negative), a part",
    "a if b else c": "`a` where `b` holds, else `c`",
}
"""As the reference shows them, the loosest first."""
