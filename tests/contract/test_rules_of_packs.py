"""The rules of a pack are checked against the database in the transaction that installs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.errors import UsageError
from attune_cli.runtime.packs.source import read_pack
from tests.contract.test_pack_installation import World
from tests.pack_files import write_pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {
    "actions/valve.yaml": "ref: valve\nentry_point: date\nparameters:\n  valve: {type: integer, required: true}\n"
    "  seconds: {type: integer}\n  pin: {type: string, secret: true}\n",
    "triggers/dry.yaml": "ref: dry\nparameters: {bed: {type: string, required: true}}\n",
}


@pytest.fixture
def world(memory_path: Path) -> Iterator[World]:
    world = World(memory_path)
    yield world
    world.store.close()


def test_every_fault_of_every_rule_is_told_with_its_place_and_nothing_is_installed(
    world: World, tmp_path: Path
) -> None:
    rules = {
        "rules/a.yaml": "ref: a\ntrigger_ref: dry\naction_ref: valve\ntrigger_params: {bde: north}\n"
        'action_params:\n  second: 3\n  seconds: "{{ event.payload.seconds }}"\n',
        "rules/b.yaml": "ref: b\ntrigger_ref: core.alert\naction_ref: valve\naction_params: {valve: three}\n",
    }
    with pytest.raises(UsageError) as caught:
        world.install(write_pack(tmp_path, FILES | rules))
    assert [(detail.path, detail.message) for detail in caught.value.details] == [
        ("rules/a.yaml:6:11", "'action_params.second': unknown parameter; did you mean seconds?"),
        ("rules/a.yaml:6:3", "'action_params.valve': required (integer)"),
        ("rules/a.yaml:4:23", "'trigger_params.bde': unknown parameter; did you mean bed?"),
        ("rules/b.yaml:4:24", "'action_params.valve': expected integer"),
    ]
    assert world.rows("action") == {}


def test_a_rule_that_fits_is_kept_with_all_that_it_says(world: World, tmp_path: Path) -> None:
    rule = """\
ref: r
trigger_ref: dry
action_ref: valve
trigger_params: {bed: north}
conditions: {all: [{field: moisture, operator: lt, value: 20}, {expression: event.payload.bed != 'south'}]}
action_params: {valve: "{{ event.payload.valve }}", seconds: 30, pin: "{{ keystore.pin }}"}
mode: queued
group_by: event.payload.bed
once_within: 10m
after: {count: 3, within: 1h}
unless: {trigger_ref: core.alert, within: 30, conditions: {expression: event.payload.severity == 'info'}}
notify: all
"""
    world.install(write_pack(tmp_path, {**FILES, "rules/r.yaml": rule}))
    kept = world.rows("rule")["demo.r"].definition
    assert {name: kept[name] for name in ("mode", "group_by", "once_within_seconds", "after", "notify")} == {
        "mode": "queued",
        "group_by": ["event.payload.bed"],
        "once_within_seconds": 600,
        "after": {"count": 3, "within_seconds": 3600},
        "notify": ["all"],
    }
    assert kept["unless"]["within_seconds"] == 30


def test_a_name_that_leads_nowhere_is_a_warning_of_a_pack(tmp_path: Path) -> None:
    rule = (
        'ref: r\ntrigger_ref: core.alert\naction_ref: hello\naction_params: {x: "{{ trigger.payload.x }}"}\n'
    )
    source = read_pack(write_pack(tmp_path, {"rules/r.yaml": rule}))
    assert source.errors == []
    assert [finding.line for finding in source.findings] == [4]
