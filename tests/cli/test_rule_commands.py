from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Terminal

DISK = '{"mount": {"type": "string", "required": true}, "used": {"type": "integer"}}'


@pytest.fixture
def disk(run: Run) -> None:
    """A trigger, and a rule with conditions on it."""
    assert run("trigger", "create", "app.disk", "--out-schema", DISK).exit_code == 0
    created = run(
        *("rule", "create", "local.disk", "--trigger", "app.disk", "--action", "core.echo"),
        *("--where", "mount=/", "--when", "event.payload.used > 90"),
        *("--param", "message=disk {{ event.payload.mount }} at {{ event.payload.used }} %"),
    )
    assert (created.exit_code, created.stdout) == (0, "local.disk\n")


def shown(run: Run, ref: str) -> dict[str, Any]:
    return json.loads(run("rule", "show", ref, "-j").stdout)


def faults(stderr: str) -> dict[str, str]:
    return {one["path"]: one["message"] for one in json.loads(stderr.splitlines()[-1])["error"]["details"]}


@pytest.mark.usefixtures("disk")
def test_a_rule_says_what_was_typed(run: Run) -> None:
    record = shown(run, "local.disk")
    assert (record["enabled"], record["is_adhoc"]) == (True, True)
    assert record["conditions"] == {
        "all": [
            {"field": "mount", "operator": "equals", "value": "/"},
            {"expression": "event.payload.used > 90"},
        ]
    }
    assert record["action_params"] == {
        "message": "disk {{ event.payload.mount }} at {{ event.payload.used }} %"
    }


@pytest.mark.usefixtures("disk")
def test_values_take_the_types_that_trigger_and_action_declare(run: Run) -> None:
    run(
        *("rule", "create", "--trigger", "app.disk", "--action", "core.http_request", "--disabled"),
        *(
            "--where",
            "used=90",
            "--where",
            "event.payload.tags:=[1]",
            "--param",
            "url=http://x",
            "--param",
            "timeout=5",
        ),
        *(
            "--param",
            'json_body:={"a": 1}',
            "--param",
            "headers={{ event.payload.headers }}",
            "--mode",
            "queued",
        ),
        *(
            "--group-by",
            "event.payload.mount",
            "--once-within",
            "10m",
            "--after",
            "3/5m",
            "--unless",
            "core.alert/30s",
        ),
    )
    record = shown(run, "local.disk-http_request")
    assert record["conditions"] == [
        {"field": "used", "operator": "equals", "value": 90},
        {"field": "event.payload.tags", "operator": "equals", "value": [1]},
    ]
    assert record["action_params"] == {
        "url": "http://x", "timeout": 5, "json_body": {"a": 1}, "headers": "{{ event.payload.headers }}",
    }  # fmt: skip
    assert not record["enabled"]
    assert (record["mode"], record["once_within_seconds"]) == ("queued", 600)
    assert record["after"] == {"count": 3, "within_seconds": 300}
    assert record["unless"] == {"trigger_ref": "core.alert", "within_seconds": 30, "conditions": None}


@pytest.mark.usefixtures("disk")
def test_every_fault_is_told_together_and_nothing_is_kept(run: Run) -> None:
    result = run(
        *("rule", "create", "x", "--trigger", "app.disk", "--action", "core.http_request", "-j"),
        *(
            "--param",
            "timeout=soon",
            "--param",
            "utl=x",
            "--param",
            "body={{ event. }}",
            "--where",
            "used=lots",
        ),
        *("--when", "evnt.x == 1", "--mode", "singel", "--after", "3", "--unless", "core.alrt/5m"),
        *("--group-by", "host", "--notify", "nobody"),
    )
    assert (result.exit_code, result.stdout) == (2, "")
    told = faults(result.stderr)
    assert set(told) == {
        "timeout", "used", "--after", "conditions.expression", "action_params.body",
        "action_params.utl", "mode", "unless.trigger_ref", "group_by", "notify",
    }  # fmt: skip
    assert told["action_params.utl"] == "unknown parameter; did you mean url?"
    assert told["unless.trigger_ref"] == "no trigger 'core.alrt'; did you mean core.alert?"
    assert told["conditions.expression"].endswith("(column 1)")
    assert run("rule", "list", "--count").stdout == "1\n"


def test_a_trigger_or_an_action_that_is_not_there_exits_3(run: Run) -> None:
    result = run("rule", "create", "x", "--trigger", "core.alrt", "--action", "core.ecko", "-j")
    assert result.exit_code == 3
    assert faults(result.stderr) == {
        "trigger_ref": "no trigger 'core.alrt'; did you mean core.alert?",
        "action_ref": "no action 'core.ecko'; did you mean core.echo?",
    }
    assert run("rule", "create").exit_code == 2


def test_a_value_of_the_wrong_shape_is_a_fault(run: Run) -> None:
    result = run(
        *(
            "rule",
            "create",
            "x",
            "--trigger",
            "core.alert",
            "--action",
            "core.echo",
            "--param",
            'message:={"a": 1}',
            "-j",
        )
    )
    assert result.exit_code == 2
    assert faults(result.stderr) == {"action_params.message": "expected string"}


def test_schedules_are_checked(run: Run) -> None:
    cron = run(
        *("rule", "create", "x", "--trigger", "core.crontimer", "--action", "core.noop", "-j"),
        *("--trigger-param", "expression=0 0 30 2 *", "--trigger-param", "timezone=Europe/Viena"),
    )
    assert cron.exit_code == 2
    assert set(faults(cron.stderr)) == {"trigger_params.expression", "trigger_params.timezone"}


def test_a_date_that_has_passed_is_kept_as_expired_or_refused(run: Run) -> None:
    words = (
        "--trigger",
        "core.datetimetimer",
        "--action",
        "core.noop",
        "--trigger-param",
        "fire_at=2020-01-01",
    )
    created = run("rule", "create", "local.past", *words)
    assert created.exit_code == 0
    assert "never fires" in created.stderr
    assert shown(run, "local.past")["timer_state"] == "expired"
    refused = run("rule", "create", "local.refused", *words, "--timer", "past=refuse", "-j")
    assert refused.exit_code == 2
    assert "has passed" in faults(refused.stderr)["trigger_params.fire_at"]


@pytest.mark.usefixtures("disk")
def test_a_ref_that_is_taken_is_left_replaced_or_refused(run: Run) -> None:
    words = ("rule", "create", "local.disk", "--trigger", "app.disk", "--action", "core.noop")
    assert run(*words).exit_code == 5
    assert run(*words, "--if-not-exists").exit_code == 0
    assert shown(run, "local.disk")["action_ref"] == "core.echo"
    assert run(*words, "--replace").exit_code == 0
    assert shown(run, "local.disk")["action_ref"] == "core.noop"


@pytest.mark.usefixtures("disk")
def test_a_dry_run_prints_a_file_and_a_file_can_be_written_and_tested(run: Run) -> None:
    words = ("rule", "create", "demo.r", "--trigger", "app.disk", "--action", "core.noop", "--after", "3/90s")
    document = yaml.safe_load(run(*words, "-n", "-o", "yaml").stdout)
    assert document == {
        "ref": "demo.r", "trigger_ref": "app.disk", "action_ref": "core.noop", "after": {"count": 3, "within": "1m30s"},
    }  # fmt: skip
    assert run(*words, "--file", "r.yaml").exit_code == 0
    assert yaml.safe_load(Path("r.yaml").read_text()) == document
    assert run(*words, "--file", "r.yaml").exit_code == 5
    assert run("rule", "show", "demo.r").exit_code == 3
    tested = run("rule", "test", "r.yaml", "mount=/", "-j")
    assert (tested.exit_code, json.loads(tested.stdout)["outcome"]) == (1, "after")


@pytest.mark.usefixtures("disk")
def test_a_faulty_file_tells_line_and_column(run: Run) -> None:
    Path("r.yaml").write_text(
        "ref: local.r\ntrigger_ref: app.dsk\naction_ref: core.echo\nconditoins: []\n"
        "action_params:\n  message: a {{ event.payload. }}\n"
    )
    result = run("rule", "test", "r.yaml", "mount=/", "-j")
    assert result.exit_code == 2
    assert list(faults(result.stderr)) == ["r.yaml:2:14", "r.yaml:4:1", "r.yaml:6:32"]


@pytest.mark.usefixtures("disk")
def test_update_changes_what_is_said_and_leaves_the_rest(run: Run) -> None:
    assert run("rule", "update", "local.disk", "--once-within", "1h", "--label", "Full").exit_code == 0
    record = shown(run, "local.disk")
    assert (record["once_within_seconds"], record["label"]) == (3600, "Full")
    assert record["conditions"] is not None
    unset = run("rule", "update", "local.disk", "--unset", "conditions", "--unset", "action_params.message")
    assert unset.exit_code == 0
    record = shown(run, "local.disk")
    assert (record["conditions"], record["action_params"], record["once_within_seconds"]) == (None, {}, 3600)
    assert run("rule", "update", "local.disk", "--unset", "conditons").exit_code == 2
    assert run("rule", "update", "local.dsk", "--label", "x").exit_code == 3


@pytest.mark.usefixtures("disk")
def test_rule_test_explains_what_was_seen_and_what_was_wanted(run: Run) -> None:
    fires = run("rule", "test", "local.disk", "mount=/", "used=97", "-j")
    record = json.loads(fires.stdout)
    assert (fires.exit_code, record["outcome"], record["matched"]) == (0, "fired", True)
    assert record["parameters"] == {"message": "disk / at 97 %"}
    no = run("rule", "test", "local.disk", "mount=/x", "used=97")
    assert no.exit_code == 1
    lines = [" ".join(line.split()) for line in no.stdout.splitlines()]
    assert lines[0] == "local.disk: it does not fire: mount: wanted equals '/', seen '/x'"
    assert "conditions.all.0: does not hold" in lines
    assert "wanted equals '/'" in lines
    assert "seen event.payload.used = 97" in lines
    missing = run("rule", "test", "local.disk", "mount=/")
    assert missing.exit_code == 1
    assert "event.payload.used is missing" in missing.stdout
    assert run("execution", "list", "--count").stdout == "0\n"


@pytest.mark.usefixtures("disk")
def test_rule_test_takes_stored_events_and_payloads(run: Run) -> None:
    assert run("rule", "test", "local.disk").exit_code == 2
    for used in ("10", "95"):
        assert run("event", "emit", "app.disk", "mount=/", f"used={used}").exit_code == 0
    assert run("rule", "test", "local.disk", "--event", "1", "-qq").exit_code == 1
    assert run("rule", "test", "local.disk", "--event", "2", "-qq").exit_code == 0
    assert run("rule", "test", "local.disk", "-qq").exit_code == 0
    both = run("rule", "test", "local.disk", "--last", "2", "-j")
    assert both.exit_code == 1
    assert [(one["event"], one["matched"]) for one in json.loads(both.stdout)] == [(2, True), (1, False)]
    Path("p.json").write_text('{"mount": "/", "used": 99}')
    assert run("rule", "test", "local.disk", "--payload", "@p.json", "-qq").exit_code == 0
    assert run("rule", "test", "local.disk", "--event", "9").exit_code == 3
    assert run("rule", "test", "local.disk", "--event", "1", "--last", "1").exit_code == 2
    assert run("rule", "test", "local.dsk", "a=1").exit_code == 3


@pytest.mark.usefixtures("disk")
def test_rule_test_runs_what_fires_when_it_is_asked_to(run: Run) -> None:
    run("rule", "create", "local.other", "--trigger", "app.disk", "--action", "core.noop")
    assert run("rule", "test", "local.disk", "mount=/", "used=5", "--run").exit_code == 1
    assert run("event", "list", "-q").stdout == ""
    ran = run("rule", "test", "local.disk", "mount=/", "used=95", "--run")
    assert ran.exit_code == 0
    records = json.loads(run("execution", "list", "-j").stdout)
    assert [(one["rule_ref"], one["parameters"]["message"]) for one in records] == [
        ("local.disk", "disk / at 95 %")
    ]


@pytest.mark.usefixtures("disk")
def test_a_secret_is_shown_neither_by_the_trace_nor_by_the_parameters(run: Run) -> None:
    run("key", "set", "crm.token", "-", input="sesame-open")
    run(
        "rule",
        "update",
        "local.disk",
        "--when",
        "keystore.crm.token == 'x' or true",
        "--param",
        "message={{ keystore.crm.token }}",
    )
    tested = run("rule", "test", "local.disk", "mount=/", "-j")
    assert "sesame" not in tested.stdout
    assert json.loads(tested.stdout)["parameters"]["message"]["redacted"] is True


@pytest.mark.usefixtures("disk")
def test_history_tells_what_a_rule_made_of_events(run: Run) -> None:
    for used in ("10", "95"):
        run("event", "emit", "app.disk", "mount=/", f"used={used}", "--process", "-qq")
    records = json.loads(run("rule", "history", "local.disk", "-j").stdout)
    assert [(one["event"], one["outcome"], one["execution"]) for one in records] == [
        (2, "fired", 1),
        (1, "no_match", None),
    ]
    explained = run("rule", "history", "local.disk", "--explain").stdout
    assert "event.payload.used = 10" in explained
    assert json.loads(run("rule", "history", "local.disk", "--outcome", "fired", "-j").stdout) == records[:1]
    assert shown(run, "local.disk")["last_fired"] is not None
    assert run("rule", "history", "local.dsk").exit_code == 3
    run("action", "disable", "core.echo")
    run("event", "emit", "app.disk", "mount=/", "used=95", "--process", "-qq")
    assert "'core.echo' is disabled" in run("rule", "history", "local.disk", "-l", "1").stdout


@pytest.mark.usefixtures("disk")
def test_a_rule_that_looks_at_nothing_says_so_wherever_it_is_asked(run: Run) -> None:
    assert "no event of app.disk has been judged" in run("rule", "history", "local.disk").stderr
    run("rule", "disable", "local.disk")
    emitted = run("event", "emit", "app.disk", "mount=/", "used=95", "--process")
    assert "no rule has judged it" in emitted.stderr
    assert "rule local.disk is disabled" in run("rule", "history", "local.disk").stderr
    assert "rule local.disk is disabled" in run("rule", "test", "local.disk", "mount=/", "used=95").stderr
    run("rule", "enable", "local.disk")
    run("trigger", "disable", "app.disk")
    assert "trigger app.disk is disabled" in run("rule", "history", "local.disk").stderr


@pytest.mark.usefixtures("disk")
@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("--trigger", "app.dsk", "attune trigger list"),
        ("--action", "core.ecko", "attune action list"),
        ("--param", "nothing=1", "attune action params core.echo"),
        ("--trigger", "core.crontimer", "attune trigger show core.crontimer"),
        ("--mode", "twice", "attune schema rule"),
    ],
)
def test_a_faulty_rule_names_the_command_that_shows_what_may_be_said(
    run: Run, option: str, value: str, hint: str
) -> None:
    words = ("--trigger", "app.disk", "--action", "core.echo", "--param", "message=x", option, value)
    refused = run("rule", "create", "local.other", *words, "-j")
    assert json.loads(refused.stderr.splitlines()[-1])["error"]["hint"] == hint


@pytest.mark.usefixtures("disk")
def test_rules_are_listed_switched_and_deleted(run: Run) -> None:
    run("rule", "create", "local.b", "--trigger", "core.alert", "--action", "core.noop")
    assert run("rules", "ls", "--trigger", "app.disk", "-q").stdout == "local.disk\n"
    assert run("rule", "list", "--action", "core.noop", "-q").stdout == "local.b\n"
    assert run("rule", "disable", "local.b").stdout == "local.b\n"
    again = json.loads(run("rule", "disable", "local.b", "-j").stdout)
    assert (again["changed"], again["unchanged"]) == ([], ["local.b"])
    assert run("rule", "list", "--disabled", "-q").stdout == "local.b\n"
    assert run("rule", "enable", "local.b", "local.gone").exit_code == 3
    assert run("rule", "list", "--enabled", "-q").stdout == "local.disk\n"
    assert run("rule", "delete", "local.b").exit_code == 2
    assert run("rule", "delete", "local.b", "-y").stdout == "local.b\n"
    assert run("rule", "delete", "local.b", "-y").exit_code == 3
    assert run("rule", "delete", "local.b", "-y", "--if-exists").exit_code == 0
    assert run("rule", "enable").exit_code == 2


def test_a_rule_of_a_pack_is_changed_in_its_file(run: Run) -> None:
    folder = Path("demo")
    (folder / "rules").mkdir(parents=True)
    (folder / "pack.yaml").write_text("ref: demo\nversion: 1.0.0\n")
    (folder / "rules/r.yaml").write_text("ref: r\ntrigger_ref: core.alert\naction_ref: core.noop\n")
    assert run("pack", "install", "demo", "--no-test").exit_code == 0
    assert run("rule", "update", "demo.r", "--label", "x").exit_code == 5
    assert run("rule", "delete", "demo.r", "-y").exit_code == 5
    assert run("rule", "disable", "demo.r").exit_code == 0
    assert run("pack", "install", "demo", "--no-test", "--upgrade").exit_code == 0
    assert not shown(run, "demo.r")["enabled"]


@pytest.mark.usefixtures("disk")
def test_old_names_of_options_work(run: Run) -> None:
    result = run(
        *(
            "rule",
            "create",
            "--name",
            "old",
            "--pack",
            "app",
            "--trigger",
            "app.disk",
            "--action",
            "core.noop",
        ),
        *("--criteria", '{"trigger.mount": {"type": "equals", "pattern": "/"}}', "--enabled"),
    )
    assert (result.exit_code, result.stdout) == (0, "app.old\n")
    assert run("rule", "test", "app.old", "mount=/", "-qq").exit_code == 0


@pytest.mark.usefixtures("disk")
def test_editing_opens_a_faulty_rule_again(
    run: Run, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = Path("editor.sh").absolute()
    editor.write_text(
        '#!/bin/sh\nif grep -q \'^#!\' "$1"; then cp "$1" seen.txt; sed -i \'s/core.ecko/core.noop/\' "$1"\n'
        "else sed -i 's/core.echo/core.ecko/; /^action_params/,/^  message/d' \"$1\"; fi\n"
    )
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    assert terminal("rule", "edit", "local.disk").exit_code == 0
    assert "did you mean core.echo?" in Path("seen.txt").read_text()
    assert shown(run, "local.disk")["action_ref"] == "core.noop"
    monkeypatch.setenv("EDITOR", "true")
    assert terminal("rule", "edit", "local.disk").exit_code == 130
    assert run("rule", "edit", "local.disk").exit_code == 2


# --- triggers


def test_a_trigger_is_made_shown_switched_and_deleted(run: Run) -> None:
    Path("out.yaml").write_text("line: {type: string, required: true}\n")
    made = run("trigger", "create", "app.error", "--out-schema", "@out.yaml", "--label", "Error")
    assert (made.exit_code, made.stdout) == (0, "app.error\n")
    run("rule", "create", "local.r", "--trigger", "app.error", "--action", "core.noop")
    record = json.loads(run("trigger", "show", "app.error", "-j").stdout)
    assert (record["label"], record["type"], record["rules"]) == ("Error", "event", ["local.r"])
    assert [one["name"] for one in record["output"]] == ["line"]
    assert run("trigger", "disable", "app.error").stdout == "app.error\n"
    assert run("event", "emit", "app.error", "line=x").exit_code == 5
    assert run("trigger", "enable", "app.error").exit_code == 0
    assert run("trigger", "delete", "app.error", "-y").exit_code == 5
    run("rule", "delete", "local.r", "-y")
    assert run("trigger", "delete", "app.error", "-y").stdout == "app.error\n"
    assert run("trigger", "show", "app.error").exit_code == 3
    assert run("trigger", "delete", "core.alert", "-y").exit_code == 5


def test_a_faulty_trigger_is_refused_with_all_its_faults(run: Run) -> None:
    result = run("trigger", "create", "Bad Ref.x", "--out-schema", '{"a": {"type": "strng"}}', "-j")
    assert result.exit_code == 2
    assert set(faults(result.stderr)) == {"ref", "out_schema.a.type"}
    assert run("trigger", "create", "app.x", "--param-schema", "[1").exit_code == 2
    assert run("trigger", "create", "core.alert").exit_code == 5
