"""`policies/*.yaml` (domain.md 1.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from attune_cli.runtime.model.definitions import PolicyDefinition, PolicyMethod
from attune_cli.runtime.model.refs import label_of

if TYPE_CHECKING:
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

METHODS: tuple[PolicyMethod, ...] = get_args(PolicyMethod)


def decode_policy(fields: Fields, reading: Reading) -> PolicyDefinition:
    ref = fields.own_ref(reading.ref)
    action_ref = fields.other_ref("action_ref", reading.ref)
    reading.refer("action", action_ref, fields, "action_ref")
    fields.require("threshold")
    policy = PolicyDefinition(
        ref=ref,
        pack_ref=reading.ref,
        label=fields.text("label", "name") or label_of(ref),
        description=fields.text("description"),
        enabled=fields.flag("enabled", default=True),
        action_ref=action_ref or None,
        method=fields.choice("method", METHODS, default="enqueue"),
        threshold=fields.integer("threshold", minimum=1) or 1,
        parameters=fields.texts("parameters"),
        tags=fields.texts("tags"),
    )
    fields.finish(ignored={"meta"})
    return policy
