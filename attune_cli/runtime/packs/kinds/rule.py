"""`rules/*.yaml` (domain.md 1.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.automations import RuleDefinition
from attune_cli.runtime.model.refs import label_of
from attune_cli.runtime.packs.kinds.action import permission_sets

if TYPE_CHECKING:
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

IGNORED = frozenset({"tags", "meta", "examples"})


def decode_rule(fields: Fields, reading: Reading) -> RuleDefinition:
    ref = fields.own_ref(reading.ref)
    rule = RuleDefinition(
        ref=ref,
        pack_ref=reading.ref,
        trigger_ref=_target(fields, reading, "trigger_ref", "trigger"),
        action_ref=_target(fields, reading, "action_ref", "action"),
        label=fields.text("label") or label_of(ref),
        description=fields.text("description"),
        enabled=fields.flag("enabled", default=True),
        conditions=fields.json("conditions"),
        action_params=fields.mapping("action_params"),
        trigger_params=fields.mapping("trigger_params"),
        permission_set_refs=_permission_sets(fields, reading),
    )
    fields.finish(ignored=IGNORED)
    return rule


def _target(fields: Fields, reading: Reading, name: str, kind: str) -> str:
    fields.require(name)
    ref = fields.other_ref(name, reading.ref)
    reading.refer(kind, ref, fields, name)
    return ref


def _permission_sets(fields: Fields, reading: Reading) -> tuple[str, ...] | None:
    names = ("permission_set_refs", "permission_set_ref")
    refs = permission_sets(fields, reading, *names)
    return refs if fields.has(*names) else None
