"""Stories of questions that are left open: at a prompt, and where nobody is to be asked."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.question_story import ATTUNE, PROMPT, SHIP, host_of, inquiry, pending
from tests.e2e.screen import Screen
from tests.e2e.story import PATIENCE_SECONDS, Attune, show, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


def install_workflow(run: Run, tmp_path: Path, gate: Path) -> None:
    """Install `way.go`: it asks, and beside that waits for `gate`; something follows each of both."""
    actions = tmp_path / "way" / "actions"
    (actions / "workflows").mkdir(parents=True)
    (tmp_path / "way" / "pack.yaml").write_text("ref: way\nversion: 1.0.0\nlabel: Way\n")
    (actions / "say.yaml").write_text(
        "ref: way.say\nlabel: Say\nrunner_type: shell\nentry_point: say.sh\nparameter_format: dotenv\n"
        "parameters:\n  what: {type: string, required: true}\n  file: {type: string, default: /}\n"
    )
    (actions / "say.sh").write_text(
        'eval "$(cat)"\nwhile [ ! -e "$file" ]; do sleep 0.05; done\necho "$what"\n'
    )
    (actions / "workflows" / "go.yaml").write_text(
        "ref: way.go\nlabel: Go\nversion: 1.0.0\ntasks:\n"
        "  - {name: ask, action: core.ask, input: {prompt: Go on?}, next: [{do: [end]}]}\n"
        f"  - {{name: beside, action: way.say, input: {{what: beside, file: {gate}}}, next: [{{do: [after]}}]}}\n"
        "  - {name: after, action: way.say, input: {what: after}}\n"
        "  - {name: end, action: way.say, input: {what: end}}\n"
    )
    result = run("pack", "install", str(tmp_path / "way"))
    assert result.exit_code == 0, result.stderr


# --- at a prompt


def test_ctrl_c_at_a_prompt_leaves_the_question_open_and_whoever_answers_goes_on(run: Run) -> None:
    with Screen(*SHIP) as screen:
        screen.until(PROMPT)
        screen.signal(signal.SIGINT)
        screen.until("inquiry 1 stays open, and execution 1 waits for its answer")
        screen.until("attune inquiry respond 1 --wait")
        assert screen.end() == 130
    assert (pending(run), show(run, "1")["status"], host_of(run, 1)) == (["1"], "running", None)
    with Screen("inquiry", "respond", "1", "--wait") as screen:
        screen.until(PROMPT).type("y\n").until("execution 1 of core.ask completed")
        assert screen.end() == 0


def test_the_end_of_the_input_at_a_prompt_leaves_it_as_well(run: Run) -> None:
    with Screen(*SHIP) as screen:
        screen.until(PROMPT).type("\x04").until("inquiry 1 stays open")
        assert screen.end() == 130
    assert pending(run) == ["1"]


def test_what_else_is_on_ends_before_its_host_leaves(run: Run, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = (
        f"{ATTUNE} run action core.ask --on-inquiry fail; until [ -e {gate} ]; do sleep 0.05; done; echo done"
    )
    with Screen("run", "exec", "--", "sh", "-c", script) as screen:
        screen.until(PROMPT)
        until(lambda: host_of(run, 2) is None, "the question to be left by who asked it")
        screen.signal(signal.SIGINT)
        screen.until("1 other run of it goes on and ends first; once more to cancel all")
        gate.touch()
        screen.until("done").until("execution 1 completed")
        assert screen.end() == 0
    assert pending(run) == ["1"]


def test_a_second_ctrl_c_cancels_what_else_is_on_and_the_question(run: Run) -> None:
    with Screen("run", "exec", "--", "sh", "-c", f"{ATTUNE} run action core.ask") as screen:
        screen.until(PROMPT)
        screen.signal(signal.SIGINT)
        screen.until("who asked it goes on waiting for an answer from elsewhere (attune inquiry respond 1)")
        screen.until("once more to cancel all")
        screen.signal(signal.SIGINT)
        screen.until("execution 1 of exec.sh was cancelled")
        assert screen.end() == 130
    assert inquiry(run, "1")["status"] == "cancelled"


def test_a_workflow_left_at_a_prompt_ends_what_is_on_and_begins_nothing_more(
    run: Run, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    install_workflow(run, tmp_path, gate)
    with Screen("run", "way.go") as screen:
        screen.until("Go on?").until(PROMPT)
        screen.signal(signal.SIGINT)
        screen.until("1 other run of it goes on and ends first")
        gate.touch()
        assert screen.end() == 130
    ran = json.loads(run("execution", "list", "--action", "way.say", "-j").stdout)
    assert [one["parameters"]["what"] for one in ran if one["finished_at"]] == ["beside"]
    with Screen("inquiry", "respond", "1", "--wait") as screen:
        screen.until("│ beside").until(PROMPT).type("y\n").until("execution 1 of way.go completed")
        assert screen.end() == 0
    ran = json.loads(run("execution", "list", "--action", "way.say", "-s", "completed", "-j").stdout)
    assert sorted(one["parameters"]["what"] for one in ran) == ["after", "beside", "end"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_at_a_prompt_leaves_the_question_open(run: Run, number: signal.Signals, code: int) -> None:
    with Screen(*SHIP) as screen:
        screen.until(PROMPT)
        screen.signal(number)
        screen.until("inquiry 1 stays open, and execution 1 waits for its answer")
        screen.until("attune inquiry respond 1 --wait")
        assert screen.end() == code
    assert (pending(run), show(run, "1")["status"], host_of(run, 1)) == (["1"], "running", None)
    assert run("inquiry", "respond", "1", "--approve", "--wait").exit_code == 0


def test_a_terminal_that_is_closed_at_a_prompt_leaves_the_question_open_and_ends_nothing(
    run: Run, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    install_workflow(run, tmp_path, gate)
    with Screen("run", "way.go") as screen:
        screen.until(PROMPT)
        screen.close()
        screen.signal(signal.SIGHUP)
        gate.touch()
        assert screen.process.wait(PATIENCE_SECONDS) == 129
    assert (pending(run), show(run, "1")["status"], host_of(run, 1)) == (["1"], "running", None)
    ran = json.loads(run("execution", "list", "--action", "way.say", "-s", "completed", "-j").stdout)
    assert [one["parameters"]["what"] for one in ran] == ["beside"]


def test_a_signal_where_nobody_is_asked_cancels_the_run_and_its_question(run: Run) -> None:
    with Attune(*SHIP) as attune:
        until(lambda: pending(run) == ["1"], "the question")
        attune.signal(signal.SIGTERM)
        assert attune.end()[0] == 143
    assert inquiry(run, "1")["status"] == "cancelled"


def test_the_tree_of_a_workflow_is_taken_away_before_a_question_and_drawn_again_after_it(
    run: Run, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    install_workflow(run, tmp_path, gate)
    with Screen("run", "way.go", NO_COLOR="1") as screen:
        screen.until("beside  running").until("inquiry 1 of way.go/ask")
        drawn, _, _ = screen.shown.partition("inquiry 1 of way.go/ask")
        assert re.search(r"\x1b\[\d+A\r\x1b\[J$", drawn), drawn
        screen.until(PROMPT).type("y\n").until("inquiry 1 answered\n").until("beside  running")
        gate.touch()
        assert screen.end() == 0


# --- where nobody is to be asked


def test_what_else_is_on_is_followed_to_its_end_before_a_question_is_left_open(
    run: Run, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    install_workflow(run, tmp_path, gate)
    with Attune("run", "way.go", "--on-inquiry", "fail") as attune:
        told = attune.until(
            "inquiry 1 is left open (--on-inquiry fail); 1 other run of it goes on and ends first\n"
        )
        gate.touch()
        code, out, err = attune.end()
    assert (code, out) == (7, "beside | beside\n")
    assert (told + err).endswith(
        "inquiry 1 is left open (--on-inquiry fail); 1 other run of it goes on and ends first\n"
        "task beside completed\n"
        "task after running\n"  # it is to be next, and not begun
        "error: inquiry 1 stays open, and execution 1 waits for its answer (--on-inquiry fail): Go on?\n"
        "hint: attune inquiry respond 1 --wait\n"
    )
    assert run("inquiry", "respond", "1", "--approve", "--wait").exit_code == 0


def test_who_waits_inside_a_run_for_an_answer_that_nobody_is_to_give_is_cancelled(run: Run) -> None:
    script = f"echo before; {ATTUNE} run action core.ask prompt=Sure?"
    with Attune("run", "exec", "--on-inquiry", "fail", "-j", "--", "sh", "-c", script) as attune:
        code, out, err = attune.end()
    document, told = json.loads(out), json.loads(err.splitlines()[-1])["error"]
    assert (code, document["status"]) == (7, "cancelled")
    assert document["cancel_reason"] == "it asked something (--on-inquiry fail)"
    assert told["message"] == (
        "execution 1 was cancelled, because it waited for an answer (--on-inquiry fail): Sure?"
    )
    assert told["hint"] == "--on-inquiry wait lets it wait for: attune inquiry respond 1"
    assert inquiry(run, "1")["status"] == "cancelled"


def test_who_asks_inside_a_run_and_does_not_wait_is_not_cancelled(run: Run, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"{ATTUNE} run core.ask --on-inquiry fail; until [ -e {gate} ]; do sleep 0.05; done; echo done"
    with Attune("run", "exec", "--on-inquiry", "fail", "--", "sh", "-c", script) as attune:
        until(lambda: pending(run) == ["1"] and host_of(run, 2) is None, "the question to be left")
        gate.touch()
        code, out, _ = attune.end()
    assert (code in (0, 7), out) == (True, "done\n")
