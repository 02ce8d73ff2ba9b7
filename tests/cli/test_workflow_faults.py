"""What is wrong with a workflow is told before anything of it begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pack_files import write_files

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

FEED = """\
ref: zoo.feed
entry_point: echo fed
parameters: {animal: {type: string, required: true}, grams: {type: integer}}
"""
DAY = """\
ref: zoo.day
version: 1.0.0
tasks:
  - {name: first, action: core.echo, input: {message: morning}, next: [{do: [then]}]}
  - {name: then, action: zoo.feed, input: {animal: lion}}
"""
ASK = "  - {name: ask, action: coer.ask, input: {prompt: Well?}}\n"


@pytest.fixture(autouse=True)
def zoo(home: Home) -> Path:  # noqa: ARG001 - the home it may be installed in
    files = {
        "pack.yaml": "ref: zoo\nversion: 1.0.0\n",
        "actions/feed.yaml": FEED,
        "workflows/day.workflow.yaml": DAY,
    }
    return write_files(Path("zoo"), files)


def started(run: Run) -> int:
    return len(json.loads(run("execution", "list", "-j").stdout))


def test_a_file_is_not_run_whose_inputs_do_not_fit_and_each_fault_has_its_place(run: Run, zoo: Path) -> None:
    day = zoo / "workflows/day.workflow.yaml"
    day.write_text(DAY.replace("{animal: lion}", "{anmal: lion, grams: lots}") + ASK)
    refused = run("run", "workflow", str(day))
    assert (refused.exit_code, started(run)) == (2, 0)
    assert [line.split(None, 1) for line in refused.stderr.splitlines()[1:-1]] == [
        [
            "workflows/day.workflow.yaml:5:51",
            "'tasks.1.input.anmal': unknown parameter of zoo.feed (did you mean animal?)",
        ],
        ["workflows/day.workflow.yaml:5:64", "'tasks.1.input.grams': expected integer, got 'lots'"],
        [
            "workflows/day.workflow.yaml:6:25",
            "unknown action 'coer.ask': there is no pack 'coer' (did you mean core.ask?)",
        ],
    ]
    run_file = run("run", "file", str(day))
    assert (run_file.exit_code, run_file.stderr) == (2, refused.stderr)


def test_a_file_whose_pack_is_not_installed_begins_nothing_and_says_how_to_install_it(
    run: Run, zoo: Path
) -> None:
    day = zoo / "workflows/day.workflow.yaml"
    refused = run("run", "workflow", str(day))
    assert (refused.exit_code, started(run)) == (2, 0)
    assert refused.stderr == (
        "error: workflow 'zoo.day' cannot be run: it has a fault\n"
        "  then.action  no action 'zoo.feed'\n"
        f"hint: attune pack install {zoo.absolute()}\n"
    )
    assert run("pack", "install", str(zoo)).exit_code == 0
    assert run("run", "workflow", str(day)).exit_code == 0


def test_a_pack_that_is_not_there_is_doubted_at_load_and_refused_at_the_start(run: Run, zoo: Path) -> None:
    day = zoo / "workflows/day.workflow.yaml"
    day.write_text(DAY + ASK)
    checked = run("workflow", "validate", str(day))
    assert checked.exit_code == 0
    assert checked.stdout == (
        "zoo/workflows/day.workflow.yaml:6:25: warning: unknown action 'coer.ask': there is no pack 'coer' "
        "(did you mean core.ask?)\n"
    )
    assert run("pack", "install", str(zoo)).exit_code == 0
    refused = run("run", "workflow", "zoo.day", "-j")
    error = json.loads(refused.stderr.splitlines()[-1])["error"]
    assert (refused.exit_code, error["code"], started(run)) == (2, "workflow_faulty", 0)
    assert [(one["path"], one["message"]) for one in error["details"]] == [
        ("ask.action", "no action 'coer.ask'; did you mean core.ask?")
    ]


def test_faults_of_sub_workflows_are_told_when_the_whole_is_started(run: Run, zoo: Path) -> None:
    write_files(
        zoo,
        {
            "workflows/day.workflow.yaml": DAY + ASK,
            "workflows/week.yaml": "ref: zoo.week\nversion: 1.0.0\ntasks: [{name: monday, action: day}]\n",
        },
    )
    assert run("pack", "install", str(zoo)).exit_code == 0
    refused = run("run", "workflow", "zoo.week")
    assert (refused.exit_code, started(run)) == (2, 0)
    assert "  zoo.day ask.action  no action 'coer.ask'" in refused.stderr


def test_an_action_that_changed_since_is_told_at_the_start(run: Run, zoo: Path) -> None:
    caller = {
        "pack.yaml": "ref: park\nversion: 1.0.0\ndependencies: [zoo]\n",
        "workflows/tour.yaml": "ref: park.tour\nversion: 1.0.0\ntasks:\n"
        "  - {name: see, action: zoo.feed, input: {animal: lion}}\n",
    }
    write_files(Path("park"), caller)
    assert run("workflow", "validate", "park").stdout == ""
    assert [run("pack", "install", name).exit_code for name in ("zoo", "park")] == [0, 0]
    (zoo / "actions/feed.yaml").write_text(FEED.replace("animal", "species"))
    (zoo / "workflows/day.workflow.yaml").unlink()
    assert run("pack", "install", str(zoo), "--upgrade").exit_code == 0
    refused = run("run", "workflow", "park.tour")
    assert (refused.exit_code, started(run)) == (2, 0)
    assert "  see.input.animal   unknown parameter of zoo.feed; it takes species, grams" in refused.stderr
    upgraded = run("pack", "install", "park", "--upgrade")
    assert upgraded.exit_code == 2
    assert "park/workflows/tour.yaml:4:51" in upgraded.stderr


def test_packs_that_are_checked_together_know_each_other(run: Run, zoo: Path) -> None:
    write_files(
        Path("park"),
        {
            "pack.yaml": "ref: park\nversion: 1.0.0\n",
            "workflows/tour.yaml": "ref: park.tour\nversion: 1.0.0\ntasks:\n"
            "  - {name: see, action: zoo.fed, input: {}}\n  - {name: say, action: zoo.feed, input: {anmal: x}}\n",
        },
    )
    assert [line.partition(": ")[2] for line in run("workflow", "validate", str(zoo), "park").stdout.splitlines()] == [
        "warning: unknown action 'zoo.fed' (did you mean zoo.feed?)",
        "'tasks.1.input.anmal': unknown parameter of zoo.feed (did you mean animal?)",
    ]  # fmt: skip


def test_a_pack_that_is_only_a_folder_is_told_with_the_command_that_installs_it(run: Run, zoo: Path) -> None:
    for words in (("workflow", "zoo.day"), ("action", "zoo.feed"), ("zoo.feed",)):
        missing = run("run", *words)
        assert (missing.exit_code, missing.stderr.splitlines()[-1]) == (3, "hint: attune pack install zoo")
    zoo.rename("packs")  # a pack's own folder may have another name
    Path("all").mkdir()
    Path("packs").rename("all/packs")
    assert run("run", "zoo.day", "-C", "all").stderr.endswith("hint: attune pack install all/packs\n")
    assert run("pack", "install", "all/packs").exit_code == 0
    assert run("run", "zoo.dya", "-C", "all").stderr.endswith("hint: did you mean zoo.day?\n")


def test_times_are_written_in_seconds_or_as_durations(run: Run, zoo: Path) -> None:
    times = "timeout: 1h30m, delay: 10ms, retry: {count: 1, delay: 2m, max_delay: 1h}"
    day = zoo / "workflows/day.workflow.yaml"
    day.write_text(DAY.replace("animal: lion}", f"animal: lion}}, {times}") + "timeout: 1d\n")
    assert run("pack", "install", str(zoo)).exit_code == 0
    shown = json.loads(run("workflow", "show", "zoo.day", "-j").stdout)
    then = shown["tasks"][1]
    assert (then["timeout_seconds"], then["delay_seconds"]) == (5400, 0.01)
    done = json.loads(run("run", "workflow", "zoo.day", "-j", "--no-logs").stdout)
    assert (done["status"], done["timeout_seconds"]) == ("completed", 86400)


def test_a_list_of_workflows_of_no_pack_says_so(run: Run) -> None:
    assert "there is no pack 'zo'" in run("workflow", "list", "--pack", "zo").stderr
