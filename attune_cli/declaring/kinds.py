"""What can be declared: for each kind how it is read, what there is of it, how it is kept and taken away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from attune_cli.declaring.channel_documents import ChannelKind
from attune_cli.declaring.key_documents import KeyKind
from attune_cli.declaring.rule_documents import rule_document
from attune_cli.declaring.webhook_documents import WebhookKind
from attune_cli.errors import ConflictError, NotFoundError, did_you_mean
from attune_cli.runtime.model.automations import RuleDefinition, TriggerDefinition
from attune_cli.runtime.model.refs import label_of, pack_of
from attune_cli.runtime.packs.kinds.rule import decode_rule
from attune_cli.runtime.packs.kinds.trigger import decode_trigger
from attune_cli.runtime.packs.reading import Reading
from attune_cli.runtime.services import rules, triggers
from attune_cli.runtime.store import definitions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from attune_cli.declaring.rule_documents import Document
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Kind as Table
    from attune_cli.runtime.store.sealing import Sealer

_LOCAL = "local"


class Kind(Protocol):
    """One kind of document."""

    @property
    def identified_by(self) -> str:
        """The key that names one: `ref` or `name`."""
        ...

    def decode(self, fields: Fields) -> Any:  # noqa: ANN401 - each kind has its own
        """Read a document; every fault is noted in `fields`."""
        ...

    def current(self, tx: Transaction, ref: str) -> Document | None:
        """Return what there is, as a document; None when there is nothing."""
        ...

    def keep(self, tx: Transaction, declared: Any, sealer: Sealer) -> None:  # noqa: ANN401 - as above
        """Make it so; raises AttuneError for what cannot be."""
        ...

    def verify(self, tx: Transaction, declared: Any) -> None:  # noqa: ANN401 - as above
        """Raise AttuneError when it names what is not there, now that everything is kept."""
        ...

    def needs(self, declared: Any) -> Iterable[str]:  # noqa: ANN401 - as above
        """Return the refs of what has to be there besides; of a whole pack its own, or `pack.*`."""
        ...

    def keys_of(self, declared: Any) -> Mapping[str, str]:  # noqa: ANN401 - as above
        """Return the keys that have to have a value, each with the field that names it."""
        ...

    def refs(self, tx: Transaction, *, everything: bool) -> list[str]:
        """Return what there is of it: what people made, or (with `everything`) what packs bring as well."""
        ...

    def remove(self, tx: Transaction, ref: str) -> None: ...


def reading_for(fields: Fields) -> Reading:
    """Return what a pack's decoder wants to know; a ref without a pack is of `local`."""
    ref = str(fields.members.get("ref") or "")
    return Reading(pack_of(ref) if "." in ref else _LOCAL, Path(), {}, has_all_runtimes=True)


def made_by_people(tx: Transaction, table: Table, *, everything: bool) -> list[str]:
    return [row.ref for row in definitions.all_of(tx, table) if everything or row.is_adhoc]


@immutable
class RuleKind:
    identified_by: str = "ref"

    def decode(self, fields: Fields) -> RuleDefinition:
        return decode_rule(fields, reading_for(fields))

    def current(self, tx: Transaction, ref: str) -> Document | None:
        row = definitions.get(tx, "rule", ref)
        return None if row is None else rule_document(rules.definition_of(row))

    def keep(self, tx: Transaction, declared: RuleDefinition, sealer: Sealer) -> None:
        del sealer
        if rule_document(declared) != self.current(tx, declared.ref):
            rules.create(tx, declared, replace=True)

    def verify(self, tx: Transaction, declared: object) -> None:
        """Keeping it has said so."""

    def needs(self, declared: RuleDefinition) -> Iterable[str]:
        unless = () if declared.unless is None else (declared.unless.trigger_ref,)
        return declared.trigger_ref, declared.action_ref, *unless, *(declared.permission_set_refs or ())

    def keys_of(self, declared: object) -> Mapping[str, str]:
        del declared
        return {}

    def refs(self, tx: Transaction, *, everything: bool) -> list[str]:
        return made_by_people(tx, "rule", everything=everything)

    def remove(self, tx: Transaction, ref: str) -> None:
        rules.delete(tx, [ref])


@immutable
class TriggerKind:
    identified_by: str = "ref"

    def decode(self, fields: Fields) -> TriggerDefinition:
        return decode_trigger(fields, reading_for(fields))

    def current(self, tx: Transaction, ref: str) -> Document | None:
        row = definitions.get(tx, "trigger", ref)
        if row is None:
            return None
        return trigger_document(TriggerDefinition.from_json({**row.definition, "enabled": row.enabled}))

    def keep(self, tx: Transaction, declared: TriggerDefinition, sealer: Sealer) -> None:
        del sealer
        row = definitions.get(tx, "trigger", declared.ref)
        if trigger_document(declared) == self.current(tx, declared.ref):
            return
        if row is not None and not row.is_adhoc:
            raise ConflictError(
                f"trigger '{declared.ref}' belongs to a file of pack '{row.definition['pack_ref']}'",
                code="pack_owned",
            )
        triggers.keep(tx, declared)

    def verify(self, tx: Transaction, declared: object) -> None:
        """Keeping it has said so."""

    def needs(self, declared: object) -> Iterable[str]:
        del declared
        return ()

    def keys_of(self, declared: object) -> Mapping[str, str]:
        del declared
        return {}

    def refs(self, tx: Transaction, *, everything: bool) -> list[str]:
        return made_by_people(tx, "trigger", everything=everything)

    def remove(self, tx: Transaction, ref: str) -> None:
        triggers.delete(tx, [ref])


def trigger_document(trigger: TriggerDefinition) -> Document:
    """Return a trigger as its file says it: what is as it would be anyway is left out."""
    written: Document = {
        "ref": trigger.ref,
        "label": trigger.label if trigger.label != label_of(trigger.ref) else "",
        "description": trigger.description,
        "enabled": None if trigger.enabled else False,
        "parameters": trigger.parameters,
        "output": trigger.output,
    }
    return {name: value for name, value in written.items() if value not in (None, "", {})}


@immutable
class DeclaredSensor:
    ref: str
    enabled: bool


@immutable
class SensorKind:
    """Whether a sensor runs; what it is, its pack says."""

    identified_by: str = "ref"

    def decode(self, fields: Fields) -> DeclaredSensor:
        fields.require("enabled")
        declared = DeclaredSensor(fields.text("ref"), fields.flag("enabled", default=True))
        fields.finish()
        return declared

    def current(self, tx: Transaction, ref: str) -> Document | None:
        row = definitions.get(tx, "sensor", ref)
        return None if row is None else {"ref": ref, "enabled": row.enabled}

    def keep(self, tx: Transaction, declared: DeclaredSensor, sealer: Sealer) -> None:
        del sealer
        if definitions.get(tx, "sensor", declared.ref) is None:
            near = did_you_mean(declared.ref, definitions.refs(tx, "sensor"))
            raise NotFoundError(f"no sensor '{declared.ref}'", hint=near)
        definitions.set_enabled(tx, "sensor", declared.ref, enabled=declared.enabled)

    def verify(self, tx: Transaction, declared: object) -> None:
        """Keeping it has said so."""

    def needs(self, declared: DeclaredSensor) -> Iterable[str]:
        return (declared.ref,)

    def keys_of(self, declared: object) -> Mapping[str, str]:
        del declared
        return {}

    def refs(self, tx: Transaction, *, everything: bool) -> list[str]:
        return [
            row.ref
            for row in definitions.all_of(tx, "sensor")
            if everything or row.enabled != bool(row.definition.get("enabled", True))
        ]

    def remove(self, tx: Transaction, ref: str) -> None:
        """Sensors belong to packs."""


KINDS: Mapping[str, Kind] = {
    "key": KeyKind(),
    "trigger": TriggerKind(),
    "webhook": WebhookKind(),
    "channel": ChannelKind(),
    "rule": RuleKind(),
    "sensor": SensorKind(),
}
"""In the order in which they are kept: what others name comes first. Rules and channels name each other."""

PRUNED = ("rule", "trigger")
"""Kinds of which `--prune` takes away what no file declares, in order: a trigger in use cannot go. Keys and channels
hold secrets that no file could bring back, so they stay."""
