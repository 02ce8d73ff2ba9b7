"""Taking in events: checked against their trigger, once for each key, as deep as what caused them (domain.md 3.3)."""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import ConflictError, DeniedError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.json_values import unfit
from attune_cli.runtime.model.parameters import validate
from attune_cli.runtime.store import definitions, events, executions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Collection

    from attune_cli.runtime.model.events import Event, EventSource
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction

MAX_PAYLOAD_BYTES = 1024 * 1024

_RULE_INSTANCE = "rule_"
"""`rule_<id>` in `trigger_instance_id` names the only rule that is meant."""

_MOST_DIGITS = 18
"""Of an id: what SQLite can hold."""


@immutable(kw_only=True)
class NewEvent:
    """What somebody says has happened."""

    trigger_ref: str
    payload: Any = None
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    source: EventSource = "user"
    source_ref: str | None = None
    rule_ref: str | None = None
    dedup_key: str | None = None
    cause: int | None = None
    """The execution from inside which it is told."""
    may_tell: Collection[str] | None = None
    """The triggers its teller is allowed to fire; None allows every one."""


@immutable
class TakenIn:
    """The event that answers: a new one, or an earlier one with the same key."""

    id: int
    reused: bool = False


def take_in(tx: Transaction, new: NewEvent) -> TakenIn:
    """Insert an event that waits to be judged. Faulty input raises with all its faults, and nothing is inserted."""
    _check_teller(new)
    if new.dedup_key is not None:
        earlier = events.by_dedup_key(tx, new.trigger_ref, new.dedup_key)
        if earlier is not None:
            return TakenIn(earlier, reused=True)
    check(tx, new)
    return TakenIn(
        events.insert(
            tx,
            trigger_ref=new.trigger_ref,
            payload=new.payload,
            config=new.config,
            source=new.source,
            source_ref=new.source_ref,
            rule_ref=new.rule_ref,
            dedup_key=new.dedup_key,
            cause=new.cause,
            depth=0 if new.cause is None else executions.depth_of(tx, new.cause),
        )
    )


def check(tx: Transaction, new: NewEvent) -> None:
    """Raise with all its faults what `take_in` would refuse; reads only."""
    _check_teller(new)
    trigger = definitions.get(tx, "trigger", new.trigger_ref)
    if trigger is None:
        raise unknown_trigger(tx, new.trigger_ref)
    if not trigger.enabled:
        raise ConflictError(
            f"trigger '{new.trigger_ref}' is disabled",
            code="disabled",
            hint=f"attune trigger enable {new.trigger_ref}",
        )
    _check_payload(new, trigger.definition["output"])
    if new.rule_ref is not None and definitions.get(tx, "rule", new.rule_ref) is None:
        suggestion = did_you_mean(new.rule_ref, definitions.refs(tx, "rule"))
        raise NotFoundError(f"no rule '{new.rule_ref}'", hint=suggestion or "attune rule list")


def _check_teller(new: NewEvent) -> None:
    if new.may_tell is not None and new.trigger_ref not in new.may_tell:
        raise DeniedError(
            f"{new.source_ref or 'this token'} may not fire trigger '{new.trigger_ref}'", code="wrong_trigger"
        )


def unknown_trigger(tx: Transaction, trigger_ref: str) -> NotFoundError:
    suggestion = did_you_mean(trigger_ref, definitions.refs(tx, "trigger"))
    return NotFoundError(f"no trigger '{trigger_ref}'", hint=suggestion or "attune trigger list")


def rule_of_instance(tx: Transaction, trigger_instance_id: str) -> str | None:
    """Return the ref of the rule that a `trigger_instance_id` names; None when it names none."""
    digits = trigger_instance_id.removeprefix(_RULE_INSTANCE)
    if not (digits.isascii() and digits.isdecimal() and trigger_instance_id.startswith(_RULE_INSTANCE)):
        return None
    if len(digits) > _MOST_DIGITS:
        return None
    return definitions.ref_of(tx, "rule", int(digits))


def _check_payload(new: NewEvent, output: dict[str, dict[str, Any]]) -> None:
    parts = {"payload": new.payload, "config": new.config}
    faults = [Detail(name, fault) for name, part in parts.items() if (fault := unfit(part)) is not None]
    if faults:
        raise UsageError("the event cannot be written down", code="invalid_payload", details=faults)
    size = len(json.dumps(new.payload, ensure_ascii=False).encode())
    if size > MAX_PAYLOAD_BYTES:
        raise UsageError(
            f"the payload takes {size} bytes, {MAX_PAYLOAD_BYTES} are allowed", code="payload_too_large"
        )
    if not output or not isinstance(new.payload, dict):
        return  # a trigger that describes its payload may still be fired by something that is no object
    faults = validate(output, cast("dict[str, Any]", new.payload))
    if faults:
        raise UsageError(
            f"the payload does not fit trigger '{new.trigger_ref}'",
            code="invalid_payload",
            details=faults,
            hint=f"attune trigger show {new.trigger_ref}",
        )


def event_record(event: Event) -> Record:
    """Return the full record of an event; absent values are null, never missing."""
    return {
        "kind": "event",
        "id": event.id,
        "trigger_ref": event.trigger_ref,
        "payload": event.payload,
        "config": event.config,
        "source": event.source,
        "source_ref": event.source_ref,
        "rule_ref": event.rule_ref,
        "dedup_key": event.dedup_key,
        "cause": event.cause,
        "depth": event.depth,
        "pending": event.pending,
        "created": rfc3339(event.created),
    }
