"""Holding what a file gives to an action or a trigger against what that takes (domain.md 2.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from attune_cli.errors import did_you_mean, nearest
from attune_cli.runtime.model.parameters import prepare
from attune_cli.runtime.model.secret_places import KEY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from attune_cli.errors import Detail
    from attune_cli.runtime.model.actions import Json, Schema
    from attune_cli.runtime.model.parameters import Leaf


def misfits(
    schema: Schema, given: Mapping[str, Json], later: Iterable[str] = (), *, noun: str = "parameter"
) -> list[Detail]:
    """Return every fault of values that a file gives; of those in `later`, which are known later, only the name.

    A secret may come from a key. Where a name is unknown that is near to a missing one, that one is meant.
    """
    unjudged = {*later, *(name for name, leaf in schema.items() if _is_key(leaf, given.get(name)))}
    expected = {name: {} if name in unjudged else _expected(leaf) for name, leaf in schema.items()}
    values = {name: "" if name in unjudged else value for name, value in given.items()}
    found = prepare(expected, values, noun=noun)[1]
    missing = [fault.path for fault in found if fault.path in schema and given.get(fault.path) is None]
    meant = {fault.path: nearest(fault.path, missing) for fault in found if fault.path not in schema}
    return [
        replace(fault, message=f"unknown {noun}; {did_you_mean(fault.path, missing)}")
        if meant.get(fault.path)
        else fault
        for fault in found
        if fault.path not in meant.values()
    ]


def holds_template(value: Json) -> bool:
    """Tell whether some text of a value is filled in later."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return any(map(holds_template, cast("dict[str, Json]", value).values()))
    return isinstance(value, list) and any(map(holds_template, cast("list[Json]", value)))


def _expected(leaf: Leaf) -> Leaf:
    return (
        {**leaf, "required": False} if leaf.get("secret") is True and leaf.get("required") is True else leaf
    )


def _is_key(leaf: Leaf, value: Json) -> bool:
    return leaf.get("secret") is True and isinstance(value, str) and value.startswith(KEY_PREFIX)
