"""From the words of `attune rule create` and `update` to what a rule says (cli.md 3.9)."""

from __future__ import annotations

import json
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.declaring.rule_documents import LOCAL
from attune_cli.errors import Detail, UsageError, did_you_mean
from attune_cli.reading.parameters import ParameterReader
from attune_cli.runtime.model.automations import After, RuleDefinition, RuleMode, Unless
from attune_cli.runtime.model.parameters import coerce
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.model.refs import label_of, name_of, pack_of
from attune_cli.runtime.store import definitions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.model.actions import Schema
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Kind

_PREFIXES = ("event.payload.", "trigger.payload.", "trigger.")
UNSET = (
    "label", "description", "conditions", "action_params", "trigger_params", "permission_set_refs", "mode", "group_by",
    "once_within", "after", "unless", "notify", "timer",
)  # fmt: skip
"""What `--unset` can take away; a parameter by `action_params.NAME`."""


@immutable(kw_only=True)
class RuleWords:
    """The options as typed; None and () leave what is there."""

    trigger: str | None = None
    action: str | None = None
    when: Sequence[str] = ()
    where: Sequence[str] = ()
    params: Sequence[str] = ()
    trigger_params: Sequence[str] = ()
    mode: str | None = None
    group_by: Sequence[str] = ()
    once_within: str | None = None
    after: str | None = None
    unless: str | None = None
    unless_when: Sequence[str] = ()
    notify: Sequence[str] = ()
    timer: Sequence[str] = ()
    label: str | None = None
    description: str | None = None
    enabled: bool | None = None
    criteria: str | None = None
    unset: Sequence[str] = field(default=())


class RuleReader:
    """Reads all words of one command line; every fault is kept, and told together."""

    def __init__(self, tx: Transaction, words: RuleWords) -> None:
        self._tx = tx
        self._words = words
        self.faults: list[Detail] = []
        self.warnings: list[str] = []

    def create(self, ref: str | None) -> RuleDefinition:
        """Return a new rule; without a ref it is called after its trigger and its action."""
        words = self._words
        missing = [
            Detail(f"--{name}", "required") for name in ("trigger", "action") if not getattr(words, name)
        ]
        if missing:
            raise UsageError(
                "a rule needs a trigger and an action",
                code="missing_option",
                details=missing,
                hint="attune rule create --trigger REF --action REF",
            )
        trigger, action = str(words.trigger), str(words.action)
        name = ref or f"{LOCAL}.{name_of(trigger)}-{name_of(action)}"
        name = name if "." in name else f"{LOCAL}.{name}"
        return self._applied(
            RuleDefinition(
                ref=name, pack_ref=pack_of(name), trigger_ref=trigger, action_ref=action, label=label_of(name)
            )
        )

    def update(self, rule: RuleDefinition) -> RuleDefinition:
        """Return a rule with what the words change."""
        for name in self._words.unset:
            rule = self._without(rule, name)
        return self._applied(
            replace(
                rule,
                trigger_ref=self._words.trigger or rule.trigger_ref,
                action_ref=self._words.action or rule.action_ref,
            )
        )

    def refuse_faults(self) -> None:
        if self.faults:
            raise UsageError(
                "the rule cannot be read from these words; nothing was changed",
                code="invalid_rule",
                details=self.faults,
                hint="attune rule create --help",
            )

    def _applied(self, rule: RuleDefinition) -> RuleDefinition:
        words = self._words
        parameters = self._values("action", rule.action_ref, "--param", words.params, templates=True)
        trigger_params = self._values("trigger", rule.trigger_ref, "--trigger-param", words.trigger_params)
        conditions = self._conditions(rule.trigger_ref)
        return replace(
            rule,
            label=words.label if words.label is not None else rule.label,
            description=words.description if words.description is not None else rule.description,
            enabled=rule.enabled if words.enabled is None else words.enabled,
            conditions=rule.conditions if conditions is None else conditions,
            action_params={**rule.action_params, **parameters},
            trigger_params={**rule.trigger_params, **trigger_params},
            mode=cast("RuleMode", words.mode or rule.mode),
            group_by=tuple(words.group_by) or rule.group_by,
            once_within_seconds=self._duration("--once-within", words.once_within)
            or rule.once_within_seconds,
            after=self._after() or rule.after,
            unless=self._averting(self._unless() or rule.unless),
            notify=tuple(words.notify) or rule.notify,
            timer={**rule.timer, **self._timer()},
        )

    # --- parameters

    def _values(
        self, kind: Kind, ref: str, option: str, items: Sequence[str], *, templates: bool = False
    ) -> dict[str, Any]:
        reader = ParameterReader(self._schema(kind, ref, "parameters"), templates=templates)
        reader.read_items(items)
        self.faults += [replace(fault, source=option) for fault in reader.faults]
        self.warnings += reader.warnings
        return reader.values

    def _schema(self, kind: Kind, ref: str, name: str) -> Schema:
        """Return a schema of what the rule names; empty where there is none: that is told with the other faults."""
        row = definitions.get(self._tx, kind, ref)
        return {} if row is None else row.definition[name]

    def _timer(self) -> dict[str, Any]:
        reader = ParameterReader({"misfire_bound": {"type": "integer"}})
        reader.read_items(self._words.timer)
        self.faults += reader.faults
        return reader.values

    # --- conditions

    def _conditions(self, trigger_ref: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the conditions that the words say; None when they say nothing of them."""
        words = self._words
        output = self._schema("trigger", trigger_ref, "output")
        fields = [one for item in words.where if (one := self._where(item, output)) is not None]
        if words.criteria is not None:
            return self._criteria(words.criteria)
        parts: list[Any] = [*fields, *({"expression": text} for text in words.when)]
        if not parts:
            return None
        if not words.when:
            return fields
        return parts[0] if len(parts) == 1 else {"all": parts}

    def _where(self, item: str, output: Schema) -> dict[str, Any] | None:
        name, equals, text = item.partition("=")
        if not equals or not name.strip(":"):
            self.faults.append(Detail(item, "expected PATH=VALUE or PATH:=JSON", source="--where"))
            return None
        value: Any
        if name.endswith(":"):
            name = name.removesuffix(":")
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                self.faults.append(Detail(name, f"is not JSON: {error}", source="--where"))
                return None
        else:
            plain = name
            for prefix in _PREFIXES:
                plain = plain.removeprefix(prefix)
            value = coerce(output, plain, text)
        if isinstance(value, Detail):
            self.faults.append(replace(value, source="--where"))
            return None
        return {"field": name, "operator": "equals", "value": value}

    def _criteria(self, text: str) -> Any:  # noqa: ANN401 - any JSON
        reader = ParameterReader({})
        reader.read_document(text)
        self.faults += [replace(fault, path="--criteria") for fault in reader.faults]
        return reader.values

    # --- time

    def _duration(self, option: str, text: str | None) -> float | None:
        if text is None:
            return None
        try:
            return parse_duration(text)
        except ValueError as error:
            self.faults.append(Detail(option, str(error), value=text))
            return None

    def _after(self) -> After | None:
        text = self._words.after
        if text is None:
            return None
        count, slash, within = text.partition("/")
        if not slash or not (count.isascii() and count.isdecimal()):
            self.faults.append(Detail("--after", "expected how many within how long, e.g. 3/5m", value=text))
            return None
        seconds = self._duration("--after", within)
        return None if seconds is None else After(count=int(count), within_seconds=seconds)

    def _unless(self) -> Unless | None:
        text = self._words.unless
        if text is None:
            return None
        trigger, slash, within = text.rpartition("/")
        if not slash:
            self.faults.append(
                Detail("--unless", "expected a trigger and a span, e.g. greenhouse.watered/5m", value=text)
            )
            return None
        seconds = self._duration("--unless", within)
        return None if seconds is None else Unless(trigger_ref=trigger, within_seconds=seconds)

    def _averting(self, unless: Unless | None) -> Unless | None:
        """Return it with the conditions under which the other event counts."""
        parts = [{"expression": text} for text in self._words.unless_when]
        if not parts:
            return unless
        if unless is None:
            self.faults.append(Detail("--unless-when", "says when --unless counts, and there is none"))
            return None
        return replace(unless, conditions=parts[0] if len(parts) == 1 else {"all": parts})

    # --- taking away

    def _without(self, rule: RuleDefinition, name: str) -> RuleDefinition:
        start, _, inner = name.partition(".")
        if start not in UNSET or (inner and start not in {"action_params", "trigger_params", "timer"}):
            suggestion = did_you_mean(name, UNSET)
            message = f"cannot be unset; {suggestion or 'there are ' + ', '.join(UNSET)}"
            self.faults.append(Detail(name, message, source="--unset"))
            return rule
        attribute = "once_within_seconds" if start == "once_within" else start
        if inner:
            values: dict[str, Any] = getattr(rule, attribute)
            return replace(rule, **{attribute: {key: value for key, value in values.items() if key != inner}})
        empty = RuleDefinition(
            ref=rule.ref, pack_ref="", trigger_ref="", action_ref="", label=label_of(rule.ref)
        )
        return replace(rule, **{attribute: getattr(empty, attribute)})
