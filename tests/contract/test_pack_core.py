from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import attune_cli
from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.automations import PermissionSetDefinition, SensorDefinition, TriggerDefinition
from attune_cli.runtime.model.parameters import prepare
from attune_cli.runtime.packs.source import core_pack_folder, read_pack
from attune_cli.runtime.runners.documents import parameter_document

SOURCE = read_pack(core_pack_folder())
ACTIONS = {action.ref: action for action in SOURCE.of(ActionDefinition)}

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


def run(ref: str, **given_values: object) -> subprocess.CompletedProcess[bytes]:
    """Run a core action as the runner does: prepared parameters as a document on stdin of its interpreter."""
    action = ACTIONS[ref]
    values, faults = prepare(action.parameters, given_values)
    assert faults == []
    document = parameter_document(values, action.parameter_format)
    script = core_pack_folder() / "actions" / action.entry_point
    return subprocess.run(["/bin/bash", script], input=document, capture_output=True, check=False, timeout=30)


def test_the_core_pack_is_clean_even_for_the_strict() -> None:
    assert SOURCE.findings == ()
    assert core_pack_folder().is_relative_to(Path(attune_cli.__file__).parents[1])


def test_it_holds_what_every_attune_has() -> None:
    assert set(ACTIONS) >= {"core.echo", "core.noop", "core.sleep", "core.http_request"}
    assert {trigger.ref.removeprefix("core.") for trigger in SOURCE.of(TriggerDefinition)} == {
        *(
            "intervaltimer",
            "crontimer",
            "datetimetimer",
            "rruletimer",
            "alert",
            "queue_started",
            "queue_empty",
            "execution_finished",
            "rule_fired",
            "inquiry_created",
            "inquiry_responded",
            "file_changed",
        )
    }
    assert {sensor.ref for sensor in SOURCE.of(SensorDefinition)} == {"core.timer_sensor", "core.file_watch"}
    assert {one.ref.removeprefix("core.") for one in SOURCE.of(PermissionSetDefinition)} == {
        *("admin", "editor", "executor", "viewer")
    }


def test_http_request_has_the_parameters_of_the_existing_platform() -> None:
    parameters = ACTIONS["core.http_request"].parameters
    assert {name: leaf.get("default") for name, leaf in parameters.items()} == {
        "url": None,
        "method": "GET",
        "headers": {},
        "body": None,
        "json_body": None,
        "query_params": {},
        "timeout": 30,
        "verify_ssl": True,
        "auth_type": "none",
        "auth_username": None,
        "auth_password": None,
        "auth_token": None,
        "follow_redirects": True,
        "max_redirects": 10,
    }
    assert [name for name, leaf in parameters.items() if leaf.get("secret")] == [
        "auth_password",
        "auth_token",
    ]


@settings(max_examples=40, deadline=None)
@given(texts)
@example("it's $HOME `date` \"x\" \\ ' '' '\\''")
@example("two\nlines\n\n")
@example("-n")
@example("")
@example("日本 \x1b[31m")
def test_echo_prints_any_message_as_it_is(message: str) -> None:
    done = run("core.echo", message=message)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{message}\n".encode(), b"")


def test_a_message_of_a_megabyte_is_printed_whole() -> None:
    message = "it's long " * 100_000
    assert run("core.echo", message=message).stdout == f"{message}\n".encode()


def test_echo_without_a_message_prints_an_empty_line() -> None:
    assert run("core.echo").stdout == b"\n"


@pytest.mark.parametrize("code", [0, 3, 255])
def test_noop_ends_as_it_is_told(code: int) -> None:
    done = run("core.noop", exit_code=code, message="bye 'now'")
    assert (done.returncode, done.stdout) == (code, b"bye 'now'\n")
    assert run("core.noop").stdout == b""


def test_sleep_waits_and_says_what_it_is_told() -> None:
    done = run("core.sleep", seconds=0.01, message="awake")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"awake\n", b"")
    assert prepare(ACTIONS["core.sleep"].parameters, {"seconds": 3601})[1]


@pytest.mark.parametrize("ref", ["core.echo", "core.noop", "core.sleep"])
def test_a_core_action_starts_no_program_it_could_do_without(ref: str, tmp_path: Path) -> None:
    """With an empty PATH only what the shell itself can do works; sleeping needs one program."""
    action = ACTIONS[ref]
    values, _ = prepare(action.parameters, {})
    (tmp_path / "sleep").symlink_to("/bin/true")
    script = core_pack_folder() / "actions" / action.entry_point
    done = subprocess.run(
        ["/bin/bash", script],
        input=parameter_document(values, action.parameter_format),
        env={"PATH": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
