"""`attune execution`: look at, wait for, cancel, repeat and prune what ran (cli.md 3.9, Executions)."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.config import Settings
from attune_cli.context import Context
from attune_cli.errors import NotFoundError
from attune_cli.running.follow import read
from attune_cli.running.viewing import wait_for
from attune_cli.runtime.host import open_store
from attune_cli.runtime.model.states import Status
from tests.cli.demo_pack import install_demo

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Result, Run, Terminal


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    """Call attune in this process, in a home with the demo pack."""
    install_demo(tmp_path, run)
    return run


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def ids(run: Run, *filters: str) -> list[int]:
    return [int(line) for line in run("execution", "list", "-q", *filters).stdout.split()]


def waiting(run: Run, *arguments: str) -> str:
    """Keep an execution for later; returns its id."""
    return run("run", *arguments, "--detach", "--queue-offline", "-q").stdout.strip()


# --- list


@pytest.fixture
def history(run: Run) -> Run:
    """Six executions: 1 and 2 completed, 3 failed, 4 out of time, 5 of a child's name, 6 waiting."""
    run("run", "core.echo", "message=one", "--label", "team=blue")
    run("run", "core.echo", "message=two")
    run("run", "core.noop", "exit_code=3")
    run("run", "demo.slow")
    run("run", "exec", "--name", "backup", "--", "true")
    waiting(run, "core.noop")
    return run


FILTERS: list[tuple[tuple[str, ...], list[int]]] = [
    ((), [6, 5, 4, 3, 2, 1]),
    (("--reverse",), [1, 2, 3, 4, 5, 6]),
    (("-l", "2"), [6, 5]),
    (("--after", "3"), [2, 1]),
    (("--action", "core.echo"), [2, 1]),
    (("--action", "core.*"), [6, 3, 2, 1]),
    (("--pack", "demo"), [4]),
    (("-s", "failed"), [4, 3]),
    (("-s", "timeout"), [4]),
    (("-s", "completed,requested"), [6, 5, 2, 1]),
    (("-s", "bad"), [4, 3]),
    (("-s", "done"), [5, 4, 3, 2, 1]),
    (("-s", "running"), []),
    (("--label", "team=blue"), [1]),
    (("--result", "two"), [2]),
    (("--since", "1h"), [6, 5, 4, 3, 2, 1]),
    (("--until", "1h"), []),
    (("--until", "2020-01-01"), []),
    (("--since", "2020-01-01T00:00:00Z", "--root", "-s", "failed", "--action", "core.noop"), [3]),
    (("--parent", "1"), []),
]


def test_filters_of_the_list(history: Run) -> None:
    for filters, found in FILTERS:
        assert (filters, ids(history, *filters)) == (filters, found)
        if not {"-l", "--after"} & set(filters):
            assert history("execution", "list", "--count", *filters).stdout == f"{len(found)}\n"


def test_forms_of_the_list(history: Run) -> None:
    rows = document(history("execution", "list", "-j"))
    assert [row["id"] for row in rows] == [6, 5, 4, 3, 2, 1]
    lines = history("executions", "ls").stdout.splitlines()
    assert [line.split("\t")[:3] for line in lines][-1] == ["1", "core.echo", "completed"]
    assert history("execution", "list", "--fields", "id,exit_code", "-s", "bad").stdout == "4\t-1\n3\t3\n"
    assert "there are more" in history("execution", "list", "-l", "2").stderr


def test_an_empty_list_is_an_empty_document_and_no_error_unless_asked(run: Run) -> None:
    assert run("execution", "list", "-j").stdout == "[]\n"
    assert run("execution", "list").exit_code == 0
    assert run("execution", "list", "--fail-empty").exit_code == 3


SORTED: list[tuple[tuple[str, ...], list[int]]] = [
    (("--sort", "id"), [1, 2, 3, 4, 5, 6]),
    (("--sort", "id", "--reverse", "-l", "2"), [6, 5]),
    (("--sort", "action_ref", "-l", "3"), [2, 1, 6]),
    (("--sort", "exit_code", "-l", "4"), [4, 5, 2, 1]),
    (("--sort", "exit_code", "--reverse", "-s", "failed,requested"), [3, 4, 6]),
    (("--sort", "duration_ms", "--reverse", "-l", "1"), [4]),
    (("--sort", "stdout.bytes", "--action", "core.*", "--reverse", "-l", "2"), [2, 1]),
]


def test_a_list_is_sorted_by_a_field_before_it_is_cut_and_what_is_absent_comes_last(history: Run) -> None:
    for options, found in SORTED:
        assert (options, ids(history, *options)) == (options, found)
    assert history("execution", "list", "--sort", "status", "-l", "2").stderr == "there are more: --all\n"


def test_a_field_that_is_misspelt_is_told_at_every_depth(history: Run) -> None:
    for command, wrong, right in (
        (("execution", "show", "3"), "statos", "status"),
        (("execution", "show", "3"), "error.mesage", "error.message"),
        (("execution", "show", "3"), "eror.message", "error.message"),
        (("execution", "list"), "stdout.byte", "stdout.bytes"),
        (("pack", "show", "core"), "lable", "label"),
    ):
        result = history(*command, "--field", wrong)
        assert (result.exit_code, result.stdout) == (3, "")
        assert f"did you mean {right}?" in result.stderr
    listed = history("execution", "list", "--fields", "id,stdout.byte", "-l", "1")
    assert (listed.exit_code, listed.stdout) == (0, "6\t\n")
    assert "no 'stdout.byte' in any of these: did you mean stdout.bytes?" in listed.stderr


MEANINGLESS = [
    (("--sort", "duration"), ("no field 'duration' to sort by", "exit_code", "did you mean duration_ms?")),
    (("--sort", "status", "--after", "3"), ("--after", "--sort")),
    (("-s", "faild"), ("faild", "did you mean failed?")),
    (("--since", "someday"), ("--since", "someday")),
    (("--label", "novalue"), ("--label",)),
    (("--fields", "id,stats"), ("stats", "status")),
    (("-l", "0"), ("0",)),
]


def test_filters_that_mean_nothing_are_refused(history: Run) -> None:
    for arguments, words in MEANINGLESS:
        result = history("execution", "list", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert all(word in result.stderr for word in words), result.stderr


# --- show


def test_show_tells_all_of_one_and_of_several(history: Run) -> None:
    shown = document(history("execution", "show", "3", "-j"))
    assert (shown["id"], shown["exit_code"], shown["attempts"]) == (3, 3, [3])
    assert [step["to"] for step in shown["timeline"]] == ["requested", "running", "failed"]
    assert [one["id"] for one in document(history("execution", "show", "3", "1", "-j"))] == [3, 1]
    assert (
        history("execution", "show", "3", "--field", "error.message").stdout == "Command exited with code 3\n"
    )


def test_words_that_name_an_execution(history: Run) -> None:
    words = {"2": 2, "@last": 6, "@last:core.echo": 2, "@failed": 4, "@failed:core.noop": 3}
    assert {word: int(history("execution", "show", word, "-q").stdout) for word in words} == words


def test_words_that_name_nothing(history: Run) -> None:
    words = {
        "99": 3,
        "@last:no.such": 3,
        "9" * 30: 3,
        "last": 2,
        "@lst": 2,
        "-1": 2,
        "1.5": 2,
        "²": 2,
        "\N{FULLWIDTH DIGIT THREE}": 2,
    }
    assert {word: history("execution", "show", word).exit_code for word in words} == words
    for option in ("--after", "--parent"):
        assert history("execution", "list", option, "9" * 30).exit_code == 2


def test_ids_come_from_stdin(history: Run) -> None:
    shown = history("execution", "show", "-", "-j", input="1\n3\n")
    assert [one["status"] for one in document(shown)] == ["completed", "failed"]


# --- logs


def test_logs_are_the_bytes_and_each_stream_can_be_had_alone(run: Run) -> None:
    run("run", "exec", "--", "sh", "-c", "echo out; echo err >&2; printf last")
    result = run("execution", "logs", "@last")
    assert (result.stdout, result.stderr) == ("out\nlast", "err\n")
    assert run("execution", "logs", "@last", "--stream", "stderr").stdout == "err\n"
    assert run("execution", "logs", "@last", "--stream", "stdout").stdout == "out\nlast"
    assert run("execution", "logs", "@last", "--stream", "both").exit_code == 2


def test_the_last_lines_of_ten_thousand(run: Run) -> None:
    assert run("run", "exec", "--", "seq", "10000").stdout.count("\n") == 10_000
    assert run("execution", "logs", "@last").stdout.splitlines() == [str(n) for n in range(1, 10_001)]
    assert run("execution", "logs", "@last", "--tail", "3").stdout == "9998\n9999\n10000\n"
    assert run("execution", "logs", "@last", "--tail", "0").stdout == ""
    shown = document(run("execution", "show", "@last", "-j"))
    assert shown["stdout"] == {"bytes": 48_894, "lines": 10_000, "dropped_bytes": 0, "truncated": False}


def test_logs_as_json_are_lines_with_stream_offset_and_time(run: Run) -> None:
    run("run", "exec", "--", "sh", "-c", "echo one; sleep 0.05; echo err >&2; sleep 0.05; printf two")
    records = [json.loads(line) for line in run("execution", "logs", "@last", "-j").stdout.splitlines()]
    assert [(one["stream"], one["offset"], one["line"]) for one in records] == [
        ("stdout", 0, "one"), ("stderr", 0, "err"), ("stdout", 4, "two"),
    ]  # fmt: skip
    times = [one["ts"] for one in records]
    assert times == sorted(times)
    stamped = run("execution", "logs", "@last", "--timestamps").stdout.splitlines()
    assert [line.partition(" ")[2] for line in stamped] == ["one", "err", "two"]


def test_logs_of_what_has_not_started_are_empty(run: Run) -> None:
    execution = waiting(run, "core.noop")
    assert run("execution", "logs", execution) == run("execution", "logs", execution, "-j")
    assert run("execution", "logs", execution).stdout == ""


AWKWARD = r"printf 'a\000b\377c\033[31mred\033[0m\r\n\303\251\n'"


def test_awkward_bytes_are_kept_as_they_are_in_a_pipe_and_as_text_in_json(run: Run, home: Home) -> None:
    run("run", "exec", "--", "sh", "-c", AWKWARD)
    assert (home.runs / "1" / "stdout").read_bytes() == b"a\0b\xffc\x1b[31mred\x1b[0m\r\n\xc3\xa9\n"
    lines = [json.loads(line)["line"] for line in run("execution", "logs", "1", "-j").stdout.splitlines()]
    assert lines == ["a\0b\N{REPLACEMENT CHARACTER}c\x1b[31mred\x1b[0m\r", "é"]
    stdout = document(run("execution", "show", "1", "-j"))["result"]["stdout"]
    assert stdout == "a\0b\N{REPLACEMENT CHARACTER}c\x1b[31mred\x1b[0m\r\né\n"


@pytest.mark.parametrize(
    "command",
    [("run", "exec", "--", "sh", "-c", AWKWARD), ("execution", "logs", "1"), ("execution", "show", "1")],
)
def test_awkward_bytes_do_no_harm_to_a_terminal(
    run: Run, terminal: Terminal, command: tuple[str, ...]
) -> None:
    run("run", "exec", "--", "sh", "-c", AWKWARD)
    shown = terminal(*command, "--color", "never").stdout
    assert "red" in shown
    assert "\x1b[31m" not in shown
    assert not {"\0", "\x1b"} & set(shown)


# --- result


def test_a_result_is_the_bare_value(run: Run) -> None:
    run("run", "demo.add", "a=2", "b=3")
    assert run("execution", "result", "@last").stdout == '{"sum":5}\n'
    assert run("execution", "result", "@last", "-j").stdout == '{"sum":5}\n'
    assert run("execution", "result", "@last", "--field", "sum").stdout == "5\n"
    assert run("execution", "result", "@last", "--field", "difference").exit_code == 3
    run("run", "core.echo", "message=hi")
    assert run("execution", "result", "@last").stdout == "hi\n"
    assert run("execution", "result", "@last", "-j").stdout == '"hi\\n"\n'


def test_there_is_no_result_of_a_failure_or_of_what_is_not_over(run: Run) -> None:
    run("run", "core.noop", "exit_code=3")
    failed = run("execution", "result", "@last")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "failed with exit code 3" in failed.stderr
    execution = waiting(run, "core.echo", "message=later")
    pending = run("execution", "result", execution)
    assert (pending.exit_code, pending.stdout) == (8, "")
    assert f"attune execution result {execution} --wait" in pending.stderr
    assert run("execution", "result", execution, "--wait").stdout == "later\n"


def test_a_result_larger_than_a_record_may_be_is_read_whole_in_its_own_form(run: Run) -> None:
    size = 3 * 1024 * 1024
    assert run("run", "demo.yaml", f"size={size}", "-qq").exit_code == 0
    shown = document(run("execution", "show", "@last", "-j"))
    assert (shown["result"]["data"], shown["result"]["data_truncated"]) == (None, True)
    assert document(run("execution", "result", "@last", "-j")) == {"text": "x" * size}
    assert run("execution", "result", "@last", "--field", "text").stdout == "x" * size + "\n"


def test_a_long_text_is_printed_whole(run: Run) -> None:
    size = 1024 * 1024
    arguments = ("exec", "--", "sh", "-c", f"head -c {size} /dev/zero | tr '\\0' x")
    assert run("run", arguments[0], "-r", *arguments[1:]).stdout == "x" * size
    assert document(run("execution", "result", "@last", "-j")) == "x" * size


# --- wait


def test_what_is_pruned_while_it_is_waited_for_ends_the_waiting(run: Run, home: Home) -> None:
    run("run", "core.noop")
    store = open_store(home, Settings())
    execution = read(store, 1)
    gone = replace(execution, id=99, status=Status.RUNNING)
    with (
        closing(store),
        pytest.raises(NotFoundError, match="execution 99 was deleted while it was waited for"),
    ):
        wait_for(Context(home_option=home.path), store, [gone], any_one=False, give_up_seconds=20)


def test_wait_exits_as_the_execution_ended(history: Run) -> None:
    assert [history("execution", "wait", str(one)).exit_code for one in (1, 3, 4)] == [0, 1, 124]
    assert history("execution", "wait", "1", "5").exit_code == 0
    assert history("execution", "wait", "1", "3").exit_code == 1
    assert history("execution", "wait", "3", "4").exit_code == 1
    assert document(history("execution", "wait", "1", "-j"))["id"] == 1


def test_wait_runs_what_nobody_runs(run: Run) -> None:
    first, second = waiting(run, "core.echo", "message=a"), waiting(run, "core.noop", "exit_code=4")
    assert run("execution", "wait", first).exit_code == 0
    assert run("execution", "logs", first).stdout == "a\n"
    assert run("execution", "wait", second).exit_code == 1


def test_wait_runs_several_and_obeys_limits(run: Run) -> None:
    kept = [waiting(run, "demo.limited") for _ in range(3)]
    result = run("execution", "wait", *kept, "-j")
    assert [one["status"] for one in document(result)] == ["completed"] * 3
    spans = [(one["started_at"], one["finished_at"]) for one in document(result)]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_wait_for_any_ends_with_the_first(run: Run) -> None:
    quick = waiting(run, "core.noop")
    slow = waiting(run, "core.sleep", "seconds=60")
    assert run("execution", "wait", slow, quick, "--any").exit_code == 0
    assert document(run("execution", "show", quick, "-j"))["status"] == "completed"


# --- cancel


def test_what_waits_is_cancelled_at_once(run: Run) -> None:
    execution = waiting(run, "core.noop")
    shown = document(run("execution", "cancel", execution, "--reason", "not needed", "-j"))
    assert [(one["status"], one["cancel_reason"]) for one in shown] == [("cancelled", "not needed")]
    assert run("execution", "wait", execution).exit_code == 130
    assert run("execution", "cancel", execution).exit_code == 5


def test_a_cancel_by_filter_asks_first(run: Run) -> None:
    kept = [waiting(run, "core.noop") for _ in range(3)]
    other = waiting(run, "core.echo")
    assert run("execution", "cancel", "--action", "core.noop", "--no-input").exit_code == 2
    assert "requested" in run("execution", "list", "--fields", "status").stdout
    done = run("execution", "cancel", "--action", "core.noop", "-y", "-q")
    assert sorted(done.stdout.split()) == kept
    assert ids(run, "-s", "requested") == [int(other)]
    assert run("execution", "cancel").exit_code == 2
    assert run("execution", "cancel", "99").exit_code == 3
    assert run("execution", "cancel", other, "-n").exit_code == 0
    assert ids(run, "-s", "requested") == [int(other)]


# --- retry


def test_a_retry_runs_the_same_again_with_some_parameters_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("hunter2")
    run("run", "demo.add", "a=2", "b=3", "--label", "k=v")
    again = run("execution", "retry", "1", "-r")
    assert (again.exit_code, again.stdout) == (0, '{"sum":5}\n')
    changed = run("execution", "retry", "@last", "b=10", "-r")
    assert changed.stdout == '{"sum":12}\n'
    shown = document(run("execution", "show", "@last", "-j"))
    assert (shown["rerun_of"], shown["labels"], shown["attempt"]) == (2, {"k": "v"}, 1)
    assert run("execution", "retry", "1", "b=soon").exit_code == 2
    assert run("execution", "retry", "99").exit_code == 3


def test_a_retry_has_the_secrets_and_the_environment_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("hunter2")
    arguments = ("run", "demo.secret", "user=ada", f"password=@{tmp_path / 'pin'}", "-e", "TOKEN=tok-123")
    first = run(*arguments)
    again = run("execution", "retry", "1")
    assert again.stdout == first.stdout
    assert "********" in again.stdout


def test_a_retry_of_a_command_runs_it_in_its_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("run", "exec", "--", "pwd")
    monkeypatch.chdir(tmp_path)
    assert run("execution", "retry", "1").stdout == f"{tmp_path / 'work'}\n"


# --- prune, stats


def test_prune_deletes_what_is_old_and_over_with_its_logs(history: Run, home: Home) -> None:
    assert document(history("execution", "prune", "--older-than", "1h", "-y", "-j"))["executions"] == 0
    planned = document(history("execution", "prune", "--older-than", "1ms", "-n", "-j"))
    assert (planned["executions"], len(ids(history))) == (5, 6)
    assert history("execution", "prune", "--older-than", "1ms", "--no-input").exit_code == 2
    done = document(
        history("execution", "prune", "--older-than", "1ms", "--keep", "2", "-s", "done", "-y", "-j")
    )
    assert done["executions"] == 4
    assert ids(history) == [6, 5]
    assert {path.name for path in home.runs.iterdir()} <= {"5"}
    assert history("execution", "wait", "6").exit_code == 0
    assert history("run", "core.noop", "-q").stdout == "7\n"


def test_prune_deletes_chains_and_trees_whole(run: Run, tmp_path: Path) -> None:
    run("run", "demo.flaky", f"file={tmp_path / 'count'}")
    run("execution", "retry", "3", "-qq")
    done = document(run("execution", "prune", "--older-than", "1ms", "-y", "-j"))
    assert (done["executions"], ids(run)) == (4, [])


def test_prune_refuses_what_is_no_duration(history: Run) -> None:
    for older_than in ("soon", "-1h", ""):
        assert history("execution", "prune", "--older-than", older_than, "-y").exit_code == 2
    assert len(ids(history)) == 6


def test_statistics_count_and_measure(history: Run) -> None:
    rows = {row["action"]: row for row in document(history("execution", "stats", "-j"))}
    assert (rows["core.echo"]["count"], rows["core.echo"]["completed"], rows["core.echo"]["bad"]) == (2, 2, 0)
    assert rows["demo.slow"]["bad"] == 1
    assert rows["demo.slow"]["p50_ms"] >= 300
    assert {row["status"] for row in document(history("execution", "stats", "--by", "status", "-j"))} == {
        "completed", "failed", "requested",
    }  # fmt: skip
    assert history("execution", "stats", "--by", "colour").exit_code == 2
