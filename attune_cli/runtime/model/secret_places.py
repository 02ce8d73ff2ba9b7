"""Where secret values may go, and how they are taken out of what is written down in the clear (domain.md 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.model.parameters import leaf_at
from attune_cli.runtime.model.pointers import format_pointer, parse_pointer, put_at, value_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from attune_cli.runtime.model.actions import Json, Schema

KEY_PREFIX = "key://"
"""What stands before the ref of a key where a secret parameter takes its value from there."""

EXPOSED = "a secret value may only be given to a parameter that is declared secret"
"""Why a value may not go where it would."""


def exposed(schema: Schema, secrets: Iterable[str]) -> list[str]:
    """Return the places by which a secret would get out: those that hold one and are not declared secret."""
    paths = [parse_pointer(pointer) for pointer in sorted(secrets)]
    return [".".join(path) for path in paths if not is_declared_secret(schema, path)]


def is_declared_secret(schema: Schema, path: list[str]) -> bool:
    """Tell whether the value at a path, or one that holds it, is declared secret as a whole."""
    parts = [int(part) if part.isdecimal() else part for part in path]
    around = (leaf_at(schema, parts[:length]) for length in range(1, len(parts) + 1))
    return any(leaf is not None and leaf.get("secret") is True for leaf in around)


def keys_named_by_others(
    schema: Schema, written: Mapping[str, Json], values: Mapping[str, Json], secrets: frozenset[str]
) -> list[str]:
    """Return the secret parameters that name a key of which the one who wrote the template says nothing.

    Whoever sends the values would choose what secret an action gets. What came from secrets, no other has said.
    """
    return [
        name
        for name, value in values.items()
        if _names_a_key(value)
        and not _names_a_key(written.get(name))
        and format_pointer([name]) not in secrets
        and is_declared_secret(schema, [name])
    ]


def take_out(document: dict[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """Replace the secret values of a document by the redaction marker, in place; returns them by their pointers."""
    hidden: dict[str, Any] = {}
    for pointer in sorted(secrets, key=len):
        if any(pointer.startswith(f"{outer}/") for outer in hidden):
            continue
        hidden[pointer] = value_at(document, pointer)
    for pointer in hidden:
        put_at(document, pointer, dict(REDACTED))
    return hidden


def _names_a_key(value: object) -> bool:
    return isinstance(value, str) and value.startswith(KEY_PREFIX)
