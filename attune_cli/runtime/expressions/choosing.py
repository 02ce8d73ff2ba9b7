"""The filters that apply a filter or a test to each member: map, select, reject, selectattr, rejectattr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.expressions.filters import FILTERS, TESTS, TESTS_OF_MISSING, attribute_of
from attune_cli.runtime.expressions.functions import string_in
from attune_cli.runtime.expressions.running import given

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.running import Run
    from attune_cli.runtime.model.actions import Json


def choose(run: Run, name: str, values: list[Any], arguments: list[Any], named: dict[str, Any]) -> list[Any]:
    if name == "map":
        return _mapped(run, values, arguments, named)
    if named:
        raise ExpressionError(f"{name} takes no argument by name")
    wanted = name.startswith("select")
    if name.endswith("attr"):
        if not arguments:
            raise ExpressionError(f"{name} needs the path of an attribute")
        return [
            one for one in values if _holds(run, attribute_of(one, arguments[0]), arguments[1:]) is wanted
        ]
    return [one for one in values if _holds(run, one, arguments) is wanted]


def _mapped(run: Run, values: list[Any], arguments: list[Any], named: dict[str, Any]) -> list[Any]:
    if "attribute" in named:
        found = [attribute_of(one, named["attribute"]) for one in values]
        return [given(default_for(one, named)) for one in found]
    if not arguments:
        raise ExpressionError("map needs a filter, or attribute=")
    name = string_in(arguments[0])
    if name not in FILTERS:
        raise ExpressionError("there is no such filter")
    results: list[Any] = []
    for one in values:
        run.spend()
        results.append(_called(FILTERS[name][0], one, arguments[1:], named))
        run.charge(results[-1])
    return results


def default_for(value: Json, named: dict[str, Any]) -> Json:
    return FILTERS["default"][0](value, named["default"]) if "default" in named else value


def _holds(run: Run, value: Json, arguments: list[Any]) -> bool:
    if not arguments:
        return bool(given(value))
    name = string_in(arguments[0])
    if name not in TESTS:
        raise ExpressionError("there is no such test")
    run.charge(value)
    if name == "in":
        for container in arguments[1:]:
            run.charge(None if isinstance(container, dict) else container)  # gone through for each member
    one = value if name in TESTS_OF_MISSING else given(value)
    return bool(_called(TESTS[name][0], one, arguments[1:], {}))


def _called(apply: Json, value: Json, arguments: list[Any], named: dict[str, Any]) -> Json:
    try:
        return apply(value, *arguments, **named)
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        raise ExpressionError("cannot be computed for a member") from None
