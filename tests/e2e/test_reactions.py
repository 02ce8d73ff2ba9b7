"""Stories of a daemon that reacts: to the clock, to what is told, and to its own sudden end."""

from __future__ import annotations

import json
import random
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.daemon_story import serving
from tests.e2e.story import Attune, show, until
from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@pytest.fixture
def diary(run: Run, tmp_path: Path) -> Path:
    """A file to which each run of `garden.water` adds a line, in a pack with rules that start it."""
    diary = tmp_path / "diary"
    files = {
        "pack.yaml": "ref: garden\nversion: 1.0.0\n",
        "actions/water.yaml": "ref: garden.water\nentry_point: water.sh\n"
        "parameters: {n: {type: integer}, by: {type: string}}\n",
        "actions/water.sh": f'line=$(cat)\necho "$line" >> {diary}\n',
        "triggers/dry.yaml": "ref: garden.dry\noutput: {n: {type: integer}}\n",
        "rules/first.yaml": _rule("first"),
        "rules/second.yaml": _rule("second"),
        "rules/never.yaml": _rule("never", "conditions: [{field: n, operator: lt, value: 0}]"),
    }
    write_files(tmp_path / "garden", files)
    assert run("pack", "install", str(tmp_path / "garden")).exit_code == 0
    return diary


def _rule(name: str, more: str = "") -> str:
    return f"""\
ref: garden.{name}
trigger_ref: garden.dry
action_ref: garden.water
action_params: {{n: "{{{{ event.payload.n }}}}", by: {name}}}
{more}
"""


def written(diary: Path) -> list[dict[str, Any]]:
    lines = diary.read_text().splitlines() if diary.exists() else []
    return [json.loads(line) for line in lines if line]


def documents(run: Run, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(run(*arguments, "-j").stdout)


def test_a_timer_runs_its_action_again_and_again(run: Run, home: Home, diary: Path) -> None:
    made = run("timer", "create", "tick", "--every", "1s", "--action", "garden.water", "n:=1", "by=clock")
    assert made.exit_code == 0
    with serving(home):
        until(lambda: len(written(diary)) >= 3, "three firings")
        assert run("rule", "disable", "local.tick").exit_code == 0
        until(lambda: documents(run, "execution", "list", "-s", "running") == [], "the last run")
        (timer,) = documents(run, "timer", "list")
        assert (timer["state"], timer["next_fire_at"]) == ("disabled", None)
    events = documents(run, "event", "list", "--trigger", "core.intervaltimer", "--all")
    assert len({event["dedup_key"] for event in events}) == len(events) == len(written(diary))


def test_an_event_is_waited_for_in_the_daemon(run: Run, home: Home, diary: Path) -> None:
    with serving(home):
        result = run("event", "emit", "garden.dry", "n=4", "--wait", "-j")
        assert result.exit_code == 0
        told = json.loads(result.stdout)
        assert {one["rule_ref"]: one["outcome"] for one in told["verdicts"]} == {
            "garden.first": "fired",
            "garden.second": "fired",
            "garden.never": "no_match",
        }
        assert [one["status"] for one in told["executions"]] == ["completed"] * 2
    assert sorted(one["by"] for one in written(diary)) == ["first", "second"]


def test_waiting_for_an_event_is_waiting_for_its_turn(
    run: Run, home: Home, diary: Path, tmp_path: Path
) -> None:
    write_files(
        tmp_path / "line",
        {
            "pack.yaml": "ref: line\nversion: 1.0.0\n",
            "triggers/next.yaml": "ref: line.next\n",
            "rules/one.yaml": "ref: line.one\ntrigger_ref: line.next\naction_ref: core.sleep\nmode: queued\n"
            "action_params: {seconds: 0.5}\n",
        },
    )
    assert run("pack", "install", str(tmp_path / "line")).exit_code == 0
    with serving(home):
        for _ in range(2):
            assert run("event", "emit", "line.next").exit_code == 0
        last = json.loads(run("event", "emit", "line.next", "--wait", "-j").stdout)
        assert [one["status"] for one in last["executions"]] == ["completed"]
        assert run("event", "emit", "line.next", "--wait", "--wait-timeout", "10ms").exit_code == 8
        until(lambda: len(documents(run, "execution", "list", "-s", "done")) == 4, "the last in line")
    assert not diary.exists()


def test_an_event_told_while_no_daemon_ran_is_judged_by_the_next(run: Run, home: Home, diary: Path) -> None:
    assert run("event", "emit", "garden.dry", "n=4").exit_code == 0
    with serving(home):
        until(lambda: len(written(diary)) == 2, "both runs")


def test_what_happens_here_is_not_taken_by_the_daemon_as_well(run: Run, home: Home, diary: Path) -> None:
    with serving(home):
        told = json.loads(run("event", "emit", "garden.dry", "n=4", "--process", "-j").stdout)
        assert [one["status"] for one in told["executions"]] == ["completed"] * 2
        here = show(run, str(told["executions"][0]["id"]))["timeline"][-1]["host"]
        ran = json.loads(run("event", "emit", "garden.dry", "n=5", "--wait", "-j").stdout)
        assert show(run, str(ran["executions"][0]["id"]))["timeline"][-1]["host"] != here
    assert len(written(diary)) == 4


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_killing_the_daemon_again_and_again_loses_and_doubles_nothing(
    run: Run, home: Home, diary: Path, kills: int
) -> None:
    """Each event that is acknowledged has one verdict of each rule, and one run of each that fires."""
    chance = random.Random(11)
    told = 0
    for _ in range(kills):
        with serving(home) as daemon:
            for _ in range(chance.randrange(2, 6)):
                told += run("event", "emit", "garden.dry", f"n={told}", "--key", f"k{told}").exit_code == 0
            daemon.signal(signal.SIGKILL)
            daemon.end()
        told += run("event", "emit", "garden.dry", f"n={told}", "--key", f"k{told}").exit_code == 0
    with serving(home):
        until(lambda: _is_quiet(run, 2 * told), "the last run")
    events = documents(run, "event", "list", "--all")
    assert sorted(event["payload"]["n"] for event in events) == list(range(told))
    assert {(event["concerned"], event["matched"]) for event in events} == {(3, 2)}
    executions = documents(run, "execution", "list", "--all")
    assert {execution["status"] for execution in executions} == {"completed"}
    expected = [(n, by) for n in range(told) for by in ("first", "second")]
    assert sorted((one["n"], one["by"]) for one in written(diary)) == expected


def _is_quiet(run: Run, count: int) -> bool:
    done = documents(run, "execution", "list", "--all", "-s", "done")
    return len(done) == count and not any(
        event["pending"] for event in documents(run, "event", "list", "--all")
    )


@pytest.mark.usefixtures("diary")
def test_a_failure_sets_off_a_rule_and_that_rule_not_itself(run: Run, home: Home, tmp_path: Path) -> None:
    rule = {
        "pack.yaml": "ref: watch\nversion: 1.0.0\n",
        "rules/failed.yaml": """\
ref: watch.failed
trigger_ref: core.execution_finished
trigger_params: {status: [failed]}
action_ref: core.noop
action_params: {exit_code: 7}
""",
    }
    write_files(tmp_path / "watch", rule)
    assert run("pack", "install", str(tmp_path / "watch")).exit_code == 0
    watch = ("event", "watch", "--trigger", "core.execution_finished", "-j")
    with serving(home), Attune(*watch) as watching:
        assert watching.process.stdout is not None
        assert json.loads(watching.process.stdout.readline())["type"] == "hello"
        assert run("run", "core.noop", "exit_code:=3", "-qq").exit_code == 1
        until(lambda: len(documents(run, "execution", "list", "-s", "failed")) == 2, "the rule's own run")
        told = json.loads(watching.process.stdout.readline())
        assert told["payload"]["trigger_ref"] == "core.execution_finished"
        assert run("event", "emit", "garden.dry", "n=1", "--wait", "-qq").exit_code == 0
    (event,) = documents(run, "event", "list", "--trigger", "core.execution_finished")
    assert event["matched"] == 1
