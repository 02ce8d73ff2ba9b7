"""Inquiries on the command line: found, shown, answered, refused, waited for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_schema_command import check_record
from tests.e2e.story import until
from tests.pack_files import ACTION, write_pack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

APPROVED = {"approved": {"type": "boolean", "required": True}}


def asked(run: Run, prompt: str = "Ship it?", *words: str, schema: dict[str, Any] | None = None) -> str:
    """Ask something that nobody answers yet; returns the inquiry's id."""
    given = [] if schema is None else [f"response_schema:={json.dumps(schema)}"]
    result = run("run", "action", "core.ask", f"prompt={prompt}", *given, *words, "--on-inquiry", "fail")
    assert (result.exit_code, result.stdout) == (7, ""), result.stderr
    return result.stderr.split()[2]


def inquiry(run: Run, word: str) -> dict[str, Any]:
    return json.loads(run("inquiry", "show", word, "-j").stdout)


def error(text: str) -> dict[str, Any]:
    return json.loads(text.splitlines()[-1])["error"]


# --- looking


def test_a_run_that_may_not_wait_leaves_its_question_open_and_says_how_to_go_on(run: Run) -> None:
    result = run("run", "action", "core.ask", "prompt=Ship it?", "--on-inquiry", "fail")
    assert result.exit_code == 7
    assert result.stderr == (
        "error: inquiry 1 stays open, and execution 1 waits for its answer (--on-inquiry fail): Ship it?\n"
        "hint: attune inquiry respond 1 --wait\n"
    )
    result = run("run", "action", "core.ask", "prompt=And this?", "--on-inquiry", "fail", "-j")
    document, told = json.loads(result.stdout), error(result.stderr)
    assert (document["id"], document["status"], document["pending_inquiry"]) == (2, "running", 2)
    assert (told["code"], told["exit_code"]) == ("needs_answer", 7)


def test_inquiries_are_listed_with_those_first_that_wait(run: Run) -> None:
    for prompt in ("first", "second", "third"):
        asked(run, prompt)
    assert run("inquiry", "respond", "3", "--approve").exit_code == 0
    assert run("inquiry", "list", "-q").stdout == "2\n1\n3\n"
    assert run("inquiry", "list", "--pending", "-q").stdout == "2\n1\n"
    assert run("inquiries", "ls", "-s", "responded", "-q").stdout == "3\n"
    assert run("inquiry", "list", "--execution", "2", "-q").stdout == "2\n"
    assert run("inquiry", "list", "--since", "1h", "-l", "1", "-q").stdout == "2\n"
    assert run("inquiry", "list", "--assigned-to", "anna", "--fail-empty").exit_code == 3
    assert run("inquiry", "list", "-s", "open").exit_code == 2
    row = run("inquiry", "list", "-l", "1")
    assert row.stdout.split("\t")[:2] == ["2", "pending"]
    assert "there are more: --all, or a larger --limit" in row.stderr


def test_records_of_inquiries_are_as_documented(run: Run) -> None:
    asked(run)
    asked(run, "Two of us?", 'approvals:={"required": 2}', "remind_every:=3600", "--timeout", "1h")
    assert run("inquiry", "respond", "2", "--approve", "--as", "anna").exit_code == 0
    for record in json.loads(run("inquiry", "list", "-j").stdout):
        check_record(run, "inquiry", record, full=False)
        check_record(run, "inquiry", inquiry(run, str(record["id"])), full=True)


def test_the_last_lines_before_a_question_are_shown(run: Run) -> None:
    question = json.dumps({"__inquiry": {"prompt": "Go on?"}})
    script = f"echo looked at it >&2; echo '{question}'"
    result = run("run", "exec", "--on-inquiry", "fail", "--", "sh", "-c", script)
    assert result.exit_code == 7, result.stderr
    assert "looked at it" in inquiry(run, "@last")["lines"] + result.stderr


def test_a_schema_keeps_the_order_in_which_it_is_declared(run: Run, tmp_path: Path) -> None:
    declared = ["zone", "app", "token", "count"]
    fields = (
        "{zone: {type: string}, app: {type: string, required: true}, token: {type: object, properties: "
        "{z: {type: string}, a: {type: string}}}, count: {type: integer}}"
    )
    workflow = (
        f"version: 1.0.0\ntasks: [{{name: ask, action: core.ask, input: {{response_schema: {fields}}}}}]\n"
    )
    files = {
        "actions/hello.yaml": f"{ACTION}parameters: {fields}\n",
        "actions/go.yaml": "ref: demo.go\nworkflow_file: workflows/go.workflow.yaml\n",
        "actions/workflows/go.workflow.yaml": workflow,
    }
    assert run("pack", "install", str(write_pack(tmp_path, files))).exit_code == 0
    shown = json.loads(run("action", "show", "demo.hello", "-j").stdout)["parameters"]
    assert [one["name"] for one in shown] == declared
    page = run("run", "action", "demo.hello", "--help").stdout.partition("Parameters:")[2]
    assert [line.split()[0] for line in page.splitlines()[1:5]] == declared
    result = run("run", "demo.go", "--on-inquiry", "fail")
    assert result.exit_code == 7, result.stderr
    schema = inquiry(run, "1")["response_schema"]
    assert [list(schema), list(schema["token"]["properties"])] == [declared, ["z", "a"]]


def test_what_is_no_inquiry_is_not_found(run: Run) -> None:
    assert run("inquiry", "show", "7").exit_code == 3
    assert run("inquiry", "respond", "@last", "--approve").exit_code == 3
    assert run("inquiry", "show", "maybe").exit_code == 2


def test_last_is_the_pending_one_and_with_several_says_which_there_are(run: Run) -> None:
    asked(run)
    assert inquiry(run, "@last")["id"] == 1
    asked(run)
    result = run("inquiry", "respond", "@last", "--approve")
    assert result.exit_code == 2
    assert "any of these pending inquiries: 1, 2" in result.stderr


# --- answering


def test_an_answer_ends_what_waits_for_it(run: Run) -> None:
    number = asked(run)
    result = run("inquiry", "respond", number, "approved=yes", "--comment", "looks fine", "--as", "anna")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "inquiry 1 answered\n")
    shown = inquiry(run, number)
    assert (shown["status"], shown["response"], shown["responded_by"], shown["comment"]) == (
        "responded", {"approved": True}, "anna", "looks fine",
    )  # fmt: skip
    assert run("execution", "result", "1", "--field", "approved").stdout == "true\n"


@pytest.mark.parametrize(("flag", "said"), [("--approve", True), ("--reject", False)])
def test_yes_and_no_are_flags_where_that_is_the_question(run: Run, flag: str, *, said: bool) -> None:
    asked(run, "Ship?", schema={"ok": {"type": "boolean", "required": True}, "note": {"type": "string"}})
    result = run("inquiry", "respond", "@last", flag, "note=so be it", "-j")
    assert json.loads(result.stdout)["response"] == {"ok": said, "note": "so be it"}
    assert run("inquiry", "respond", "1", "--approve", "--reject").exit_code == 2


def test_there_is_no_plain_yes_to_a_question_without_or_with_two(run: Run) -> None:
    asked(run, "How many?", schema={"count": {"type": "integer", "required": True}})
    result = run("inquiry", "respond", "1", "--approve")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: inquiry 1 cannot be answered by --approve or --reject: its answer has no boolean\n"
        "hint: attune inquiry respond 1 count=1\n"
    )
    asked(run, "Both?", schema={"a": {"type": "boolean"}, "b": {"type": "boolean"}})
    assert "its answer has 2 booleans: a, b" in run("inquiry", "respond", "2", "--reject").stderr


def test_all_that_does_not_fit_is_told_together_and_nothing_is_answered(run: Run) -> None:
    schema = {
        **APPROVED,
        "count": {"type": "integer", "minimum": 1},
        "where": {"type": "string", "required": True},
    }
    asked(run, schema=schema)
    result = run("inquiry", "respond", "1", "approved=maybe", "count=0", "wher=x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: response to inquiry 1 does not fit\n"
        "  approved  expected boolean, got 'maybe'\n"
        "  count     must be at least 1, got 0\n"
        "  wher      unknown field; did you mean where?\n"
        "  where     required (string)\n"
        "hint: attune inquiry respond 1 approved=true count=1 where=TEXT\n"
    )
    assert inquiry(run, "1")["status"] == "pending"


def test_a_whole_answer_comes_from_json_a_file_or_stdin(run: Run, tmp_path: Path) -> None:
    for _ in range(3):
        asked(run)
    file = tmp_path / "answer.yaml"
    file.write_text("approved: true\n")
    assert run("inquiry", "respond", "1", "--response", f"@{file}").exit_code == 0
    assert run("inquiry", "respond", "2", "--response", "-", input='{"approved": false}').exit_code == 0
    assert run("inquiry", "respond", "3", "--response", '{"approved": true}').exit_code == 0
    answers = [inquiry(run, number)["response"]["approved"] for number in "123"]
    assert answers == [True, False, True]


def test_an_answer_that_is_no_document_is_told(run: Run, tmp_path: Path) -> None:
    asked(run)
    assert "--response  cannot read" in run("inquiry", "respond", "1", "--response", f"@{tmp_path}/no").stderr
    assert run("inquiry", "respond", "1", "--response", "[1]").exit_code == 2
    result = run("inquiry", "respond", "1", "--response", "[1]", "approved=true")
    assert "expected an object, because members are given as well" in result.stderr


def test_secrets_are_not_shown_and_their_place_on_the_line_is_warned_of(run: Run, tmp_path: Path) -> None:
    asked(run, "Token?", schema={"token": {"type": "string", "secret": True, "required": True}})
    (tmp_path / "token").write_text("hunter2hunter2")
    assert "attune inquiry respond 1 token=@FILE" in run("inquiry", "respond", "1").stderr
    result = run("inquiry", "respond", "1", f"token=@{tmp_path}/token", "-j")
    assert (result.exit_code, "hunter2" in result.stdout + result.stderr) == (0, False)
    asked(run, "Token?", schema={"token": {"type": "string", "secret": True, "required": True}})
    warned = run("inquiry", "respond", "2", "token=hunter2hunter2")
    assert warned.stderr.startswith(
        "warning: token is secret, and a command line can be read by others: token=@FILE\n"
    )


def test_without_an_answer_and_a_terminal_the_answer_is_missing(run: Run) -> None:
    asked(run)
    result = run("inquiry", "respond", "1", "--no-input", "-j")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (error(result.stderr)["code"], error(result.stderr)["hint"]) == (
        "answer_needed", "attune inquiry respond 1 approved=true",
    )  # fmt: skip


def test_an_answer_can_be_rehearsed(run: Run) -> None:
    asked(run)
    result = run("inquiry", "respond", "1", "--approve", "-n")
    assert (result.exit_code, result.stderr) == (0, "inquiry 1 would be answered; nothing was changed\n")
    assert inquiry(run, "1")["status"] == "pending"


def test_who_it_is_not_for_may_not_answer(run: Run) -> None:
    asked(run, "Ship?", "assigned_to=anna")
    result = run("inquiry", "respond", "1", "--approve", "--as", "ben")
    assert (result.exit_code, "it is assigned to anna, not to ben" in result.stderr) == (4, True)
    assert run("inquiry", "respond", "1", "--approve", "--as", "anna").exit_code == 0
    assert run("inquiry", "respond", "1", "--approve", "--as", " ").exit_code == 2


def test_a_second_answer_is_refused_and_changes_nothing(run: Run) -> None:
    asked(run)
    assert run("inquiry", "respond", "1", "--approve").exit_code == 0
    result = run("inquiry", "respond", "1", "--reject", "-j")
    assert (result.exit_code, error(result.stderr)["code"]) == (5, "responded")
    assert inquiry(run, "1")["response"] == {"approved": True}


def test_two_have_to_approve_and_who_asked_for_the_run_may_not(run: Run) -> None:
    asked(run, "Ship?", 'approvals:={"required": 2}', "--as", "anna")
    assert run("inquiry", "respond", "1", "--approve", "--as", "anna").exit_code == 4
    first = run("inquiry", "respond", "1", "--approve", "--as", "ben")
    assert first.stderr == "inquiry 1: 1 of 2 approvals; it waits for others\n"
    assert run("inquiry", "respond", "1", "--approve", "--as", "ben").exit_code == 5
    assert run("inquiry", "respond", "1", "--approve", "--as", "carl").stderr == "inquiry 1 answered\n"
    assert run("execution", "result", "1", "--field", "approved").stdout == "true\n"


def test_a_run_may_not_answer_its_own_question_by_another_path_to_the_home(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = asked(run)
    detour = tmp_path / "detour"
    detour.symlink_to(tmp_path / "attune_home")
    monkeypatch.setenv("ATTUNE_EXEC_ID", str(inquiry(run, number)["execution"]))
    for home in (detour, tmp_path / "work" / ".." / "attune_home"):
        result = run("--home", str(home), "inquiry", "respond", number, "--approve", "--as", "ben")
        assert result.exit_code == 4, home
        assert "asked by the run that would answer it" in result.stderr


@pytest.mark.parametrize("inside", ["9" * 30, "²", "-1"])
def test_what_is_no_id_of_an_execution_is_nobodys_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    number = asked(run)
    monkeypatch.setenv("ATTUNE_EXEC_ID", inside)
    assert run("inquiry", "respond", number, "--approve", "--as", "ben").exit_code == 0


def test_a_name_with_blanks_around_it_is_the_same_person(run: Run) -> None:
    number = asked(run, "Ship it?", 'approvals:={"required": 2}', "--as", "anna")
    assert run("inquiry", "respond", number, "--approve", "--as", "anna ").exit_code == 4
    assert run("inquiry", "respond", number, "--approve", "--as", "ben").exit_code == 0
    assert run("inquiry", "respond", number, "--approve", "--as", " ben").exit_code == 5


def test_a_command_to_copy_runs_nothing_that_a_question_names(run: Run) -> None:
    schema = {
        "a; reboot": {"type": "string", "required": True},
        "to": {"type": "string", "required": True, "enum": ["$(reboot)"]},
    }
    result = run("inquiry", "respond", asked(run, schema=schema), "--response", "{}")
    assert result.stderr.splitlines()[-1] == (
        "hint: attune inquiry respond 1 'a; reboot'=TEXT 'to=$(reboot)'"
    )


def test_a_no_where_nothing_is_declared_is_a_no(run: Run) -> None:
    run("inquiry", "respond", asked(run, schema={}), "--response", '{"approved": false}')
    assert run("inquiry", "wait", "1").exit_code == 1


def test_an_answer_with_wait_ends_as_what_waited_for_it(run: Run) -> None:
    asked(run)
    result = run("inquiry", "respond", "1", "--approve", "--wait")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "inquiry 1 answered\nexecution 1 of core.ask completed\n"
    asked(run)
    result = run("inquiry", "respond", "2", "--approve", "--wait", "-j")
    assert (json.loads(result.stdout)["status"], result.exit_code) == ("responded", 0)


# --- other ends


def test_a_cancelled_inquiry_cancels_what_waits_for_it(run: Run) -> None:
    asked(run)
    assert run("inquiry", "cancel", "1", "-n").stderr.startswith("would cancel inquiry 1")
    result = run("inquiry", "cancel", "1", "--reason", "not needed", "-j")
    assert (result.exit_code, json.loads(result.stdout)["comment"]) == (0, "not needed")
    assert json.loads(run("execution", "show", "1", "-j").stdout)["status"] == "cancelled"
    assert run("inquiry", "cancel", "1").exit_code == 5
    assert run("inquiry", "cancel", "2").exit_code == 3


def test_more_time_is_given(run: Run) -> None:
    asked(run, "Ship?", "--timeout", "1h")
    before = inquiry(run, "1")["timeout_at"]
    assert run("inquiry", "extend", "1", "--by", "2h", "-n").exit_code == 0
    assert inquiry(run, "1")["timeout_at"] == before
    result = run("inquiry", "extend", "1", "--by", "2h")
    assert (result.exit_code, inquiry(run, "1")["timeout_at"] > before) == (0, True)
    assert result.stderr == f"inquiry 1 expires at {inquiry(run, '1')['timeout_at']}\n"
    assert run("inquiry", "extend", "1", "--by", "soon").exit_code == 2
    asked(run)
    assert run("inquiry", "extend", "2", "--by", "2h").exit_code == 5


def test_a_late_answer_is_refused_though_nobody_ran_meanwhile(run: Run) -> None:
    asked(run, "Ship?", "--timeout", "2s")
    until(lambda: run("inquiry", "respond", "1", "--approve", "-n").exit_code == 5, "the end of its time")
    assert run("inquiry", "respond", "1", "--approve").exit_code == 5
    assert run("execution", "wait", "1").exit_code == 124
    assert inquiry(run, "1")["status"] == "timeout"


# --- what leads there


@pytest.mark.parametrize(
    ("verb", "hint"),
    [("answer", ""), ("approve", " --approve"), ("reject", " --reject"), ("deny", " --reject")],
)
def test_verbs_that_people_try_lead_to_the_one_that_answers(run: Run, verb: str, hint: str) -> None:
    result = run("inquiry", verb, "1")
    assert result.exit_code == 2
    assert result.stderr.endswith(f"hint: attune inquiry respond ID{hint}\n")


def test_how_an_array_or_an_object_is_written_is_said_where_it_was_not(run: Run) -> None:
    beds = {"type": "array", "items": {"type": "string", "enum": ["white", "blue"]}}
    limits = {"type": "object", "properties": {"cpu": {"type": "integer", "required": True}}}
    asked(run, schema={"beds": beds, "limits": limits})
    result = run("inquiry", "respond", "1", "beds=[white]", "limits=cpu")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: response to inquiry 1 does not fit\n"
        "  beds    expected array (written beds='[\"white\"]'), got '[white]'\n"
        "  limits  expected object (written limits='{\"cpu\": 1}'), got 'cpu'\n"
        "hint: attune inquiry respond 1 'beds=[\"white\"]' 'limits={\"cpu\": 1}'\n"
    )
    assert run("inquiry", "respond", "1", 'beds=["white"]', 'limits={"cpu": 1}').exit_code == 0


def test_who_asks_is_told_and_since_when(run: Run, tmp_path: Path) -> None:
    files = {
        "actions/go.yaml": "ref: demo.go\nworkflow_file: workflows/go.workflow.yaml\n",
        "actions/workflows/go.workflow.yaml": "version: 1.0.0\ntasks: [{name: confirm, action: core.ask}]\n",
    }
    assert run("pack", "install", str(write_pack(tmp_path, files))).exit_code == 0
    assert run("run", "demo.go", "--on-inquiry", "fail").exit_code == 7
    asked(run)
    assert run("inquiry", "list", "--fields", "id,asker").stdout == "2\tcore.ask\n1\tdemo.go/confirm\n"
    assert "asker\tdemo.go/confirm\n" in run("inquiry", "show", "1").stdout


def test_what_nobody_runs_says_so_with_the_commands_that_go_on(run: Run) -> None:
    asked(run)
    told = "nobody runs execution 1: attune execution wait 1 goes on with it, or attune up -d\n"
    assert run("execution", "show", "1").stderr == told
    tree = run("execution", "show", "1", "--tree")
    assert (tree.stderr, "core.ask  running · nobody runs it · " in tree.stdout) == (told, True)
    assert run("inquiry", "respond", "1", "--approve", "--wait").exit_code == 0
    assert run("execution", "show", "1").stderr == ""


def test_what_ran_out_of_time_while_nobody_ran_it_is_not_shown_as_if_it_waited(run: Run) -> None:
    for _ in range(2):
        asked(run, "Ship?", "--timeout", "2s")
    until(lambda: inquiry(run, "1")["status"] == "timeout", "the end of its time")
    until(lambda: run("inquiry", "list", "-s", "timeout", "-q").stdout == "2\n1\n", "the end of both")
    assert run("inquiry", "list", "--pending", "-q").stdout == ""
    assert run("execution", "show", "2", "--field", "status").stdout == "timeout\n"


def test_an_inquiry_shows_what_approvals_it_needs_and_who_has_to_run_it(run: Run) -> None:
    asked(run, "Ship? " * 40, 'approvals:={"required": 2, "from": ["anna", "role:ops"]}')
    shown = run("inquiry", "show", "1")
    assert 'approvals.required\t2\napprovals.from\t["anna","role:ops"]\n' in shown.stdout
    assert (
        shown.stderr == "nobody runs execution 1: attune execution wait 1 goes on with it, or attune up -d\n"
    )
    result = run("execution", "wait", "1", "--on-inquiry", "fail")
    assert result.stderr.splitlines()[0].endswith(
        "(--on-inquiry fail): Ship? Ship? Ship? Ship? Ship? Ship? Ship? Ship? Ship? Ship?…"
    )


# --- waiting


def test_waiting_for_an_answer_ends_as_it_is(run: Run) -> None:
    for _ in range(3):
        asked(run)
    run("inquiry", "respond", "1", "--approve")
    run("inquiry", "respond", "2", "--reject", "--as", "anna")
    run("inquiry", "cancel", "3")
    assert json.loads(run("inquiry", "wait", "1", "-j").stdout)["id"] == 1
    rejected = run("inquiry", "wait", "2", "-j")
    assert (rejected.exit_code, json.loads(rejected.stdout)["id"]) == (1, 2)
    assert error(rejected.stderr)["code"] == "rejected"
    assert run("inquiry", "wait", "3", "-q").stderr.endswith("its status is cancelled\n")


def test_waiting_for_an_answer_does_not_go_on_for_ever(run: Run) -> None:
    asked(run)
    result = run("inquiry", "wait", "1", "--timeout", "10ms", "-j")
    assert (result.exit_code, result.stdout, error(result.stderr)["code"]) == (8, "", "pending")
    asked(run, "Soon over?", "--timeout", "2s")
    expired = run("inquiry", "wait", "2", "--timeout", "20s")
    assert (expired.exit_code, "its status is timeout" in expired.stderr) == (1, True)


def test_waiting_for_any_gives_the_oldest_that_is_pending(run: Run) -> None:
    assert run("inquiry", "wait", "--any", "--timeout", "10ms").exit_code == 8
    asked(run)
    asked(run)
    assert run("inquiry", "wait", "--any", "-q").stdout == "1\n"
    assert run("inquiry", "wait").exit_code == 2
    assert run("inquiry", "wait", "1", "--any").exit_code == 2


def test_a_run_without_a_terminal_says_what_it_waits_for(process: Run) -> None:
    result = process("run", "action", "core.ask", "prompt=Ship?", "--timeout", "1s")
    assert result.exit_code == 124
    assert result.stderr.startswith("waiting for an answer to inquiry 1: Ship?\n  attune inquiry respond 1\n")


def test_an_inbox_needs_a_terminal(run: Run) -> None:
    assert run("inbox").exit_code == 2


def test_what_to_do_about_questions_is_one_of_three(run: Run) -> None:
    assert run("run", "action", "core.noop", "--on-inquiry", "ask").exit_code == 2
    assert run("execution", "wait", "1", "--on-inquiry", "ask").exit_code in (2, 3)
