from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_every_setting_is_listed_with_its_variable_and_meaning(run: Run) -> None:
    records = json.loads(run("config", "list", "-j").stdout)
    assert all(record["variable"] == f"ATTUNE_{record['name'].upper()}" for record in records)
    assert all(record["description"] and record["origin"] == "default" for record in records)
    assert run("config", "list", "-q").stdout.split() == [record["name"] for record in records]


def test_show_with_origin_names_the_source_of_each_value(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("attune.toml").write_text("slots = 4\n")
    run("config", "set", "--user", "slots", "5")
    run("config", "set", "--user", "grace_seconds", "1m")
    monkeypatch.setenv("ATTUNE_MAX_STDOUT_BYTES", "1KiB")
    shown = {
        record["name"]: (record["value"], record["origin"])
        for record in json.loads(run("config", "show", "--origin", "-j").stdout)
    }
    assert shown["slots"] == (4, str(Path("attune.toml").absolute()))
    assert shown["grace_seconds"] == (60, run("config", "path", "--field", "path").stdout.splitlines()[1])
    assert shown["max_stdout_bytes"] == (1024, "ATTUNE_MAX_STDOUT_BYTES")
    assert shown["color"] == ("auto", "default")


def test_get_prints_the_bare_value(run: Run) -> None:
    assert run("config", "get", "output").stdout == "text\n"
    assert run("config", "get", "slots", "-j").stdout == "10\n"


@pytest.mark.parametrize("verb", [("get", "slot"), ("set", "slot", "1")])
def test_an_unknown_setting_is_not_found(run: Run, verb: tuple[str, ...]) -> None:
    result = run("config", *verb)
    assert (result.exit_code, result.stderr) == (3, "error: no setting 'slot'\nhint: did you mean slots?\n")


def test_set_keeps_comments_and_order(run: Run) -> None:
    Path("attune.toml").write_text("# ours\nslots = 4  # few\ngrace_seconds = 1\n")
    assert run("config", "set", "slots", "6").exit_code == 0
    assert run("config", "set", "environment_allow", "A,B").exit_code == 0
    assert run("config", "set", "max_result_bytes", "2MiB").exit_code == 0
    assert Path("attune.toml").read_text() == (
        '# ours\nslots = 6  # few\ngrace_seconds = 1\nenvironment_allow = ["A", "B"]\nmax_result_bytes = "2MiB"\n'
    )


def test_unset_removes_a_setting_even_from_a_file_that_is_at_fault(run: Run) -> None:
    Path("attune.toml").write_text("slotz = 4\nslots = 3\n")
    assert run("config", "get", "slots").exit_code == 2
    assert run("config", "unset", "slotz").exit_code == 0
    assert run("config", "get", "slots").stdout == "3\n"
    assert run("config", "unset", "slots").exit_code == 0
    assert Path("attune.toml").read_text() == ""


def test_a_value_that_does_not_fit_changes_nothing(run: Run) -> None:
    Path("attune.toml").write_text("slots = 4\n")
    result = run("config", "set", "slots", "many")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: slots: expected a whole number of at least 1, got 'many'\n",
    )
    assert Path("attune.toml").read_text() == "slots = 4\n"


def test_a_dry_run_changes_nothing(run: Run) -> None:
    Path("attune.toml").write_text("slots = 4\n")
    assert "would change: slots = 5" in run("config", "set", "slots", "5", "-n").stderr
    assert Path("attune.toml").read_text() == "slots = 4\n"


def test_the_project_is_changed_inside_one_and_the_user_elsewhere(run: Run) -> None:
    assert run("config", "set", "--project", "slots", "2").exit_code == 3
    assert run("config", "set", "slots", "2").exit_code == 0
    assert not Path("attune.toml").exists()
    Path("attune.toml").touch()
    run("config", "set", "slots", "3")
    assert run("config", "show", "--field", "slots").stdout == "3\n"
    assert run("config", "set", "--project", "--user", "slots", "3").exit_code == 2


def test_a_file_that_is_not_toml_is_reported_and_left_alone(run: Run) -> None:
    Path("attune.toml").write_text("slots = = 4\n")
    for arguments in (("show",), ("set", "slots", "4")):
        result = run("config", *arguments)
        assert result.exit_code == 2
        assert "attune.toml" in result.stderr
    assert Path("attune.toml").read_text() == "slots = = 4\n"


def test_path_lists_the_files_strongest_first(run: Run) -> None:
    Path("attune.toml").touch()
    records = json.loads(run("config", "path", "-j").stdout)
    assert [(record["name"], record["exists"]) for record in records] == [
        ("project", True),
        ("user", False),
        ("machine", False),
    ]


@pytest.mark.parametrize("line", ["help", "version", "config path", "completion bash"])
def test_what_helps_to_repair_works_while_the_settings_are_broken(run: Run, line: str) -> None:
    Path("attune.toml").write_text("nonsense")
    assert run(*line.split()).exit_code == 0
