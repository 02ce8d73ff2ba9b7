"""Completion: the scripts in their own shells, and the small program that answers from the file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attune_cli import _complete
from attune_cli.commands.completion import install_path, script
from attune_cli.config import Home
from tests.cli.conftest import DEADLINE_SECONDS

if TYPE_CHECKING:
    from attune_cli.commands.completion import Shell
    from attune_cli.pages import Page
    from tests.cli.conftest import Run


@pytest.fixture
def filled(home: Home, process: Run) -> Home:
    """A home with the core pack (sleep disabled, echo's description odd), a key and two executions."""
    for _ in range(2):
        assert process("run", "action", "core.noop").exit_code == 0
    connection = sqlite3.connect(home.database)
    connection.execute(
        "INSERT INTO inquiry (id, execution, prompt, created, updated) VALUES (3, 1, 'Ship	it?', 0, 0)"
    )
    connection.execute("UPDATE action SET enabled = 0 WHERE ref = 'core.sleep'")
    connection.execute("UPDATE action SET description = ? WHERE ref = 'core.echo'", ("Say\tit\x1b[31m",))
    connection.execute(
        "INSERT INTO workflow (ref, pack, label, description, definition, created, updated)"
        " SELECT 'core.noop', id, 'Flow', '', ?, 0, 0 FROM pack",
        ('{"tasks": [{"name": "open", "action": "core.echo"}, {"name": "close", "action": "core.noop"}]}',),
    )
    connection.execute(
        "INSERT INTO key (ref, owner_type, name, encrypted, value, created, updated)"
        " VALUES ('token', 'system', 'token', 0, x'31', 0, 0)"
    )
    connection.execute(
        "INSERT INTO key (ref, owner_type, name, encrypted, value, created, updated, expires)"
        " VALUES ('spent', 'system', 'spent', 0, x'31', 0, 0, 1)"
    )
    connection.commit()
    connection.close()
    return home


def asked(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", _complete.__file__, *arguments],
        capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


# --- the small program


@pytest.mark.usefixtures("filled")
def test_enabled_actions_are_offered_with_a_description_on_one_line() -> None:
    assert "core.echo\tSay it [31m" in asked("action", "core.")
    assert asked("action", "core.sleep") == []


@pytest.mark.usefixtures("filled")
def test_packs_keys_and_executions_are_offered() -> None:
    assert [line.split("\t")[0] for line in asked("pack", "c")] == ["core"]
    assert asked("key", "") == ["token\tsystem"]
    assert asked("inquiry", "") == ["3\tShip it?"]
    assert asked("execution", "") == ["2\tcore.noop completed", "1\tcore.noop completed"]


@pytest.mark.usefixtures("filled")
def test_parameters_are_offered_by_name_and_then_by_value() -> None:
    names = [line.split("\t")[0] for line in asked("parameter", "", "core.http_request")]
    assert {"url=", "method=", "verify_ssl="} <= set(names)
    assert all(name.endswith("=") for name in names)
    assert asked("parameter", "method=P", "core.http_request") == [
        "method=POST\t",
        "method=PUT\t",
        "method=PATCH\t",
    ]
    assert asked("parameter", "verify_ssl=t", "core.http_request") == ["verify_ssl=true\t"]


@pytest.mark.usefixtures("home")
def test_without_a_database_nothing_is_offered_and_nothing_is_made() -> None:
    assert asked("action", "") == []
    assert list(Path().iterdir()) == []


def test_a_broken_database_disturbs_nobody(home: Home) -> None:
    home.path.mkdir()
    home.database.write_text("this is no database" * 100)
    assert asked("action", "") == []


def test_an_unknown_kind_offers_nothing(filled: Home) -> None:
    assert asked("planet", "") == []
    assert filled.database.exists()


@pytest.mark.parametrize(
    "variables", [{"ATTUNE_HOME": "elsewhere"}, {"ATTUNE_PROJECT": "deep/er"}, {}, {"XDG_DATA_HOME": ""}]
)
def test_it_looks_for_the_home_where_attune_does(
    home: Home, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    Path("deep/er").mkdir(parents=True)
    Path("deep/attune.toml").touch()
    monkeypatch.delenv("ATTUNE_HOME")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    expected = Home.resolve(option=None, directory=None, environment=os.environ)
    assert _complete.home() == str(expected.path) != str(home.path)


@pytest.mark.usefixtures("filled")
def test_the_program_answers_as_attune_does_too(process: Run) -> None:
    assert process("__complete", "key", "t").stdout == "token\tsystem\n"


# --- the scripts

LINES = {
    "attune confi": {"config"},
    "attune config s": {"show", "set"},
    "attune config list -o js": {"json", "jsonl"},
    "attune config list --no-i": {"--no-input"},
    "attune config get slo": {"slots"},
    "attune completion f": {"fish"},
    "attune run action core.": {"core.ask", "core.echo", "core.http_request", "core.inquiry", "core.noop"},
    "attune run core.e": {"core.echo"},
    "attune run -j action core.e": {"core.echo"},
    "attune run core.http_request m": {"method=", "max_redirects="},
    "attune run core.http_request url=x method=G": {"method=GET"},
    "attune execution show ": {"1", "2"},
    "attune inquiry respond ": {"3"},
    "attune run core.noop --on-inquiry ": {"prompt", "wait", "fail"},
    "attune execution list --action core.e": {"core.echo"},
    "attune execution list --workflow ": {"core.noop"},
    "attune workflow show core.": {"core.noop"},
    "attune run workflow core.": {"core.noop"},
    "attune run workflow core.noop --from ": {"open", "close"},
    "attune execution logs 1 --task c": {"close"},
    "attune run core.echo message=@par": {"message=@part.txt"},
    "attune -C sub": {"subfolder"},
    "attune --home /nowhere run core.": set[str](),
    "attune config get --field ": set[str](),
}


def bash(text: str, line: str) -> set[str]:
    """Complete as readline does: words are broken at = too, and only what follows the last break is replaced."""
    words = line.replace("=", " = ").replace("@", " @ ").split() + ([""] if line[-1] in " =" else [])
    current = words[-1]
    code = f"""{text}
COMP_LINE=$1 COMP_POINT=${{#1}} COMP_CWORD=$(($# - 2))
shift; COMP_WORDS=("$@")
_attune; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", code, "bash", line, *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    assert done.stderr == ""
    start = line.rsplit(" ", maxsplit=1)[-1].removesuffix(current)
    return {start + value for value in done.stdout.splitlines() if value}


def fish(text: str, line: str) -> set[str]:
    code = f"{text}\ncomplete -C '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    return {found.split("\t")[0].rstrip("/") for found in done.stdout.splitlines()}


def zsh(text: str, line: str) -> set[str]:
    """Complete with the doors to zsh's own lists, which need its line editor, replaced by printing."""
    code = f"""compdef() {{ :; }}; compset() {{ :; }}; _files() {{ print -r -- :files; }}
_describe() {{ print -rl -- "${{(@P)3}}"; }}
{text}
words=("$@") CURRENT=$#
_attune || true"""
    words = line.split() + ([""] if line.endswith(" ") else [])
    done = subprocess.run(
        ["zsh", "-f", "-c", code, "zsh", *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    assert done.stderr == ""
    if done.stdout == ":files\n":  # zsh's own list of files, which is not ours to test
        return LINES[line]
    return {value.split(":")[0] for value in done.stdout.splitlines() if value.startswith(words[-1])}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("complete", [bash, zsh, fish], ids=["bash", "zsh", "fish"])
def test_the_script_completes_in_its_shell(pages: list[Page], complete: object) -> None:
    assert callable(complete)
    shell: Shell = complete.__name__  # pyright: ignore[reportAssignmentType] - the functions are named as their shells
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    Path("part.txt").touch()
    Path("subfolder").mkdir()
    text = script(shell, pages[0])
    for line, expected in LINES.items():
        assert complete(text, line) == expected, line


@pytest.mark.usefixtures("home")
def test_words_and_flags_complete_without_python(pages: list[Page]) -> None:
    text = script("bash", pages[0]).replace(sys.executable, "/nowhere/python")
    assert bash(text, "attune config ") >= {"list", "get", "set"}
    assert "--dry-run" in bash(text, "attune config set --d")


def test_every_word_and_flag_of_the_tree_stands_in_the_script(pages: list[Page]) -> None:
    text = script("bash", pages[0])
    for page in pages[1:]:
        assert page.path.rpartition(" ")[2] in text
        assert all(
            max(parameter.names, key=len) in text
            for parameter in page.parameters
            if not parameter.is_argument
        )


# --- the command


def test_the_command_prints_the_script(run: Run, pages: list[Page]) -> None:
    assert run("completion", "bash").stdout == script("bash", pages[0])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_install_writes_the_file_the_shell_loads_and_no_other(run: Run, tmp_path: Path, shell: Shell) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    result = run("completion", shell, "--install")
    assert result.exit_code == 0
    assert result.stdout == f"{install_path(shell)}\n"
    assert {path for path in tmp_path.rglob("*") if path.is_file()} - before == {install_path(shell)}


def test_a_dry_run_installs_nothing(run: Run) -> None:
    assert run("completion", "bash", "--install", "-n").stdout == f"{install_path('bash')}\n"
    assert not install_path("bash").exists()
