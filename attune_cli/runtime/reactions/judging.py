"""What one rule makes of one event, and why: the same for the daemon and for `attune rule test`.

Reads only the transaction and its instant, and writes nothing: what is to be remembered is part of the answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SECOND, rfc3339
from attune_cli.runtime.expressions.paths import value_of
from attune_cli.runtime.expressions.templates import TemplateError
from attune_cli.runtime.model.events import MAX_DEPTH
from attune_cli.runtime.model.parameters import shown
from attune_cli.runtime.reactions.over_time import count_up, once
from attune_cli.runtime.reactions.platform_triggers import is_its_own, mismatch
from attune_cli.runtime.reactions.scopes import scope_of
from attune_cli.runtime.store import executions
from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.expressions.scope import RuleScope
    from attune_cli.runtime.expressions.templates import Filled
    from attune_cli.runtime.model.events import Event, Outcome
    from attune_cli.runtime.reactions.over_time import Remember
    from attune_cli.runtime.reactions.rulebook import Rule, RuleBook
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

_LONGEST_GROUP_KEY = 200

Trace = dict[str, Any]


@immutable(kw_only=True)
class Judged:
    """A verdict that nobody has written down. `parameters` are there when it is to be carried out now.

    `trace` has for each thing looked at whether it `held` (null: it could not be told), and mostly `seen` and `wanted`.
    """

    outcome: Outcome
    reason: str
    trace: Trace
    group_key: str = ""
    due: Instant | None = None
    """When the rule fires, while it waits."""
    remember: tuple[Remember, ...] = ()
    parameters: Filled | None = None
    """None also where the outcome is `error` because they cannot be filled in."""


def judge(tx: Transaction, book: RuleBook, rule: Rule, event: Event, sealer: Sealer) -> Judged:
    """Judge an event by a rule, as if it had just come. Errors of the rule are verdicts; others are raised."""
    if rule.faults:
        return Judged(outcome="error", reason=f"the rule cannot be read: {rule.faults}", trace={})
    early = _too_early_to_look(rule, event)
    if early is not None:
        return early
    scope = scope_of(tx, book, rule, event, sealer)
    judgement = rule.condition.judge(scope)
    trace: Trace = dict(judgement.trace)
    if judgement.error is not None:
        return Judged(outcome="error", reason=judgement.error, trace=trace)
    if not judgement.holds:
        return Judged(outcome="no_match", reason=_what_does_not_hold(trace), trace=trace)
    return _over_time(tx, rule, event, scope, trace)


def judge_due(
    tx: Transaction, book: RuleBook, rule: Rule, event: Event, sealer: Sealer, *, due: Instant, trace: Trace
) -> Judged:
    """Judge an event again whose rule has waited until `due`, and nothing came between."""
    scope = scope_of(tx, book, rule, event, sealer)
    waited = {**trace, "unless": {**trace.get("unless", {}), "held": True, "note": "it did not come"}}
    return _decide(tx, rule, scope, waited, group_key_of(rule, scope), due)


def averts(tx: Transaction, book: RuleBook, rule: Rule, event: Event, sealer: Sealer) -> str | None:
    """Return the group whose waiting firing an event averts, or None."""
    scope = scope_of(tx, book, rule, event, sealer)
    return group_key_of(rule, scope) if rule.averting.judge(scope).holds else None


def group_key_of(rule: Rule, scope: RuleScope) -> str:
    """Return a name for the group an event belongs to: the values that the rule groups by."""
    if not rule.definition.group_by:
        return ""
    key = dump([value_of(path, scope) for path in rule.definition.group_by])
    if len(key) <= _LONGEST_GROUP_KEY:
        return key
    import hashlib

    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def _too_early_to_look(rule: Rule, event: Event) -> Judged | None:
    """Return the verdict when it does not depend on the conditions."""
    if event.depth >= MAX_DEPTH:
        return Judged(
            outcome="too_deep",
            reason=f"{event.depth} rules have set each other off; more are taken for a loop",
            trace={"depth": {"held": False, "seen": event.depth, "wanted": f"less than {MAX_DEPTH}"}},
        )
    if is_its_own(rule.definition, event.trigger_ref, event.payload):
        return Judged(
            outcome="no_match",
            reason="what happened is the rule's own doing",
            trace={"rule_ref": {"held": False, "seen": rule.ref, "wanted": "another rule"}},
        )
    found = mismatch(rule.definition, event.trigger_ref, event.payload)
    if found is None:
        return None
    trace = {
        f"trigger_params.{found['name']}": {"held": False, "seen": found["seen"], "wanted": found["wanted"]}
    }
    return Judged(outcome="no_match", reason=_what_does_not_hold(trace), trace=trace)


def _over_time(tx: Transaction, rule: Rule, event: Event, scope: RuleScope, trace: Trace) -> Judged:
    """Go on with an event that meets the conditions: count it, and wait or decide."""
    definition = rule.definition
    group_key = group_key_of(rule, scope)
    if definition.group_by:
        trace["group_by"] = {"held": True, "seen": group_key}
    remember: tuple[Remember, ...] = ()
    if definition.after is not None:
        window = count_up(tx, rule.id, group_key, definition.after, event.created)
        trace["after"] = window.trace
        remember = (window.remember,)
        if not window.is_open:
            return Judged(
                outcome="after", reason=window.reason, trace=trace, group_key=group_key, remember=remember
            )
    if definition.unless is not None:
        due = event.created + round(definition.unless.within_seconds * SECOND)
        reason = f"fires at {rfc3339(due)}, unless {definition.unless.trigger_ref} comes before"
        trace["unless"] = {"held": None, "seen": None, "wanted": f"no {definition.unless.trigger_ref}"}
        return Judged(
            outcome="waiting", reason=reason, trace=trace, group_key=group_key, due=due, remember=remember
        )
    decided = _decide(tx, rule, scope, trace, group_key, event.created)
    # What was counted begins anew only when the rule has acted on it.
    return (
        replace(decided, remember=(*remember, *decided.remember)) if decided.outcome == "fired" else decided
    )


def _decide(
    tx: Transaction, rule: Rule, scope: RuleScope, trace: Trace, group_key: str, instant: Instant
) -> Judged:
    """Fire, or say why not now: it has fired lately, it runs already, its parameters cannot be filled in."""
    definition = rule.definition
    remember: tuple[Remember, ...] = ()
    if definition.once_within_seconds is not None:
        window = once(tx, rule.id, group_key, definition.once_within_seconds, instant)
        trace["once_within"] = window.trace
        if not window.is_open:
            return Judged(outcome="once_within", reason=window.reason, trace=trace, group_key=group_key)
        remember = (window.remember,)
    if definition.mode == "single":
        running = executions.live_of_rule(tx, rule.ref)
        trace["mode"] = {"held": not running, "seen": running[:10], "wanted": "no run of this rule"}
        if running:
            reason = f"execution {running[0]} of this rule goes on"
            return Judged(outcome="skipped", reason=reason, trace=trace, group_key=group_key)
    try:
        filled = rule.parameters.fill(scope)
    except (TemplateError, AttuneError) as error:
        return Judged(outcome="error", reason=error.message, trace=trace, group_key=group_key)
    if filled.warnings:
        trace["action_params"] = {"held": True, "note": "; ".join(filled.warnings)}
    return Judged(
        outcome="fired",
        reason="every condition holds" if trace else "the rule has no conditions",
        trace=trace,
        group_key=group_key,
        remember=remember,
        parameters=filled,
    )


def _what_does_not_hold(trace: Trace) -> str:
    """Return the first thing that does not hold, in a sentence."""
    for path, entry in trace.items():
        name = entry.get("field") or path
        if entry.get("held") is True:
            continue
        if "note" in entry:
            return f"{name}: {entry['note']}"
        if "seen" in entry:
            wanted = entry["wanted"]
            return (
                f"{name}: wanted {wanted if isinstance(wanted, str) else shown(wanted)}, seen {_seen(entry)}"
            )
    return "a condition does not hold"


def _seen(entry: dict[str, Any]) -> str:
    """Say what was seen: the value of a field, or the names of an expression with their values."""
    seen = entry["seen"]
    if "field" in entry or not isinstance(seen, dict) or not seen:
        return shown(seen)
    return ", ".join(f"{name} = {shown(one)}" for name, one in cast("dict[str, object]", seen).items())
