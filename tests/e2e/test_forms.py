"""Stories of forms: what they ask for, in which order, and what they take."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.question_story import PROMPT, SHIP, inquiry
from tests.e2e.screen import Screen
from tests.e2e.story import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


FIELDS = {
    "ok": {"type": "boolean", "required": True, "description": "Is all well?"},
    "where": {"type": "string", "enum": ["staging", "production"], "default": "staging"},
    "count": {"type": "integer", "minimum": 1, "maximum": 9, "required": True},
    "ratio": {"type": "number", "default": 0.5},
    "token": {"type": "string", "secret": True, "required": True},
    "note": {"type": "string"},
    "tags": {"type": "array", "items": {"type": "string"}, "required": True},
    "limits": {"type": "object", "properties": {"cpu": {"type": "integer", "default": 2}}},
}


def test_a_form_asks_for_each_member_until_it_fits(run: Run, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text(
        "#!/bin/sh\n"
        f'cp "$1" {tmp_path}/seen.$(ls {tmp_path} | grep -c seen)\n'
        'if grep -q "^#!" "$1"; then sed -i "s/cpu: many/cpu: 4/" "$1"; else sed -i "s/cpu: 2/cpu: many/" "$1"; fi\n'
    )
    editor.chmod(0o755)
    schema = json.dumps(FIELDS)
    with Screen(*SHIP, f"response_schema:={schema}", "-r", VISUAL=str(editor), NO_COLOR="1") as screen:
        screen.until("inquiry 1 of core.ask (execution 1), asked just now\nShip it?\n")
        screen.until("ok: Is all well?").until("ok (yes or no): ").type("perhaps\n").until(
            "expected yes or no, got 'perhaps'"
        )
        screen.until("ok (yes or no): ").type("y\n")
        screen.until("  1  staging\n    2  production\n").until(
            "where (its number, 1-2, or name) [staging]: "
        ).type("3\n")
        screen.until("expected a number, 1 to 2, or one of the names, got '3'").until("where").type("2\n")
        screen.until("count (integer, 1 to 9): ").type("\n").until("required").until("count").type("12\n")
        screen.until("must be at most 9, got 12").until("count").type("7\n")
        screen.until("ratio (number) [0.5]: ").type("\n")
        screen.until("token (string, hidden): ").type("hunter2hunter2\n")
        screen.until("note (string, optional): ").type("\n")
        screen.until("tags (JSON, or e for editor): ").type('["a", 1]\n')
        screen.until("expected string, got 1").until("tags").type('["a", "b"]\n')
        screen.until("limits (JSON, or e for editor, optional): ").type("e\n")
        screen.until("inquiry 1 answered")
        assert screen.end() == 0
    assert "hunter2" not in screen.shown
    response = inquiry(run, "1")["response"]
    assert response.pop("token") == {"$attune_secret": True, "redacted": True}
    assert response == {
        "ok": True, "where": "production", "count": 7, "ratio": 0.5, "tags": ["a", "b"], "limits": {"cpu": 4},
    }  # fmt: skip
    assert (tmp_path / "seen.0").read_text() == "cpu: 2\n"
    assert (tmp_path / "seen.1").read_text() == "#! limits.cpu: expected integer\ncpu: many\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_terminal_shows_what_is_typed_again_however_a_hidden_question_ends(
    run: Run, number: signal.Signals
) -> None:
    schema = json.dumps({"pin": {"type": "string", "secret": True, "required": True}})
    assert run(*SHIP, f"response_schema:={schema}", "--on-inquiry", "fail").exit_code == 7
    with Screen("inquiry", "respond", "1") as screen:
        screen.until("hidden): ")
        assert not screen.is_echoing()
        screen.signal(number)
        assert screen.process.wait(PATIENCE_SECONDS) == -number
        assert screen.is_echoing()


def test_a_line_that_the_terminal_cuts_is_not_taken(run: Run) -> None:
    schema = json.dumps({"text": {"type": "string", "required": True}})
    assert run(*SHIP, f"response_schema:={schema}", "--on-inquiry", "fail").exit_code == 7
    with Screen("inquiry", "respond", "1") as screen:
        screen.until("text (string): ").type("x" * 3000).type("y" * 3000 + "\n")
        screen.until("ends at 4094 bytes").until("text (string): ").type("z" * 4094 + "\n")
        assert screen.end() == 0
    assert inquiry(run, "1")["response"] == {"text": "z" * 4094}


@pytest.mark.usefixtures("home")
def test_nothing_in_a_question_drives_the_terminal_and_its_log_is_cut_to_it(run: Run) -> None:
    question = json.dumps({"__inquiry": {"prompt": "Go \x1b[31mon?"}})
    script = f"echo {'x' * 100} >&2; echo '{question}'"
    assert run("run", "exec", "--on-inquiry", "fail", "--", "sh", "-c", script).exit_code == 7
    with Screen("inquiry", "respond", "1", columns=60, NO_COLOR="1") as screen:
        screen.until(PROMPT).type("n\n")
        assert screen.end() == 0
    assert "Go ␛[31mon?" in screen.shown
    assert "\x1b" not in screen.shown
    assert max(len(line) for line in screen.shown.splitlines()) <= 60


def test_who_approves_after_others_sees_what_they_said_and_is_proposed_their_values(run: Run) -> None:
    schema = {
        "approved": {"type": "boolean", "required": True},
        "share": {"type": "integer", "required": True},
        "why": {"type": "string"},
        "pin": {"type": "integer", "secret": True},
    }
    words = ("prompt=How many?", f"response_schema:={json.dumps(schema)}", 'approvals:={"required": 2}')
    assert run("run", "action", "core.ask", *words, "--on-inquiry", "fail").exit_code == 7
    by_ben = ("--approve", "share=5", "why=late", "pin=987123", "--as", "ben")
    assert run("inquiry", "respond", "1", *by_ben).exit_code == 0
    with Screen("inquiry", "respond", "1", "--as", "carla") as screen:
        screen.until("ben said: yes, share 5, why 'late', pin (secret)")
        screen.until("approved (yes or no): ").type("y\n").until("share (integer) [5]: ").type("7\n")
        screen.until("why (string, optional): ").type("\n").until("[as it is]: ").type("\n")
        screen.until("ben approved 5, not 7")
        screen.until("approved (yes or no): ").type("y\n").until("share (integer) [5]: ").type("\n")
        screen.until("why (string, optional): ").type("\n").until("[as it is]: ").type("\n")
        screen.until("inquiry 1 answered")
        assert screen.end() == 0
        assert "987123" not in screen.shown
    assert inquiry(run, "1")["response"]["share"] == 5
