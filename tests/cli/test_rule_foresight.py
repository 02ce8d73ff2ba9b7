"""What is said of a rule before it fires: what its firing would come to, and what it reads that nobody declares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pack_files import write_pack

if TYPE_CHECKING:
    from tests.cli.conftest import Run

DISK = '{"mount": {"type": "string", "required": true}, "used": {"type": "integer"}}'
SECRETIVE = """ref: crm.a
entry_point: a.sh
parameters:
  token: {type: string, secret: true}
  message: {type: string}
  seconds: {type: integer}
"""


@pytest.mark.parametrize(
    ("param", "told"),
    [
        ("message={{ keystore.crm.token }}", "message: a secret value may only be given to a parameter"),
        ("token={{ event.payload.mount }}", "token: what an event says may not name a key"),
        ("token=key://crm.tokn", "crm.tokn"),
        ("seconds={{ event.payload.mount }}", "the run would fail: "),
    ],
)
def test_a_test_says_what_a_real_event_would_come_to(run: Run, param: str, told: str) -> None:
    run("trigger", "create", "app.disk", "--out-schema", DISK)
    write_pack(Path(), {"actions/a.yaml": SECRETIVE, "actions/a.sh": "true\n"}, ref="crm")
    assert run("pack", "install", "crm").exit_code == 0
    run("key", "set", "crm.token", "-", input="sesame-open")
    created = run("rule", "create", "local.r", "--trigger", "app.disk", "--action", "crm.a", "--param", param)
    assert created.exit_code == 0, created.stderr
    tested = run("rule", "test", "local.r", "mount=key://crm.token")
    assert (tested.exit_code, told in tested.stdout) == (1, True), tested.stdout
    run("event", "emit", "app.disk", "mount=key://crm.token", "--process", "-qq")
    happened = run("rule", "history", "local.r", "-j").stdout
    real = json.loads(happened)[0]
    foreseen = json.loads(run("rule", "test", "local.r", "--event", "1", "-j").stdout)
    assert (foreseen["outcome"], foreseen["reason"]) == (real["outcome"], real["reason"])
    assert "sesame" not in tested.stdout + tested.stderr
    if real["execution"]:
        error = json.loads(run("execution", "show", "1", "-j").stdout)["error"]["message"]
        assert foreseen["error"] == f"the run would fail: {error}"
    untyped = run("rule", "test", "local.r", "--event", "1", "--run")
    assert untyped.exit_code == 1


# --- fields that a trigger does not declare

NESTED = (
    '{"disk": {"type": "object", "properties": {"mount": {"type": "string"}}},'
    ' "tags": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},'
    ' "free": {"type": "object"}}'
)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--param", "message={{ event.payload.disc }}"),
            "declares no 'disc' in its payload; did you mean disk?",
        ),
        (
            ("--param", "message=a {{ event.payload.disk.mont | upper }}"),
            "no 'disk.mont' in its payload; did you",
        ),
        (("--param", "message={{ event.payload.tags[0].nam }}"), "no 'tags.0.nam'"),
        (
            ("--where", "disk.mount=/", "--where", "dsk=1"),
            "conditions.1.field: trigger 'app.deep' declares no 'dsk'",
        ),
        (
            ("--when", "event.payload.fre > 1"),
            "declares no 'fre' in its payload; did you mean free? (column 1)",
        ),
        (("--param", "message={{ event.payload.free.any.thing }} {{ event.payload.disk['mount'] }}"), ""),
        (("--param", "message={{ event.payload }} {{ event.payload.tags[1] }} {{ event.id }}"), ""),
    ],
)
def test_a_field_that_a_trigger_does_not_declare_is_warned_of(
    run: Run, words: tuple[str, ...], told: str
) -> None:
    run("trigger", "create", "app.deep", "--out-schema", NESTED)
    made = run("rule", "create", "local.r", "--trigger", "app.deep", "--action", "core.echo", *words)
    assert (made.exit_code, made.stdout) == (0, "local.r\n")
    assert (told in made.stderr, "warning" in made.stderr) == (True, bool(told)), made.stderr
    assert ("warning" in run("rule", "update", "local.r", "--label", "R").stderr) == bool(told)
    dry = run("rule", "create", "local.s", "--trigger", "app.deep", "--action", "core.echo", *words, "-n")
    assert dry.stderr.count("warning") == bool(told)


def test_a_trigger_without_a_schema_may_send_anything(run: Run) -> None:
    run("trigger", "create", "app.open")
    made = run(
        *("rule", "create", "local.r", "--trigger", "app.open", "--action", "core.echo"),
        *("--param", "message={{ event.payload.x }}"),
    )
    assert "warning" not in made.stderr


def test_packs_and_documents_are_warned_at_their_places(run: Run) -> None:
    rule = (
        "ref: garden.r\ntrigger_ref: garden.t\naction_ref: core.echo\n"
        "action_params:\n  message: 'bed {{ event.payload.bad }}'\n"
    )
    trigger = "ref: garden.t\noutput: {bed: {type: string}}\n"
    write_pack(Path(), {"rules/r.yaml": rule, "triggers/t.yaml": trigger}, ref="garden")
    told = "rules/r.yaml:5:20: 'action_params.message': trigger 'garden.t' declares no 'bad' in its payload"
    checked = run("pack", "validate", "garden")
    assert (checked.exit_code, checked.stdout.count("warning")) == (0, 1)
    assert "garden/rules/r.yaml:5:20: warning: 'action_params.message': trigger" in checked.stdout
    assert f"{told} (did you mean bed?)" in run("pack", "install", "garden").stderr
    Path("rule.yaml").write_text(rule.replace("garden.r", "local.r") + "kind: rule\n")
    applied = run("apply", "rule.yaml")
    assert (applied.exit_code, applied.stdout) == (0, "created rule local.r\n")
    place = told.removeprefix("rules/r.yaml")
    assert f"warning: rule.yaml{place} (did you mean bed?)" in applied.stderr
    assert run("apply", "rule.yaml", "--strict").exit_code == 2
    Path("attune.toml").write_text("")
    Path("packs").mkdir()
    Path("garden").rename("packs/garden")
    assert "declares no 'bad'" in run("validate", "rule.yaml").stdout
