"""What is wrong with a rule: every fault of it together, before it is kept (domain.md 1.7, 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from attune_cli.errors import did_you_mean
from attune_cli.runtime.expressions.conditions import read_conditions
from attune_cli.runtime.expressions.faults import Fault, fault_at
from attune_cli.runtime.expressions.templates import read_template
from attune_cli.runtime.model.automations import RuleMode
from attune_cli.runtime.model.refs import REF_RULE, is_ref
from attune_cli.runtime.model.schedules.schedule import TIMER_TRIGGERS
from attune_cli.runtime.packs.given_values import misfits
from attune_cli.runtime.packs.kinds.action import RESERVED_PERMISSION_SET
from attune_cli.runtime.packs.kinds.rule import MAX_COUNT
from attune_cli.runtime.packs.rule_faults import group_faults, timer_faults
from attune_cli.runtime.services.channels import EVERY_CHANNEL
from attune_cli.runtime.store import channels, definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.errors import Detail
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.automations import RuleDefinition
    from attune_cli.runtime.model.schedules.firing import Beginning
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Kind, Row


def check_rule(tx: Transaction, rule: RuleDefinition, *, is_own: bool = True) -> list[Fault]:
    """Return every fault of a rule, against what is installed, by its path in the rule.

    A rule that is not `is_own` comes with a pack: its reader has warned of names in expressions that lead nowhere, and
    the channels it tells may come later.
    """
    trigger = definitions.get(tx, "trigger", rule.trigger_ref)
    action = definitions.get(tx, "action", rule.action_ref)
    faults = [
        *_ref_faults(rule),
        *_unknown(tx, "trigger", rule.trigger_ref, trigger, "trigger_ref"),
        *_unknown(tx, "action", rule.action_ref, action, "action_ref"),
        *_condition_faults(rule.conditions, "conditions", doubts=is_own),
        *_parameter_faults(rule, action, doubts=is_own),
        *_trigger_parameter_faults(rule, trigger),
        *_time_faults(tx, rule, doubts=is_own),
        *_past_faults(tx, rule),
        *_permission_set_faults(tx, rule),
        *(_channel_faults(tx, rule) if is_own else ()),
    ]
    return list({(fault.path, fault.message): fault for fault in faults}.values())


def _ref_faults(rule: RuleDefinition) -> Iterator[Fault]:
    if not is_ref(rule.ref):
        yield fault_at(("ref",), f"is no ref: {REF_RULE}", value=rule.ref)


def _unknown(tx: Transaction, kind: Kind, ref: str, row: Row | None, *steps: str | int) -> Iterator[Fault]:
    if row is None:
        suggestion = did_you_mean(ref, definitions.refs(tx, kind))
        tail = f"; {suggestion}" if suggestion else ""
        yield fault_at(steps, f"no {kind} '{ref}'{tail}")


def _condition_faults(written: Any, at: str, *, doubts: bool) -> list[Fault]:  # noqa: ANN401 - any JSON
    condition, faults = read_conditions(written, at)
    return [*faults, *(condition.doubts if doubts else ())]


def _parameter_faults(rule: RuleDefinition, action: Row | None, *, doubts: bool) -> list[Fault]:
    template, faults = read_template(rule.action_params)
    if doubts:
        faults += template.doubts
    if action is None:
        return faults
    filled_in = {str(steps[0]) for steps in template.places if steps}
    filled_in |= {str(fault.steps[1]) for fault in faults if len(fault.steps) > 1}
    found = misfits(action.definition["parameters"], rule.action_params, filled_in)
    return [*faults, *(_inside("action_params", fault) for fault in found)]


def _inside(name: str, fault: Detail) -> Fault:
    steps = tuple(int(part) if part.isdecimal() else part for part in fault.path.split(".") if part)
    return fault_at((name, *steps), fault.message, value=fault.value)


def _trigger_parameter_faults(rule: RuleDefinition, trigger: Row | None) -> Iterator[Fault]:
    if trigger is not None and rule.trigger_ref not in TIMER_TRIGGERS:
        for fault in misfits(trigger.definition["parameters"], rule.trigger_params):
            yield _inside("trigger_params", fault)


def _time_faults(tx: Transaction, rule: RuleDefinition, *, doubts: bool) -> Iterator[Fault]:
    yield from group_faults(rule)
    yield from timer_faults(rule)
    if rule.mode not in get_args(RuleMode):
        suggestion = did_you_mean(rule.mode, get_args(RuleMode))
        tail = f"; {suggestion}" if suggestion else ""
        yield fault_at(("mode",), f"expected one of {', '.join(get_args(RuleMode))}{tail}", value=rule.mode)
    if rule.once_within_seconds is not None and rule.once_within_seconds <= 0:
        yield fault_at(("once_within",), "must be more than nothing")
    if rule.after is not None and not 1 <= rule.after.count <= MAX_COUNT:
        yield fault_at(("after", "count"), f"must be from 1 to {MAX_COUNT}", value=rule.after.count)
    if rule.after is not None and rule.after.within_seconds <= 0:
        yield fault_at(("after", "within"), "must be more than nothing")
    if rule.unless is not None:
        other = definitions.get(tx, "trigger", rule.unless.trigger_ref)
        yield from _unknown(tx, "trigger", rule.unless.trigger_ref, other, "unless", "trigger_ref")
        yield from _condition_faults(rule.unless.conditions, "unless.conditions", doubts=doubts)
        if rule.unless.within_seconds <= 0:
            yield fault_at(("unless", "within"), "must be more than nothing")


def _past_faults(tx: Transaction, rule: RuleDefinition) -> Iterator[Fault]:
    """Yield the fault of a date that has passed where the rule says to refuse it; not for one that was there before."""
    known = definitions.get(tx, "rule", rule.ref)
    if known is not None and known.definition["trigger_params"] == rule.trigger_params:
        return
    beginning = beginning_of(rule, now=tx.now)
    if beginning is not None and beginning.fault is not None:
        yield _inside("trigger_params", beginning.fault)


def beginning_of(rule: RuleDefinition, *, now: Instant, rule_id: int = 0) -> Beginning | None:
    """Return what becomes of the timer of a rule that is enabled now; None where it has none that can be read."""
    if rule.trigger_ref not in TIMER_TRIGGERS:
        return None
    from attune_cli.runtime.model.schedules import firing
    from attune_cli.runtime.model.schedules.policy import read_timer_policy
    from attune_cli.runtime.model.schedules.reading import read_schedule

    schedule, _ = read_schedule(rule.trigger_ref, rule.trigger_params)
    policy, faults = read_timer_policy(rule.timer)
    if schedule is None or faults:
        return None
    return firing.begin(firing.Timer(id=rule_id, schedule=schedule, policy=policy, anchor=now), now)


def _permission_set_faults(tx: Transaction, rule: RuleDefinition) -> Iterator[Fault]:
    known = {*definitions.refs(tx, "permission_set"), RESERVED_PERMISSION_SET}
    for index, ref in enumerate(rule.permission_set_refs or ()):
        if ref not in known:
            suggestion = did_you_mean(ref, known)
            tail = f"; {suggestion}" if suggestion else ""
            yield fault_at(("permission_set_refs", index), f"no permission set '{ref}'{tail}")


def _channel_faults(tx: Transaction, rule: RuleDefinition) -> Iterator[Fault]:
    known = [channel.name for channel in channels.all_of(tx)] if rule.notify else []
    for index, name in enumerate(rule.notify):
        if name not in known and name != EVERY_CHANNEL:
            suggestion = did_you_mean(name, known)
            tail = f"; {suggestion}" if suggestion else ""
            yield fault_at(
                ("notify", index) if len(rule.notify) > 1 else ("notify",), f"no channel '{name}'{tail}"
            )
