"""Stories of channels: what a daemon tells the world outside, whatever dies and whoever does not listen."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.daemon_story import serving
from tests.e2e.story import until
from tests.listener import Listener, listening

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def add(run: Run, name: str, url: str, *options: str) -> None:
    assert run("notify", "add", name, "-", *options, input=url).exit_code == 0


def of(run: Run, name: str) -> dict[str, Any]:
    return json.loads(run("notify", "show", name, "-j").stdout)


def fail(run: Run, times: int) -> None:
    for _ in range(times):
        assert run("run", "exec", "--name", "nightly", "--", "false").exit_code == 1


def shown(listener: Listener, path: str = "") -> list[str]:
    return [message.splitlines()[-1].rpartition(" ")[2] for message in listener.messages(path)]


def test_a_channel_is_told_in_order_and_one_that_fails_for_ever_stops_no_other(run: Run, home: Home) -> None:
    with listening() as listener:
        add(run, "dead", "json://127.0.0.1:1/", "--on", "execution.failed")
        add(run, "ops", listener.url(), "--on", "execution.failed")
        with serving(home, "--only", "notices"):
            fail(run, 2)
            assert run("run", "core.noop").exit_code == 0
            until(lambda: len(listener.told) == 2, "two messages")
            assert shown(listener) == ["1", "2"]
            assert listener.titles() == ["exec.nightly failed"] * 2
            assert listener.told[0][1]["type"] == "failure"
            until(lambda: of(run, "dead")["failures"] >= 2, "a second attempt")
        dead = of(run, "dead")
        assert (dead["state"], dead["sent"]) == ("failing", 0)
        assert "onnection" in dead["last_error"]
        assert (of(run, "ops")["state"], of(run, "ops")["sent"]) == ("ok", 2)


def test_a_busy_rule_cannot_flood_and_what_was_too_much_is_summed_up(run: Run, home: Home) -> None:
    with listening() as listener:
        add(run, "ops", listener.url(), "--on", "execution.failed", "--rate", "2/1h")
        fail(run, 4)
        with serving(home, "--only", "notices"):
            until(lambda: len(listener.told) == 2, "two messages")
            fail(run, 1)
            until(lambda: of(run, "ops")["sent"] == 2, "the books")
        assert listener.titles() == ["exec.nightly failed", "3 more changes"]
        assert listener.messages()[1].splitlines()[0] == "3 × execution.failed exec.nightly"
        assert of(run, "ops")["suppressed"] == 3


def test_a_daemon_that_is_killed_tells_everything_at_least_once_and_in_order(run: Run, home: Home) -> None:
    with listening() as listener:
        add(run, "ops", listener.url(), "--on", "execution.failed", "--rate", "100/1m")
        fail(run, 3)
        for told in (1, 2):
            with serving(home, "--only", "notices") as daemon:
                until(lambda told=told: len(listener.told) >= told, "a message")
                daemon.signal(signal.SIGKILL)
                daemon.end()
        with serving(home, "--only", "notices"):
            until(lambda: of(run, "ops")["sent"] >= 3, "the rest")
        heard = shown(listener)
        assert list(dict.fromkeys(heard)) == ["1", "2", "3"]
        assert heard == sorted(heard), "a message that is repeated is repeated at once"


def test_a_service_that_refuses_is_asked_again_until_it_listens(run: Run, home: Home) -> None:
    with listening() as listener:
        listener.status = 503
        add(run, "ops", listener.url(), "--on", "execution.failed")
        with serving(home, "--only", "notices"):
            fail(run, 1)
            until(lambda: of(run, "ops")["state"] == "failing", "a failure")
            assert "503" in of(run, "ops")["last_error"]
            listener.status = 200
            until(lambda: len(listener.told) == 1, "the message")
            until(lambda: of(run, "ops")["state"] == "ok", "the books")


def test_a_rule_tells_the_channels_it_names_when_it_fires(run: Run, home: Home) -> None:
    rule = "kind: rule\nref: local.alarm\ntrigger_ref: core.alert\naction_ref: core.noop\nnotify: [ops]\n"
    with listening() as listener:
        add(run, "ops", listener.url())
        assert run("apply", "-", input=rule).exit_code == 0
        with serving(home, "--only", "timers,notices"):
            assert run("event", "emit", "core.alert", "severity=info", "summary=dry").exit_code == 0
            until(lambda: listener.told, "the message")
        assert listener.titles() == ["rule local.alarm fired"]
        assert listener.messages()[0].startswith("event 1 of core.alert\n")
