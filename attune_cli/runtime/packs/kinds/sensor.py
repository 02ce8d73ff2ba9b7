"""`sensors/*.yaml` (domain.md 1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from attune_cli.runtime.model.automations import RuleChanges, SensorDefinition
from attune_cli.runtime.model.refs import label_of
from attune_cli.runtime.packs.kinds.action import check_entry_point, placement, retention, runtime_version

if TYPE_CHECKING:
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

IGNORED = frozenset({"poll_interval", "tags", "meta", "examples"})


def decode_sensor(fields: Fields, reading: Reading) -> SensorDefinition:
    ref = fields.own_ref(reading.ref)
    runner_type = reading.runner(fields, default="native")
    sensor = SensorDefinition(
        ref=ref,
        pack_ref=reading.ref,
        label=fields.text("label") or label_of(ref),
        description=fields.text("description"),
        enabled=fields.flag("enabled", default=True),
        runner_type=runner_type,
        entry_point=fields.text("entry_point"),
        trigger_types=_trigger_types(fields, reading),
        rule_changes=fields.choice("rule_changes", get_args(RuleChanges), "restart"),
        parameters=fields.schema("parameters"),
        config=fields.mapping("config"),
        runtime_version=runtime_version(fields),
        placement=placement(fields),
        retention=retention(fields),
    )
    check_entry_point(fields, reading, "sensors", runner_type)
    fields.finish(ignored=IGNORED)
    return sensor


def _trigger_types(fields: Fields, reading: Reading) -> tuple[str, ...]:
    refs = fields.other_refs("trigger_types", "trigger_type", pack_ref=reading.ref)
    if not refs:
        fields.error("missing key 'trigger_types'")
    for ref in refs:
        reading.refer(
            "trigger", ref, fields, "trigger_types" if fields.has("trigger_types") else "trigger_type"
        )
    return refs
