"""What several persons approve together: the same values, each with words of their own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.model.inquiries import verdict_field
from attune_cli.runtime.model.parameters import shown, types_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.runtime.model.actions import Json, Schema
    from attune_cli.runtime.model.parameters import Leaf

_BOUNDS_OF_TEXT = ("enum", "const", "pattern", "format")


def is_free_text(leaf: Leaf) -> bool:
    """Tell whether a field takes any words: a reason, not a value that is decided about."""
    kinds = set(types_of(leaf)) - {"null"}
    return kinds == {"string"} and all(bound not in leaf for bound in _BOUNDS_OF_TEXT)


def taken_over(schema: Schema, earlier: Mapping[str, Json], response: Json) -> Json:
    """Return an answer with what it leaves open as those before it have said.

    One without a yes or no is left as it is, and who says no says why in their own words.
    """
    field = verdict_field(schema)
    if not earlier or field is None or not isinstance(response, dict):
        return response
    given = cast("dict[str, Json]", response)
    verdict = given.get(field, schema[field].get("default"))
    if not isinstance(verdict, bool):
        return given
    left_open = {
        name: value
        for name, value in earlier.items()
        if name not in given and name in schema and (verdict or not is_free_text(schema[name]))
    }
    whole = {**left_open, **given, field: verdict}
    return {name: whole[name] for name in (*schema, *given) if name in whole}


def proposing(schema: Schema, earlier: Mapping[str, Json]) -> Schema:
    """Return a schema whose defaults are what others approved: but for the verdict, and words of their own."""
    own = {verdict_field(schema), *(name for name, leaf in schema.items() if is_free_text(leaf))}
    return {
        name: {**leaf, "default": earlier[name]} if name in earlier and name not in own else leaf
        for name, leaf in schema.items()
    }


def differing(schema: Schema, earlier: Mapping[str, Json], answer: Mapping[str, Json]) -> list[str]:
    """Name the fields of two approvals that are not the same, free text aside."""
    return [
        name
        for name, leaf in schema.items()
        if not is_free_text(leaf) and earlier.get(name) != answer.get(name)
    ]


def own_words(schema: Schema, response: Json, answer: Mapping[str, Json]) -> dict[str, Json]:
    """Return an answer without the free text of others that it was completed with."""
    given = cast("dict[str, Json]", response) if isinstance(response, dict) else {}
    return {name: value for name, value in answer.items() if name in given or not is_free_text(schema[name])}


def in_words(schema: Schema, response: Json) -> str:
    """Say what was answered in one line, with `secret` for what is: `yes, share 5, why 'it is late'`."""
    if not isinstance(response, dict):
        return shown(response)
    answer = cast("dict[str, Json]", response)
    field = verdict_field(schema)
    verdict = {True: "yes", False: "no"}.get(cast("bool", answer.get(field))) if field else None
    rest = [
        f"{name} {_value_in_words(value)}" for name, value in answer.items() if name != field or not verdict
    ]
    return ", ".join([*([verdict] if verdict else []), *rest]) or shown(response)


def _value_in_words(value: Json) -> str:
    return "(secret)" if value == REDACTED else shown(_without_marks(value))


def _without_marks(value: Json) -> Json:
    """Return a value with a word in place of each mark of a secret inside it."""
    if value == REDACTED:
        return "(secret)"
    if isinstance(value, dict):
        return {name: _without_marks(one) for name, one in cast("dict[str, Json]", value).items()}
    return [_without_marks(one) for one in cast("list[Json]", value)] if isinstance(value, list) else value
