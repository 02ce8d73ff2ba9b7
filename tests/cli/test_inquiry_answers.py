"""Inquiries on the command line that several answer, and several that are cancelled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.test_inquiry_commands import APPROVED, asked, inquiry

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_who_approves_after_others_takes_over_their_values_or_is_told_that_they_differ(run: Run) -> None:
    share = {"share": {"type": "integer", "required": True}, "why": {"type": "string"}}
    asked(run, "How many?", 'approvals:={"required": 2}', "--as", "anna", schema={**APPROVED, **share})
    assert run("inquiry", "respond", "1", "--approve", "share=5", "--as", "ben").exit_code == 0
    other = run("inquiry", "respond", "1", "--approve", "share=100", "--as", "carla")
    assert other.exit_code == 5
    assert other.stderr == (
        "error: inquiry 1 is approved with the same values by all, or not at all\n"
        "  share  ben approved 5, not 100\n"
        "hint: attune inquiry respond 1 --approve approves the same; --reject ends it\n"
    )
    assert run("inquiry", "respond", "1", "--approve", "--as", "carla").stderr == "inquiry 1 answered\n"
    assert inquiry(run, "1")["response"] == {"approved": True, "share": 5}


def test_several_inquiries_are_cancelled_all_or_none(run: Run) -> None:
    for _ in range(4):
        asked(run)
    assert run("inquiry", "cancel", "1", "2", "9").exit_code == 3
    assert run("inquiry", "list", "--pending", "-q").stdout == "4\n3\n2\n1\n"
    assert run("inquiry", "cancel", "1", "2", "1").stderr == "inquiry 1 cancelled\ninquiry 2 cancelled\n"
    result = run("inquiry", "cancel", "-", "-j", "--reason", "not needed", input="4\n3\n")
    assert [(one["id"], one["comment"]) for one in json.loads(result.stdout)] == [
        (4, "not needed"),
        (3, "not needed"),
    ]
    assert run("inquiry", "list", "--pending", "-q").stdout == ""


def test_last_leads_to_the_list_where_several_wait(run: Run) -> None:
    for _ in range(2):
        asked(run)
    result = run("inquiry", "respond", "@last", "--approve")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: @last could be any of these pending inquiries: 1, 2\nhint: attune inquiry list --pending\n",
    )


def test_what_was_answered_already_is_told_but_for_what_is_secret(run: Run) -> None:
    asked(run, schema={**APPROVED, "token": {"type": "string", "secret": True}})
    run("inquiry", "respond", "1", "--approve", "token=hunter2hunter2", "--as", "zoe")
    result = run("inquiry", "respond", "1", "--reject")
    assert result.stderr.startswith(
        "error: inquiry 1 is not pending: its status is responded, answered by zoe: yes, token (secret)\n"
    )


def test_a_question_for_a_role_that_nobody_has_is_asked_with_a_warning(run: Run) -> None:
    words = ("run", "core.ask", "--on-inquiry", "fail")
    result = run(*words, "assigned_to=role:nobodyhere")
    assert result.exit_code == 7
    assert result.stderr.startswith(
        "warning: nobody can answer yet: there is no role 'nobodyhere' with members "
        "(setting roles, or a system's group)\n"
    )
    assert "warning" not in run(*words, "assigned_to=role:root").stderr
