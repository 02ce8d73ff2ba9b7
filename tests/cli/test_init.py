from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.packs.source import read_pack

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Terminal


@pytest.mark.parametrize("template", ["minimal", "demo"])
def test_a_project_has_settings_a_pack_and_ignores_its_home(run: Run, template: str) -> None:
    result = run("init", "greenhouse", "--template", template, "-j")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert record["pack_ref"] == "greenhouse"
    assert {Path(path) for path in record["files"]} == {path for path in Path().rglob("*") if path.is_file()}
    assert ".attune/" in Path("greenhouse/.gitignore").read_text()
    assert "@PACK@" not in "".join(Path(path).read_text() for path in record["files"])
    assert run("-C", "greenhouse", "config", "show").exit_code == 0


@pytest.mark.parametrize(
    ("template", "actions"), [("minimal", ["hello"]), ("demo", ["add", "flaky", "hello"])]
)
def test_its_pack_has_no_fault_and_no_unknown_key(run: Run, template: str, actions: list[str]) -> None:
    run("init", "greenhouse", "--template", template)
    source = read_pack(Path("greenhouse/packs/greenhouse"))
    assert list(source.findings) == []
    assert sorted(action.ref for action in source.of(ActionDefinition)) == [
        f"greenhouse.{name}" for name in actions
    ]


def test_its_action_runs(run: Run) -> None:
    run("init", "greenhouse")
    result = run("run", "file", "greenhouse/packs/greenhouse/actions/hello.yaml", "name=Ada", "-r")
    assert (result.exit_code, result.stdout) == (0, "Hello, Ada!\n")


def test_here_is_where_it_is_made_by_default(run: Run) -> None:
    assert run("init").stdout.splitlines() == [
        "attune.toml",
        ".gitignore",
        "packs/work/actions/hello.yaml",
        "packs/work/pack.yaml",
    ]


@pytest.mark.parametrize(("folder", "ref"), [("My Garden 2", "my_garden"), ("core", "local"), ("7", "local")])
def test_the_pack_is_named_like_the_folder_as_far_as_refs_allow(run: Run, folder: str, ref: str) -> None:
    assert json.loads(run("init", folder, "-j").stdout)["pack_ref"] == ref


def test_a_project_is_never_overwritten(run: Run) -> None:
    run("init")
    Path("attune.toml").write_text("slots = 2\n")
    result = run("init")
    assert result.exit_code == 5
    assert "packs/work/pack.yaml" in result.stderr
    assert Path("attune.toml").read_text() == "slots = 2\n"


def test_an_ignore_file_that_is_there_is_kept_and_added_to_once(run: Run) -> None:
    Path(".gitignore").write_text("*.log")
    assert run("init").exit_code == 0
    assert Path(".gitignore").read_text().startswith("*.log\n")
    assert ".attune/" in Path(".gitignore").read_text()


def test_a_dry_run_names_the_files_and_writes_none(run: Run) -> None:
    assert "attune.toml" in run("init", "-n").stdout
    assert list(Path().iterdir()) == []


def test_the_next_commands_are_told_on_a_terminal(terminal: Terminal) -> None:
    shown = terminal("init", "garden", "--no-color").stdout
    assert "hint: attune -C garden apply\nhint: attune -C garden run action garden.hello name=you\n" in shown


def test_a_folder_that_cannot_be_written_is_an_error(run: Run) -> None:
    Path("file").touch()
    result = run("init", "file/inside")
    assert result.exit_code == 6
    assert "cannot be written" in result.stderr
