"""Events as clients of the server know them (api.md, records)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.store import definitions, events

if TYPE_CHECKING:
    from attune_cli.runtime.model.events import Event
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.events import EventFilter


def event_page(tx: Transaction, wanted: EventFilter, *, limit: int, offset: int) -> tuple[list[Record], int]:
    """Return summaries of events, newest first, and how many there are in all."""
    found = events.search(tx, wanted, limit=limit, offset=offset)
    return [_summary(tx, event) for event in found], events.count(tx, wanted)


def whole_event(tx: Transaction, event_id: int) -> Record:
    """Return one event with its payload; raises NotFoundError."""
    event = events.get(tx, event_id)
    if event is None:
        raise NotFoundError(f"no event {event_id}")
    return {
        **_summary(tx, event),
        "payload": {} if event.payload is None else event.payload,
        "config": event.config,
        "dedup_key": event.dedup_key,
        "cause": event.cause,
        "depth": event.depth,
        "pending": event.pending,
    }


def _summary(tx: Transaction, event: Event) -> Record:
    trigger = definitions.get(tx, "trigger", event.trigger_ref)
    rule = None if event.rule_ref is None else definitions.get(tx, "rule", event.rule_ref)
    return {
        "id": event.id,
        "trigger": None if trigger is None else trigger.id,
        "trigger_ref": event.trigger_ref,
        "rule": None if rule is None else rule.id,
        "rule_ref": event.rule_ref,
        "source": event.source,
        "source_ref": event.source_ref,
        "has_payload": event.payload is not None,
        "created": rfc3339(event.created),
    }
