"""The parameter dialect: a flat map name → {type, required, secret, default, …} (domain.md 2.2).

The same dialect describes parameters, output, pack configuration, event payloads and queue items.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import Detail, did_you_mean
from attune_cli.runtime.model.pointers import format_pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from jsonschema_rs import ValidationError, Validator

    from attune_cli.runtime.model.actions import Json, Schema

Leaf = dict[str, Any]
Path = tuple[str | int, ...]

OURS = frozenset({"required", "secret", "position"})
"""Keys of the dialect that JSON Schema does not know; `required` is a list there."""

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_SHOWN_CHARACTERS = 60


def normalise(raw: Json) -> Schema:
    """Return the flat form of a flat or a JSON-Schema-shaped document; null gives an empty schema."""
    if not isinstance(raw, dict):
        return {}
    document = cast("dict[str, Any]", raw)
    if not is_json_schema(document):
        return {name: _object(leaf) for name, leaf in document.items() if isinstance(leaf, dict)}
    required = _list_of(document.get("required"))
    flat = {name: _object(leaf) for name, leaf in _object(document.get("properties")).items()}
    return {name: {**leaf, "required": True} if name in required else leaf for name, leaf in flat.items()}


def is_json_schema(document: Mapping[str, Any]) -> bool:
    """Tell `type: object` with `properties` from a flat schema that has a parameter called `type`."""
    return isinstance(document.get("type"), str)


def to_json_schema(schema: Schema) -> dict[str, Json]:
    """Return the JSON Schema (2020-12) of an object with these members; other members are allowed."""
    converted = {name: _leaf_to_json_schema(leaf) for name, leaf in schema.items()}
    required = [name for name, leaf in schema.items() if leaf.get("required") is True]
    return {"type": "object", "properties": converted, **({"required": required} if required else {})}


def _leaf_to_json_schema(leaf: Leaf) -> dict[str, Json]:
    converted: dict[str, Json] = {
        key: value for key, value in leaf.items() if key not in OURS or isinstance(value, list)
    }
    if isinstance(leaf.get("properties"), dict):
        nested = to_json_schema({name: _object(inner) for name, inner in leaf["properties"].items()})
        converted["properties"] = nested["properties"]
        required = [*_list_of(leaf.get("required")), *_list_of(nested.get("required"))]
        if required:
            converted["required"] = required
    if isinstance(leaf.get("items"), dict):
        converted["items"] = _leaf_to_json_schema(leaf["items"])
    return converted


def prepare(
    schema: Schema, given: Mapping[str, Json], *, noun: str = "parameter"
) -> tuple[dict[str, Json], list[Detail]]:
    """Complete `given` with defaults and check it; returns the values and all faults together.

    A missing or null parameter gets its default; an optional one without a default may be null. Without a
    declared schema everything is accepted. `noun` is what messages call a member.
    """
    values = dict(given)
    if not schema:
        return values, []
    for name, leaf in schema.items():
        if values.get(name) is None and leaf.get("default") is not None:
            values[name] = leaf["default"]
    unknown = [_unknown(schema, name, noun) for name in values if name not in schema]
    if not given and not any(leaf.get("required") is True for leaf in schema.values()):
        return values, []  # nothing but defaults, which were checked when the action was installed
    declared = {
        name: value
        for name, value in values.items()
        if name in schema and (value is not None or takes_null(schema[name]))
    }
    return values, sorted([*unknown, *validate(schema, declared)], key=lambda fault: fault.path)


def in_order(schema: Schema) -> list[tuple[str, Leaf]]:
    """Return the members in the order for people: those with a `position` first, the others as they are declared."""

    def position(member: tuple[str, Leaf]) -> tuple[bool, int]:
        given = member[1].get("position")
        return (False, given) if isinstance(given, int) else (True, 0)

    return sorted(schema.items(), key=position)


def takes_null(leaf: Leaf) -> bool:
    return "type" not in leaf or "null" in types_of(leaf)


def types_of(leaf: Leaf) -> list[str]:
    """Return the types a value may have; none declared allows all."""
    declared = leaf.get("type")
    return [declared] if isinstance(declared, str) else _list_of(declared)


def _unknown(schema: Schema, name: str, noun: str) -> Detail:
    suggestion = did_you_mean(name, schema)
    return Detail(name, f"unknown {noun}; {suggestion}" if suggestion else f"unknown {noun}")


def validate(schema: Schema, values: Mapping[str, Json]) -> list[Detail]:
    """Check values against a schema, all faults together; members that are not declared are let through."""
    if not schema:
        return []
    import jsonschema_rs

    try:
        errors = list(_validator(json.dumps(schema, default=str)).iter_errors(values))
    except (ValueError, jsonschema_rs.ReferencingError) as fault:
        return [Detail("", f"cannot be checked: {str(fault).splitlines()[0]}")]
    return [_detail(schema, error) for error in errors]


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validator:
    """Return the validator of a schema, given as JSON: a daemon checks the same ones over and over."""
    import jsonschema_rs

    return jsonschema_rs.validator_for(
        to_json_schema(json.loads(schema)), validate_formats=True, retriever=_no_remote_schemas
    )


def _no_remote_schemas(uri: str) -> Json:
    raise ValueError(f"a schema may not refer to {uri}")


def _detail(schema: Schema, error: ValidationError) -> Detail:
    keyword, argument = error.kind.name, error.kind.value
    path: Path = tuple(error.instance_path)
    if keyword == "required":
        missing = (*path, argument)
        types = types_of(leaf_at(schema, missing) or {})
        return Detail(_dotted(missing), f"required ({' or '.join(types)})" if types else "required")
    wanted = _expectation(keyword, argument)
    if is_secret(schema, path):
        return Detail(_dotted(path), wanted)
    return Detail(_dotted(path), wanted, value=_bounded(error.instance))


_FORMATS = {"date-time": "2026-05-01T09:00:00Z", "date": "2026-05-01", "time": "09:00:00Z"}

_EXPECTATIONS = {
    "format": "expected a {}",
    "pattern": "must match {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "minLength": "needs at least {} characters",
    "maxLength": "may have at most {} characters",
    "minItems": "needs at least {} items",
    "maxItems": "may have at most {} items",
}


def _expectation(keyword: str, argument: Json) -> str:
    """Say in a few words what a keyword of the schema asks for."""
    match keyword:
        case "type":
            return f"expected {' or '.join(sorted(argument))}"
        case "enum":
            return f"expected one of {', '.join(_plain(option) for option in argument)}"
        case "format" if argument in _FORMATS:
            return f"expected a {argument} like {_FORMATS[argument]}"
        case "const":
            return f"expected {_plain(argument)}"
        case _:
            return _EXPECTATIONS.get(keyword, f"does not fit the schema's {keyword}").format(argument)


def shown(value: Json) -> str:
    """Show a value in a message: short, on one line, a string in single quotes."""
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _bounded(value: Json) -> Json:
    """Keep a value that fits a message, and the beginning of one that does not."""
    text = shown(value)
    return text if text.endswith("…") else value


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def example_of(leaf: Leaf) -> Json:
    """Return a value that could be given: the first choice, or one of the type, with what it has to hold."""
    choices = _list_of(leaf.get("enum"))
    if choices:
        return choices[0]
    kind = next(iter(types_of(leaf)), "string")
    if kind == "array":
        return [example_of(_object(leaf.get("items")))]
    if kind == "object":
        members = _object(leaf.get("properties"))
        needed = {
            name: _object(inner) for name, inner in members.items() if _object(inner).get("required") is True
        }
        return {name: example_of(inner) for name, inner in needed.items()} or {"key": "value"}
    least = leaf.get("minimum")
    if kind in ("integer", "number") and least is not None:
        return least
    return {"boolean": True, "integer": 1, "number": 1.5}.get(kind, "text")


def coerce(schema: Schema, name: str, text: str) -> Json | Detail:
    """Read the text of `name=text` by the declared type; a Detail says why it cannot be read (cli.md 3.2).

    `name` may be a dot path into objects. An undeclared parameter is text. For an array, text that is no
    JSON list is one item.
    """
    path = (name,) if name in schema else tuple(name.split("."))
    leaf = leaf_at(schema, path) or {}
    for kind in types_of(leaf):
        value = _read_as(kind, leaf, text)
        if value is not _UNREADABLE:
            return value
    if not types_of(leaf):
        return text
    wanted = f"expected {' or '.join(types_of(leaf))}"
    if is_secret(schema, path):
        return Detail(name, wanted)
    return Detail(name, wanted, value=_bounded(text))


_UNREADABLE = object()


def _read_as(kind: str, leaf: Leaf, text: str) -> Json:
    read = _READERS.get(kind)
    if read is not None:
        return read(text)
    if kind != "array":
        return _UNREADABLE
    if text.lstrip().startswith("["):
        return _json_of(list, text)
    item = coerce({"item": _object(leaf.get("items"))}, "item", text)
    return _UNREADABLE if isinstance(item, Detail) else [item]


def _number(text: str) -> Json:
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return _UNREADABLE
    finite = number - number == 0
    return number if finite else _UNREADABLE


def _json_of(wanted: type, text: str) -> Json:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _UNREADABLE
    return value if isinstance(value, wanted) else _UNREADABLE


_READERS: dict[str, Callable[[str], Json]] = {
    "string": lambda text: text,
    "integer": lambda text: int(text) if _INTEGER.fullmatch(text) else _UNREADABLE,
    "number": _number,
    "boolean": lambda text: _BOOLEANS.get(text.lower(), _UNREADABLE),
    "null": lambda text: None if text == "null" else _UNREADABLE,
    "object": lambda text: _json_of(dict, text),
}


def leaf_at(schema: Schema, path: Sequence[str | int]) -> Leaf | None:
    """Return the declaration of the value at `path`, or None when none is declared."""
    leaf: Leaf = {"properties": schema}
    for part in path:
        inner = leaf.get("items") if isinstance(part, int) else _object(leaf.get("properties")).get(part)
        if not isinstance(inner, dict):
            return None
        leaf = cast("Leaf", inner)
    return leaf


def is_secret(schema: Schema, path: Sequence[str | int]) -> bool:
    """Tell whether the value at `path`, or one that holds it or lies within it, is declared secret."""
    around = (leaf_at(schema, path[:length]) for length in range(1, len(path) + 1))
    if any(leaf is not None and leaf.get("secret") is True for leaf in around):
        return True
    leaf = leaf_at(schema, path)
    return leaf is not None and _declares_secret(leaf)


def has_secrets(schema: Schema) -> bool:
    """Tell whether any value, or one inside it, is declared secret."""
    return any(_declares_secret(_object(leaf)) for leaf in schema.values())


def _declares_secret(leaf: Leaf) -> bool:
    if leaf.get("secret") is True:
        return True
    inner = [*_object(leaf.get("properties")).values(), leaf.get("items")]
    return any(_declares_secret(cast("Leaf", one)) for one in inner if isinstance(one, dict))


def secret_pointers(schema: Schema, values: Mapping[str, Json]) -> list[str]:
    """Return the JSON pointers (RFC 6901) of the values given that are declared `secret: true`."""
    paths = _secret_paths({"properties": schema}, values, ())
    return [format_pointer([str(part) for part in path]) for path in paths]


def _secret_paths(leaf: Leaf, value: Json, path: Path) -> Iterator[Path]:
    if leaf.get("secret") is True and value is not None:
        yield path
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        for name, inner in _object(leaf.get("properties")).items():
            if name in members:
                yield from _secret_paths(_object(inner), members[name], (*path, name))
    elif isinstance(value, (list, tuple)) and isinstance(leaf.get("items"), dict):
        for index, item in enumerate(cast("Sequence[Any]", value)):
            yield from _secret_paths(leaf["items"], item, (*path, index))


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _object(value: Json) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list_of(value: Json) -> list[Any]:
    return list(cast("Sequence[Any]", value)) if isinstance(value, (list, tuple)) else []
