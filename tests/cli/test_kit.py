"""The kit itself: global options, exit codes, the forms of errors, asking and waiting (cli.md 3.1, 3.4-3.6)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import DEADLINE_SECONDS, Result
from tests.cli.sample import root

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run, Terminal

SAMPLE = "tests.cli.sample"


@pytest.fixture
def sample(home: Home) -> Run:  # noqa: ARG001 - it sets the environment
    def call(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - as CliRunner names it
        result = CliRunner().invoke(root, ["sample", *arguments], input=input)
        return Result(result.exit_code, result.stdout, result.stderr)

    return call


def last_error(result: Result) -> dict[str, object]:
    return json.loads(result.stderr.splitlines()[-1])["error"]


# --- global options


@pytest.mark.parametrize(
    "arguments",
    [
        ("-j", "config", "list"),
        ("config", "-j", "list"),
        ("config", "list", "-j"),
        ("config", "list", "-ojson"),
    ],
)
def test_a_global_option_is_taken_at_every_level(run: Run, arguments: tuple[str, ...]) -> None:
    assert json.loads(run(*arguments).stdout)[0]["name"] == "slots"


def test_the_option_nearest_to_the_end_wins(run: Run) -> None:
    assert run("-o", "yaml", "version", "-o", "json").stdout.startswith("{")


def test_quiet_adds_up_over_levels(run: Run) -> None:
    assert run("-q", "version", "-q") == Result(0, "", "")


def test_help_is_short_with_h_and_full_with_help(run: Run) -> None:
    short, full = run("config", "list", "-h").stdout, run("config", "list", "--help").stdout
    assert "--no-input" not in short
    assert "attune config list" in short
    assert "--no-input" in full


def test_no_arguments_show_the_help_page(run: Run) -> None:
    assert run() == run("-h")
    assert run().exit_code == 0


@pytest.mark.parametrize("arguments", [("--version",), ("-V",), ("config", "list", "--version")])
def test_version_is_one_line_wherever_it_is_asked(process: Run, arguments: tuple[str, ...]) -> None:
    result = process(*arguments)
    assert result.exit_code == 0
    assert result.stdout.startswith("attune ")
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "line", ["core.echo", "-j core.echo", "--timeout 5s core.echo", "-C . --field a.b core.echo"]
)
def test_a_ref_after_run_means_an_action(run: Run, line: str) -> None:
    assert run("run", *line.split(), "--help").stdout.startswith("Usage: attune run action ")


@pytest.mark.parametrize("line", ["exec -- core.echo", "--field a.b exec -- x", "actin core.echo"])
def test_any_other_word_after_run_does_not(run: Run, line: str) -> None:
    assert "run action" not in run("run", *line.split(), "--bogus").stderr


def test_upstream_forms_of_running_an_action_are_understood(run: Run) -> None:
    assert (
        run("action", "execute", "core.echo", "--help").stdout
        == run("run", "action", "core.echo", "--help").stdout
    )


def test_plural_nouns_and_short_verbs_are_understood(run: Run) -> None:
    assert run("executions", "ls", "-h").exit_code == 0


# --- usage errors

WRONG = {
    "unknown command": (("vershun",), "no command 'vershun'", "did you mean version?"),
    "unknown kind of run": (("run", "actin", "core.echo"), "no command 'run actin'", "did you mean action?"),
    "unknown verb": (("config", "lst"), "no command 'config lst'", "did you mean list?"),
    "unknown option": (("version", "--quite"), "no option '--quite'", "did you mean --quiet?"),
    "option of another command": (
        ("execution", "retry", "@last", "--from", "check"),
        "no option '--from'",
        "--from-failed goes on where it failed; attune run workflow REF --from TASK begins at a task",
    ),
    "unknown field": (("version", "--fields", "pythn"), "no field 'pythn'", "did you mean python?"),
    "unknown format": (("version", "-o", "jsn"), "--output 'jsn' is none of", "did you mean json?"),
    "missing command": (("config",), "attune config needs a command", "attune config --help"),
    "missing argument": (("config", "get"), "missing argument", "attune config get --help"),
    "extra argument": (("version", "x"), "got unexpected extra argument", "attune version --help"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_usage_error_exits_2_and_says_what_to_do(run: Run, case: str) -> None:
    arguments, message, hint = WRONG[case]
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {message}")
    assert f"hint: {hint}\n" in result.stderr


@pytest.mark.parametrize("case", [case for case in WRONG if case != "unknown format"])
def test_a_usage_error_is_one_json_line_when_json_is_asked_for(run: Run, case: str) -> None:
    arguments, message, hint = WRONG[case]
    result = run(*arguments, "-j")
    error = last_error(result)
    assert result.stdout == ""
    assert (error["exit_code"], error["retryable"], error["hint"]) == (2, False, hint)
    assert str(error["message"]).startswith(message)


def test_json_is_heard_in_a_cluster_that_cannot_be_parsed(run: Run) -> None:
    assert last_error(run("version", "-qjX"))["code"] == "unknown_option"


def test_what_follows_two_dashes_says_nothing_about_the_form(run: Run) -> None:
    assert run("vershun", "--", "-j").stderr.startswith("error: ")


def test_json_may_be_asked_for_by_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_OUTPUT", "json")
    assert last_error(run("vershun"))["code"] == "unknown_command"


@pytest.mark.parametrize("arguments", [("version",), ("vershun",), ("version", "--field", "x"), ("config",)])
def test_a_process_exits_as_the_runner_does(run: Run, process: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == process(*arguments)


# --- errors of commands


def test_an_error_shows_its_details_in_columns_and_its_hint_last(sample: Run) -> None:
    assert sample("conflict") == Result(
        5,
        "",
        "error: 2 things are wrong\n"
        "  url      required (string)\n"
        "  timeout  expected integer, got 'soon'\n"
        "hint: attune sample code\n",
    )


def test_an_error_as_json_has_the_fields_of_the_contract(sample: Run) -> None:
    assert last_error(sample("conflict", "-o", "jsonl")) == {
        "code": "wrong",
        "message": "2 things are wrong",
        "exit_code": 5,
        "retryable": False,
        "details": [
            {"path": "url", "message": "required (string)"},
            {"path": "timeout", "message": "expected integer", "value": "soon", "source": "argument 3"},
        ],
        "hint": "attune sample code",
    }


def test_qq_silences_even_the_error(sample: Run) -> None:
    assert sample("conflict", "-qq") == Result(5, "", "")


def test_a_command_may_print_its_record_and_return_a_verdict(sample: Run) -> None:
    assert sample("code", "-j") == Result(8, '{"kind":"thing","id":7}\n', "")


def test_an_interrupt_exits_130(sample: Run) -> None:
    assert sample("interrupt") == Result(130, "", "error: interrupted\n")


def test_a_bug_exits_70_and_leaves_a_report_without_values(sample: Run) -> None:
    result = sample("bug", "--fields", "secret-value")
    assert result.exit_code == 70
    assert "Traceback" not in result.stderr
    report = Path(result.stderr.splitlines()[-1].removeprefix("hint: a report is in "))
    text = report.read_text()
    assert "ZeroDivisionError: nothing to divide by" in text
    assert "secret-value" not in text
    assert report.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("arguments", [("bug", "-v", "-j"), ("bug", "-j")])
def test_a_bug_shows_its_traceback_when_asked_and_still_ends_with_the_error(
    sample: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    if "-v" not in arguments:
        monkeypatch.setenv("ATTUNE_DEBUG", "1")
    result = sample(*arguments)
    assert "Traceback" in result.stderr
    assert last_error(result)["code"] == "internal"


def test_a_report_goes_to_the_temporary_folder_when_the_state_folder_cannot_be_used(
    sample: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    path = Path(sample("bug").stderr.splitlines()[-1].removeprefix("hint: a report is in "))
    assert path.is_file()
    path.unlink()


# --- streams


def attune_into(descriptor: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "attune_cli", *arguments],
        stdout=descriptor, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("arguments", [("config", "list"), ("--help",), ("version",), ("--version",)])
def test_a_closed_pipe_exits_141_in_silence(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = attune_into(writer, *arguments)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.usefixtures("home")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = attune_into(full.fileno(), "config", "list")
    assert (done.returncode, done.stderr) == (
        6,
        "error: the output cannot be written: No space left on device\n",
    )


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m attune_cli config list {closed}', sys.executable],
        capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_json_is_utf_8_in_any_locale(process: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setenv("ATTUNE_ENVIRONMENT_ALLOW", "GRÖSSE")
    assert process("config", "get", "environment_allow", "-j").stdout == '["GRÖSSE"]\n'


def test_debug_logging_may_be_asked_for_by_environment(sample: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_LOG", "debug")
    assert "Traceback" in sample("bug").stderr


# --- asking and waiting


def test_nobody_is_asked_without_a_terminal(sample: Run) -> None:
    result = sample("ask", input="y\n")
    assert result.exit_code == 2
    assert "hint: add --yes to accept" in result.stderr


def test_yes_skips_the_question(sample: Run) -> None:
    assert sample("ask", "-y") == Result(0, "", "deleted\n")


@pytest.mark.parametrize(
    ("answer", "exit_code", "end"), [("y\n", 0, "deleted"), ("n\n", 130, "error: nothing changed")]
)
def test_a_person_is_asked_on_a_terminal(terminal: Terminal, answer: str, exit_code: int, end: str) -> None:
    result = terminal("sample", "ask", "--no-color", typed=answer, module=SAMPLE)
    assert result.exit_code == exit_code
    assert "Delete everything? [y/N]" in result.stdout
    assert result.stdout.endswith(f"{end}\n")


@pytest.mark.parametrize("variable", ["CI", "ATTUNE_NO_INPUT"])
def test_some_environments_say_that_nobody_can_be_asked(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    assert terminal("sample", "ask", module=SAMPLE).exit_code == 2


def test_a_spinner_shows_on_a_terminal_only(terminal: Terminal, sample: Run) -> None:
    shown = terminal("sample", "wait", module=SAMPLE)
    assert shown.exit_code == 0
    assert "counting" in shown.stdout
    assert "counting" not in terminal("sample", "wait", "--no-progress", module=SAMPLE).stdout
    assert sample("wait") == Result(0, "done\n", "")


def test_a_terminal_gets_a_cut_and_coloured_table_that_cannot_drive_it(terminal: Terminal) -> None:
    shown = terminal("sample", "list", module=SAMPLE, columns=50).stdout.splitlines()
    assert shown[0] == "\x1b[1mREF  STATUS  TEXT\x1b[0m"
    assert shown[1] == "a.b  \x1b[31mfailed\x1b[0m  \u241b[2Jlong long long long long long lo\u2026"
    assert shown[2:] == ["that was one", "\x1b[2mhint:\x1b[0m attune sample code"]


def test_a_pipe_gets_full_values_without_header_colours_or_hints(sample: Run) -> None:
    text = "\x1b[2J" + "long " * 40
    assert sample("list") == Result(0, f"a.b\tfailed\t{text}\n", "that was one\n")


def test_settings_choose_the_form_on_terminals_only(home: Home, run: Run, terminal: Terminal) -> None:
    run("config", "set", "--user", "output", "json")
    assert json.loads(terminal("version").stdout)["kind"] == "version"
    assert run("version").stdout.startswith("kind\tversion")
    assert home.path.exists() is False
