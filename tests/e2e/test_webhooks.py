"""Webhooks through a real daemon that is killed: what was answered with 2xx happened, once."""

from __future__ import annotations

import json
import random
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from attune_cli.runtime.engine.lease import read_lease
from tests.e2e.daemon_story import daemon_of, nothing_is_left, serving
from tests.e2e.story import show, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

__all__ = ["nothing_is_left"]

pytestmark = pytest.mark.usefixtures("nothing_is_left")

SECRET = "s3cret"
TRIGGER = "flood.hit"


@pytest.fixture
def flood(run: Run, tmp_path: Path) -> None:
    """A trigger with a webhook, and two rules on it whose action prints a thousand lines and the number it got."""
    pack = tmp_path / "flood"
    (pack / "actions").mkdir(parents=True)
    (pack / "triggers").mkdir()
    (pack / "rules").mkdir()
    (pack / "pack.yaml").write_text("ref: flood\nversion: 1.0.0\n")
    (pack / "actions/note.yaml").write_text(
        "ref: flood.note\nrunner_type: shell\n"
        'entry_point: |\n  seq 1000\n  echo "number $number"\n'
        "parameters: {number: {type: integer, required: true}}\n"
    )
    (pack / "triggers/hit.yaml").write_text("ref: flood.hit\noutput: {n: {type: integer, required: true}}\n")
    for name in ("one", "two"):
        (pack / f"rules/{name}.yaml").write_text(
            f"ref: flood.{name}\ntrigger_ref: flood.hit\naction_ref: flood.note\n"
            "action_params: {number: '{{ event.payload.n }}'}\n"
        )
    assert run("pack", "install", str(pack)).exit_code == 0


class Poster(threading.Thread):
    """Posts one number after another for as long as it is let, wherever the daemon is; keeps what was answered."""

    def __init__(self, home: Home, path: str) -> None:
        super().__init__(daemon=True)
        self._home = home
        self._path = path
        self._ends = threading.Event()
        self.taken: dict[int, int] = {}
        """number → event, of each 2xx"""
        self.sent = 0

    def run(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self._ends.is_set():
                daemon = read_lease(self._home.path)
                if daemon is None or daemon.url is None:
                    self._ends.wait(0.01)
                    continue
                self.sent += 1
                with suppress(httpx.HTTPError):
                    answer = client.post(daemon.url + self._path, json={"n": self.sent})
                    if answer.is_success:
                        self.taken[self.sent] = answer.json()["data"]["event_id"]
                self._ends.wait(0.05)

    def end(self) -> None:
        self._ends.set()
        self.join(30)


def kill_again_and_again(run: Run, home: Home, kills: int, seed: int) -> None:
    """Kill the daemon at random moments under a stream of webhooks, and look whether each 2xx was kept."""
    path = "/api/v1" + run("webhook", "enable", TRIGGER, "-q").stdout.strip().partition("/api/v1")[2]
    poster, chance = Poster(home, path), random.Random(seed)
    poster.start()
    for _ in range(kills):
        with serving(home) as daemon:
            before = len(poster.taken)
            until(lambda before=before: len(poster.taken) > before, "an answer")
            threading.Event().wait(chance.uniform(0.0, 0.6))
            daemon.signal(signal.SIGKILL)
            daemon.process.wait()
    with serving(home):
        before = len(poster.taken)
        until(lambda: len(poster.taken) > before, "an answer after the last kill")
        poster.end()
        until(lambda: is_quiet(run), "the end of all runs")
    check(run, home, poster)


def is_quiet(run: Run) -> bool:
    told = json.loads(run("status", "-j").stdout)
    live = {"requested", "scheduled", "running", "canceling"}
    return not told["pending_events"] and not any(told["executions"].get(status) for status in live)


def check(run: Run, home: Home, poster: Poster) -> None:
    """Every 2xx has its event, and every event one completed execution for each rule, with a complete log."""
    events: dict[int, int] = {
        event["id"]: event["payload"]["n"] for event in json.loads(run("event", "list", "--all", "-j").stdout)
    }
    assert len(set(events.values())) == len(events), "a call became two events"
    assert {number: event for event, number in events.items() if number in poster.taken} == poster.taken
    executions: list[dict[str, Any]] = json.loads(run("execution", "list", "--all", "-j").stdout)
    made = [(one["parameters"]["number"], one["rule_ref"]) for one in executions]
    assert sorted(made) == sorted(
        (number, rule) for number in events.values() for rule in ("flood.one", "flood.two")
    )
    assert {one["status"] for one in executions} == {"completed"}
    wanted = "".join(f"{line}\n" for line in range(1, 1001))
    for one in executions:
        logged = (home.runs / str(one["id"]) / "stdout").read_text()
        assert logged == f"{wanted}number {one['parameters']['number']}\n", one["id"]


@pytest.mark.usefixtures("flood")
def test_what_was_answered_with_2xx_happened_once_however_often_the_daemon_is_killed(
    run: Run, home: Home
) -> None:
    kill_again_and_again(run, home, kills=3, seed=3)


@pytest.mark.slow
@pytest.mark.usefixtures("flood")
def test_fifty_kills(run: Run, home: Home) -> None:
    kill_again_and_again(run, home, kills=50, seed=50)


def test_an_action_tells_an_event_with_its_own_token_and_a_loop_of_rules_ends(
    run: Run, home: Home, tmp_path: Path
) -> None:
    pack = tmp_path / "loop"
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: loop\nversion: 1.0.0\n")
    (pack / "actions/again.yaml").write_text("ref: loop.again\nrunner_type: python\nentry_point: again.py\n")
    (pack / "actions/again.py").write_text(
        "import json, os, urllib.request\n"
        "request = urllib.request.Request(os.environ['ATTUNE_API_URL'] + '/api/v1/events',\n"
        "    json.dumps({'trigger_ref': 'loop.tick'}).encode(),\n"
        "    {'Authorization': 'Bearer ' + os.environ['ATTUNE_API_TOKEN']})\n"
        "print(urllib.request.urlopen(request).status)\n"
    )
    assert run("pack", "install", str(pack)).exit_code == 0
    assert run("trigger", "create", "loop.tick").exit_code == 0
    assert run("rule", "create", "loop.r", "--trigger", "loop.tick", "--action", "loop.again").exit_code == 0
    with serving(home):
        first = run("run", "loop.again")
        assert (first.exit_code, first.stdout) == (0, "201\n")
        until(lambda: is_quiet(run), "the end of the loop")
        executions = json.loads(run("execution", "list", "--all", "-j").stdout)
        assert 5 <= len(executions) <= 20
        assert show(run, "2")["rule_ref"] == "loop.r"
        history = json.loads(run("rule", "history", "loop.r", "-j").stdout)
        assert history[0]["outcome"] == "too_deep"


def test_the_token_of_an_action_is_in_neither_its_log_nor_its_result(
    run: Run, home: Home, tmp_path: Path
) -> None:
    pack = tmp_path / "leak"
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: leak\nversion: 1.0.0\n")
    (pack / "actions/tell.yaml").write_text("ref: leak.tell\nrunner_type: shell\nentry_point: tell.sh\n")
    (pack / "actions/tell.sh").write_text('echo "token $ATTUNE_API_TOKEN."; echo "$ATTUNE_API_TOKEN" >&2\n')
    assert run("pack", "install", str(pack)).exit_code == 0
    with serving(home):
        ran = run("run", "leak.tell")
        assert (ran.exit_code, ran.stdout) == (0, "token ********.\n")
    assert "********" in (home.runs / "1" / "stderr").read_text()
    assert "eyJ" not in run("execution", "show", "1", "-j").stdout + ran.stderr


def test_a_port_that_is_taken_is_told_and_another_one_helps(run: Run, home: Home, tmp_path: Path) -> None:
    with serving(home):
        port = (daemon_of(home).url or "").rpartition(":")[2]
        refused = run("--home", str(tmp_path / "other"), "up", "-d", "--port", port)
        assert refused.exit_code == 5
        assert f"port {port} of 127.0.0.1 is taken by another program" in refused.stderr
        assert "--port 0" in refused.stderr
        assert home.administrator_token.stat().st_mode & 0o777 == 0o600


def test_a_request_can_be_tried_with_and_without_http(run: Run, home: Home, tmp_path: Path) -> None:
    assert run("trigger", "create", "app.push").exit_code == 0
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    enabled = run(
        "webhook", "enable", "app.push", "--style", "github", "--secret", f"@{tmp_path / 'secret'}", "-j"
    )
    assert enabled.exit_code == 0, enabled.stderr
    assert SECRET not in enabled.stdout
    assert run("webhook", "send", "app.push", "a=1").exit_code == 4
    assert run("webhook", "send", "app.push", "a=1", "--sign").exit_code == 0
    assert run("webhook", "send", "app.push", "a=1", "--sign", "--real").exit_code == 6
    with serving(home):
        sent = run("webhook", "send", "app.push", "a=2", "--sign", "--real", "-j")
        assert json.loads(sent.stdout)["payload"] == {"a": "2"}
        assert run("webhook", "send", "app.push", "a=2", "--real").exit_code == 4
    calls = json.loads(run("webhook", "calls", "app.push", "-j").stdout)
    assert [call["status_code"] for call in calls] == [401, 200, 200, 401]
    assert json.loads(run("webhook", "list", "-j").stdout)[0]["has_secret"] is True
    assert run("webhook", "disable", "app.push").exit_code == 0
    assert run("webhook", "send", "app.push", "a=1", "--sign").exit_code == 1
