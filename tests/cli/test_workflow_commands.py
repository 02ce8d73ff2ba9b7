from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.packs.source import read_pack
from tests.pack_files import write_files

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run, Terminal

WATER = """\
ref: garden.water
label: Water all beds
version: 1.0.0
parameters:
  beds: {type: array, default: [a, b]}
tasks:
  - name: open
    action: core.echo
    with_items: "{{ parameters.beds }}"
    input: {message: "{{ item }}"}
    next:
      - {when: "{{ succeeded() }}", do: [report]}
      - {when: "{{ failed() }}", do: [alarm]}
  - {name: report, action: garden.inner}
  - {name: alarm, action: core.echo, input: {message: stuck}}
output_map: {done: "{{ length(parameters.beds) }}"}
"""
FILES = {
    "pack.yaml": "ref: garden\nversion: 1.0.0\n",
    "workflows/water.workflow.yaml": WATER,
    "actions/inner.yaml": "ref: garden.inner\nworkflow_file: workflows/inner.yaml\n",
    "actions/workflows/inner.yaml": "version: 1.0.0\ntasks: [{name: only, action: core.noop}]\n",
}
DRAWN = """\
garden.water 1.0.0 · 3 tasks

●   open    core.echo · for each of parameters.beds · 1 at a time
│   succeeded() → report
├─╮ failed() → alarm
● │ report  workflow garden.inner
  ● alarm   core.echo
"""


@pytest.fixture
def garden(home: Home, run: Run) -> Path:  # noqa: ARG001 - the home it is installed in
    folder = Path("garden")
    write_files(folder, FILES)
    assert run("pack", "install", "garden").exit_code == 0
    return folder


@pytest.mark.usefixtures("garden")
def test_workflows_are_listed_with_how_many_tasks_they_have(run: Run) -> None:
    rows = [line.split("\t")[:4] for line in run("workflow", "list").stdout.splitlines()]
    assert rows == [["garden.inner", "Inner", "1.0.0", "1"], ["garden.water", "Water all beds", "1.0.0", "3"]]
    listed = json.loads(run("workflow", "list", "--pack", "garden", "-j").stdout)
    assert [(one["kind"], one["ref"], one["task_count"]) for one in listed] == [
        ("workflow", "garden.inner", 1),
        ("workflow", "garden.water", 3),
    ]
    assert run("workflow", "list", "--pack", "core", "--fail-empty").exit_code == 3


@pytest.mark.usefixtures("garden")
def test_a_workflow_is_shown_with_its_tasks_and_what_they_come_after(run: Run, terminal: Terminal) -> None:
    shown = json.loads(run("workflow", "show", "garden.water", "-j").stdout)
    assert [(task["name"], task["action_ref"], task["after"]) for task in shown["tasks"]] == [
        ("open", "core.echo", []),
        ("report", "garden.inner", ["open"]),
        ("alarm", "core.echo", ["open"]),
    ]
    assert shown["output_map"] == {"done": "{{ length(parameters.beds) }}"}
    text = terminal("workflow", "show", "garden.water").stdout
    assert "Tasks" in text
    assert text.endswith("attune workflow graph garden.water\n")


@pytest.mark.usefixtures("garden")
def test_what_is_no_workflow_is_told_from_what_is_not_there(run: Run) -> None:
    action = run("workflow", "show", "core.echo")
    assert (action.exit_code, "'core.echo' is an action, and no workflow" in action.stderr) == (3, True)
    misspelt = run("workflow", "graph", "garden.watr")
    assert (misspelt.exit_code, "did you mean garden.water?" in misspelt.stderr) == (3, True)
    assert run("run", "workflow", "core.echo").exit_code == 3


@pytest.mark.usefixtures("garden")
def test_a_workflow_is_drawn_by_its_ref_and_as_a_document(run: Run) -> None:
    assert run("workflow", "graph", "garden.water").stdout == DRAWN
    document = json.loads(run("workflow", "graph", "garden.water", "--format", "mermaid", "-j").stdout)
    assert (document["kind"], document["format"]) == ("drawing", "mermaid")
    assert document["text"] == run("workflow", "graph", "garden.water", "--format", "mermaid").stdout
    assert run("workflow", "graph", "garden.water", "--format", "dot").stdout.startswith(
        'digraph "garden.water"'
    )


def test_a_workflows_file_is_drawn_without_a_database(home: Home, run: Run) -> None:
    write_files(Path("garden"), FILES)
    drawn = run("workflow", "graph", "garden/workflows/water.workflow.yaml")
    assert (drawn.exit_code, drawn.stdout) == (0, DRAWN)
    linked = run("workflow", "graph", "garden/actions/inner.yaml")
    assert (linked.exit_code, linked.stdout) == (0, "garden.inner 1.0.0 · 1 task\n\n● only  core.noop\n")
    assert not home.database.exists()


def test_a_faulty_file_is_not_drawn_and_told_with_all_its_faults(run: Run) -> None:
    broken = WATER.replace("do: [report]", "do: [reprot]").replace("name: alarm", "name: task")
    write_files(Path("garden"), {**FILES, "workflows/water.workflow.yaml": broken})
    drawn = run("workflow", "graph", "garden/workflows/water.workflow.yaml")
    assert (drawn.exit_code, drawn.stdout) == (2, "")
    assert "workflows/water.workflow.yaml:12:" in drawn.stderr
    assert "unknown task 'reprot'" in drawn.stderr
    assert "'task' is a reserved name" in drawn.stderr
    checked = run("workflow", "validate", "garden/workflows/water.workflow.yaml")
    assert checked.exit_code == 1
    assert "garden/workflows/water.workflow.yaml:12:" in checked.stdout


def test_a_workflow_file_runs_wherever_it_lies(run: Run, tmp_path: Path) -> None:
    loose = tmp_path / "greet.yaml"
    loose.write_text(
        "version: 1.0.0\nparameters: {name: {type: string, required: true}}\n"
        'tasks: [{name: say, action: core.echo, input: {message: "hi {{ parameters.name }}"}}]\n'
        'output_map: {said: "{{ parameters.name }}"}\n'
    )
    ran = run("run", "workflow", str(loose), "name=Ada", "-j")
    assert ran.exit_code == 0
    record = json.loads(ran.stdout)
    assert (record["action_ref"], record["status"]) == ("file.greet", "completed")
    assert "say" in run("workflow", "graph", str(loose)).stdout
    write_files(tmp_path / "hall", {"pack.yaml": "ref: hall\nversion: 1.0.0\n"})
    beside = loose.rename(tmp_path / "hall" / "greet.yaml")
    beside.write_text(f"ref: hall.greet\n{beside.read_text()}")
    assert (
        json.loads(run("run", "workflow", str(beside), "name=Ada", "-j").stdout)["action_ref"] == "hall.greet"
    )
    assert run("run", "workflow", str(beside)).exit_code == 2
    beside.write_text(beside.read_text().replace("core.echo", "core.ecko"))
    broken = run("run", "workflow", str(beside), "name=Ada")
    assert broken.exit_code == 2
    assert "greet.yaml:4:" in broken.stderr
    assert "did you mean core.echo?" in broken.stderr
    beside.write_text(beside.read_text().replace("tasks:", "taks:"))
    assert "did you mean tasks?" in run("run", "workflow", str(beside), "name=Ada").stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "a ref or a file is needed"),
        (("garden.water", "--format", "svg"), 2, "none of text, mermaid, dot"),
        (("nowhere/x.yaml",), 3, "no file 'nowhere/x.yaml'"),
        (("garden/pack.yaml",), 2, "lies in no pack"),
        (("--execution", "99"), 3, "no execution 99"),
        (("garden/workflows/water.workflow.yaml", "--execution", "1"), 2, "a graph of its own"),
    ],
)
@pytest.mark.usefixtures("garden")
def test_what_cannot_be_drawn_is_refused(run: Run, words: tuple[str, ...], code: int, message: str) -> None:
    refused = run("workflow", "graph", *words)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert message in refused.stderr


@pytest.mark.usefixtures("garden")
def test_a_drawing_too_wide_for_its_lanes_says_which_width_it_needs(run: Run) -> None:
    narrow = run("workflow", "graph", "garden.water", "--width", "20")
    assert "--format mermaid" in narrow.stderr
    width = narrow.stderr.partition("--width ")[2].partition(",")[0]
    assert run("workflow", "graph", "garden.water", "--width", width).stderr == ""


@pytest.mark.usefixtures("garden")
def test_ascii_is_drawn_where_the_locale_knows_no_other(
    process: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    drawn = process("workflow", "graph", "garden.water")
    assert drawn.stdout.splitlines()[2:5] == [
        "*   open    core.echo - for each of parameters.beds - 1 at a time",
        "|   succeeded() -> report",
        "+-. failed() -> alarm",
    ]


@pytest.mark.usefixtures("garden")
def test_colours_stand_on_terminals_only_and_not_where_they_are_unwanted(
    run: Run, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b[1mopen\x1b[0m" in terminal("workflow", "graph", "garden.water").stdout
    assert "\x1b" not in run("workflow", "graph", "garden.water").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1m" not in terminal("workflow", "graph", "garden.water").stdout


def test_a_new_workflow_is_sound_and_can_be_drawn(run: Run) -> None:
    assert run("pack", "new", "demo").exit_code == 0
    made = run("workflow", "new", "demo.greet_all", "--dir", "demo")
    assert made.exit_code == 0
    assert made.stdout.splitlines() == [str(Path("demo/workflows/greet_all.workflow.yaml").resolve())]
    assert read_pack(Path("demo")).findings == ()
    assert run("workflow", "graph", made.stdout.strip()).exit_code == 0
    again = run("workflow", "new", "demo.greet_all", "--dir", "demo")
    assert (again.exit_code, "exists" in again.stderr) == (5, True)
    assert run("workflow", "new", "Nonsense").exit_code == 2
    assert run("workflow", "new", "elsewhere.x", "--dir", "demo").exit_code == 3


def test_a_rehearsed_new_workflow_writes_nothing(run: Run) -> None:
    run("pack", "new", "demo")
    rehearsed = run("workflow", "new", "demo.w", "--dir", "demo", "-n")
    assert rehearsed.exit_code == 0
    assert not Path("demo/workflows").exists()


@pytest.mark.usefixtures("garden")
def test_a_list_says_whose_parts_runs_are_where_there_are_any(run: Run, terminal: Terminal) -> None:
    assert run("run", "core.noop").exit_code == 0
    assert "PARENT" not in terminal("execution", "list").stdout
    assert run("run", "workflow", "garden.inner", "--no-logs").exit_code == 0
    head, part, whole, alone = terminal("execution", "list", "--color", "never").stdout.splitlines()
    assert head.endswith("  PARENT")
    assert [line.split()[-1] for line in (part, whole, alone)] == ["2", "-", "-"]
    assert {len(line.split("\t")) for line in run("execution", "list").stdout.splitlines()} == {6}
