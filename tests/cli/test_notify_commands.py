"""`attune notify`: channels are checked before they are kept, and where they lead is never shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.listener import listening

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

SECRET = "s3cr3t-token-of-mine"
URL = f"json://127.0.0.1:9/{SECRET}"


@pytest.fixture
def url_file(home: Home) -> str:  # noqa: ARG001 - it sets the folder
    Path("url.txt").write_text(URL + "\n")
    return "@url.txt"


def test_a_channel_is_added_listed_shown_switched_and_removed(run: Run, url_file: str) -> None:
    added = run("notify", "add", "ops", url_file, "--on", "execution.failed,rule.fired", "--pack", "core")
    assert (added.exit_code, added.stdout, "warning" in added.stderr) == (0, "ops\n", False)
    shown = json.loads(run("notify", "show", "ops", "-j").stdout)
    assert (shown["url"], shown["on"]) == ("json://********", ["execution.failed", "rule.fired"])
    assert (shown["packs"], shown["state"], shown["rate"]["messages"]) == (["core"], "ok", 10)
    assert run("notify", "disable", "ops").stdout == "ops\n"
    assert run("notify", "disable", "ops").stdout == ""
    assert run("notify", "list", "--field", "state").stdout == "disabled\n"
    assert run("notify", "enable", "ops", "-n").exit_code == 0
    assert run("notify", "list", "--field", "state").stdout == "disabled\n"
    assert run("notify", "enable", "ops").stdout == "ops\n"
    assert run("notify", "remove", "ops").exit_code == 2
    assert run("notify", "remove", "ops", "--yes").stdout == "ops\n"
    assert (run("notify", "list", "-j").stdout, run("notify", "show", "ops").exit_code) == ("[]\n", 3)


def test_a_channel_that_is_there_is_changed_only_when_that_is_asked_for(run: Run, url_file: str) -> None:
    run("notify", "add", "ops", url_file, "--on", "execution.failed")
    refused = run("notify", "add", "ops", url_file, "--on", "event.created")
    assert (refused.exit_code, "--replace" in refused.stderr) == (5, True)
    changed = run("notify", "add", "ops", url_file, "--on", "event.created", "--rate", "5/10m", "--replace")
    assert changed.exit_code == 0
    shown = json.loads(run("notify", "show", "ops", "-j").stdout)
    assert (shown["on"], shown["rate"]) == (["event.created"], {"messages": 5, "window_seconds": 600.0})


def test_where_a_channel_leads_stands_nowhere_in_the_clear(run: Run, home: Home, url_file: str) -> None:
    printed = run("notify", "add", "ops", url_file, "--on", "execution.failed", "-j")
    printed_too = run("notify", "test", "ops", "-j")
    assert printed_too.exit_code == 1
    for result in (printed, printed_too, run("notify", "list", "-j"), run("notify", "show", "ops")):
        assert SECRET not in result.stdout + result.stderr
    run("db", "check")
    assert [file for file in home.path.rglob("attune.db*") if SECRET.encode() in file.read_bytes()] == []


def test_a_url_on_the_command_line_is_warned_of_and_one_from_a_key_follows_the_key(run: Run) -> None:
    warned = run("notify", "add", "plain", URL, "--on", "rule.fired")
    assert (warned.exit_code, "can be read by others" in warned.stderr) == (0, True)
    with listening() as listener:
        run("key", "set", "chat.url", "-", input=URL)
        added = run("notify", "add", "chat", "key://chat.url", "--on", "rule.fired")
        assert (added.exit_code, "warning" in added.stderr) == (0, False)
        assert run("notify", "show", "chat", "--field", "url").stdout == "key://chat.url\n"
        assert run("notify", "test", "chat").exit_code == 1
        run("key", "set", "chat.url", "-", input=listener.url("room"))
        assert run("notify", "test", "chat").exit_code == 0
        assert listener.titles("room") == ["attune can be heard here"]
    run("key", "delete", "chat.url", "--yes")
    assert run("notify", "test", "chat").exit_code == 3


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["ops", "@url.txt", "--on", "execution.fail,rule.fires"], 2, "did you mean rule.fired?"),
        (["all", "@url.txt"], 2, "not 'all'"),
        (["Ops!", "@url.txt"], 2, "no name for a channel"),
        (["ops", "@nowhere.txt"], 3, "no file 'nowhere.txt'"),
        (["ops", "key://chat.url"], 3, "no key 'chat.url'"),
        (["ops", "@url.txt", "--rate", "many"], 2, "10/1m"),
        (["ops", "@url.txt", "--rate", "0/1m"], 2, "10/1m"),
        (["ops", "@url.txt", "--action", "core.ecko", "--pack", "cor"], 3, "did you mean core.echo?"),
        (["ops", "jsn://h/"], 2, "did you mean json?"),
        (["ops", "slack://nothing"], 2, "not a URL of this service"),
        (["ops", "-"], 2, "no scheme"),
    ],
)
@pytest.mark.usefixtures("url_file")
def test_what_cannot_be_a_channel_is_refused_and_nothing_is_kept(
    run: Run, words: list[str], code: int, told: str
) -> None:
    refused = run("notify", "add", *words)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert told in refused.stderr
    assert run("notify", "list", "-j").stdout == "[]\n"


def test_without_the_extra_the_command_that_installs_it_is_told(
    run: Run, url_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("without").mkdir()
    Path("without/apprise.py").write_text("raise ModuleNotFoundError('No module named apprise')")
    monkeypatch.setenv("PYTHONPATH", str(Path("without").absolute()), prepend=":")
    refused = run("notify", "add", "ops", url_file, "--on", "rule.fired")
    assert refused.exit_code == 6
    assert "attune-cli[notify]" in refused.stderr
