"""Rules: what may be asked of them, and how people make their own (domain.md 4).

Looking at them needs none of what checks them, which is imported where it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import ConflictError, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.automations import RuleDefinition
from attune_cli.runtime.model.schedules.schedule import TIMER_TRIGGERS
from attune_cli.runtime.store import definitions, enforcements, timers
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.errors import Detail
    from attune_cli.runtime.expressions.faults import Fault
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row

_MISSING_TARGETS = ("no trigger ", "no action ")


@immutable(kw_only=True)
class RuleFilter:
    """Which rules are meant; what is None does not matter."""

    pack_ref: str | None = None
    trigger_ref: str | None = None
    action_ref: str | None = None
    enabled: bool | None = None
    after: str = ""


# --- looking


def list_rules(tx: Transaction, wanted: RuleFilter) -> list[Record]:
    """Return the records of rules, by ref."""
    rows = [
        row
        for row in definitions.all_of(tx, "rule", pack_ref=wanted.pack_ref, after=wanted.after)
        if _meets(row, wanted)
    ]
    last = enforcements.last_of_rules(tx, [row.ref for row in rows])
    return [_record(tx, row, last.get(row.ref)) for row in rows]


def _meets(row: Row, wanted: RuleFilter) -> bool:
    asked = (
        (wanted.trigger_ref, row.definition["trigger_ref"]),
        (wanted.action_ref, row.definition["action_ref"]),
        (wanted.enabled, row.enabled),
    )
    return all(value is None or value == found for value, found in asked)


def find(tx: Transaction, ref: str) -> Row:
    """Return a rule's row; raises NotFoundError."""
    row = definitions.get(tx, "rule", ref)
    if row is None:
        suggestion = did_you_mean(ref, definitions.refs(tx, "rule"))
        raise NotFoundError(f"no rule '{ref}'", hint=suggestion or "attune rule list")
    return row


def show_rule(tx: Transaction, ref: str) -> Record:
    """Return the record of a rule."""
    row = find(tx, ref)
    return _record(tx, row, enforcements.last_of_rules(tx, [ref]).get(ref))


def _record(tx: Transaction, row: Row, last_fired: int | None) -> Record:
    return {
        **rule_fields(RuleDefinition.from_json(row.definition)),
        "id": row.id,
        "enabled": row.enabled,
        "is_adhoc": row.is_adhoc,
        "last_fired": None if last_fired is None else rfc3339(last_fired),
        "timer_state": _timer_state(tx, row),
        "created": rfc3339(row.created),
        "updated": rfc3339(row.updated),
    }


def rule_fields(rule: RuleDefinition) -> Record:
    """Return what a rule says, as records have it (api.md, records); `id` is null until it is kept."""
    fields = rule.to_json()
    refs = rule.permission_set_refs
    return {
        "kind": "rule",
        "id": None,
        **fields,
        "permission_set_refs": None if refs is None else list(refs),
        "group_by": list(rule.group_by),
        "notify": list(rule.notify),
    }


def _timer_state(tx: Transaction, row: Row) -> str | None:
    """Return `active`, `expired` or `faulty` for an enabled rule on a core timer."""
    if not row.enabled or row.definition["trigger_ref"] not in TIMER_TRIGGERS:
        return None
    timer = timers.get(tx, row.id)
    if timer is not None and timer.rule_updated == row.updated:
        return timer.state
    from attune_cli.runtime.services.rule_checks import beginning_of

    beginning = beginning_of(RuleDefinition.from_json(row.definition), now=row.updated, rule_id=row.id)
    return None if beginning is None else "faulty" if beginning.state == "refused" else beginning.state


# --- making and changing


@immutable
class Kept:
    """What became of a rule: created, updated or unchanged."""

    record: Record
    change: str
    doubts: Sequence[Detail] = ()


def create(
    tx: Transaction, rule: RuleDefinition, *, replace: bool = False, if_not_exists: bool = False
) -> Kept:
    """Keep a person's rule. Raises with all its faults, or ConflictError for a ref that is taken."""
    known = definitions.get(tx, "rule", rule.ref)
    if known is not None and if_not_exists:
        return Kept(show_rule(tx, rule.ref), "unchanged")
    if known is not None:
        if not replace:
            raise ConflictError(
                f"rule '{rule.ref}' exists already",
                code="exists",
                hint=f"attune rule update {rule.ref} …, or --replace",
            )
        _refuse_pack_owned(known, "changed")
    refuse_faulty(tx, rule)
    return _keep(tx, rule, known)


def update(tx: Transaction, rule: RuleDefinition) -> Kept:
    """Replace what a person's rule says. Raises as `create` does, or NotFoundError."""
    known = find(tx, rule.ref)
    _refuse_pack_owned(known, "changed")
    refuse_faulty(tx, rule)
    return _keep(tx, rule, known)


def _keep(tx: Transaction, rule: RuleDefinition, known: Row | None) -> Kept:
    changed = definitions.put(
        tx,
        "rule",
        ref=rule.ref,
        pack_ref=rule.pack_ref,
        label=rule.label,
        description=rule.description,
        enabled=rule.enabled,
        definition=rule.to_json(),
    )
    change = "unchanged" if not changed else "created" if known is None else "updated"
    return Kept(show_rule(tx, rule.ref), change, doubts(tx, rule))


def doubts(tx: Transaction, rule: RuleDefinition) -> list[Fault]:
    """Return what a rule reads of a payload though its trigger does not declare it: perhaps a slip."""
    from attune_cli.runtime.packs.payload_fields import undeclared_fields

    refs = [rule.trigger_ref] if rule.unless is None else [rule.trigger_ref, rule.unless.trigger_ref]
    rows = [row for ref in refs if (row := definitions.get(tx, "trigger", ref)) is not None]
    return undeclared_fields(rule, {row.ref: row.definition["output"] for row in rows})


def refuse_faulty(tx: Transaction, rule: RuleDefinition) -> None:
    """Raise with every fault of a rule: NotFoundError where a trigger or an action does not exist."""
    from attune_cli.runtime.services.rule_checks import check_rule

    faults: Sequence[Detail] = check_rule(tx, rule)
    if not faults:
        return
    count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
    is_missing = any(fault.message.startswith(_MISSING_TARGETS) for fault in faults)
    kind = NotFoundError if is_missing else UsageError
    raise kind(
        f"rule '{rule.ref}' has {count}; nothing was changed",
        code="invalid_rule",
        details=faults,
        hint=_where_to_look(rule, faults),
    )


def _where_to_look(rule: RuleDefinition, faults: Sequence[Detail]) -> str:
    """Return the command that shows what can be said where the first fault is."""
    place, message = faults[0].path, faults[0].message
    if place == "trigger_ref" and message.startswith(_MISSING_TARGETS):
        return "attune trigger list"
    if place == "action_ref" and message.startswith(_MISSING_TARGETS):
        return "attune action list"
    if place.startswith("trigger_params"):
        return f"attune trigger show {rule.trigger_ref}"
    if place.startswith("action_params"):
        return f"attune action params {rule.action_ref}"
    return "attune schema rule"


def _refuse_pack_owned(row: Row, done: str) -> None:
    if not row.is_adhoc:
        raise ConflictError(
            f"rule '{row.ref}' belongs to a file of pack '{row.definition['pack_ref']}', and is {done} there",
            code="pack_owned",
            hint=f"attune rule disable {row.ref}",
        )


def delete(tx: Transaction, refs: Iterable[str], *, if_exists: bool = False) -> list[str]:
    """Delete rules that people made, all or (when one cannot be) none; returns the refs that are gone."""
    present = set(definitions.refs(tx, "rule"))
    meant = [ref for ref in dict.fromkeys(refs) if ref in present or not if_exists]
    for ref in meant:
        _refuse_pack_owned(find(tx, ref), "deleted")
    return [ref for ref in meant if definitions.delete(tx, "rule", ref)]


def set_enabled(tx: Transaction, refs: Iterable[str], *, enabled: bool) -> dict[str, list[str]]:
    """Enable or disable rules, all or (when one does not exist) none; says which changed.

    A disabled rule stops at once; an enabled one starts anew: its timer counts from now.
    """
    rows = [find(tx, ref) for ref in dict.fromkeys(refs)]
    changed = [row.ref for row in rows if definitions.set_enabled(tx, "rule", row.ref, enabled=enabled)]
    return {"changed": changed, "unchanged": [row.ref for row in rows if row.ref not in changed]}


def definition_of(row: Row) -> RuleDefinition:
    """Return what a rule says, with `enabled` as it is now."""
    fields: dict[str, Any] = {**row.definition, "enabled": row.enabled}
    return RuleDefinition.from_json(fields)
