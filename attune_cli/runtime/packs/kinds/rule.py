"""`rules/*.yaml` (domain.md 1.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from attune_cli.runtime.model.automations import After, RuleDefinition, RuleMode, Unless
from attune_cli.runtime.model.refs import label_of
from attune_cli.runtime.packs.kinds.action import permission_sets

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

IGNORED = frozenset({"tags", "meta", "examples"})
MODES: tuple[RuleMode, ...] = get_args(RuleMode)
MAX_COUNT = 10_000
"""Events that `after` may count: their instants are remembered one by one."""


def decode_rule(fields: Fields, reading: Reading) -> RuleDefinition:
    from attune_cli.runtime.packs.rule_faults import group_faults, timer_faults

    ref = fields.own_ref(reading.ref)
    rule = RuleDefinition(
        ref=ref,
        pack_ref=reading.ref,
        trigger_ref=_target(fields, reading, "trigger_ref", "trigger"),
        action_ref=_target(fields, reading, "action_ref", "action"),
        label=fields.text("label") or label_of(ref),
        description=fields.text("description"),
        enabled=fields.flag("enabled", default=True),
        conditions=_conditions(fields),
        action_params=_templates(fields),
        trigger_params=fields.mapping("trigger_params"),
        permission_set_refs=_permission_sets(fields, reading),
        mode=fields.choice("mode", MODES, default="parallel"),
        group_by=fields.texts("group_by"),
        once_within_seconds=fields.duration("once_within", "once_within_seconds"),
        after=_after(fields),
        unless=_unless(fields, reading),
        notify=fields.texts("notify"),
        timer=fields.mapping("timer"),
    )
    fields.note(group_faults(rule))
    fields.note(timer_faults(rule))
    fields.finish(ignored=IGNORED)
    reading.rules.append((fields, rule))
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


def _conditions(fields: Fields) -> Json:
    """Read conditions; what can never hold as written is an error, a name that leads nowhere a warning."""
    from attune_cli.runtime.expressions.conditions import read_conditions

    written = fields.json("conditions")
    condition, faults = read_conditions(written)
    fields.note(faults)
    fields.note(condition.doubts, "warning")
    return written


def _templates(fields: Fields) -> dict[str, Json]:
    from attune_cli.runtime.expressions.templates import read_template

    written = fields.mapping("action_params")
    template, faults = read_template(written)
    fields.note(faults)
    fields.note(template.doubts, "warning")
    return written


def _after(fields: Fields) -> After | None:
    inner = fields.optional("after")
    if inner is None:
        return None
    inner.require("count")
    count = inner.integer("count", minimum=1, maximum=MAX_COUNT)
    within = _within(inner)
    inner.finish()
    return None if count is None or within is None else After(count=count, within_seconds=within)


def _unless(fields: Fields, reading: Reading) -> Unless | None:
    inner = fields.optional("unless")
    if inner is None:
        return None
    trigger_ref = _target(inner, reading, "trigger_ref", "trigger")
    within = _within(inner)
    conditions = _conditions(inner)
    inner.finish()
    if not trigger_ref or within is None:
        return None
    return Unless(trigger_ref=trigger_ref, within_seconds=within, conditions=conditions)


def _within(fields: Fields) -> float | None:
    if not fields.has("within", "within_seconds"):
        fields.require("within")
    return fields.duration("within", "within_seconds")
