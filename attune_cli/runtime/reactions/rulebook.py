"""Rules ready to judge: read once, found by trigger, and read again when something that they depend on changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.engine.limits import WORK_PER_TICK
from attune_cli.runtime.expressions.conditions import read_conditions
from attune_cli.runtime.expressions.templates import read_template
from attune_cli.runtime.model.automations import RuleDefinition
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.model.effort import Effort
from attune_cli.runtime.model.parameters import secret_pointers
from attune_cli.runtime.services import pack_config
from attune_cli.runtime.services.submission import pin
from attune_cli.runtime.store import definitions, packs, rule_index
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.expressions.conditions import Condition
    from attune_cli.runtime.expressions.templates import Template
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row
    from attune_cli.runtime.store.sealing import Sealer

_MOST_TRIGGERS_KEPT = 10_000
"""Triggers whose rules are kept ready; more are read anew when their turn comes."""

_MOST_RULES_KEPT = 20_000


@immutable(kw_only=True)
class Rule:
    """A rule that can judge. `faults` says in a sentence why it cannot; `id` is 0 for one that is not installed."""

    id: int
    updated: Instant
    definition: RuleDefinition
    condition: Condition
    averting: Condition
    """What an event has to meet to avert a firing; of use only where the rule says `unless`."""
    parameters: Template
    faults: str = ""

    @property
    def ref(self) -> str:
        return self.definition.ref


@immutable
class PackConfig:
    """A pack's configuration in the clear, and the JSON pointers into it that are secret."""

    values: dict[str, Any]
    secret: frozenset[str]


def ready_rule(definition: RuleDefinition, *, rule_id: int = 0, updated: Instant = 0) -> Rule:
    """Read a rule's conditions and templates."""
    condition, faults = read_conditions(definition.conditions)
    unless = definition.unless
    averting, averting_faults = read_conditions(
        None if unless is None else unless.conditions, "unless.conditions"
    )
    parameters, template_faults = read_template(definition.action_params)
    told = [f"{fault.path}: {fault.message}" for fault in (*faults, *averting_faults, *template_faults)]
    return Rule(
        id=rule_id,
        updated=updated,
        definition=definition,
        condition=condition,
        averting=averting,
        parameters=parameters,
        faults="; ".join(told),
    )


def _unreadable(row: Row, error: Exception) -> Rule:
    """Return a rule that judges nothing but says why: its row was written by another version, or by hand."""
    written = row.definition
    named = RuleDefinition(
        ref=row.ref,
        pack_ref=str(written.get("pack_ref", "")),
        trigger_ref=str(written.get("trigger_ref", "")),
        action_ref=str(written.get("action_ref", "")),
    )
    rule = ready_rule(named, rule_id=row.id, updated=row.updated)
    return replace(rule, faults=f"{type(error).__name__}: {error}")


class RuleBook:
    """The rules of one database. It holds what it has read until `refresh` finds that rules have changed."""

    def __init__(self, sealer: Sealer) -> None:
        self.effort = Effort(WORK_PER_TICK)
        """What the expressions of all rules may still do in this tick."""
        self._sealer = sealer
        self._version = -1
        self._ready: dict[int, tuple[dict[str, Any], Rule]] = {}
        self._on_trigger: dict[str, tuple[Rule, ...]] = {}
        self._averted_by: dict[str, tuple[Rule, ...]] = {}
        self._configs: dict[str, PackConfig] = {}
        self._jobs: dict[str, JobDefinition] = {}

    def refresh(self, version: int) -> bool:
        """Forget what rules there are when their version is another; tells whether it was."""
        if version == self._version:
            return False
        self._version = version
        if len(self._ready) > _MOST_RULES_KEPT:
            self._ready.clear()  # among them may be many that are deleted
        self._on_trigger.clear()
        self._averted_by.clear()
        self._configs.clear()
        self._jobs.clear()
        return True

    def on_trigger(self, tx: Transaction, trigger_ref: str) -> tuple[Rule, ...]:
        """Return the enabled rules on an enabled trigger, by ref."""
        found = self._on_trigger.get(trigger_ref)
        if found is None:
            found = self._read(rule_index.on_trigger(tx, trigger_ref))
            _keep(self._on_trigger, trigger_ref, found)
        return found

    def averted_by(self, tx: Transaction, trigger_ref: str) -> tuple[Rule, ...]:
        """Return the enabled rules that fire unless this trigger does, by ref."""
        found = self._averted_by.get(trigger_ref)
        if found is None:
            found = self._read(rule_index.averted_by(tx, trigger_ref))
            _keep(self._averted_by, trigger_ref, found)
        return found

    def rule(self, tx: Transaction, ref: str) -> Rule | None:
        """Return one rule if it is enabled and on an enabled trigger."""
        row = definitions.get(tx, "rule", ref)
        if row is None or not row.enabled:
            return None
        trigger = definitions.get(tx, "trigger", row.definition["trigger_ref"])
        return self._read([row])[0] if trigger is not None and trigger.enabled else None

    def config(self, tx: Transaction, pack_ref: str) -> PackConfig:
        """Return the configuration of a pack; empty when there is no such pack."""
        found = self._configs.get(pack_ref)
        if found is None:
            found = self._configs[pack_ref] = self._read_config(tx, pack_ref)
        return found

    def job(self, tx: Transaction, action_ref: str) -> JobDefinition:
        """Return what an action is started with as it stands; raises what `pin` raises."""
        found = self._jobs.get(action_ref)
        if found is None:
            found = self._jobs[action_ref] = pin(tx, action_ref)
        return found

    def _read(self, rows: list[Row]) -> tuple[Rule, ...]:
        return tuple(self._ready_rule(row) for row in rows)

    def _ready_rule(self, row: Row) -> Rule:
        """Make a rule ready; one whose definition is the same as before keeps what was read of it."""
        known = self._ready.get(row.id)
        if known is not None and known[0] == row.definition and known[1].updated == row.updated:
            return known[1]
        try:
            rule = ready_rule(RuleDefinition.from_json(row.definition), rule_id=row.id, updated=row.updated)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this rule's fault alone
            rule = _unreadable(row, error)
        self._ready[row.id] = (row.definition, rule)
        return rule

    def _read_config(self, tx: Transaction, pack_ref: str) -> PackConfig:
        pack = packs.get(tx, pack_ref)
        if pack is None:
            return PackConfig({}, frozenset())
        values = pack_config.values(pack, self._sealer)
        schema = PackManifest.from_json(pack.manifest).conf_schema
        return PackConfig(values, frozenset(secret_pointers(schema, values)))


def _keep(known: dict[str, tuple[Rule, ...]], trigger_ref: str, rules: tuple[Rule, ...]) -> None:
    if len(known) >= _MOST_TRIGGERS_KEPT:
        known.clear()
    known[trigger_ref] = rules
