"""`triggers/*.yaml` (domain.md 1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.automations import TriggerDefinition
from attune_cli.runtime.model.refs import label_of

if TYPE_CHECKING:
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

IGNORED = frozenset({"type", "tags", "examples", "meta", "webhook_enabled", "webhook_key", "webhook_config"})


def decode_trigger(fields: Fields, reading: Reading) -> TriggerDefinition:
    ref = fields.own_ref(reading.ref)
    trigger = TriggerDefinition(
        ref=ref,
        pack_ref=reading.ref,
        label=fields.text("label") or label_of(ref),
        description=fields.text("description"),
        enabled=fields.flag("enabled", default=True),
        parameters=fields.schema("parameters", "parameters_schema"),
        output=fields.schema("output", "output_schema", "payload_schema"),
    )
    fields.finish(ignored=IGNORED)
    return trigger
