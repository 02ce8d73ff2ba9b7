"""What is exported makes the same again, whatever it is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attune_cli.config import Home, Settings
from attune_cli.declaring.applying import Pruning, _steps
from attune_cli.declaring.exporting import collect
from attune_cli.declaring.missing_keys import DeclaringSealer
from attune_cli.declaring.reading import Reader
from attune_cli.declaring.sources import File, Sources
from attune_cli.declaring.yaml_writing import yaml_documents
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.model.automations import After, RuleDefinition, TriggerDefinition, Unless
from attune_cli.runtime.model.notices import NAMES, Rate, Subjects, Wish
from attune_cli.runtime.model.parameters import normalise
from attune_cli.runtime.services import channels, keys, rules, triggers
from attune_cli.runtime.store import channels as store_channels
from attune_cli.runtime.store import definitions
from attune_cli.runtime.store import keys as store_keys
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Store, Transaction
    from attune_cli.runtime.store.definitions import Kind

names = st.from_regex(r"[a-z][a-z0-9_]{1,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda text: "{{" not in text)
spans = st.sampled_from([0.25, 1.0, 45.0, 61.5, 300.0, 86399.0, 1e6])

trigger_definitions = st.builds(
    lambda name, label, text, enabled, output: TriggerDefinition(
        ref=f"local.{name}", pack_ref="local", label=label or "Some", description=text, enabled=enabled,
        output=normalise(output),
    ),
    names, texts, texts, st.booleans(),
    st.dictionaries(names, st.sampled_from([{"type": "string"}, {"type": "integer", "required": True}]), max_size=3),
)  # fmt: skip
rule_definitions = st.builds(
    lambda name, label, text, enabled, params, **more: RuleDefinition(
        ref=f"local.{name}", pack_ref="local", trigger_ref="core.alert", action_ref="core.echo",
        label=label or "Some", description=text, enabled=enabled, action_params=params, **more,
    ),
    names, texts, texts, st.booleans(),
    st.dictionaries(st.just("message"), texts, max_size=1),
    conditions=st.sampled_from(
        [
            None,
            {"expression": "event.payload.severity == 'no'"},
            [{"field": "summary", "operator": "equals", "value": "1e3"}],
        ]
    ),
    mode=st.sampled_from(["parallel", "single", "queued", "replace"]),
    group_by=st.sampled_from([(), ("event.payload.severity",)]),
    once_within_seconds=st.none() | spans,
    after=st.none() | st.builds(lambda count, span: After(count=count, within_seconds=span), st.integers(1, 9), spans),
    unless=st.none() | st.builds(lambda span: Unless(trigger_ref="core.alert", within_seconds=span), spans),
    notify=st.sampled_from([(), ("ops",), ("all",)]),
    permission_set_refs=st.sampled_from([None, (), ("core.viewer",)]),
)  # fmt: skip
wishes = st.builds(
    lambda on, actions, rate: Wish(
        on=tuple(on), subjects=Subjects(actions=actions), rate=rate, key="chat.url"
    ),
    st.lists(st.sampled_from(NAMES), unique=True, max_size=3),
    st.sampled_from([(), ("core.echo", "core.*")]),
    st.builds(lambda count, span: Rate(messages=count, window_seconds=span), st.integers(1, 99), spans),
)
plain_values = st.recursive(
    st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


def opened(home: Home) -> Store:
    """An empty database in memory, with the core pack."""
    return open_store_for_reading(home, Settings())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(trigger_definitions, unique_by=lambda one: one.ref, max_size=3),
    st.lists(rule_definitions, unique_by=lambda one: one.ref, max_size=3),
    st.dictionaries(names, plain_values, max_size=2),
    wishes,
)
def test_what_is_exported_makes_the_same_again(
    made_triggers: list[TriggerDefinition],
    made_rules: list[RuleDefinition],
    plain: dict[str, Any],
    wish: Wish,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        sealer = Sealer(home.secret_key)
        here, there = opened(home), opened(home)
        with here.write(SECOND) as tx:
            _keep_url(tx, sealer)
            channels.put(
                tx, channels.NewChannel(name="ops", url=None, scheme="json", wish=wish), sealer=sealer
            )
            for trigger in made_triggers:
                triggers.keep(tx, trigger)
            for rule in made_rules:
                rules.create(tx, rule)
            for name, value in plain.items():
                keys.set_key(tx, f"set.{name}", value, sealer=sealer, plain=True)
            exported = yaml_documents(collect(tx, [], everything=False))
            made = _everything(tx)
        reader = Reader()
        reader.read([File("all.yaml", exported.encode())])
        with there.write(SECOND) as tx:
            _keep_url(tx, sealer)
            _apply(tx, home, reader)
            assert yaml_documents(collect(tx, [], everything=False)) == exported
            assert _everything(tx) == made
            assert {step.change for step in _apply(tx, home, reader)} == {"unchanged"}


def _everything(tx: Transaction) -> list[Any]:
    """Return all that was made, as the store has it."""
    kinds: tuple[Kind, ...] = ("trigger", "rule")
    rows = [row for kind in kinds for row in definitions.all_of(tx, kind) if row.is_adhoc]
    return [
        *((row.ref, row.label, row.description, row.enabled, row.definition) for row in rows),
        *(
            (key.ref, key.name, key.owner_type, None if key.encrypted else key.value)
            for key in store_keys.list_keys(tx, owner_type=None, owner=None, prefix="")
        ),
        *((one.name, one.filter, one.scheme, one.enabled) for one in store_channels.all_of(tx)),
    ]


def _keep_url(tx: Transaction, sealer: Sealer) -> None:
    keys.set_key(tx, "chat.url", "json://127.0.0.1:9/", sealer=sealer)


def _apply(tx: Transaction, home: Home, reader: Reader) -> list[Any]:
    sealer = DeclaringSealer(home.secret_key, pretends=False)
    steps = list(_steps(tx, home, reader, Sources((), ()), Pruning(), sealer, look=False))
    assert reader.warnings(strict=True) == []
    return steps
