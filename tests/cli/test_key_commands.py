from __future__ import annotations

import json
import os
import pty
import select
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import DEADLINE_SECONDS
from tests.cli.demo_pack import install_demo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.config import Home
    from tests.cli.conftest import Run

SECRET = "open-sesame"
REDACTED = {"$attune_secret": True, "redacted": True}


def keys_of(run: Run, *options: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(run("key", "list", "-j", *options).stdout)
    return records


def everything_in(home: Home) -> bytes:
    return b"".join(path.read_bytes() for path in home.path.glob("attune.db*"))


# --- the value comes back


def test_a_value_from_stdin_comes_back_without_the_line_end_of_echo(run: Run) -> None:
    done = run("key", "set", "deploy.token", "-", input=f"{SECRET}\n")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "deploy.token\n", "key deploy.token made\n")
    assert run("key", "get", "deploy.token").stdout == f"{SECRET}\n"


def test_the_text_of_a_file_is_kept_as_it_is(run: Run) -> None:
    Path("cert.pem").write_text("-----BEGIN-----\nüß\n-----END-----\n")
    run("key", "set", "tls.cert", "--from-file", "cert.pem")
    assert json.loads(run("key", "get", "tls.cert", "-j").stdout) == Path("cert.pem").read_text()


def test_a_value_from_a_variable_comes_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    assert run("key", "set", "token", "--from-env", "TOKEN").exit_code == 0
    assert run("key", "get", "token").stdout == f"{SECRET}\n"


@pytest.mark.parametrize("text", ['{"user":"a","ports":[1,2]}', "17", "true", '""', "null"])
def test_json_comes_back_as_json(run: Run, text: str) -> None:
    assert run("key", "set", "settings", "-", "--as-json", input=text).exit_code == 0
    assert json.loads(run("key", "get", "settings", "-j").stdout) == json.loads(text)


def test_a_part_of_a_json_value_can_be_asked_for(run: Run) -> None:
    run("key", "set", "login", "-", "--as-json", input='{"user": "ada", "port": 22}')
    assert run("key", "get", "login", "--field", "user").stdout == "ada\n"


def test_a_second_set_replaces_the_value_and_keeps_scope_and_name(run: Run) -> None:
    run("key", "set", "a.b", "-", "--scope", "pack:core", "--name", "pin", input="one")
    assert run("key", "set", "a.b", "-", input="two").stderr == "key a.b changed\n"
    assert run("key", "get", "a.b").stdout == "two\n"
    assert [(key["scope"], key["name"]) for key in keys_of(run)] == [("pack:core", "pin")]


# --- and shows itself nowhere else


def test_a_sealed_value_stands_in_no_listing_and_not_in_the_database(run: Run, home: Home) -> None:
    run("key", "set", "deploy.token", "-", input=SECRET)
    shown = json.loads(run("key", "show", "deploy.token", "-j").stdout)
    assert (shown["value"], shown["encrypted"]) == (REDACTED, True)
    for form in ("text", "json", "jsonl", "yaml", "csv", "name"):
        for command in (("list",), ("show", "deploy.token")):
            result = run("key", *command, "-o", form)
            assert result.exit_code == 0
            assert "deploy.token" in result.stdout
            assert SECRET not in result.stdout + result.stderr
    assert SECRET.encode() not in everything_in(home)


def test_show_gives_the_value_only_when_asked_to_reveal(run: Run) -> None:
    run("key", "set", "one", "-", input=SECRET)
    run("key", "set", "two", "-", input="other")
    revealed = json.loads(run("key", "show", "one", "two", "--reveal", "-j").stdout)
    assert [key["value"] for key in revealed] == [SECRET, "other"]


def test_plain_keeps_it_readable_in_the_database_until_it_is_sealed_again(run: Run, home: Home) -> None:
    run("key", "set", "motd", "-", "--plain", input=SECRET)
    assert [key["encrypted"] for key in keys_of(run)] == [False]
    assert SECRET.encode() in everything_in(home)
    run("key", "set", "motd", "-", input=SECRET)
    assert [key["encrypted"] for key in keys_of(run)] == [True]


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "set", "token", SECRET),
        ("key", "set", "token", "-", SECRET),
        ("key", "set", "token", SECRET, "more"),
        ("key", "set", "token", "-", "--as-json"),
        ("key", "set", "token", "-", "--scope", "pack:none"),
        ("key", "set", "TOKEN", "-"),
        ("key", "set", "token", "-", "--from-env", "HOME"),
    ],
)
def test_no_error_repeats_a_value(run: Run, home: Home, arguments: tuple[str, ...]) -> None:
    for form in ((), ("-j",)):
        result = run(*arguments, *form, input=SECRET)
        assert result.exit_code in {2, 3}
        assert SECRET not in result.stdout + result.stderr
    assert not home.database.exists()


def test_a_value_on_the_command_line_is_taken_from_old_scripts_with_a_warning(run: Run) -> None:
    result = run("key", "create", "token", "--value", SECRET)
    assert (result.exit_code, run("key", "get", "token").stdout) == (0, f"{SECRET}\n")
    assert "warning: --value can be read by everyone" in result.stderr
    assert SECRET not in result.stderr
    assert "--value" not in run("key", "set", "--help").stdout


# --- being asked


def dialogue(arguments: tuple[str, ...], answers: Mapping[str, str]) -> tuple[int, str]:
    """Call attune on a terminal and type each answer when its question is there; returns exit code and screen."""
    mine, its = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "attune_cli", *arguments], stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    screen = b""
    with os.fdopen(mine, "r+b", buffering=0) as terminal:
        for question, answer in answers.items():
            while question.encode() not in screen:
                assert select.select([terminal], [], [], DEADLINE_SECONDS)[0], screen
                screen += os.read(mine, 4096)
            terminal.write(answer.encode())
        with suppress(OSError):  # Linux says so when the other side is closed
            while select.select([terminal], [], [], DEADLINE_SECONDS)[0]:
                screen += os.read(mine, 4096)
    return child.wait(DEADLINE_SECONDS), screen.decode()


QUESTIONS: tuple[str, str] = ("Value of token: ", "Again: ")


def test_the_value_is_asked_for_twice_and_never_shown(run: Run) -> None:
    answers = dict.fromkeys(QUESTIONS, f"{SECRET}\n")
    code, screen = dialogue(("key", "set", "token"), answers)
    assert (code, SECRET in screen) == (0, False)
    assert run("key", "get", "token").stdout == f"{SECRET}\n"


def test_two_different_answers_change_nothing(run: Run) -> None:
    code, screen = dialogue(("key", "set", "token"), dict(zip(QUESTIONS, ("one\n", "two\n"), strict=True)))
    assert (code, "the two values differ" in screen) == (2, True)
    assert keys_of(run) == []


def test_the_end_of_input_is_a_declined_question(run: Run) -> None:
    code, screen = dialogue(("key", "set", "token"), {QUESTIONS[0]: "\x04"})
    assert (code, "nothing changed" in screen) == (130, True)
    assert keys_of(run) == []


def test_where_nobody_can_be_asked_the_other_ways_are_named(run: Run, home: Home) -> None:
    result = run("key", "set", "token")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "attune key set token - reads it from stdin" in result.stderr
    assert not home.database.exists()


# --- scopes and refs


def test_a_key_belongs_to_the_system_a_pack_or_an_action(run: Run) -> None:
    for ref, scope in (("a", "system"), ("b", "pack:core"), ("c", "action:core.echo")):
        assert run("key", "set", ref, "-", "--scope", scope, "--name", "token", input="x").exit_code == 0
    assert [(key["ref"], key["scope"], key["name"]) for key in keys_of(run)] == [
        ("a", "system", "token"),
        ("b", "pack:core", "token"),
        ("c", "action:core.echo", "token"),
    ]
    assert [key["ref"] for key in keys_of(run, "--scope", "pack:core")] == ["b"]


@pytest.mark.parametrize(
    ("scope", "code", "told"),
    [
        ("pack:cor", 3, "did you mean core?"),
        ("action:core.eco", 3, "did you mean core.echo?"),
        ("sytem", 2, "did you mean system?"),
        ("pack:", 2, "expected system, pack:REF or action:REF"),
    ],
)
def test_a_scope_that_is_none_is_refused_with_a_suggestion(
    run: Run, scope: str, code: int, told: str
) -> None:
    result = run("key", "set", "a", "-", "--scope", scope, input="x")
    assert (result.exit_code, told in result.stderr) == (code, True)


@pytest.mark.parametrize("ref", ["Token", "a..b", ".a", "a.", "a b", "a/b", "", "ä", "-"])
def test_what_is_no_ref_is_refused(run: Run, ref: str) -> None:
    assert run("key", "set", "--from-env", "HOME", "--", ref).exit_code == 2


@pytest.mark.parametrize("ref", ["token", "a.b", "a.b.c.d", "db-1.pass_word", "0.1"])
def test_a_ref_has_any_number_of_parts_and_the_last_is_the_name(run: Run, ref: str) -> None:
    assert run("key", "set", ref, "-", input="x").exit_code == 0
    assert [(key["ref"], key["name"]) for key in keys_of(run)] == [(ref, ref.rsplit(".", maxsplit=1)[-1])]


def test_one_owner_has_each_name_once(run: Run) -> None:
    run("key", "set", "a.token", "-", input="x")
    result = run("key", "set", "b.token", "-", input="y")
    assert (result.exit_code, "'a.token'" in result.stderr) == (5, True)
    assert run("key", "set", "b.token", "-", "--name", "token2", input="y").exit_code == 0


@pytest.mark.parametrize("option", [("--scope", "pack:core"), ("--name", "pin")])
def test_a_key_that_is_there_does_not_move(run: Run, option: tuple[str, str]) -> None:
    run("key", "set", "token", "-", input="x")
    result = run("key", "set", "token", "-", *option, input="y")
    assert (result.exit_code, "attune key delete token" in result.stderr) == (5, True)
    assert run("key", "get", "token").stdout == "x\n"


# --- what cannot be


@pytest.mark.parametrize("command", [("get",), ("show",), ("delete", "-y")])
def test_an_unknown_key_is_not_found_and_the_nearest_is_named(run: Run, command: tuple[str, ...]) -> None:
    run("key", "set", "deploy.token", "-", input="x")
    result = run("key", *command, "deploy.tokn")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "error: no key 'deploy.tokn'\nhint: did you mean deploy.token?\n"


def test_an_empty_value_is_refused(run: Run) -> None:
    assert run("key", "set", "token", "-", input="").exit_code == 2
    assert run("key", "set", "token", "-", input="\n").exit_code == 2
    assert keys_of(run) == []


def test_bytes_that_are_no_text_are_refused_without_showing_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("noise").write_bytes(b"abc\xff")
    monkeypatch.setitem(os.environb, b"NOISE", b"abc\xff")
    for source in (("--from-file", "noise"), ("--from-env", "NOISE")):
        result = run("key", "set", "token", *source)
        assert (result.exit_code, "byte 4" in result.stderr, "abc" in result.stderr) == (2, True, False)


@pytest.mark.parametrize("source", [("--from-file", "nowhere"), ("--from-env", "NOWHERE")])
def test_a_source_that_is_not_there_is_not_found(run: Run, source: tuple[str, str]) -> None:
    assert run("key", "set", "token", *source).exit_code == 3


def test_without_its_secret_key_a_value_is_unavailable_and_nothing_is_lost(run: Run, home: Home) -> None:
    run("key", "set", "token", "-", input=SECRET)
    home.secret_key.rename(home.path / "kept")
    result = run("key", "get", "token")
    assert (result.exit_code, "secret.key" in result.stderr) == (6, True)
    assert run("key", "list", "-q").stdout == "token\n"
    (home.path / "kept").rename(home.secret_key)
    assert run("key", "get", "token").stdout == f"{SECRET}\n"


# --- deleting


def test_deleting_takes_all_or_none(run: Run) -> None:
    for ref in ("a", "b", "c"):
        run("key", "set", ref, "-", input="x")
    missing = run("key", "delete", "a", "x", "y", "--yes")
    assert (missing.exit_code, missing.stderr.splitlines()[1:3]) == (
        3,
        ["  x  no such key", "  y  no such key"],
    )
    assert run("key", "delete", "a", "b", "--yes", "-j").stdout == '{"kind":"outcome","deleted":["a","b"]}\n'
    assert run("key", "delete", "a", "c", "--yes", "--if-exists").stdout == "c\n"
    assert keys_of(run) == []


def test_deleting_asks_first(run: Run) -> None:
    run("key", "set", "a", "-", input="x")
    result = run("key", "delete", "a")
    assert (result.exit_code, "add --yes" in result.stderr) == (2, True)
    assert run("key", "list", "-q").stdout == "a\n"


def test_refs_can_come_from_stdin(run: Run) -> None:
    for ref in ("a", "b"):
        run("key", "set", ref, "-", input="x")
    assert run("key", "delete", "-", "--yes", input=run("key", "list", "-q").stdout).stdout == "a\nb\n"


def test_a_dry_run_changes_nothing(run: Run, home: Home) -> None:
    assert run("key", "set", "a", "-", "-n", input="x").stderr == "key a would be made\n"
    assert not home.database.exists()
    run("key", "set", "a", "-", input="x")
    assert run("key", "delete", "a", "-n").stderr == "would delete a\n"
    assert run("key", "get", "a").stdout == "x\n"


# --- listing


def test_a_list_is_cut_filtered_counted_and_may_be_empty(run: Run, home: Home) -> None:
    assert (run("key", "list", "-j").stdout, home.database.exists()) == ("[]\n", False)
    assert run("key", "list", "--fail-empty").exit_code == 3
    for ref in ("a.x", "a.y", "b.z"):
        run("key", "set", ref, "-", input="x")
    assert [key["ref"] for key in keys_of(run, "--prefix", "a.")] == ["a.x", "a.y"]
    assert [key["ref"] for key in keys_of(run, "--limit", "1", "--after", "a.x")] == ["a.y"]
    assert run("key", "list", "--count").stdout == "3\n"
    assert run("key", "list", "--prefix", "%", "-q").stdout == ""


# --- what they are for


def test_an_action_gets_the_key_it_declares_and_its_log_does_not_show_it(run: Run, home: Home) -> None:
    pack = Path("greenhouse")
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: greenhouse\nversion: 1.0.0\n")
    (pack / "actions" / "open.yaml").write_text(
        "ref: greenhouse.open\nrunner_type: shell\nentry_point: open.sh\noutput_format: json\n"
        "parameters:\n  pin: {type: string, secret: true, required: true}\n"
    )
    (pack / "actions" / "open.sh").write_text('read -r line\nprintf "%s" "$line" | wc -c >&2\necho "$line"\n')
    assert run("pack", "install", str(pack)).exit_code == 0
    assert run("run", "action", "greenhouse.open").exit_code == 2
    run("key", "set", "valve.pin", "-", "--scope", "pack:greenhouse", input=SECRET)
    result = run("run", "action", "greenhouse.open", "-j")
    assert result.exit_code == 0
    assert SECRET not in result.stdout + result.stderr
    assert str(len(json.dumps({"pin": SECRET}, separators=(",", ":")))) in result.stderr
    assert SECRET.encode() not in everything_in(home)
    with closing(sqlite3.connect(home.database)) as connection:
        assert connection.execute("SELECT count(*) FROM execution WHERE sealed IS NOT NULL").fetchone() == (
            1,
        )


# --- for a time


GONE = ("--ttl", "1ms")
"""Over before another command can begin."""


def stored(home: Home) -> list[str]:
    with closing(sqlite3.connect(home.database)) as connection:
        return [ref for (ref,) in connection.execute("SELECT ref FROM key ORDER BY ref")]


def test_a_key_with_a_time_is_read_until_then_and_says_when(run: Run) -> None:
    run("key", "set", "ci.token", "-", "--ttl", "1h", input=SECRET)
    assert run("key", "get", "ci.token").stdout == f"{SECRET}\n"
    (record,) = keys_of(run)
    lasts = datetime.fromisoformat(record["expires"]) - datetime.fromisoformat(record["updated"])
    assert lasts == timedelta(hours=1)
    run("key", "set", "ci.token", "-", input="another")
    assert [key["expires"] for key in keys_of(run)] == [None]


@pytest.mark.parametrize("command", [("get",), ("show",), ("show", "--reveal"), ("delete", "-y")])
def test_a_key_that_has_expired_is_not_there(run: Run, command: tuple[str, ...]) -> None:
    run("key", "set", "ci.token", "-", *GONE, input=SECRET)
    verb, *options = command
    result = run("key", verb, "ci.token", *options)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no key 'ci.token'" in result.stderr
    assert run("key", "delete", "ci.token", "--if-exists", "-y", "-q").stdout == ""


def test_no_run_gets_a_key_that_has_expired(run: Run, tmp_path: Path) -> None:
    install_demo(tmp_path, run)
    run("key", "set", "password", "-", input=SECRET)
    assert "password" in run("run", "demo.secret").stdout
    run("key", "set", "password", "-", *GONE, input=SECRET)
    assert "password" not in run("run", "demo.secret").stdout
    named = run("run", "demo.secret", "password=key://password")
    assert (named.exit_code, named.stdout) == (2, "")
    assert "no key 'password'" in named.stderr


def test_what_has_expired_is_deleted_by_the_next_set_list_and_prune(run: Run, home: Home) -> None:
    for sweeping in (
        ("key", "list"),
        ("key", "set", "other", "--from-env", "HOME"),
        ("execution", "prune", "--older-than", "1d"),
    ):
        run("key", "set", "ci.token", "-", *GONE, input=SECRET)
        assert "ci.token" in stored(home)
        assert run(*sweeping).exit_code == 0
        assert "ci.token" not in stored(home)


def test_the_name_of_a_key_that_has_expired_is_free(run: Run) -> None:
    run("key", "set", "old.token", "-", *GONE, input=SECRET)
    done = run("key", "set", "new.token", "-", input="other")
    assert (done.exit_code, done.stderr) == (0, "key new.token made\n")
    run("key", "set", "pinned.pin", "-", "--scope", "pack:core", *GONE, input=SECRET)
    assert run("key", "set", "pinned.pin", "-", "--scope", "system", input="x").exit_code == 0


@pytest.mark.parametrize("ttl", ["soon", "0", "-1s", "200y"])
def test_a_time_that_is_none_is_refused_and_nothing_is_kept(run: Run, ttl: str) -> None:
    result = run("key", "set", "ci.token", "-", f"--ttl={ttl}", input=SECRET)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--ttl" in result.stderr
    assert keys_of(run) == []
