"""Stories of people who are asked: at the terminal of a run, at another one, by scripts that wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.daemon_story import serving
from tests.e2e.question_story import ATTUNE, PROMPT, SHIP, host_of, inquiry, pending
from tests.e2e.screen import Screen
from tests.e2e.story import Attune, show, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

BOT = """
set -euo pipefail
attune() { python -m attune_cli "$@"; }
attune inquiry watch -o jsonl | while read -r question; do
  [ "$(jq -r .type <<<"$question")" = inquiry ] || continue
  attune inquiry respond "$(jq .id <<<"$question")" --approve --comment "by the bot"
done
"""


# --- at the terminal of a run


def test_a_run_asks_at_its_terminal_and_goes_on(run: Run) -> None:
    with Screen(*SHIP, "-r") as screen:
        screen.until("Ship it?").until(PROMPT).type("y\n").until('{"approved":true}')
        assert screen.end() == 0
    assert inquiry(run, "1")["status"] == "responded"


def test_what_was_typed_before_a_question_was_shown_is_no_answer_to_it(run: Run, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"echo begun; while [ ! -e {gate} ]; do sleep 0.05; done; {ATTUNE} run action core.ask -qq"
    with Screen("run", "exec", "--", "sh", "-c", script) as screen:
        screen.until("begun").type("y\n").until("y\n")
        gate.touch()
        screen.until(PROMPT).type("n\n").until("inquiry 1 answered")
        assert screen.end() == 1
    assert inquiry(run, "1")["response"] == {"approved": False}


def test_a_question_from_inside_a_run_comes_after_what_was_written_before(run: Run) -> None:
    script = f"echo before; {ATTUNE} run action core.ask --field result.response.approved; echo after"
    with Screen("run", "exec", "--", "sh", "-c", script) as screen:
        screen.until("before").until("Approval required").until(PROMPT).type("y\n").until("true\nafter")
        assert screen.end() == 0
    assert show(run, "2")["parent"] == 1


def test_a_prompt_is_withdrawn_when_somebody_else_answers(run: Run) -> None:
    with Screen(*SHIP) as screen:
        screen.until(PROMPT).type("half a wo")
        assert run("inquiry", "respond", "1", "--reject", "--as", "anna").exit_code == 0
        screen.until("inquiry 1 was answered by anna: no; the run goes on\n")
        assert screen.end() == 1


def test_a_prompt_ends_with_the_time_for_its_answer(run: Run) -> None:
    with Screen(*SHIP, "--timeout", "2s") as screen:
        screen.until(PROMPT).until("inquiry 1 is not pending")
        assert screen.end() == 124
    assert inquiry(run, "1")["status"] == "timeout"


def test_a_prompt_ends_with_the_time_to_wait(run: Run) -> None:
    with Screen(*SHIP, "--wait-timeout", "2s") as screen:
        screen.until(PROMPT).until("waiting is over")
        assert screen.end() == 8
    assert pending(run) == ["1"]
    assert run("inquiry", "respond", "1", "--approve", "--wait").exit_code == 0


def test_who_may_not_answer_is_told_who_may_and_waits(run: Run) -> None:
    with Screen(*SHIP, "assigned_to=anna", "--as", "ben") as screen:
        screen.until("waiting for an answer to inquiry 1: Ship it? (it is assigned to anna, not to ben)")
        assert run("inquiry", "respond", "1", "--approve", "--as", "anna").exit_code == 0
        assert screen.end() == 0


@pytest.mark.usefixtures("nothing_is_left")
def test_a_run_of_the_daemon_asks_at_the_terminal_that_waits_for_it(run: Run, home: Home) -> None:
    with serving(home):
        with Screen(*SHIP) as screen:
            screen.until(PROMPT).type("y\n").until("execution 1 completed")
            assert screen.end() == 0
        with Screen(*SHIP) as screen:
            screen.until(PROMPT)
            screen.signal(signal.SIGINT)
            screen.until("inquiry 2 stays open")
            assert screen.end() == 130
        assert pending(run) == ["2"]
        assert run(*SHIP, "--on-inquiry", "fail").exit_code == 7
        for number in ("2", "3"):
            assert run("inquiry", "respond", number, "--approve", "--wait").exit_code == 0


# --- elsewhere


@pytest.mark.usefixtures("home")
def test_a_run_that_waits_goes_on_when_another_process_answers(run: Run) -> None:
    with Attune(*SHIP, "--field", "result.response.approved") as waiting:
        until(lambda: pending(run) == ["1"], "the question")
        assert run("inquiry", "respond", "1", "--approve").exit_code == 0
        code, out, err = waiting.end()
    assert (code, out) == (0, "true\n")
    assert err.startswith("waiting for an answer to inquiry 1: Ship it?\n  attune inquiry respond 1\n")


def test_of_two_who_answer_at_once_one_has_answered(run: Run) -> None:
    assert run(*SHIP, "--on-inquiry", "fail").exit_code == 7
    with (
        Attune("inquiry", "respond", "1", "--approve", "--as", "anna") as anna,
        Attune("inquiry", "respond", "1", "--reject", "--as", "ben") as ben,
    ):
        codes = {"anna": anna.end()[0], "ben": ben.end()[0]}
    assert sorted(codes.values()) == [0, 5]
    shown = inquiry(run, "1")
    assert codes[shown["responded_by"]] == 0
    assert shown["response"] == {"approved": shown["responded_by"] == "anna"}


def test_whoever_waits_for_what_nobody_runs_becomes_its_host(run: Run) -> None:
    assert run(*SHIP, "--on-inquiry", "fail").exit_code == 7
    with Attune("execution", "wait", "1") as waiting:
        until(lambda: host_of(run, 1) is not None, "a host")
        assert run("inquiry", "respond", "1", "--approve").exit_code == 0
        code, _, err = waiting.end()
    assert (code, "waiting for an answer to inquiry 1" in err) == (0, True)


def test_whoever_waits_is_asked_only_when_they_say_so(run: Run) -> None:
    assert run(*SHIP, "--on-inquiry", "fail").exit_code == 7
    assert run("execution", "wait", "1", "--on-inquiry", "fail").exit_code == 7
    assert host_of(run, 1) is None
    with Screen("execution", "wait", "1", "--on-inquiry", "prompt") as screen:
        screen.until(PROMPT).type("n\n").until("execution 1 of core.ask completed")
        assert screen.end() == 0
    assert inquiry(run, "1")["response"] == {"approved": False}


def test_a_question_is_a_record_in_the_stream_of_an_execution(run: Run) -> None:
    with Attune("run", "exec", "--", "sh", "-c", f"{ATTUNE} run action core.ask prompt=Go?"):
        until(lambda: pending(run) == ["1"], "the question")
        with Attune("execution", "watch", "1", "-j") as watching:
            assert run("inquiry", "respond", "1", "--approve").exit_code == 0
            code, out, _ = watching.end()
    records = [json.loads(line) for line in out.splitlines()]
    asked = [one for one in records if one["type"] == "inquiry"]
    assert (code, records[-1]["type"]) == (0, "end")
    assert [(one["execution"], one["inquiry"], one["prompt"]) for one in asked] in ([(2, 1, "Go?")], [])


def test_an_inbox_takes_one_answer_after_another(run: Run) -> None:
    for prompt, who in (("first", "anna"), ("second", "anna"), ("third", "ben")):
        words = (
            "run",
            "action",
            "core.ask",
            f"prompt={prompt}",
            f"assigned_to={who}",
            "--on-inquiry",
            "fail",
        )
        assert run(*words).exit_code == 7
    with Screen("inbox", "--as", "anna") as screen:
        screen.until("1  first\n").until("inquiry 1 of core.ask (execution 1), asked").until(
            "2  second"
        ).until("q to leave: ").type("2\n")
        screen.until(PROMPT).type("y\n").until("inquiry 2 answered")
        screen.until("1  first").until("which one? 1, Enter for 1, q to leave: ").type("5\n")
        screen.until("'5' is none of them").until("q to leave: ").type("\n").until(PROMPT).type("n\n")
        screen.until("inquiry 1 answered").until(
            "nothing waits for your answer; 1 for that of others: attune inquiry list --pending"
        )
        assert screen.end() == 0
    assert ("third" in screen.shown, pending(run)) == (False, ["3"])


@pytest.mark.parametrize(("typed", "code"), [("\x04", 0), ("q\n", 0), ("", 130)])
def test_an_inbox_is_left_quietly(run: Run, typed: str, code: int) -> None:
    assert run(*SHIP, "--on-inquiry", "fail").exit_code == 7
    with Screen("inbox") as screen:
        screen.until("q to leave: ").type(typed)
        if not typed:
            screen.signal(signal.SIGINT)
        assert screen.end() == code
    assert "error" not in screen.shown
    assert pending(run) == ["1"]


def test_an_inbox_finds_its_question_behind_many_newer_ones_of_others(run: Run) -> None:
    for person in ("anna", *["ben"] * 51):
        assert run(*SHIP, f"assigned_to={person}", "--on-inquiry", "fail").exit_code == 7
    with Screen("inbox", "--as", "anna") as screen:
        screen.until("1  Ship it?\n").until("inquiry 1 of core.ask (execution 1), asked").until(
            "q to leave: "
        ).type("q\n")
        assert screen.end() == 0


def test_a_run_may_not_answer_what_it_asked(run: Run) -> None:
    script = f"{ATTUNE} run core.ask --on-inquiry fail; {ATTUNE} inquiry respond 1 --approve; echo $?"
    result = run("run", "exec", "--on-inquiry", "wait", "--timeout", "20s", "--", "sh", "-c", script)
    assert result.stdout == "4\n", result.stderr
    assert "it was asked by the run that would answer it" in result.stderr


# --- scripts


def test_a_command_is_given_each_question_as_it_comes(run: Run) -> None:
    assert run(*SHIP, "--on-inquiry", "fail").exit_code == 7
    answering = f"{ATTUNE} inquiry respond $(jq .id) --approve --as bot"
    with Attune("inquiry", "watch", "--exec", answering) as watching:
        until(lambda: inquiry(run, "1")["responded_by"] == "bot", "the answer to what was asked before")
        assert run(*SHIP).exit_code == 0
        watching.signal(signal.SIGINT)
        assert watching.end()[0] == 130
    assert inquiry(run, "2")["responded_by"] == "bot"


def test_a_bot_in_three_lines_approves(run: Run) -> None:
    shell = {"PATH": f"{sys.executable.rpartition('/')[0]}:{os.environ['PATH']}"}
    bot = subprocess.Popen(
        ["bash", "-c", BOT], env={**os.environ, **shell}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert run(*SHIP).exit_code == 0
        assert (inquiry(run, "1")["comment"], inquiry(run, "1")["response"]) == (
            "by the bot",
            {"approved": True},
        )
    finally:
        os.killpg(bot.pid, signal.SIGTERM)
        bot.communicate()


def test_a_shell_script_asks_a_person(run: Run) -> None:
    schema = '{"ok":{"type":"boolean","required":true}}'
    words = (
        "run",
        "action",
        "core.ask",
        "prompt=Ship?",
        f"response_schema:={schema}",
        "--field",
        "result.response.ok",
    )
    with Attune(*words) as script:
        until(lambda: pending(run) == ["1"], "the question")
        assert run("inquiry", "respond", "@last", "ok=yes").exit_code == 0
        assert script.end()[:2] == (0, "true\n")


@pytest.mark.parametrize(
    ("words", "answer", "code"),
    [
        ((), ("--reject",), 1),
        ((), ("--approve",), 0),
        (('response_schema:={"ok":{"type":"boolean","required":true}}',), ("ok=no",), 1),
        (('response_schema:={"version":{"type":"string"}}',), ("version=no",), 0),
    ],
)
def test_a_run_that_only_asks_exits_with_1_after_a_no_and_is_completed(
    run: Run, words: tuple[str, ...], answer: tuple[str, ...], code: int
) -> None:
    with Attune(*SHIP, *words, "-r") as script:
        until(lambda: pending(run) == ["1"], "the question")
        assert run("inquiry", "respond", "1", *answer, "--as", "zoe").exit_code == 0
        ended, _, told = script.end()
    assert ended == code
    assert ("error: inquiry 1 was rejected by zoe\nhint: attune inquiry show 1\n" in told) == (code == 1)
    assert show(run, "1")["status"] == "completed"


def test_a_default_that_says_no_is_a_no(run: Run) -> None:
    result = run(*SHIP, 'default_response:={"approved":false}', "--timeout", "0.3s")
    assert (result.exit_code, show(run, "1")["status"]) == (1, "completed")
    assert "inquiry 1 was rejected by its default" in result.stderr
