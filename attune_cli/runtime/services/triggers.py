"""Triggers: what may be asked of kinds of events, and how people make their own (domain.md 1.5, 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import ConflictError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.automations import RuleDefinition, SensorDefinition, TriggerDefinition
from attune_cli.runtime.model.parameters import normalise
from attune_cli.runtime.model.refs import REF_RULE, is_ref, label_of, pack_of
from attune_cli.runtime.model.schedules.schedule import TIMER_TRIGGERS
from attune_cli.runtime.packs.schemas import schema_faults
from attune_cli.runtime.services.actions import parameter_records
from attune_cli.runtime.store import definitions, trigger_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row


def list_triggers(
    tx: Transaction, *, pack_ref: str | None = None, enabled: bool | None = None, after: str = ""
) -> list[Record]:
    """Return the records of triggers, by ref."""
    rows = definitions.all_of(tx, "trigger", pack_ref=pack_ref, after=after)
    sources = _Sources(tx)
    return [trigger_record(row, sources) for row in rows if enabled is None or row.enabled == enabled]


class _Sources:
    """Where events of triggers come from: sensors, webhooks, timers."""

    def __init__(self, tx: Transaction) -> None:
        self._webhooks = trigger_sources.with_webhooks(tx)
        self._sensors: dict[str, str] = {}
        for row in definitions.all_of(tx, "sensor"):
            for trigger in SensorDefinition.from_json(row.definition).trigger_types:
                self._sensors[trigger] = row.ref

    def sensor_of(self, ref: str) -> str | None:
        return self._sensors.get(ref)

    def has_webhook(self, ref: str) -> bool:
        return ref in self._webhooks

    def type_of(self, ref: str) -> str:
        """Return in one word where its events come from."""
        if ref in TIMER_TRIGGERS:
            return "timer"
        if self.has_webhook(ref):
            return "webhook"
        return "sensor" if ref in self._sensors else "event"


def trigger_record(row: Row, sources: _Sources) -> Record:
    """Return the summary of a trigger (api.md, records)."""
    return {
        "kind": "trigger",
        "id": row.id,
        "ref": row.ref,
        "pack_ref": row.definition["pack_ref"],
        "label": row.label,
        "description": row.description,
        "type": sources.type_of(row.ref),
        "enabled": row.enabled,
        "is_adhoc": row.is_adhoc,
        "sensor_ref": sources.sensor_of(row.ref),
        "webhook_enabled": sources.has_webhook(row.ref),
        "created": rfc3339(row.created),
        "updated": rfc3339(row.updated),
    }


def find(tx: Transaction, ref: str) -> Row:
    """Return a trigger's row; raises NotFoundError."""
    row = definitions.get(tx, "trigger", ref)
    if row is None:
        suggestion = did_you_mean(ref, definitions.refs(tx, "trigger"))
        raise NotFoundError(f"no trigger '{ref}'", hint=suggestion or "attune trigger list")
    return row


def show_trigger(tx: Transaction, ref: str) -> Record:
    """Return the full record of a trigger: what rules may set, what its events hold, and which rules wait for it."""
    row = find(tx, ref)
    trigger = TriggerDefinition.from_json(row.definition)
    return {
        **trigger_record(row, _Sources(tx)),
        "param_schema": trigger.parameters,
        "out_schema": trigger.output,
        "parameters": parameter_records(trigger.parameters),
        "output": parameter_records(trigger.output),
        "rules": list(rules_on(tx, ref)),
    }


def rules_on(tx: Transaction, ref: str) -> Iterator[str]:
    """Yield the rules that name a trigger, enabled or not."""
    for row in definitions.all_of(tx, "rule"):
        rule = RuleDefinition.from_json(row.definition)
        if ref == rule.trigger_ref or (rule.unless is not None and ref == rule.unless.trigger_ref):
            yield row.ref


# --- making and changing


def create(
    tx: Transaction,
    ref: str,
    *,
    label: str = "",
    description: str = "",
    parameters: object = None,
    output: object = None,
    enabled: bool = True,
) -> Record:
    """Keep a person's trigger. Raises UsageError with all its faults, or ConflictError for a ref that is taken."""
    if definitions.get(tx, "trigger", ref) is not None:
        raise ConflictError(
            f"trigger '{ref}' exists already", code="exists", hint=f"attune trigger show {ref}"
        )
    trigger = read_trigger(ref, label, description, parameters=parameters, output=output, enabled=enabled)
    keep(tx, trigger)
    return show_trigger(tx, ref)


def read_trigger(
    ref: str, label: str, description: str, *, parameters: object, output: object, enabled: bool
) -> TriggerDefinition:
    """Return the definition of a trigger; raises UsageError with all its faults."""
    faults = [] if is_ref(ref) else [Detail("ref", f"is no ref: {REF_RULE}", value=ref)]
    for name, schema in (("param_schema", parameters), ("out_schema", output)):
        faults += [
            Detail(
                ".".join(map(str, (name, *fault.path))),
                fault.message + (f"; {fault.suggestion}" if fault.suggestion else ""),
            )
            for fault in schema_faults(schema if schema is not None else {})
            if fault.severity == "error"
        ]
    if faults:
        raise UsageError(
            f"trigger '{ref}' cannot be made",
            code="invalid_trigger",
            details=faults,
            hint="attune schema trigger",
        )
    return TriggerDefinition(
        ref=ref,
        pack_ref=pack_of(ref),
        label=label or label_of(ref),
        description=description,
        enabled=enabled,
        parameters=normalise(cast("Any", parameters)),
        output=normalise(cast("Any", output)),
    )


def keep(tx: Transaction, trigger: TriggerDefinition) -> bool:
    """Insert or replace a person's trigger; tells whether anything changed."""
    return definitions.put(
        tx,
        "trigger",
        ref=trigger.ref,
        pack_ref=trigger.pack_ref,
        label=trigger.label,
        description=trigger.description,
        enabled=trigger.enabled,
        definition=trigger.to_json(),
    )


def delete(tx: Transaction, refs: Iterable[str], *, if_exists: bool = False) -> list[str]:
    """Delete triggers that people made, all or (when one is in use) none; returns the refs that are gone."""
    present = set(definitions.refs(tx, "trigger"))
    meant = [ref for ref in dict.fromkeys(refs) if ref in present or not if_exists]
    for ref in meant:
        row = find(tx, ref)
        if not row.is_adhoc:
            raise ConflictError(
                f"trigger '{ref}' belongs to a file of pack '{row.definition['pack_ref']}'",
                code="pack_owned",
                hint=f"attune trigger disable {ref}",
            )
        used_by = list(rules_on(tx, ref))
        if used_by:
            raise ConflictError(
                f"trigger '{ref}' is used by {', '.join(used_by)}",
                code="in_use",
                hint=f"attune rule delete {' '.join(used_by)}",
            )
        trigger_sources.delete_webhook(tx, ref)
    return [ref for ref in meant if definitions.delete(tx, "trigger", ref)]


def set_enabled(tx: Transaction, refs: Iterable[str], *, enabled: bool) -> dict[str, list[str]]:
    """Enable or disable triggers, all or (when one does not exist) none; a disabled one takes no events."""
    rows = [find(tx, ref) for ref in dict.fromkeys(refs)]
    changed = [row.ref for row in rows if definitions.set_enabled(tx, "trigger", row.ref, enabled=enabled)]
    return {"changed": changed, "unchanged": [row.ref for row in rows if row.ref not in changed]}
