"""Taking in events: checked against their trigger, once for each key, as deep as what caused them (domain.md 3.3)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import ConflictError, DeniedError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.ids import is_id
from attune_cli.runtime.model.json_values import written
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
    batch = EventBatch(tx)
    taken = batch.take_in(new)
    batch.write()
    return taken


class EventBatch:
    """Events that are taken in together: one after another, but looked up and written with few statements.

    Nothing else may write events or triggers between the first `take_in` and `write`.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._triggers: dict[str, definitions.Row | None] = {}
        self._named: dict[tuple[str, str], int] = {}
        self._rows: list[events.NewRow] = []
        self._first_id: int | None = None

    def take_in(self, new: NewEvent) -> TakenIn:
        """Check an event and give it its id; raises with all its faults, and then it is not among them."""
        _check_teller(new)
        earlier = None if new.dedup_key is None else self._earlier(new.trigger_ref, new.dedup_key)
        if earlier is not None:
            return TakenIn(earlier, reused=True)
        payload, config = self._checked(new)
        event_id = self._next_id()
        self._rows.append(
            events.NewRow(
                id=event_id,
                trigger_ref=new.trigger_ref,
                payload=payload,
                config=config,
                source=new.source,
                source_ref=new.source_ref,
                rule_ref=new.rule_ref,
                dedup_key=new.dedup_key,
                cause=new.cause,
                depth=0 if new.cause is None else executions.depth_of(self._tx, new.cause),
            )
        )
        if new.dedup_key is not None:
            self._named[new.trigger_ref, new.dedup_key] = event_id
        return TakenIn(event_id)

    def check(self, new: NewEvent) -> None:
        """Raise with all its faults what `take_in` would refuse."""
        _check_teller(new)
        self._checked(new)

    def write(self) -> None:
        """Insert what was taken in."""
        if self._rows:
            events.insert_all(self._tx, self._rows)

    def _earlier(self, trigger_ref: str, dedup_key: str) -> int | None:
        named = self._named.get((trigger_ref, dedup_key))
        return events.by_dedup_key(self._tx, trigger_ref, dedup_key) if named is None else named

    def _next_id(self) -> int:
        if self._first_id is None:
            self._first_id = events.next_id(self._tx)
        return self._first_id + len(self._rows)

    def _checked(self, new: NewEvent) -> tuple[str | None, str]:
        """Return payload and config as they are written."""
        trigger = self._trigger(new.trigger_ref)
        if trigger is None:
            raise unknown_trigger(self._tx, new.trigger_ref)
        if not trigger.enabled:
            raise ConflictError(
                f"trigger '{new.trigger_ref}' is disabled",
                code="disabled",
                hint=f"attune trigger enable {new.trigger_ref}",
            )
        checked = _check_payload(new, trigger.definition["output"])
        if new.rule_ref is not None and definitions.get(self._tx, "rule", new.rule_ref) is None:
            suggestion = did_you_mean(new.rule_ref, definitions.refs(self._tx, "rule"))
            raise NotFoundError(f"no rule '{new.rule_ref}'", hint=suggestion or "attune rule list")
        return checked

    def _trigger(self, trigger_ref: str) -> definitions.Row | None:
        if trigger_ref not in self._triggers:
            self._triggers[trigger_ref] = definitions.get(self._tx, "trigger", trigger_ref)
        return self._triggers[trigger_ref]


def check(tx: Transaction, new: NewEvent) -> None:
    """Raise with all its faults what `take_in` would refuse; reads only."""
    EventBatch(tx).check(new)


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
    if not (is_id(digits) and trigger_instance_id.startswith(_RULE_INSTANCE)):
        return None
    return definitions.ref_of(tx, "rule", int(digits))


def _check_payload(new: NewEvent, output: dict[str, dict[str, Any]]) -> tuple[str | None, str]:
    """Return payload and config as they are written; raises UsageError with every fault."""
    texts: dict[str, str] = {}
    faults: list[Detail] = []
    for name, part in (("payload", new.payload), ("config", new.config)):
        try:
            texts[name] = written(part)
        except ValueError as error:
            faults.append(Detail(name, str(error)))
    if faults:
        raise UsageError("the event cannot be written down", code="invalid_payload", details=faults)
    size = len(texts["payload"].encode())
    if size > MAX_PAYLOAD_BYTES:
        raise UsageError(
            f"the payload takes {size} bytes, {MAX_PAYLOAD_BYTES} are allowed", code="payload_too_large"
        )
    if output and isinstance(
        new.payload, dict
    ):  # what is no object may be told whatever the trigger describes
        faults = validate(output, cast("dict[str, Any]", new.payload))
        if faults:
            raise UsageError(
                f"the payload does not fit trigger '{new.trigger_ref}'",
                code="invalid_payload",
                details=faults,
                hint=f"attune trigger show {new.trigger_ref}",
            )
    payload = texts["payload"]
    return None if payload == "null" else payload, texts["config"]


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
