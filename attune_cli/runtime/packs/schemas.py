"""Checking a schema of the parameter dialect itself (domain.md 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attune_cli.errors import did_you_mean
from attune_cli.runtime.model.parameters import is_json_schema, normalise, shown, types_of, validate
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.packs.documents import Path
    from attune_cli.runtime.packs.findings import Severity

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")

_DIALECT = frozenset(
    {"type", "description", "required", "secret", "default", "enum", "const", "minimum", "maximum"}
    | {
        "minLength",
        "maxLength",
        "pattern",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "format",
        "position",
    }
)
_JSON_SCHEMA = frozenset(
    {"title", "label", "examples", "example", "deprecated", "exclusiveMinimum", "exclusiveMaximum"}
    | {"multipleOf", "uniqueItems", "additionalProperties", "patternProperties", "propertyNames"}
    | {"minProperties", "maxProperties", "prefixItems", "contains", "anyOf", "oneOf", "allOf", "not"}
    | {"if", "then", "else", "$schema", "$id", "$comment", "readOnly", "writeOnly"}
)
_NUMBERS = frozenset({"minimum", "maximum"})
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
_FLAGS = frozenset({"required", "secret"})


@immutable
class SchemaFault:
    path: Path
    """Where in the schema, e.g. ("valve", "minimum")."""
    message: str
    severity: Severity = "error"
    suggestion: str | None = None

    @property
    def said(self) -> str:
        """The message with what was meant."""
        return f"{self.message}; {self.suggestion}" if self.suggestion else self.message


def schema_faults(raw: Json) -> list[SchemaFault]:
    """Check a flat or JSON-Schema-shaped schema; returns all faults together."""
    if not isinstance(raw, dict):
        return [SchemaFault((), f"expected a mapping of names, got {shown(raw)}")]
    document = cast("dict[str, Json]", raw)
    if is_json_schema(document):
        faults = list(_leaf_faults(document, ()))
    else:
        faults = [fault for name, leaf in document.items() for fault in _leaf_faults(leaf, (name,))]
    broken = any(fault.severity == "error" for fault in faults)
    return faults if broken else [*faults, *_compile_faults(document)]


def _compile_faults(document: dict[str, Json]) -> list[SchemaFault]:
    """Let the validator itself read the schema: what it refuses now, it would refuse at every start."""
    faults = validate(normalise(document), {})
    return [SchemaFault((), fault.message) for fault in faults if not fault.path]


def _leaf_faults(leaf: Json, path: Path) -> Iterator[SchemaFault]:
    if not isinstance(leaf, dict):
        example = "{type: string}"
        yield SchemaFault(path, f"expected a mapping like {example}, got {shown(leaf)}")
        return
    members = cast("dict[str, Json]", leaf)
    yield from _type_faults(members, path)
    for key, value in members.items():
        yield from _key_faults(key, value, path)
    yield from _default_faults(members, path)


def _type_faults(leaf: dict[str, Json], path: Path) -> Iterator[SchemaFault]:
    declared = leaf.get("type")
    if declared is None:
        return
    if not isinstance(declared, (str, list)) or not types_of(leaf):
        yield SchemaFault((*path, "type"), f"expected one of {', '.join(TYPES)}, got {shown(declared)}")
        return
    for kind in types_of(leaf):
        if kind not in TYPES:
            message = f"expected one of {', '.join(TYPES)}, got {shown(kind)}"
            suggestion = did_you_mean(str(kind), TYPES)
            yield SchemaFault((*path, "type"), message, suggestion=suggestion)


def _key_faults(key: str, value: Json, path: Path) -> Iterator[SchemaFault]:
    inner = (*path, key)
    if key in _FLAGS and not isinstance(value, (bool, list)):
        yield SchemaFault(inner, f"expected true or false, got {shown(value)}")
    elif key == "enum" and not (isinstance(value, list) and value):
        yield SchemaFault(inner, f"expected a list of values, got {shown(value)}")
    elif key in _NUMBERS and not _is_number(value):
        yield SchemaFault(inner, f"expected a number, got {shown(value)}")
    elif key in _COUNTS and not (_is_number(value) and isinstance(value, int) and value >= 0):
        yield SchemaFault(inner, f"expected a whole number, got {shown(value)}")
    elif key == "pattern":
        yield from _pattern_faults(value, inner)
    elif key == "items":
        yield from _leaf_faults(value, inner)
    elif key == "properties":
        yield from _properties_faults(value, inner)
    elif key not in _DIALECT | _JSON_SCHEMA:
        yield SchemaFault(inner, "unknown key", "warning", did_you_mean(key, _DIALECT))


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pattern_faults(value: Json, path: Path) -> Iterator[SchemaFault]:
    if not isinstance(value, str):
        yield SchemaFault(path, f"expected a regular expression, got {shown(value)}")
    elif any(not fault.path for fault in validate({"text": {"pattern": value}}, {"text": ""})):
        yield SchemaFault(path, f"{shown(value)} is not a regular expression")


def _properties_faults(value: Json, path: Path) -> Iterator[SchemaFault]:
    if not isinstance(value, dict):
        yield SchemaFault(path, f"expected a mapping of names, got {shown(value)}")
        return
    for name, leaf in cast("dict[str, Json]", value).items():
        yield from _leaf_faults(leaf, (*path, name))


def _default_faults(leaf: dict[str, Json], path: Path) -> Iterator[SchemaFault]:
    """Report a default that its own schema would refuse: every start without the parameter would fail."""
    default = leaf.get("default")
    if default is None:
        return
    for fault in validate({"default": leaf}, {"default": default}):
        if fault.path:
            seen = "" if fault.value is None else f", got {shown(fault.value)}"
            yield SchemaFault((*path, "default"), fault.message + seen)
