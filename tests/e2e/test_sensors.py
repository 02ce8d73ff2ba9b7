"""Stories of sensors: what they tell becomes events, whatever they do, and none outlives its daemon."""

from __future__ import annotations

import json
import os
import signal
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.daemon_story import daemon_of, serving
from tests.e2e.story import processes_with, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")

TELL = "import json, os, sys, time\ndef tell(**event): print(json.dumps(event), flush=True)\n"


class Garden:
    """The pack `garden` with the sensor `garden.probe`, the trigger `garden.dry`, and a rule on it."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self._folder = folder
        for name in ("sensors", "triggers"):
            (folder / name).mkdir(parents=True)
        (folder / "pack.yaml").write_text("ref: garden\nversion: 1.0.0\nlabel: Garden\n")
        (folder / "triggers" / "dry.yaml").write_text(
            "ref: garden.dry\nlabel: Dry\nparameters:\n  bed: {type: string, default: north}\n"
            "output:\n  number: {type: integer, required: true}\n"
        )

    def grow(self, program: str, *, rule_changes: str = "restart", name: str = "probe") -> None:
        """Write the sensor's program, and install the pack anew."""
        (self._folder / "sensors" / f"{name}.yaml").write_text(
            f"ref: garden.{name}\nlabel: Probe\nrunner_type: python\nentry_point: {name}.py\n"
            f"trigger_types: [garden.dry]\nrule_changes: {rule_changes}\n"
        )
        (self._folder / "sensors" / f"{name}.py").write_text(TELL + program)
        installed = self._run("pack", "install", str(self._folder), "--upgrade")
        assert installed.exit_code == 0, installed.stderr

    def rule(self, name: str = "local.water", *options: str) -> None:
        made = self._run(
            "rule", "create", name, "--trigger", "garden.dry", "--action", "core.echo",
            "--param", "message=number {{ event.payload.number }}", *options,
        )  # fmt: skip
        assert made.exit_code == 0, made.stderr


@pytest.fixture
def garden(run: Run, tmp_path: Path) -> Garden:
    return Garden(run, tmp_path / "garden")


def listed(run: Run, *words: str) -> list[dict[str, Any]]:
    return json.loads(run(*words, "-j").stdout)


def sensor(run: Run, ref: str = "garden.probe") -> dict[str, Any]:
    return json.loads(run("sensor", "show", ref, "-j").stdout)


def numbers(run: Run) -> list[int]:
    events = listed(run, "event", "list", "--trigger", "garden.dry", "--all")
    return sorted(event["payload"]["number"] for event in events)


def test_a_sensor_runs_while_a_rule_wants_it_and_what_it_tells_runs_the_action(
    run: Run, home: Home, garden: Garden
) -> None:
    garden.grow("for n in range(3): tell(trigger='dry', payload={'number': n})\ntime.sleep(600)\n")
    with serving(home):
        assert sensor(run)["state"] == "stopped"
        garden.rule()
        until(lambda: len(listed(run, "execution", "list", "-s", "completed")) == 3, "three runs")
        shown = sensor(run)
        assert (shown["state"], shown["events"], shown["refused"]) == ("running", 3, 0)
        assert (shown["restarts"], shown["rules"]) == (0, ["local.water"])
        assert {event["source_ref"] for event in listed(run, "event", "list")} == {"garden.probe"}
        assert run("rule", "disable", "local.water").exit_code == 0
        until(lambda: sensor(run)["state"] == "stopped", "the sensor's end")
        with pytest.raises(ProcessLookupError):
            os.kill(shown["pid"], 0)


def test_a_sensor_that_crashes_is_started_later_and_later_and_an_alert_is_raised_once(
    run: Run, home: Home, garden: Garden
) -> None:
    garden.grow("print('no probe here', file=sys.stderr)\nsys.exit(3)\n")
    garden.rule()
    with serving(home):
        until(lambda: sensor(run)["state"] == "waiting", "the first failure")
        first = sensor(run)
        assert "exited with code 3" in first["error"]
        assert "no probe here" in first["error"]
        assert (first["next_start"] > first["started"], first["pid"]) == (True, None)
        assert "no probe here" in run("sensor", "logs", "garden.probe", "--stream", "stderr").stdout
        # A restart that is asked for does not wait, and begins to count anew.
        assert run("sensor", "restart", "garden.probe").exit_code == 0
        until(lambda: sensor(run)["restarts"] == 1, "another start")
        until(lambda: sensor(run)["state"] == "waiting", "the second failure")
        assert listed(run, "event", "list", "--trigger", "core.alert") == []


def test_what_a_sensor_may_not_tell_is_refused_and_counted_and_the_rest_goes_on(
    run: Run, home: Home, garden: Garden
) -> None:
    garden.grow(
        "print('{not json at all')\nos.write(1, bytes(range(256)) + b'\\n')\n"
        "tell(trigger_ref='core.alert', payload={'severity': 'error'})\n"
        "tell(trigger='dry', payload={'number': 'many'})\n"
        'print(\'{"trigger": "dry", "payload": {"number": NaN}}\', flush=True)\n'
        "tell(trigger='dry', payload={'number': 7}, dedup_key='a')\n"
        "tell(trigger='dry', payload={'number': 8}, dedup_key='a')\ntime.sleep(600)\n"
    )
    garden.rule()
    with serving(home):
        until(lambda: sensor(run)["refused"] == 3, "three refusals")
        until(lambda: numbers(run) == [7], "the one good event")
        log = run("sensor", "logs", "garden.probe").stdout
        assert "line 4 refused" in log
        assert "garden.probe may not fire trigger 'core.alert', only garden.dry" in log
        assert "{not json at all" in log
        assert sensor(run)["state"] == "running"
        assert listed(run, "event", "list", "--trigger", "core.alert") == []


def test_a_changed_rule_reaches_a_sensor_that_listens_without_a_restart(
    run: Run, home: Home, garden: Garden
) -> None:
    garden.grow(
        "for line in sys.stdin:\n"
        "    rules = json.loads(line)['triggers']\n"
        "    print('beds', sorted(rule['config']['bed'] for rule in rules), flush=True)\n",
        rule_changes="stdin",
    )
    garden.rule()
    with serving(home):
        logs = ("sensor", "logs", "garden.probe", "--stream", "stdout")
        until(lambda: "beds ['north']" in run(*logs).stdout, "the first rules")
        before = sensor(run)["pid"]
        garden.rule("local.south", "--trigger-param", "bed=south")
        until(lambda: "beds ['north', 'south']" in run(*logs).stdout, "the other rule")
        assert (sensor(run)["pid"], sensor(run)["restarts"]) == (before, 0)


def test_a_changed_rule_restarts_a_sensor_that_does_not_listen(run: Run, home: Home, garden: Garden) -> None:
    garden.grow(
        "rules = json.loads(os.environ['ATTUNE_SENSOR_TRIGGERS'])\n"
        "tell(trigger='dry', payload={'number': len(rules)})\ntime.sleep(600)\n"
    )
    garden.rule()
    with serving(home):
        until(lambda: numbers(run) == [1], "the first start")
        garden.rule("local.south")
        until(lambda: numbers(run) == [1, 2], "the second start")
        assert sensor(run)["state"] == "running"


def test_a_sensor_finds_again_what_it_keeps(run: Run, home: Home, garden: Garden) -> None:
    garden.grow(
        "kept = json.load(open(os.environ['ATTUNE_SENSOR_STATE'])).get('count', 0) + 1\n"
        "tell(state={'name': 'count', 'value': kept})\n"
        "tell(trigger='dry', payload={'number': kept})\ntime.sleep(600)\n"
    )
    garden.rule()
    for start in (1, 2):
        with serving(home):
            until(lambda start=start: numbers(run)[-1:] == [start], "an event")
            assert run("down").exit_code == 0
    assert sensor(run)["kept"] == {"count": 2}


def test_a_flood_is_taken_in_whole_and_a_quiet_sensor_beside_it_is_heard(
    run: Run, home: Home, garden: Garden
) -> None:
    garden.grow(
        "for n in range(20000): sys.stdout.write(json.dumps({'trigger': 'dry', 'payload': {'number': n}}) + '\\n')\n"
        "sys.stdout.flush()\ntime.sleep(600)\n"
    )
    garden.rule()
    assert run("rule", "update", "local.water", "--when", "false").exit_code == 0
    with serving(home):
        until(lambda: sensor(run)["events"] == 20000, "the whole flood")
        assert numbers(run) == list(range(20000))


POST = """import urllib.request
def post(**event):
    request = urllib.request.Request(
        os.environ['ATTUNE_API_URL'] + '/api/v1/events', json.dumps(event).encode(),
        {'Authorization': 'Bearer ' + os.environ['ATTUNE_API_TOKEN']})
    return urllib.request.urlopen(request).status
"""


def test_what_a_sensor_posts_is_counted_and_its_token_is_in_no_log(
    run: Run, home: Home, garden: Garden
) -> None:
    garden.grow(
        f"{POST}post(trigger_ref='garden.dry', payload={{'number': 1}})\n"
        "tell(trigger='dry', payload={'number': 2})\n"
        "print('out', os.environ['ATTUNE_API_TOKEN'], flush=True)\n"
        "print('err', os.environ['ATTUNE_API_TOKEN'], file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    garden.rule()
    with serving(home):
        until(lambda: sensor(run)["events"] == 2, "both events")
        until(lambda: run("sensor", "logs", "garden.probe").stdout.count("********") == 2, "both lines")
        assert "eyJ" not in run("sensor", "logs", "garden.probe").stdout
    assert numbers(run) == [1, 2]


def test_a_sensor_imports_what_its_pack_requires(
    run: Run, home: Home, garden: Garden, tmp_path: Path
) -> None:
    wheel = tmp_path / "moisture-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("moisture.py", "def level(): return 41\n")
        about = "moisture-1.0.dist-info"
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: moisture\nVersion: 1.0\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    (tmp_path / "garden" / "requirements.txt").write_text(f"{wheel}\n")
    garden.grow(
        "import moisture\ntell(trigger='dry', payload={'number': moisture.level()})\ntime.sleep(600)\n"
    )
    garden.rule()
    with serving(home):
        until(lambda: numbers(run) == [41], f"the level; the sensor is {sensor(run)}")


def test_no_sensor_outlives_a_daemon_that_is_killed(run: Run, home: Home, garden: Garden) -> None:
    garden.grow("tell(trigger='dry', payload={'number': os.getpid()})\ntime.sleep(600)\n")
    garden.rule()
    with serving(home) as daemon:
        until(lambda: len(numbers(run)) == 1, "its number")
        [pid] = numbers(run)
        assert daemon_of(home).pid == daemon.process.pid
        daemon.signal(signal.SIGKILL)
        daemon.end()
    script = next((home.packs / "garden").glob("*/sensors/probe.py"))
    until(lambda: processes_with(str(script)) == [], f"the end of process {pid}")
    assert sensor(run)["state"] == "stopped"


def test_a_file_that_changes_runs_an_action_with_its_path(run: Run, home: Home, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    made = run(
        "rule", "create", "local.seen", "--trigger", "core.file_changed", "--trigger-param", f"path={inbox}",
        "--trigger-param", 'patterns:=["*.csv"]', "--action", "core.echo",
        "--param", "message={{ event.payload.change }} {{ event.payload.path }}",
    )  # fmt: skip
    assert made.exit_code == 0, made.stderr
    with serving(home):
        until(lambda: "watching" in run("sensor", "logs", "core.file_watch").stdout, "the watch")
        (inbox / "ignored.txt").write_text("no")
        (inbox / "a.csv").write_text("1,2,3")
        until(lambda: len(listed(run, "execution", "list", "-s", "completed")) == 1, "the run")
        assert run("execution", "logs", "1").stdout == f"added {inbox / 'a.csv'}\n"
        (inbox / "a.csv").unlink()
        until(lambda: len(listed(run, "execution", "list", "-s", "completed")) == 2, "the other run")
        assert run("execution", "logs", "2").stdout == f"deleted {inbox / 'a.csv'}\n"


def test_a_trial_prints_what_a_sensor_would_tell_and_says_how_it_went(run: Run, garden: Garden) -> None:
    garden.grow(
        "for n in range(2): tell(trigger='dry', payload={'number': n})\n"
        "print('all said')\n"
        "sys.exit(int(json.loads(os.environ['ATTUNE_SENSOR_TRIGGERS'])[0]['config']['bed'] == 'bad'))\n"
    )
    tried = run("sensor", "test", "garden.probe")
    assert tried.exit_code == 0, tried.stderr
    assert [json.loads(line)["payload"] for line in tried.stdout.splitlines()] == [
        {"number": 0},
        {"number": 1},
    ]
    assert "all said" in tried.stderr
    assert len(run("sensor", "test", "garden.probe", "--once").stdout.splitlines()) == 1
    failed = run("sensor", "test", "garden.probe", "--trigger-param", "bed=bad")
    assert (failed.exit_code, "exited with code 1" in failed.stderr) == (1, True)
    assert numbers(run) == []
    garden.grow("time.sleep(600)\n")
    assert run("sensor", "test", "garden.probe", "--for", "0.3s").exit_code == 124
    garden.grow("tell(trigger='dry', payload={})\n")
    refused = run("sensor", "test", "garden.probe")
    assert (refused.exit_code, "line 1 refused" in refused.stderr) == (1, True)


def test_a_trial_leaves_no_process_that_went_its_own_way(run: Run, garden: Garden) -> None:
    garden.grow(
        "if os.fork() == 0:\n    os.setsid()\n"
        "    if os.fork() == 0: os.execvp('sleep', ['sleep', '613.25'])\n    os._exit(0)\n"
        "os.wait()\n"
        "tell(trigger='dry', payload={'number': 1})\ntime.sleep(600)\n"
    )
    assert run("sensor", "test", "garden.probe", "--once").exit_code == 0
    assert processes_with("613.25") == []
