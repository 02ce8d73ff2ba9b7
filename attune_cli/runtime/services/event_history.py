"""What may be asked of events and of what came of them: verdicts and enforcements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError, UsageError
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.ids import is_id
from attune_cli.runtime.services.events import event_record
from attune_cli.runtime.store import enforcements, events, executions, verdicts

if TYPE_CHECKING:
    from attune_cli.runtime.model.events import Enforcement, Event, Verdict
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.enforcements import EnforcementFilter
    from attune_cli.runtime.store.events import EventFilter


def find_event(tx: Transaction, word: str) -> Event:
    """Return the event a user's word names: an id, `@last` or `@last:TRIGGER`."""
    name, _, trigger_ref = word.partition(":")
    if name == "@last":
        event_id = events.newest(tx, trigger_ref=trigger_ref or None)
    else:
        event_id = _number(word, "event", "an id, @last or @last:TRIGGER")
    event = None if event_id is None else events.get(tx, event_id)
    if event is None:
        raise NotFoundError(f"no event {word}", hint="attune event list")
    return event


def list_events(tx: Transaction, wanted: EventFilter, *, limit: int) -> list[Record]:
    """Return events, newest first, each with how many rules it concerned and how many of them act on it."""
    found = events.search(tx, wanted, limit=limit)
    counts = verdicts.fired_counts(tx, [event.id for event in found])
    return [_counted(event, *counts.get(event.id, (0, 0))) for event in found]


def show_event(tx: Transaction, event: Event) -> Record:
    """Return one event with the verdicts of the rules it concerned, and the executions that it caused."""
    found = verdicts.search(tx, verdicts.VerdictFilter(event=event.id), limit=1000)[::-1]
    acting = sum(verdict.outcome in {"fired", "waiting"} for verdict in found)
    started = [one.execution for one in enforcements.of_event(tx, event.id) if one.execution is not None]
    record = _counted(event, len(found), acting)
    record["verdicts"] = [verdict_record(verdict) for verdict in found]
    record["executions"] = [_execution(tx, execution) for execution in started]
    return record


def _counted(event: Event, concerned: int, matched: int) -> Record:
    return {**event_record(event), "concerned": concerned, "matched": matched}


def _execution(tx: Transaction, execution_id: int) -> Record:
    first = executions.get(tx, execution_id)
    execution = None if first is None else executions.last_attempt(tx, first)
    return {
        "id": execution_id if execution is None else execution.id,
        "action_ref": None if execution is None else execution.action_ref,
        "status": None if execution is None else str(execution.status),
        "rule_ref": None if execution is None else execution.rule_ref,
    }


def find_enforcement(tx: Transaction, word: str) -> Enforcement:
    """Return the enforcement with an id."""
    enforcement_id = _number(word, "enforcement", "an id")
    enforcement = None if enforcement_id is None else enforcements.get(tx, enforcement_id)
    if enforcement is None:
        raise NotFoundError(f"no enforcement {word}", hint="attune enforcement list")
    return enforcement


def list_enforcements(tx: Transaction, wanted: EnforcementFilter, *, limit: int) -> list[Record]:
    """Return enforcements, newest first."""
    return [enforcement_record(one) for one in enforcements.search(tx, wanted, limit=limit)]


def verdict_record(verdict: Verdict) -> Record:
    """Return the full record of a verdict; absent values are null, never missing."""
    return {
        "kind": "verdict",
        "id": verdict.id,
        "event": verdict.event,
        "rule_ref": verdict.rule_ref,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "trace": verdict.trace,
        "group_key": verdict.group_key or None,
        "due": None if verdict.due is None else rfc3339(verdict.due),
        "enforcement": verdict.enforcement,
        "created": rfc3339(verdict.created),
        "updated": rfc3339(verdict.updated),
    }


def enforcement_record(enforcement: Enforcement) -> Record:
    """Return the full record of an enforcement; absent values are null, never missing."""
    return {
        "kind": "enforcement",
        "id": enforcement.id,
        "event": enforcement.event,
        "rule": enforcement.rule,
        "rule_ref": enforcement.rule_ref,
        "trigger_ref": enforcement.trigger_ref,
        "status": enforcement.status,
        "config": enforcement.config,
        "conditions": enforcement.conditions,
        "error": enforcement.error,
        "execution": enforcement.execution,
        "created": rfc3339(enforcement.created),
        "resolved_at": None if enforcement.resolved is None else rfc3339(enforcement.resolved),
    }


def _number(word: str, noun: str, expected: str) -> int | None:
    if not (word.isascii() and word.isdecimal()):
        raise UsageError(f"{word!r} is no {noun}: expected {expected}", hint=f"attune {noun} list")
    return int(word) if is_id(word) else None
