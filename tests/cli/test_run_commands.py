"""`attune run`: what is typed, what is printed, how it exits (cli.md 3.2 to 3.5, and 3.9, Run)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.demo_pack import install_demo

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Result, Run

RECORD_KEYS = {
    "kind", "id", "action_ref", "status", "parameters", "config", "result", "error", "exit_code", "timed_out",
    "attempt", "original_execution", "next_attempt", "rerun_of", "parent", "root", "enforcement", "rule_ref",
    "trigger_ref", "labels", "executor", "workflow_task", "timeout_seconds", "cancel_reason", "stdout", "stderr",
    "created",
    "started_at", "finished_at", "updated", "duration_ms",
}  # fmt: skip


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    """Call attune in this process, in a home with the demo pack."""
    install_demo(tmp_path, run)
    return run


def record(result: Result) -> dict[str, Any]:
    assert result.stdout.endswith("\n")
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def error(result: Result) -> dict[str, Any]:
    """Return the error object that ends stderr."""
    return json.loads(result.stderr.splitlines()[-1])["error"]


def executions(run: Run) -> int:
    return int(run("execution", "list", "--count").stdout)


# --- what stdout holds


def test_the_result_is_all_that_is_printed_for_r(run: Run) -> None:
    assert run("run", "action", "core.echo", "message=hi", "-r") == type(run("version"))(0, "hi\n", "")


def test_output_goes_where_the_action_sent_it(run: Run) -> None:
    result = run("run", "exec", "--", "sh", "-c", "echo out; echo err >&2")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\n", "err\n")


def test_parsed_data_is_the_result(run: Run) -> None:
    assert run("run", "demo.add", "a=2", "b=3", "-r").stdout == '{"sum":5}\n'
    assert run("run", "demo.add", "a=2", "-r", "--field", "sum").stdout == "3\n"


def test_the_result_of_text_is_the_bytes_themselves(run: Run) -> None:
    result = run("run", "exec", "-r", "--", "printf", "no newline")
    assert result.stdout == "no newline"


def test_of_a_failure_r_prints_nothing(run: Run) -> None:
    result = run("run", "exec", "-r", "--", "sh", "-c", "echo half; exit 3")
    assert (result.exit_code, result.stdout) == (1, "")


def test_json_is_one_document_also_of_a_failure(run: Run) -> None:
    for arguments, code in (("echo fine", 0), ("echo half; exit 3", 1)):
        result = run("run", "exec", "-j", "--", "sh", "-c", arguments)
        document = record(result)
        assert result.exit_code == code
        assert document.keys() == RECORD_KEYS
        assert (document["kind"], document["status"]) == ("execution", "failed" if code else "completed")
        assert "\n" not in result.stdout.rstrip("\n")


def test_in_json_mode_the_output_goes_live_to_stderr(run: Run) -> None:
    result = run("run", "exec", "-j", "--", "sh", "-c", "echo out; echo err >&2")
    assert sorted(result.stderr.splitlines()) == ["err", "out"]
    assert record(result)["result"]["stdout"] == "out\n"


@pytest.mark.parametrize(
    ("options", "stdout"),
    [
        (("--field", "result.stdout"), "hi\n\n"),
        (("--field", "exit_code"), "0\n"),
        (("--field", "labels.a"), "b\n"),
        (("-q",), "1\n"),
        (("-qq",), ""),
        (("-o", "none"), ""),
        (("-j", "--fields", "id,status"), '{"id":1,"status":"completed"}\n'),
        (("-o", "yaml", "--fields", "status"), "status: completed\n"),
        (("--no-logs",), ""),
    ],
)
def test_other_forms_of_the_same(run: Run, options: tuple[str, ...], stdout: str) -> None:
    result = run("run", "exec", "--label", "a=b", *options, "--", "echo", "hi")
    assert (result.exit_code, result.stdout) == (0, stdout)


def test_a_field_that_is_not_there_is_not_found_and_the_run_is_kept(run: Run) -> None:
    result = run("run", "core.echo", "message=hi", "--field", "result.sttdout")
    assert result.exit_code == 3
    assert "stdout" in result.stderr
    assert executions(run) == 1


def test_a_prefix_stands_before_every_line(run: Run) -> None:
    result = run("run", "core.echo", "message=a\nb", "--log-prefix")
    assert result.stdout == "core.echo | a\ncore.echo | b\n"


def test_a_ref_alone_and_other_old_forms_run_the_action(run: Run) -> None:
    for words in (["run", "core.echo"], ["action", "run", "core.echo"], ["action", "execute", "core.echo"]):
        assert run(*words, "--param", "message=hi").stdout == "hi\n"
    assert run("run", "core.echo", "--params-json", '{"message": "hi"}').stdout == "hi\n"


# --- exit codes


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "core.noop"), 0),
        (("run", "core.noop", "exit_code=3"), 1),
        (("run", "core.noop", "exit_code=3", "--propagate-exit-code"), 3),
        (("run", "exec", "--", "sh", "-c", "kill -9 $$"), 1),
        (("run", "exec", "--propagate-exit-code", "--", "sh", "-c", "kill -9 $$"), 137),
        (("run", "demo.slow"), 124),
        (("run", "exec", "--timeout", "0.2s", "--", "sleep", "60"), 124),
        (("run", "exec", "--timeout", "0.2s", "--propagate-exit-code", "--", "sleep", "60"), 124),
        (("run", "demo.needs"), 1),
        (("run", "exec", "--", "no-such-program"), 1),
        (("run", "core.nop"), 3),
        (("run", "file", "no-such-file.sh"), 3),
        (("run", "core.noop", "exit_code=x"), 2),
        (("run", "core.noop", "--if-running", "never"), 2),
        (("run", "core.noop", "--timeout", "soon"), 2),
        (("run", "core.noop", "--timeout", "0"), 2),
        (("run", "core.noop", "--label", "novalue"), 2),
        (("run", "core.noop", "--env", "novalue"), 2),
        (("run", "core.noop", "--env-file", "no-such-file"), 2),
        (("run", "core.noop", "--at", "someday"), 2),
        (("run", "core.noop", "--at", "2026-01-01", "--in", "1s"), 2),
        (("run", "core.noop", "--engine", "daemon"), 6),
        (("run", "core.noop", "--detach"), 6),
        (("run", "exec"), 2),
        (("run", "exec", "--"), 2),
        (("run",), 2),
    ],
)
def test_the_exit_code_tells_what_happened(run: Run, arguments: tuple[str, ...], code: int) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result
    if code == 2:
        assert executions(run) == 0


def test_an_end_that_is_no_success_is_told_in_one_line_with_a_hint(run: Run) -> None:
    assert run("run", "core.noop", "exit_code=3").stderr == (
        "error: execution 1 of core.noop failed with exit code 3\nhint: attune execution show 1\n"
    )
    assert "timed out after 0.3 s" in run("run", "demo.slow").stderr
    assert "no interpreter for runtime demo.nowhere: no-such-interpreter" in run("run", "demo.needs").stderr
    assert "no program 'no-such-program'" in run("run", "exec", "--", "no-such-program").stderr


def test_an_execution_out_of_time_is_failed_and_timed_out(run: Run) -> None:
    document = record(run("run", "demo.slow", "-j"))
    assert (document["status"], document["timed_out"], document["exit_code"]) == ("failed", True, -1)
    assert document["error"]["type"] == "timeout"
    assert "timed out after 0.3 s" in document["error"]["message"]


def test_a_script_that_vanished_after_the_install_is_named(run: Run, home: Home) -> None:
    next(home.packs.glob("demo/*/actions/cat.sh")).unlink()
    result = run("run", "demo.missing", "-j")
    assert result.exit_code == 1
    assert "actions/cat.sh" in record(result)["error"]["message"]


# --- attempts


def test_a_failed_attempt_is_followed_and_told(run: Run, tmp_path: Path) -> None:
    result = run("run", "demo.flaky", f"file={tmp_path / 'count'}")
    assert result.exit_code == 0
    assert result.stdout == "attempt of 1\nattempt of 2\nattempt of 3\n"
    assert result.stderr.splitlines() == [
        "attempt 1 (execution 1) failed with exit code 1; trying again",
        "attempt 2 (execution 2) failed with exit code 1; trying again",
    ]


def test_the_document_is_of_the_last_attempt(run: Run, tmp_path: Path) -> None:
    result = run("run", "demo.flaky", f"file={tmp_path / 'count'}", "failures=9", "-j")
    document = record(result)
    assert result.exit_code == 1
    assert (document["id"], document["attempt"], document["original_execution"]) == (3, 3, 1)
    shown = record(run("execution", "show", "1", "-j"))
    assert (shown["attempts"], shown["next_attempt"]) == ([1, 2, 3], 2)


# --- unknown refs


def test_an_unknown_action_is_not_found_and_the_nearest_is_suggested(run: Run) -> None:
    result = run("run", "action", "core.http_requst", "url=x")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "error: no action 'core.http_requst'\nhint: did you mean core.http_request?\n"
    assert error(run("run", "no.such", "-j"))["code"] == "not_found"


def test_a_disabled_action_is_refused(run: Run) -> None:
    assert run("action", "disable", "core.echo").exit_code == 0
    result = run("run", "core.echo")
    assert (result.exit_code, executions(run)) == (5, 0)
    assert "attune action enable core.echo" in result.stderr


def test_the_help_of_an_action_shows_its_parameters(run: Run) -> None:
    shown = run("run", "action", "demo.add", "--help").stdout
    assert "a  integer, required." in shown
    assert "b  integer, default 1." in shown
    assert "attune run action demo.add a=…" in shown


# --- options


def test_the_same_key_runs_once(run: Run) -> None:
    first = run("run", "core.noop", "exit_code=3", "--key", "k")
    again = run("run", "core.noop", "exit_code=0", "--key", "k")
    assert (first.exit_code, again.exit_code) == (1, 1)
    assert "execution 1 reused: it was started with the same key" in again.stderr
    assert run("run", "core.echo", "--key", "k").exit_code == 0
    assert executions(run) == 2


def test_a_key_whose_first_attempt_failed_follows_the_chain(run: Run, tmp_path: Path) -> None:
    arguments = ("run", "demo.flaky", f"file={tmp_path / 'count'}", "--key", "k", "-j")
    assert record(run(*arguments))["id"] == 3
    assert record(run(*arguments))["id"] == 3


def test_a_key_of_an_execution_that_nobody_runs_runs_it(run: Run) -> None:
    kept = run("run", "core.echo", "message=hi", "--key", "k", "--detach", "--queue-offline", "--field", "id")
    assert kept.stdout == "1\n"
    again = run("run", "core.echo", "message=hi", "--key", "k", "--timeout", "5")
    assert (again.exit_code, again.stdout) == (0, "hi\n")


def test_labels_and_a_trace_are_kept_and_found(run: Run) -> None:
    run("run", "core.noop", "--label", "team=blue", "--label", "note=a=b", "--trace", "t-1")
    run("run", "core.noop")
    found = json.loads(run("execution", "list", "--label", "team=blue", "--label", "trace=t-1", "-j").stdout)
    assert [one["labels"] for one in found] == [{"team": "blue", "note": "a=b", "trace": "t-1"}]


def test_a_planned_start_waits_for_its_time(run: Run) -> None:
    document = record(run("run", "core.noop", "--in", "0.2s", "-j"))
    assert document["status"] == "completed"
    assert document["started_at"] > document["created"]


def test_kept_for_later_is_printed_as_its_record_and_run_by_wait(run: Run) -> None:
    kept = record(run("run", "core.echo", "message=hi", "-d", "--queue-offline", "-j"))
    assert (kept["status"], kept["started_at"]) == ("requested", None)
    waited = run("execution", "wait", str(kept["id"]), "-j")
    assert (waited.exit_code, record(waited)["result"]["stdout"]) == (0, "hi\n")


def test_a_dry_run_shows_everything_and_starts_nothing(run: Run, home: Home, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("hunter2")
    arguments = ("run", "demo.secret", "user=ada", f"password=@{tmp_path / 'pin'}", "-e", "TOKEN=x")
    result = run(*arguments, "-n", "-j")
    assert result.exit_code == 0
    assert record(result) == {
        "kind": "execution",
        "action_ref": "demo.secret",
        "parameters": {"user": "ada", "password": {"$attune_secret": True, "redacted": True}},
        "timeout_seconds": 300.0,
        "environment": ["TOKEN"],
        "labels": {},
    }
    assert "nothing was started" in run(*arguments, "-n").stderr
    assert executions(run) == 0
    assert not list(home.runs.iterdir())
    assert run("run", "demo.add", "-n").exit_code == 2


@pytest.mark.parametrize(
    "options",
    [("--label", "a=\udcff"), ("--trace", "\udcff"), ("--key", "\udcff"), ("--label", "\ud800=b")],
)
def test_words_that_are_no_text_are_refused(run: Run, options: tuple[str, ...]) -> None:
    result = run("run", "core.noop", *options)
    assert result.exit_code == 2, result.stderr
    assert "UTF-8" in result.stderr


# --- run exec and run file


def test_a_command_sees_the_callers_folder_and_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "yes")
    result = run("run", "exec", "-e", "MORE=too", "--", "sh", "-c", "pwd; echo $OF_THE_CALLER $MORE")
    assert result.stdout.splitlines() == [str(Path.cwd()), "yes too"]


def test_a_command_gets_its_words_unchanged(run: Run) -> None:
    words = ["a b", "*", "$HOME", "--help", "-j", "é", "\udcff", ""]
    result = run("run", "exec", "-r", "-j", "--", "printf", "[%s]", *words)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout).startswith("[a b][*][$HOME][--help][-j][é][")


@pytest.mark.parametrize(
    ("options", "command", "ref"),
    [
        ((), "/bin/true", "exec.true"),
        (("--name", "Nightly Backup!"), "true", "exec.nightly_backup"),
        (("--name", "é"), "true", "exec.command"),
    ],
)
def test_a_command_has_a_name_in_the_record(
    run: Run, options: tuple[str, ...], command: str, ref: str
) -> None:
    assert record(run("run", "exec", *options, "-j", "--", command))["action_ref"] == ref


def test_a_command_has_no_time_limit_unless_one_is_given(run: Run) -> None:
    assert record(run("run", "exec", "-j", "--", "true"))["timeout_seconds"] is None
    assert record(run("run", "core.noop", "-j"))["timeout_seconds"] == 300
    assert record(run("run", "core.noop", "--timeout", "1m", "-j"))["timeout_seconds"] == 60


def test_a_script_is_run_as_it_is_or_by_its_ending(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "work" / "hello.py"
    script.write_text("import sys, os; print('hello from', os.getcwd())")
    result = run("run", "file", "hello.py")
    assert (result.exit_code, result.stdout) == (0, f"hello from {Path.cwd()}\n")
    script.write_text("#!/bin/sh\necho itself")
    script.chmod(0o755)
    assert run("run", "file", "./hello.py").stdout == "itself\n"
    plain = tmp_path / "work" / "plain.txt"
    plain.write_text("x")
    result = run("run", "file", "plain.txt")
    assert (result.exit_code, "chmod +x plain.txt" in result.stderr) == (2, True)


def test_a_script_gets_parameters_as_json(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "work" / "show.sh"
    script.write_text("cat")
    assert json.loads(run("run", "file", "show.sh", "a=1").stdout) == {"a": "1"}
    assert run("run", "file", "show.sh").stdout == ""


def test_an_action_file_runs_without_its_pack_being_installed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    (folder / "actions").mkdir(parents=True)
    (folder / "pack.yaml").write_text("ref: loose\nversion: 1.0.0\n")
    (folder / "actions" / "say.sh").write_text('eval "$(cat)"; echo "$what, $PWD"')
    (folder / "actions" / "say.yaml").write_text(
        "ref: loose.say\nentry_point: say.sh\nparameter_format: dotenv\n"
        "parameters: {what: {type: string, required: true}}\n"
    )
    result = run("run", "file", str(folder / "actions" / "say.yaml"), "what=hello")
    assert (result.exit_code, result.stdout) == (0, f"hello, {folder}\n")
    assert run("run", "file", str(folder / "actions" / "say.yaml")).exit_code == 2
    assert "loose" not in run("pack", "list", "-q").stdout
    (folder / "actions" / "say.yaml").write_text("ref: loose.say\nentry_point: [\n")
    broken = run("run", "file", str(folder / "actions" / "say.yaml"), "-j")
    assert (broken.exit_code, error(broken)["code"]) == (2, "invalid_file")
    assert error(broken)["details"][0]["path"].startswith("actions/say.yaml:")
    (tmp_path / "alone.yaml").write_text("ref: x.y\n")
    assert run("run", "file", str(tmp_path / "alone.yaml")).exit_code == 2
