"""The operators of conditions, and the names by which others know them (domain.md 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.expressions.functions import string_in
from attune_cli.runtime.expressions.json_values import holds, order, same, type_of
from attune_cli.runtime.expressions.patterns import compiled, found
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.model.actions import Json

OPERATORS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "equals": (same, "is the same as the value; 1 is 1.0, and not `'1'`"),
    "not_equals": (lambda seen, value: not same(seen, value), "is not the same"),
    "contains": (holds, "a text has the part, an array the member, an object the key"),
    "not_contains": (lambda seen, value: not holds(seen, value), "has it not"),
    "gt": (lambda seen, value: order(seen, value) > 0, "is more; numbers or texts"),
    "gte": (lambda seen, value: order(seen, value) >= 0, "is at least so much"),
    "lt": (lambda seen, value: order(seen, value) < 0, "is less"),
    "lte": (lambda seen, value: order(seen, value) <= 0, "is at most so much"),
    "in": (lambda seen, value: holds(value, seen), "is a member of the value, an array"),
    "not_in": (lambda seen, value: not holds(value, seen), "is no member of it"),
    "starts_with": (lambda seen, value: string_in(seen).startswith(string_in(value)), "a text begins so"),
    "ends_with": (lambda seen, value: string_in(seen).endswith(string_in(value)), "a text ends so"),
    "matches": (
        lambda seen, value: found(string_in(value), string_in(seen)),
        "a pattern (RE2) matches anywhere",
    ),
    "exists": (lambda _seen, _value: True, "is there; with the value `false`: is not there"),
}
"""name → what judges it, and what it means."""

_ALIASES: dict[str, str] = {
    "eq": "equals", "==": "equals", "neq": "not_equals", "nequals": "not_equals", "ne": "not_equals",
    "!=": "not_equals", "ncontains": "not_contains", "greaterthan": "gt", ">": "gt", ">=": "gte",
    "lessthan": "lt", "<": "lt", "<=": "lte", "inside": "in", "ninside": "not_in", "nin": "not_in",
    "startswith": "starts_with", "endswith": "ends_with", "matchregex": "matches", "regex": "matches",
}  # fmt: skip
_ALIASES_IGNORING_CASE: dict[str, str] = {
    "iequals": "equals", "icontains": "contains", "incontains": "not_contains", "istartswith": "starts_with",
    "iendswith": "ends_with", "iregex": "matches",
}  # fmt: skip


@immutable
class Operator:
    """An operator as a condition uses it."""

    name: str
    ignore_case: bool = False
    negated: bool = False

    def judge(self, seen: Json, value: Json) -> bool:
        """Tell whether it holds; raises ExpressionError where it cannot be told."""
        if self.name == "matches":
            return found(string_in(value), string_in(seen), ignore_case=self.ignore_case)
        if self.ignore_case:
            seen, value = _folded(seen), _folded(value)
        return OPERATORS[self.name][0](seen, value)


def operator_named(word: str) -> Operator | None:
    """Return the operator of a name, or of one of the names by which others know it."""
    name = word.lower()
    if name in OPERATORS:
        return Operator(name)
    if name in _ALIASES_IGNORING_CASE:
        return Operator(_ALIASES_IGNORING_CASE[name], ignore_case=True)
    if name == "nexists":
        return Operator("exists", negated=True)
    return Operator(_ALIASES[name]) if name in _ALIASES else None


def value_fault(operator: Operator, value: Json) -> str | None:
    """Say why an operator can never hold with a value, or None."""
    match operator.name:
        case "gt" | "gte" | "lt" | "lte":
            wanted, fits = (
                "a number or a text",
                isinstance(value, (int, float, str)) and not isinstance(value, bool),
            )
        case "in" | "not_in":
            wanted, fits = "an array", isinstance(value, list)
        case "starts_with" | "ends_with":
            wanted, fits = "a text", isinstance(value, str)
        case "exists":
            wanted, fits = "true or false", isinstance(value, bool)
        case "matches":
            return _pattern_fault(value, ignore_case=operator.ignore_case)
        case _:
            return None
    return None if fits else f"'{operator.name}' needs {wanted}, got {type_of(value)}"


def _pattern_fault(value: Json, *, ignore_case: bool) -> str | None:
    try:
        compiled(string_in(value), ignore_case=ignore_case)
    except ExpressionError as error:
        return str(error)
    return None


def _folded(value: Json) -> Json:
    if isinstance(value, list):
        return [_folded(one) for one in cast("list[Any]", value)]
    return value.lower() if isinstance(value, str) else value
