from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.pack_files import write_pack

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run, Terminal


def document(text: str) -> Any:
    return json.loads(text)


@pytest.fixture
def demo(run: Run) -> None:
    """A pack with a workflow and an action of every interest, installed."""
    files = {
        "workflows/flow.yaml": "version: 1.0.0\ntasks: [{name: a, action: hello}]\n",
        "actions/valve.yaml": (
            "ref: valve\nrunner_type: python\nentry_point: print(1)\ntags: [garden]\n"
            "description: Opens a valve.\nparameters:\n"
            "  pin: {type: string, secret: true, required: true}\n"
            "  valve: {type: integer, required: true, position: 0}\n"
            "  mode: {type: string, enum: [slow, fast], position: 1}\n"
            "  seconds: {type: integer, default: 30}\n"
        ),
    }
    assert run("pack", "install", str(write_pack(Path(), files)), "--no-test").exit_code == 0


@pytest.mark.usefixtures("demo")
def test_lists_are_filtered_by_pack_runtime_and_workflow(run: Run) -> None:
    assert run("action", "list", "--pack", "demo", "-q").stdout == "demo.flow\ndemo.hello\ndemo.valve\n"
    assert run("action", "list", "--runtime", "python", "-q").stdout == "demo.valve\n"
    assert run("action", "list", "--runtime", "core.python", "-q").stdout == "demo.valve\n"
    assert run("action", "list", "--workflow", "-q").stdout == "demo.flow\n"
    assert run("action", "list", "--pack", "demo", "--no-workflow", "--count").stdout == "2\n"
    assert run("action", "list", "--pack", "gone", "--fail-empty").exit_code == 3
    assert run("actions", "ls", "--pack", "demo", "-l", "1", "-q").stdout == "demo.flow\n"


@pytest.mark.usefixtures("demo")
def test_records_carry_the_names_of_the_api(run: Run) -> None:
    record = document(run("action", "show", "demo.valve", "-j").stdout)
    assert {
        *("kind", "id", "ref", "pack", "pack_ref", "label", "entrypoint", "param_schema", "out_schema"),
        *("is_adhoc", "accesses_mcp", "created", "updated", "enabled", "runtime_ref"),
    } <= set(record)
    assert (record["kind"], record["runtime_ref"], record["tags"]) == ("action", "core.python", ["garden"])
    assert len(document(run("action", "show", "demo.valve", "demo.hello", "-j").stdout)) == 2


@pytest.mark.usefixtures("demo")
def test_an_unknown_action_is_answered_with_a_suggestion(run: Run) -> None:
    result = run("action", "show", "demo.vale")
    assert (result.exit_code, "did you mean demo.valve?" in result.stderr) == (3, True)
    assert run("action", "params", "core.nope").exit_code == 3


@pytest.mark.usefixtures("demo")
def test_parameters_are_a_table_a_schema_or_a_command_line(run: Run) -> None:
    names = [line.split("\t")[0] for line in run("action", "params", "demo.valve").stdout.splitlines()]
    assert names == ["valve", "mode", "pin", "seconds"]
    schema = document(run("action", "params", "demo.valve", "-j").stdout)
    assert (schema["type"], schema["required"], schema["additionalProperties"]) == (
        "object",
        ["pin", "valve"],
        False,
    )
    assert "secret" not in json.dumps(schema)
    example = run("action", "params", "demo.valve", "--example").stdout
    assert shlex.split(example) == shlex.split(
        "attune run action demo.valve valve:=1 mode=slow pin=key://KEY"
    )


@pytest.mark.usefixtures("demo")
def test_an_example_can_be_run_as_it_is(run: Run) -> None:
    words = shlex.split(run("action", "params", "core.echo", "--example").stdout)
    assert run(*words[1:]).stdout == "text\n"


@pytest.mark.usefixtures("demo")
def test_search_finds_every_word_and_puts_the_best_first(run: Run) -> None:
    assert run("action", "search", "valve", "-q").stdout == "demo.valve\n"
    assert run("action", "search", "GARDEN", "opens", "-q").stdout == "demo.valve\n"
    assert run("action", "search", "valve", "spaceship", "-q").stdout == ""
    assert run("action", "search", "spaceship", "--fail-empty").exit_code == 3
    assert run("action", "search", "echo", "-q").stdout.splitlines()[0] == "core.echo"


@pytest.mark.usefixtures("demo")
def test_a_disabled_action_does_not_start_until_it_is_enabled(run: Run) -> None:
    result = run("action", "disable", "demo.hello", "core.noop", "-j")
    assert document(result.stdout)["changed"] == ["demo.hello", "core.noop"]
    assert run("run", "action", "demo.hello").exit_code == 5
    again = document(run("action", "disable", "demo.hello", "-j").stdout)
    assert (again["changed"], again["unchanged"]) == ([], ["demo.hello"])
    assert run("action", "enable", "--pack", "demo").stdout == "demo.hello\n"
    assert run("run", "action", "demo.hello").exit_code == 0
    assert run("action", "enable", "--all").stdout == "core.noop\n"


@pytest.mark.usefixtures("demo")
def test_actions_are_switched_all_or_none(run: Run) -> None:
    assert run("action", "disable", "demo.hello", "demo.gone").exit_code == 3
    assert run("run", "action", "demo.hello").exit_code == 0
    assert run("action", "disable").exit_code == 2
    assert run("action", "disable", "-", input="demo.hello\ncore.noop\n").stdout == "demo.hello\ncore.noop\n"


def test_a_new_action_needs_its_pack(run: Run, home: Home) -> None:
    del home
    assert run("action", "new", "demo.second").exit_code == 3
    assert run("action", "new", "second").exit_code == 2
    folder = write_pack(Path())
    assert run("action", "new", "demo.second", "--lang", "python").stdout.splitlines() == [
        str((folder / "actions/second.yaml").resolve()),
        str((folder / "actions/second.py").resolve()),
    ]
    assert run("action", "new", "demo.second", "--lang", "python").exit_code == 5
    assert (
        run("run", "file", "demo/actions/second.yaml", "name=Ada", "-r").stdout
        == '{"greeting":"Hello, Ada!"}\n'
    )


def test_an_action_in_a_container_is_shown_with_its_image_and_its_code_in_lines(
    run: Run, terminal: Terminal
) -> None:
    boxed = "ref: boxed\nrunner_type: container\nimage: alpine:3.20\nruntime: shell\n"
    boxed += "entry_point: |\n  echo a\n  echo b\n"
    folder = write_pack(Path(), {"actions/boxed.yaml": boxed})
    assert run("pack", "install", str(folder), "--no-test").exit_code == 0
    shown = terminal("action", "show", "demo.boxed", "--color", "never").stdout
    lines = [line.split("  ", 1)[0].strip() for line in shown.splitlines()]
    assert {"Pack", "Version", "Image"} <= set(lines)
    assert "alpine:3.20" in shown
    assert "  echo a" in shown.splitlines()
    assert "\u240a" not in shown
    record = document(run("action", "show", "demo.boxed", "-j").stdout)
    assert (record["container"]["image"], record["pack_version"]) == ("alpine:3.20", "1.0.0")
    assert "container.image" not in run("action", "show", "demo.hello").stdout
