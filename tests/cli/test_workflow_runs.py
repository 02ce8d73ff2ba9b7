"""Workflows as they run and after: what is said, what the trees show, how they are paused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.story import Attune, until
from tests.pack_files import write_files

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run, Terminal

FILES = {
    "pack.yaml": "ref: flow\nversion: 1.0.0\n",
    "actions/fail.yaml": "ref: flow.fail\nentry_point: |\n  echo trying; echo oops >&2; exit 3\n",
    "actions/gate.yaml": """\
ref: flow.gate
entry_point: |
  echo at the gate
  until [ -e "$file" ]; do sleep 0.02; done
parameters: {file: {type: string, required: true}}
""",
    "workflows/inner.workflow.yaml": """\
ref: flow.inner
version: 1.0.0
tasks: [{name: say, action: core.echo, input: {message: from within}}]
output_map: {said: "{{ task.say.stdout }}"}
""",
    "workflows/main.workflow.yaml": """\
ref: flow.main
version: 1.0.0
parameters:
  fail: {type: boolean, default: false}
tasks:
  - {name: begin, action: core.noop, next: [{do: [each, inner]}]}
  - name: each
    action: core.echo
    with_items: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    concurrency: 5
    input: {message: "item {{ item }}"}
    next: [{do: [last]}]
  - {name: inner, action: flow.inner, next: [{do: [last]}]}
  - {name: last, action: flow.fail, join: all, when: "{{ parameters.fail }}", retry: {count: 1, delay: 0}}
output_map: {count: "{{ length(task.each) }}", said: "{{ task.inner.said }}"}
""",
    "workflows/gated.workflow.yaml": """\
ref: flow.gated
version: 1.0.0
parameters: {file: {type: string}}
tasks:
  - {name: gate, action: flow.gate, input: {file: "{{ parameters.file }}"}, next: [{do: [after]}]}
  - {name: after, action: core.echo, input: {message: done}}
""",
}


@pytest.fixture(autouse=True)
def flow(home: Home, run: Run) -> None:  # noqa: ARG001 - the home it is installed in
    write_files(Path("flow"), FILES)
    assert run("pack", "install", "flow").exit_code == 0


def document(run: Run, *words: str) -> Any:
    return json.loads(run(*words, "-j").stdout)


def without_spans(text: str) -> str:
    return re.sub(r"[0-9.]+(ms|s)\b", "…s", text)


def test_a_workflow_that_ran_well_gives_its_output_and_nothing_else_with_r(run: Run) -> None:
    done = run("run", "workflow", "flow.main", "-r")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"count": 10, "said": "from within\n"})
    assert json.loads(run("execution", "result", "@last").stdout) == {"count": 10, "said": "from within\n"}
    assert run("execution", "result", "@last", "--field", "count").stdout == "10\n"
    assert run("run", "flow.main", "-r").stdout == done.stdout


def test_a_line_tells_each_change_of_a_task_where_there_is_no_terminal(run: Run) -> None:
    told = run("run", "workflow", "flow.main").stderr.splitlines()
    inner = [line for line in told if line.startswith("task inner")]
    assert inner == [
        "task inner running",
        "task inner/say running",
        "task inner/say completed",
        "task inner completed",
    ]
    assert told[0] == "task begin running"
    assert told[-1] == "task last skipped"


def test_what_tasks_write_stands_behind_their_names_in_whole_lines(run: Run) -> None:
    done = run("run", "workflow", "flow.main", "fail=true")
    assert sorted(done.stdout.splitlines()) == sorted(
        [*(f"each[{n}] | item {n + 1}" for n in range(10)), "inner/say | from within", *["last | trying"] * 2]
    )
    assert done.stderr.splitlines().count("last | oops") == 2
    assert run("run", "workflow", "flow.main", "--no-logs").stdout == ""


def test_a_failed_workflow_names_task_and_first_error_and_where_to_look(run: Run) -> None:
    failed = run("run", "workflow", "flow.main", "fail=true", "--no-logs")
    assert failed.exit_code == 1
    error, hint = failed.stderr.splitlines()[-2:]
    assert error.startswith("error: execution 1 of flow.main failed: Workflow failed: task 'last': oops")
    assert "task last failed: oops" in failed.stderr
    assert hint == "hint: attune execution show 1 --tree"


def test_a_workflow_that_ran_out_of_time_says_so_and_exits_124(run: Run) -> None:
    late = run("run", "workflow", "flow.gated", "file=none", "--timeout", "0.3s", "--no-logs", "-q")
    assert late.exit_code == 124
    assert "execution 1 of flow.gated timed out: the workflow took longer than" in late.stderr


def test_the_tree_of_a_workflow_shows_tasks_items_attempts_and_what_is_below(run: Run) -> None:
    run("run", "workflow", "flow.main", "fail=true")
    tree = without_spans(run("execution", "show", "1", "--tree").stdout)
    ids = {
        one["name"]: one["executions"] for one in document(run, "execution", "show", "1", "--tree")["tasks"]
    }
    number = {name: parts[-1]["id"] for name, parts in ids.items()}
    within = ids["inner"][0]["tasks"][0]["executions"][0]["id"]
    assert tree.splitlines()[0].startswith("✖ 1 flow.main  failed · …s · Workflow failed: task 'last': oops")
    assert tree.splitlines()[1:] == [
        f"├─✔ begin  completed · …s · core.noop #{number['begin']}",
        "├─✔ each   completed · 10/10 items · …s · core.echo",
        f"├─✔ inner  completed · …s · workflow flow.inner #{number['inner']}",
        f"│ ╰─✔ say  completed · …s · core.echo #{within}",
        f"╰─✖ last   failed · 2 attempts · …s · flow.fail #{number['last']} · oops",
    ]
    assert [one["attempt"] for one in ids["last"]] == [1, 2]
    assert [one["item"] for one in ids["each"]] == list(range(10))


def test_the_graph_of_an_execution_has_its_states(run: Run) -> None:
    run("run", "workflow", "flow.main")
    drawn = without_spans(run("workflow", "graph", "--execution", "1", "--width", "100").stdout).splitlines()
    assert drawn[0].startswith("flow.main 1.0.0 · 4 tasks · execution 1 · completed · …s")
    assert drawn[2] == "✔   begin  completed · …s · core.noop"
    assert (
        drawn[-1]
        == "»   last   skipped · …s · flow.fail · only when parameters.fail · join all of 2 · retry ×1"
    )
    other = run("workflow", "graph", "flow.inner", "--execution", "1")
    assert (other.exit_code, "is one of flow.main, and not of flow.inner" in other.stderr) == (2, True)
    action = run("workflow", "graph", "--execution", "2")
    assert (action.exit_code, "of core.noop is no workflow" in action.stderr) == (2, True)


def test_a_timeline_has_a_bar_for_each_task_and_each_attempt(run: Run) -> None:
    run("run", "workflow", "flow.main", "fail=true")
    axis, *rows = run("execution", "show", "1", "--timeline").stdout.splitlines()
    assert axis.split()[0] == "0"
    assert [row.split()[0] for row in rows] == ["begin", "each", "inner", "say", "last"]
    assert all("█" in row for row in rows)


def test_a_part_of_a_workflow_names_workflow_and_task(run: Run, terminal: Terminal) -> None:
    run("run", "workflow", "flow.main", "fail=true")
    part = document(run, "execution", "show", "@failed:flow.fail")
    assert (part["workflow_ref"], part["parent"], part["workflow_task"]["task_name"]) == (
        "flow.main",
        1,
        "last",
    )
    text = terminal("execution", "show", str(part["id"])).stdout
    assert re.search("Workflow +\x1b\\[0m  flow.main\n", text)
    assert re.search("Task +\x1b\\[0m  last\n", text)
    whole = document(run, "execution", "show", "@last")
    assert (whole["id"], whole["workflow_ref"]) == (1, None)
    parts = document(run, "execution", "list", "--workflow", "flow.inner")
    assert [one["action_ref"] for one in parts] == ["core.echo"]


def test_logs_of_a_workflow_are_those_of_its_tasks(run: Run) -> None:
    run("run", "workflow", "flow.main", "fail=true")
    lines = run("execution", "logs", "1", "--stream", "stdout").stdout.splitlines()
    assert lines[0] == "each[0] | item 1"
    assert lines[-2:] == ["last | trying", "last | trying"]
    assert "inner/say | from within" in lines
    assert run("execution", "logs", "1", "--task", "inner").stdout == "inner/say | from within\n"
    assert run("execution", "logs", "1", "--task", "inner", "-f").stdout == "inner/say | from within\n"
    records = [
        json.loads(line) for line in run("execution", "logs", "1", "--task", "last", "-j").stdout.splitlines()
    ]
    assert [(one["task"], one["line"]) for one in records if one["stream"] == "stderr"] == [
        ("last", "oops")
    ] * 2
    unknown = run("execution", "logs", "1", "--task", "iner")
    assert (unknown.exit_code, "did you mean inner?" in unknown.stderr) == (3, True)


def test_a_paused_workflow_begins_nothing_until_it_is_resumed(run: Run) -> None:
    gate = Path("gate").absolute()
    with Attune("run", "workflow", "flow.gated", f"file={gate}") as running:
        until(
            lambda: run("execution", "list", "--workflow", "flow.gated", "-s", "running", "-q").stdout != "",
            "the gate is waited at",
        )
        paused = run("execution", "pause", "1", "--reason", "not yet")
        assert (paused.exit_code, paused.stdout) == (0, "1\tflow.gated\trunning\n")
        gate.touch()
        until(
            lambda: run("execution", "list", "--action", "flow.gate", "-s", "completed", "-q").stdout != "",
            "the gate is passed",
        )
        tree = document(run, "execution", "show", "1", "--tree")
        assert (tree["paused"], tree["pause_reason"]) == (True, "not yet")
        stand = [(task["name"], task["status"]) for task in tree["tasks"]]
        assert stand == [("gate", "completed"), ("after", "waiting")]
        assert "paused: not yet" in run("execution", "show", "1", "--tree").stdout
        assert run("execution", "pause", "1").exit_code == 5
        assert run("execution", "resume", "1").exit_code == 0
        code, out, _ = running.end()
    assert (code, "after | done" in out) == (0, True)
    assert run("execution", "resume", "1").exit_code == 5
    assert run("execution", "pause", "99").exit_code == 3


def test_a_workflow_begins_at_a_task_as_if_those_before_had_completed(run: Run) -> None:
    done = run("run", "workflow", "flow.gated", "file=none", "--from", "after")
    assert (done.exit_code, done.stdout) == (0, "after | done\n")
    misspelt = run("run", "workflow", "flow.gated", "--from", "aftr")
    assert (misspelt.exit_code, "did you mean after?" in misspelt.stderr) == (2, True)
    assert len(document(run, "execution", "list", "--root")) == 1


def test_one_task_is_run_alone_with_its_input_and_nothing_that_follows(run: Run) -> None:
    done = run("run", "workflow", "flow.main", "--only", "each", "-r")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {})
    tree = document(run, "execution", "show", "@last", "--tree")
    assert {task["name"]: task["status"] for task in tree["tasks"]} == {
        "begin": "skipped", "each": "completed", "inner": "skipped", "last": "skipped",
    }  # fmt: skip
    failed = run("run", "workflow", "flow.main", "fail=true", "--only", "last", "--no-logs")
    assert (failed.exit_code, "task 'last': oops" in failed.stderr) == (1, True)


def test_what_one_task_needs_of_another_that_has_not_run_is_missing(run: Run) -> None:
    files = {
        "workflows/chain.yaml": """\
ref: flow.chain
version: 1.0.0
tasks:
  - {name: one, action: core.echo, input: {message: first}, next: [{do: [two, three]}]}
  - {name: two, action: core.echo, input: {message: "{{ task.one.stdout }}"}}
  - {name: three, action: core.echo, input: {message: "{{ task.one.stdout | default('none') }}"}, next: [{do: [two]}]}
""",
    }
    path = write_files(Path("flow"), files) / "workflows/chain.yaml"
    failed = run("run", "workflow", str(path), "--only", "two")
    assert (failed.exit_code, document(run, "execution", "list")) == (2, [])
    assert "two.input.message  reads task.one.stdout, and --only two leaves out task 'one'" in failed.stderr
    assert "hint: --from one, or " in failed.stderr
    assert run("run", "workflow", str(path), "--only", "three").stdout == "three | none\n"
    misspelt = run("run", "workflow", str(path), "--only", "tow")
    assert (misspelt.exit_code, misspelt.stderr.splitlines()[-1]) == (2, "hint: did you mean two?")
    assert run("run", "workflow", str(path), "--only", "two", "--from", "one").exit_code == 2


def test_a_failed_workflow_goes_on_where_it_failed_and_keeps_what_succeeded(run: Run) -> None:
    run("run", "workflow", "flow.main", "fail=true", "--no-logs")
    again = run("execution", "retry", "@failed", "--from-failed", "fail=false")
    assert (again.exit_code, again.stdout) == (0, "")
    newest = document(run, "execution", "show", "@last", "--tree")
    assert newest["rerun_of"] == 1
    kept = {task["name"]: (task["status"], task["origin"] is not None) for task in newest["tasks"]}
    assert kept == {
        "begin": ("completed", True),
        "each": ("completed", True),
        "inner": ("completed", True),
        "last": ("skipped", False),
    }
    assert newest["result"]["count"] == 10
    assert "each   completed · 10/10 items · …s · kept from execution 1" in without_spans(
        run("execution", "show", "@last", "--tree").stdout
    )
    over = run("execution", "retry", "@last", "--from-failed")
    assert (over.exit_code, "has not failed" in over.stderr) == (5, True)
    assert run("execution", "retry", "@last:core.noop", "--from-failed").exit_code == 5


def screen(written: str) -> list[str]:
    """Return what a terminal shows in the end of what was written to it."""
    lines, at = [""], 0
    for part in re.split("(\x1b\\[[?0-9;]*[A-Za-z]|\n|\r)", written):
        if part == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif re.fullmatch("\x1b\\[[0-9]+A", part):
            at -= int(part[2:-1])
        elif part == "\x1b[J":
            del lines[at + 1 :]
            lines[at] = ""
        elif part and not part.startswith(("\x1b", "\r")):
            lines[at] = part if not lines[at] or part[0] in "✔●├╰│✖○" else lines[at] + part
    return lines


def test_on_a_terminal_a_tree_lives_below_what_tasks_write_and_stays(terminal: Terminal) -> None:
    shown = terminal("run", "workflow", "flow.main", "--no-color")
    lines = [without_spans(line) for line in screen(shown.stdout)]
    assert shown.exit_code == 0
    assert shown.stdout.count("● 1 flow.main") >= 1
    roots = [number for number, line in enumerate(lines) if "1 flow.main" in line]
    assert len(roots) == 1
    above, below = lines[: roots[0]], lines[roots[0] :]
    assert sorted(above) == sorted(
        [*(f"each[{n}] | item {n + 1}" for n in range(10)), "inner/say | from within"]
    )
    assert below[0].startswith("✔ 1 flow.main  completed")
    assert below[2] == "├─✔ each   completed · 10/10 items · …s · core.echo"


def test_no_line_of_the_live_tree_is_wider_than_the_terminal(terminal: Terminal) -> None:
    shown = terminal("run", "workflow", "flow.main", "fail=true", "--no-color", "--no-logs", columns=40)
    tree = shown.stdout.partition("error:")[0]
    drawn = re.split("\r?\n\r?", re.sub("\x1b\\[[?0-9;]*[A-Za-z]", "", tree))
    assert max(map(len, drawn)) < 40
    assert "…" in tree


def test_without_progress_a_terminal_gets_lines(terminal: Terminal) -> None:
    shown = terminal("run", "workflow", "flow.main", "--no-progress").stdout
    assert "task inner/say completed\n" in shown
    assert "\x1b[J" not in shown


def test_watching_a_workflow_gives_records_of_tasks_and_lines_between_hello_and_end(run: Run) -> None:
    run("run", "workflow", "flow.main", "fail=true")
    watched = run("execution", "watch", "1", "-j")
    records = [json.loads(line) for line in watched.stdout.splitlines()]
    assert watched.exit_code == 1
    assert (records[0]["type"], records[-1]["type"], records[-1]["status"]) == ("hello", "end", "failed")
    assert [one["status"] for one in records if one["type"] == "status"] == ["requested", "running", "failed"]
    tasks = {one["task"]: one["status"] for one in records if one["type"] == "task"}
    assert tasks["inner/say"] == "completed"
    assert tasks["last"] == "failed"
    lines = [(one["task"], one["stream"], one["line"]) for one in records if one["type"] == "log"]
    assert lines.count(("last", "stderr", "oops")) == 2
    assert ("each[9]", "stdout", "item 10") in lines


def test_watching_while_it_runs_tells_each_change_with_its_sequence(run: Run) -> None:
    gate = Path("gate").absolute()
    with Attune("run", "workflow", "flow.gated", f"file={gate}") as running:
        until(lambda: run("execution", "logs", "1").stdout != "", "the gate is waited at")
        with Attune("execution", "watch", "1", "-j") as watching:
            assert watching.process.stdout is not None
            first = json.loads(watching.process.stdout.readline())
            gate.touch()
            code, out, _ = watching.end()
        running.end()
    records = [json.loads(line) for line in out.splitlines()]
    assert (first["type"], code) == ("hello", 0)
    after = [one for one in records if one["type"] == "task" and one["task"] == "after"]
    assert [one["status"] for one in after] == ["running", "completed"]
    assert all(one["seq"] > 0 for one in after)
    followed = [json.loads(line) for line in run("execution", "logs", "1", "-f", "-j").stdout.splitlines()]
    assert [one["type"] for one in followed] == ["hello", "log", "log", "end"]
