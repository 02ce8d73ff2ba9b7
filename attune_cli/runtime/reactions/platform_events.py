"""Events of what the platform itself did, read from the outbox; none is made that no rule wants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.engine.limits import CHANGES_PER_TICK
from attune_cli.runtime.model.states import TERMINAL
from attune_cli.runtime.reactions.platform_triggers import (
    EXECUTION_FINISHED,
    INQUIRY_CREATED,
    INQUIRY_RESPONDED,
    PLATFORM_TRIGGERS,
    RULE_FIRED,
    is_its_own,
    mismatch,
)
from attune_cli.runtime.store import enforcements, events, executions, inquiries, notifications
from attune_cli.runtime.store.identity import PLATFORM_EVENTS_CURSOR
from attune_cli.runtime.store.meta import put, remove, value
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.model.events import Enforcement
    from attune_cli.runtime.reactions.rulebook import Rule, RuleBook
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.notifications import Notification

_CHANGES = {
    EXECUTION_FINISHED: "execution_status_changed",
    RULE_FIRED: "enforcement_created",
    INQUIRY_CREATED: "inquiry_created",
    INQUIRY_RESPONDED: "inquiry_responded",
}
"""The changes that fire each trigger."""

_ENDED = tuple(sorted(str(status) for status in TERMINAL))

Wanted = dict[str, tuple["Rule", ...]]


@immutable(kw_only=True)
class _Happening:
    """Something the platform did: the trigger it fires, once for `key`."""

    trigger_ref: str
    payload: dict[str, Any]
    key: str
    cause: int | None
    depth: int


def wanted_of(tx: Transaction, book: RuleBook) -> Wanted:
    """Return the rules on each of the platform's triggers that has any."""
    found = {trigger: book.on_trigger(tx, trigger) for trigger in PLATFORM_TRIGGERS}
    return {trigger: rules for trigger, rules in found.items() if rules}


def observe(tx: Transaction, wanted: Wanted) -> bool:
    """Make events of a bounded part of what was done since; tells whether something is left.

    The first rule that wants them sees what was done since it was made or changed.
    """
    known = value(tx.connection, PLATFORM_EVENTS_CURSOR)
    if not wanted:
        if known is not None:
            remove(tx, PLATFORM_EVENTS_CURSOR)
        return False
    cursor = int(known) if known is not None else notifications.last_before(tx, _since(wanted))
    changes = notifications.since(tx, cursor, limit=CHANGES_PER_TICK)
    for change in changes:
        if change.notification_type in _CHANGES.values():
            _tell(tx, wanted, change)
    if changes or known is None:
        put(tx, PLATFORM_EVENTS_CURSOR, str(changes[-1].sequence if changes else cursor))
    return len(changes) == CHANGES_PER_TICK


def has_news(tx: Transaction, wanted: Wanted) -> bool:
    """Tell whether something that could become an event was done since `observe`, in the same transaction."""
    types = tuple(change for trigger, change in _CHANGES.items() if trigger in wanted)
    cursor = value(tx.connection, PLATFORM_EVENTS_CURSOR) if types else None
    return cursor is not None and notifications.any_since(tx, int(cursor), types, _ENDED)


def _since(wanted: Wanted) -> int:
    return min(rule.updated for rules in wanted.values() for rule in rules)


def _tell(tx: Transaction, wanted: Wanted, change: Notification) -> None:
    happening = _happening(tx, wanted, change)
    if happening is None or not any(
        _wants(rule, happening) for rule in wanted.get(happening.trigger_ref, ())
    ):
        return
    if events.by_dedup_key(tx, happening.trigger_ref, happening.key) is None:
        events.insert(
            tx,
            trigger_ref=happening.trigger_ref,
            payload=happening.payload,
            config={},
            source="attune",
            dedup_key=happening.key,
            cause=happening.cause,
            depth=happening.depth,
        )


def _wants(rule: Rule, happening: _Happening) -> bool:
    told = (rule.definition, happening.trigger_ref, happening.payload)
    return mismatch(*told) is None and not is_its_own(*told)


def _happening(tx: Transaction, wanted: Wanted, change: Notification) -> _Happening | None:
    """Return what a change means to rules; None when it is nothing that any of them could want."""
    if change.notification_type == "enforcement_created":
        enforcement = enforcements.get(tx, change.entity_id) if RULE_FIRED in wanted else None
        return None if enforcement is None else _rule_fired(tx, enforcement)
    if change.entity_type == "inquiry":
        return _inquiry_changed(tx, wanted, change)
    if EXECUTION_FINISHED not in wanted or json.loads(change.payload)["status"] not in _ENDED:
        return None
    execution = executions.get(tx, change.entity_id)
    if execution is None or execution.next_attempt is not None:
        return None  # it was pruned, or is tried again: then only the last attempt is its end
    return _execution_finished(execution)


def _execution_finished(execution: Execution) -> _Happening:
    error = execution.error
    payload = {
        "execution": execution.id,
        "action_ref": execution.action_ref,
        "pack_ref": execution.action_ref.partition(".")[0],
        "status": str(execution.status),
        "timed_out": execution.timed_out,
        "exit_code": execution.exit_code,
        "error": None if error is None else {"type": error.type, "message": error.message},
        "attempt": execution.attempt,
        "parent": execution.parent,
        "rule_ref": execution.rule_ref,
        "trigger_ref": execution.trigger_ref,
        "enforcement": execution.enforcement,
        "labels": execution.labels,
        "started_at": None if execution.started is None else rfc3339(execution.started),
        "finished_at": None if execution.finished is None else rfc3339(execution.finished),
    }
    return _Happening(
        trigger_ref=EXECUTION_FINISHED,
        payload=payload,
        key=f"execution:{execution.id}",
        cause=execution.id,
        depth=execution.depth,
    )


def _inquiry_changed(tx: Transaction, wanted: Wanted, change: Notification) -> _Happening | None:
    is_new = change.notification_type == "inquiry_created"
    trigger_ref = INQUIRY_CREATED if is_new else INQUIRY_RESPONDED
    inquiry = inquiries.get(tx, change.entity_id) if trigger_ref in wanted else None
    asking = None if inquiry is None else executions.get(tx, inquiry.execution)
    if inquiry is None or asking is None:
        return None
    top = executions.get(tx, inquiry.root) or asking
    payload: dict[str, Any] = {
        "inquiry": inquiry.id,
        "execution": asking.id,
        "root": inquiry.root,
        "action_ref": asking.action_ref,
        "pack_ref": asking.action_ref.partition(".")[0],
        "rule_ref": top.rule_ref,
    }
    if is_new:
        timeout_at = None if inquiry.timeout_at is None else rfc3339(inquiry.timeout_at)
        payload |= {"prompt": inquiry.prompt, "assigned_to": inquiry.assigned_to, "timeout_at": timeout_at}
    else:
        answered_at = None if inquiry.responded_at is None else rfc3339(inquiry.responded_at)
        payload |= {"responded_by": inquiry.responded_by, "responded_at": answered_at}
    return _Happening(
        trigger_ref=trigger_ref,
        payload=payload,
        key=f"inquiry:{inquiry.id}",
        cause=asking.id,
        depth=asking.depth,
    )


def _rule_fired(tx: Transaction, enforcement: Enforcement) -> _Happening:
    event = events.get(tx, enforcement.event)
    payload = {
        "rule_ref": enforcement.rule_ref,
        "pack_ref": enforcement.rule_ref.partition(".")[0],
        "trigger_ref": enforcement.trigger_ref,
        "event": enforcement.event,
        "enforcement": enforcement.id,
        "status": enforcement.status,
        "execution": enforcement.execution,
        "error": enforcement.error,
    }
    return _Happening(
        trigger_ref=RULE_FIRED,
        payload=payload,
        key=f"enforcement:{enforcement.id}",
        cause=enforcement.execution,
        depth=1 if event is None else event.depth + 1,
    )
