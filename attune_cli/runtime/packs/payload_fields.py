"""What a rule reads of a payload, against what its trigger says that a payload holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import did_you_mean
from attune_cli.runtime.expressions.conditions import read_conditions
from attune_cli.runtime.expressions.faults import fault_at
from attune_cli.runtime.expressions.templates import read_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from attune_cli.runtime.expressions.faults import Fault
    from attune_cli.runtime.expressions.paths import Mention
    from attune_cli.runtime.model.actions import Schema
    from attune_cli.runtime.model.automations import RuleDefinition

_PAYLOAD = ("event", "payload")


def undeclared_fields(rule: RuleDefinition, outputs: Mapping[str, Schema]) -> list[Fault]:
    """Return what a rule reads of payloads though its trigger does not declare it; `outputs` are by trigger.

    No error: a payload may hold more than is declared. A trigger that declares nothing may send anything.
    """
    mentions = [*read_template(rule.action_params)[0].mentions, *read_conditions(rule.conditions)[0].mentions]
    found = list(_undeclared(mentions, outputs.get(rule.trigger_ref, {}), rule.trigger_ref))
    if rule.unless is not None:
        averting = read_conditions(rule.unless.conditions, "unless.conditions")[0].mentions
        other = rule.unless.trigger_ref
        found += _undeclared(averting, outputs.get(other, {}), other)
    return list({(fault.path, fault.message): fault for fault in found}.values())


def _undeclared(mentions: Iterable[Mention], output: Schema, trigger_ref: str) -> Iterator[Fault]:
    for mention in mentions:
        name, within = mention.path[: len(_PAYLOAD)], mention.path[len(_PAYLOAD) :]
        found = _first_undeclared(output, within) if name == _PAYLOAD and output else None
        if found is None:
            continue
        depth, declared = found
        field = ".".join(str(part) for part in within[: depth + 1])
        near = did_you_mean(str(within[depth]), declared)
        said = f"trigger '{trigger_ref}' declares no '{field}' in its payload{f'; {near}' if near else ''}"
        yield fault_at(mention.steps, said, place=mention.place)


def _first_undeclared(output: Schema, path: tuple[str | int, ...]) -> tuple[int, list[str]] | None:
    """Return which part of a path is not declared, and what is in its stead; None where all are, or may be."""
    leaf: dict[str, Any] = {"properties": output}
    for depth, part in enumerate(path):
        properties = leaf.get("properties")
        inner = leaf.get("items")
        if isinstance(properties, dict):
            members = cast("Schema", properties)
            if str(part) not in members:
                return depth, list(members)
            inner = members[str(part)]
        if not isinstance(inner, dict):
            return None
        leaf = cast("dict[str, Any]", inner)
    return None
