"""Stories about questions: asked, answered, expired, cancelled; by runs of their own and by actions that end so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.errors import ConflictError, NotFoundError, UsageError
from attune_cli.runtime.model.actions import INQUIRY_RUNNER, Retry
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.services import executions as execution_service
from attune_cli.runtime.services import inquiries
from attune_cli.runtime.store import executions
from attune_cli.runtime.store.identity import renew
from tests.engine.question_stage import ask, asking, inquiry_of, respond, shown, told
from tests.engine.stage import BAD, Stage
from tests.engine.workflows.stage import WorkflowStage, task

if TYPE_CHECKING:
    from pathlib import Path

YES = {"approved": True}
NO = {"approved": False}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage with one slot, two roles, and a host."""
    made = Stage(tmp_path, slots=1, roles=(("ops", ("ben", "carl", "anna")), ("none", ())))
    made.host()
    return made


# --- asking and answering


def test_a_question_waits_without_a_slot_and_its_answer_is_the_result(stage: Stage) -> None:
    execution = ask(stage, prompt="Open valve 3?")
    work = stage.submit()
    assert stage.status(execution, work) == ["running", "running"]
    assert stage.row(execution).result == {"inquiry_id": 1, "status": "pending"}
    respond(stage, "1", YES)
    assert stage.status(execution) == ["completed"]
    assert stage.row(execution).result == {"response": YES, "__inquiry_id": 1, "responded_by": "ben"}
    assert told(stage) == ["inquiry_created", "inquiry_responded"]
    record = shown(stage)
    assert (record["status"], record["responded_by"], record["requester"]) == ("responded", "ben", "anna")


def test_a_question_of_nobody_is_settled_by_who_answers_it(stage: Stage) -> None:
    execution = ask(stage)
    stage.engines.pop("a").leave()
    assert stage.row(execution).host is None
    respond(stage, "1", YES)
    assert stage.status(execution) == ["completed"]


def test_a_second_answer_changes_nothing_and_is_told_what_there_is(stage: Stage) -> None:
    ask(stage)
    respond(stage, "1", YES)
    with pytest.raises(
        ConflictError, match="inquiry 1 is not pending: its status is responded, answered by ben"
    ):
        respond(stage, "1", NO, by="carl")
    assert shown(stage)["response"] == YES


@pytest.mark.parametrize(
    ("response", "faults"),
    [
        (
            {"approved": "maybe", "n": 9, "extra": 1},
            ["approved: expected boolean", "extra: unknown field", "n: must be at most 5"],
        ),
        ({}, ["approved: required (boolean)"]),
        ("yes", [": expected an object with approved, n"]),
        (None, [": expected an object with approved, n"]),
        ({"approved": float("nan")}, [": holds a number that JSON has not"]),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_all_its_faults(
    stage: Stage, response: Any, faults: list[str]
) -> None:
    schema = {
        "approved": {"type": "boolean", "required": True},
        "n": {"type": "integer", "maximum": 5, "default": 2},
    }
    execution = ask(stage, response_schema=schema)
    with pytest.raises(UsageError, match="response to inquiry 1 does not fit") as caught:
        respond(stage, "1", response)
    assert [f"{fault.path}: {fault.message}" for fault in caught.value.details] == faults
    assert inquiry_of(stage, execution).is_pending
    assert respond(stage, "1", YES).response == {"approved": True, "n": 2}


def test_an_answer_that_is_too_large_is_refused(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_parameters_bytes=1000)
    stage.host()
    ask(stage, response_schema={})
    with pytest.raises(UsageError) as caught:
        respond(stage, "1", "x" * 1001)
    assert "more than the 1000 bytes" in caught.value.details[0].message


def test_an_empty_schema_takes_anything(stage: Stage) -> None:
    execution = ask(stage, response_schema={})
    respond(stage, "1", ["a", 1])
    assert (stage.row(execution).result or {})["response"] == ["a", 1]


@pytest.mark.parametrize(
    ("question", "faults"),
    [
        ({"response_schema": {"n": {"type": "strnig"}}}, ["response_schema.n.type"]),
        ({"response_schema": []}, ["response_schema"]),
        ({"prompt": 7, "assigned_to": " "}, ["assigned_to", "prompt"]),
        ({"approvals": {"required": 0, "form": []}}, ["approvals.form", "approvals.required"]),
        ({"approvals": {"from": "ben"}}, ["approvals.from"]),
        ({"approvals": {}, "response_schema": {"n": {"type": "integer"}}}, ["approvals"]),
        ({"approvals": {}, "response_schema": {}}, ["approvals"]),
        ({"approvals": {}, "response_schema": []}, ["response_schema"]),
        ({"default_response": {"approved": 3}}, ["default_response.approved"]),
        ({"remind_every": "often", "timeout_at": "soon"}, ["remind_every", "timeout_at"]),
        ({"remind_every": 0.01}, ["remind_every"]),
    ],
)
def test_a_question_that_cannot_be_asked_starts_nothing(
    stage: Stage, question: dict[str, Any], faults: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        ask(stage, **question)
    assert [fault.path for fault in caught.value.details] == faults
    assert stage.all_ids() == []


def test_last_is_the_only_pending_one(stage: Stage) -> None:
    with pytest.raises(NotFoundError, match="no inquiry is pending"):
        respond(stage, "@last", YES)
    ask(stage)
    ask(stage)
    with pytest.raises(UsageError, match="could be any of these pending inquiries: 1, 2"):
        respond(stage, "@last", YES)
    respond(stage, "2", YES)
    assert respond(stage, "@last", NO).id == 1
    for word in ("17", "9" * 40):
        with pytest.raises(NotFoundError, match="no inquiry"):
            respond(stage, word, YES)


# --- time


def test_what_nobody_answers_ends_as_timeout(stage: Stage) -> None:
    execution = ask(stage, timeout_seconds=60)
    assert stage.engines["a"].next_due == inquiry_of(stage, execution).timeout_at
    stage.advance(61)
    row = stage.row(execution)
    assert (row.status, row.timed_out, row.result) == ("timeout", True, {"error": "inquiry timed out"})
    assert told(stage) == ["inquiry_created", "inquiry_timeout"]
    with pytest.raises(ConflictError, match="its status is timeout"):
        respond(stage, "1", YES)


def test_a_default_answer_counts_when_time_is_over(stage: Stage) -> None:
    execution = ask(stage, timeout_seconds=60, default_response=NO)
    stage.advance(61)
    assert stage.row(execution).result == {"response": NO, "__inquiry_id": 1, "responded_by": None}


def test_a_late_answer_is_refused_though_no_engine_has_noticed(stage: Stage) -> None:
    execution = ask(stage, timeout_seconds=60)
    stage.engines.pop("a").leave()
    stage.advance(61)
    with pytest.raises(ConflictError, match="its time was over"):
        respond(stage, "1", YES)
    with stage.store.write(stage.clock.now()) as tx:
        assert inquiries.any_ownerless(tx)
        inquiries.settle_ownerless(tx, sealer=stage.sealer)
        assert not inquiries.any_ownerless(tx)
    assert stage.status(execution) == ["timeout"]


def test_more_time_is_more_time(stage: Stage) -> None:
    execution = ask(stage, timeout_seconds=60)
    with stage.store.write(stage.clock.now()) as tx:
        inquiries.extend(tx, "1", by_seconds=60)
    stage.advance(61)
    assert stage.status(execution) == ["running"]
    stage.advance(60)
    assert stage.status(execution) == ["timeout"]
    ask(stage)
    with stage.store.write(stage.clock.now()) as tx:
        with pytest.raises(ConflictError, match="not pending"):
            inquiries.extend(tx, "1", by_seconds=60)
        with pytest.raises(ConflictError, match="has no time limit"):
            inquiries.extend(tx, "2", by_seconds=60)


def test_reminders_come_in_their_rhythm_and_missed_ones_are_not_made_good(stage: Stage) -> None:
    execution = ask(stage, remind_every=10, timeout_seconds=100)
    stage.advance(11)
    stage.advance(1)
    assert told(stage) == ["inquiry_created", "inquiry_reminder"]
    stage.advance(45)
    assert told(stage)[2:] == ["inquiry_reminder"]
    stage.advance(50)
    assert stage.status(execution) == ["timeout"]
    assert told(stage)[3:] == ["inquiry_timeout"]


# --- cancel


def test_cancelling_the_run_closes_the_question_and_a_late_answer_is_refused(stage: Stage) -> None:
    execution = ask(stage)
    stage.cancel(execution)
    assert stage.path(execution)[-2:] == ["canceling", "cancelled"]
    assert told(stage) == ["inquiry_created", "inquiry_cancelled"]
    with pytest.raises(ConflictError, match="its status is cancelled"):
        respond(stage, "1", YES)
    assert stage.status(execution) == ["cancelled"]


def test_an_answer_between_the_wish_to_cancel_and_its_carrying_out_is_refused(stage: Stage) -> None:
    execution = ask(stage)
    with stage.store.write(stage.clock.now()) as tx:
        executions.request_cancel(tx, execution, None)
    with pytest.raises(ConflictError, match="being cancelled"):
        respond(stage, "1", YES)


def test_a_question_of_a_workflow_that_somebody_wants_to_cancel_takes_no_answer(tmp_path: Path) -> None:
    stage = WorkflowStage(tmp_path)
    stage.host()
    stage.action("demo.ask", runner_type=INQUIRY_RUNNER)
    stage.workflow(task("ask", action="demo.ask"), ref="demo.inner")
    stage.workflow(task("inner", action="demo.inner"))
    flow = stage.begin()
    with stage.store.write(stage.clock.now()) as tx:
        executions.request_cancel(tx, flow, None)
    with pytest.raises(ConflictError, match=f"workflow {flow} is being cancelled"):
        respond(stage, "1", YES)
    stage.settle()
    assert shown(stage)["status"] == "cancelled"


@pytest.mark.parametrize("is_owned", [True, False])
def test_cancelling_the_question_cancels_the_run(stage: Stage, is_owned: bool) -> None:
    execution = ask(stage)
    if not is_owned:
        stage.engines.pop("a").leave()
    with stage.store.write(stage.clock.now()) as tx:
        inquiries.cancel(tx, "1", reason="not needed", sealer=stage.sealer)
    assert shown(stage)["status"] == "cancelled"
    stage.tick()
    row = stage.row(execution)
    assert (row.status, row.cancel_reason, shown(stage)["comment"]) == (
        "cancelled",
        "not needed",
        "not needed",
    )
    assert told(stage) == ["inquiry_created", "inquiry_cancelled"]


def test_cancelling_a_run_that_nobody_owns_takes_no_engine(stage: Stage) -> None:
    execution = ask(stage)
    stage.engines.pop("a").leave()
    with stage.store.write(stage.clock.now()) as tx:
        execution_service.cancel_ownerless(tx, execution_service.cancel(tx, str(execution), "a whim"))
    assert stage.status(execution) == ["cancelled"]
    assert shown(stage)["status"] == "cancelled"


def test_a_restored_database_closes_its_questions(stage: Stage) -> None:
    ask(stage)
    answered = ask(stage)
    with stage.store.write(stage.clock.now()) as tx:
        inquiries.respond(
            tx, "2", YES, by=inquiries.person(tx, "ben"), settings=stage.settings, sealer=stage.sealer
        )
        renew(tx, "its database was restored from a backup")
    assert (shown(stage)["status"], shown(stage, "2")["status"]) == ("cancelled", "responded")
    stage.host("b", kind="daemon")
    stage.tick()
    assert stage.status(answered) == ["abandoned"]
    assert stage.engines["b"].next_due is None


# --- actions that end by asking


def test_an_action_that_asks_gives_its_slot_back_and_keeps_what_it_left(stage: Stage) -> None:
    work = stage.submit()
    stage.end(work, asking({"prompt": "Go on?", "timeout_seconds": 60}, build="1.10"))
    other = stage.submit()
    assert stage.status(work, other) == ["running", "running"]
    assert stage.row(work).runner_ref is None
    respond(stage, "1", YES)
    row = stage.row(work)
    assert (row.status, row.exit_code) == ("completed", 0)
    assert row.result == {
        "exit_code": 0,
        "data": {"build": "1.10"},
        "response": YES,
        "__inquiry_id": 1,
        "responded_by": "ben",
    }
    assert stage.runs.started == [work, other]


@pytest.mark.parametrize(
    ("question", "told_of"),
    [
        ({"response_schema": {"n": {"type": "strnig"}}}, "response_schema.n.type: expected one of string"),
        ("really?", "the question is no object, but 'really?'"),
        ({"promt": "Go?"}, "promt: unknown field; did you mean prompt?"),
        ({"timeout_at": "2001-01-01T00:00:00Z", "prompt": "x"}, ""),
        ({"timeout_at": "1970-01-01T00:00:00Z"}, "timeout_at: is over already"),
    ],
)
def test_an_action_that_asks_what_cannot_be_asked_fails(stage: Stage, question: object, told_of: str) -> None:
    work = stage.submit(retry=Retry(count=3))
    stage.end(work, asking(question))
    error = stage.row(work).error
    if not told_of:
        assert stage.status(work) == ["running"]
        return
    assert error is not None
    assert told_of in error.message
    assert stage.all_ids() == [work]


def test_an_asking_action_that_is_not_answered_ends_as_timeout_with_its_own_result(stage: Stage) -> None:
    work = stage.submit(retry=Retry(count=3))
    stage.end(work, asking({"timeout_seconds": 5}, build="1.10"))
    stage.advance(6)
    row = stage.row(work)
    assert (row.status, row.exit_code) == ("timeout", 0)
    assert (row.result or {})["data"] == {"build": "1.10"}
    assert stage.all_ids() == [work]


def test_an_action_killed_with_its_engine_after_it_asked_is_asked_for_all_the_same(stage: Stage) -> None:
    work = stage.submit()
    stage.runs.ended[f"run-{work}"] = asking({"prompt": "Go on?"})
    stage.dies("a")
    stage.host("b", dead=("a",))
    assert shown(stage)["prompt"] == "Go on?"
    respond(stage, "1", YES)
    assert stage.status(work) == ["completed"]


def test_what_waits_outlives_its_engine(stage: Stage) -> None:
    question = ask(stage)
    work = stage.submit()
    stage.end(work, asking({}))
    stage.dies("a")
    stage.host("b", kind="daemon", dead=("a",))
    respond(stage, "1", YES)
    respond(stage, "2", YES)
    assert stage.status(question, work) == ["completed", "completed"]


def test_an_asking_action_can_be_cancelled(stage: Stage) -> None:
    work = stage.submit()
    stage.end(work, asking({}, build="1.10"))
    stage.cancel(work)
    assert stage.status(work) == ["cancelled"]
    assert (stage.row(work).result or {})["data"] == {"build": "1.10"}


# --- secrets


def test_a_secret_answer_is_sealed_and_shown_nowhere(stage: Stage) -> None:
    schema = {"user": {"type": "string"}, "password": {"type": "string", "secret": True, "required": True}}
    execution = ask(stage, response_schema=schema)
    respond(stage, "1", {"user": "anna", "password": "correct-horse"})
    assert shown(stage)["response"] == {"user": "anna", "password": REDACTED}
    assert (stage.row(execution).result or {})["response"] == {"user": "anna", "password": REDACTED}
    with stage.store.read(stage.clock.now()) as tx:
        sealed = executions.sealed_result(tx, execution)
    assert sealed is not None
    assert stage.sealer.unseal(sealed) == {"/response/password": "correct-horse"}
    assert "correct-horse" not in "\n".join(stage.store.connection.iterdump())


def test_a_secret_default_is_sealed_from_the_beginning_and_is_the_answer_in_the_end(stage: Stage) -> None:
    schema = {"user": {"type": "string"}, "pin": {"type": "string", "secret": True}}
    answer = {"user": "ann", "pin": "90210-90210"}
    execution = ask(stage, response_schema=schema, default_response=answer, timeout_seconds=60)
    hidden = {"user": "ann", "pin": REDACTED}
    assert shown(stage)["default_response"] == stage.row(execution).parameters["default_response"] == hidden
    stage.advance(61)
    assert (stage.row(execution).result or {})["response"] == hidden
    with stage.store.read(stage.clock.now()) as tx:
        sealed = executions.sealed_result(tx, execution)
    assert stage.sealer.unseal(sealed or b"") == {"/response/pin": "90210-90210"}
    stored = "\n".join(stage.store.connection.iterdump())
    assert "90210-90210" not in stored


def test_a_secret_answer_joins_the_secret_output_of_the_action_that_asked(stage: Stage) -> None:
    work = stage.submit()
    outcome = asking({"response_schema": {"pin": {"type": "string", "secret": True}}}, token=REDACTED)
    stage.end(work, replace(outcome, result_sealed=stage.sealer.seal({"/data/token": "t0k3n"})))
    respond(stage, "1", {"pin": "90210"})
    with stage.store.read(stage.clock.now()) as tx:
        sealed = executions.sealed_result(tx, work)
    assert sealed is not None
    assert stage.sealer.unseal(sealed) == {"/data/token": "t0k3n", "/response/pin": "90210"}


def test_what_was_told_in_confidence_is_masked_in_later_runs_of_its_tree_alone(stage: Stage) -> None:
    top = stage.submit()
    execution = ask(stage, parent=top, response_schema={"pin": {"type": "string", "secret": True}})
    respond(stage, str(inquiry_of(stage, execution).id), {"pin": "90210"})
    within = stage.submit(parent=top)
    stage.end(top)
    stranger = stage.submit()
    assert stage.runs.jobs[within].secrets == ("90210",)
    assert stage.runs.jobs[stranger].secrets == ()


# --- asked from inside a run


@pytest.mark.parametrize("how", ["failed", "cancelled", "tried again"])
def test_what_a_run_asked_that_ends_without_success_is_closed_with_the_reason(stage: Stage, how: str) -> None:
    work = stage.submit(retry=Retry(count=1 if how == "tried again" else 0))
    question = ask(stage, parent=work)
    if how == "cancelled":
        stage.cancel(work)
    stage.end(work, BAD)
    stage.tick()
    assert stage.status(question) == ["cancelled"]
    assert (shown(stage)["status"], shown(stage)["comment"]) == (
        "cancelled", f"execution {work}, which asked, has ended without success",
    )  # fmt: skip
    with pytest.raises(ConflictError):
        respond(stage, "1", YES)


def test_what_a_run_left_to_be_answered_outlives_its_good_end(stage: Stage) -> None:
    work = stage.submit()
    question = ask(stage, parent=work)
    stage.end(work)
    assert stage.status(work, question) == ["completed", "running"]
    respond(stage, "1", YES)
    assert stage.status(question) == ["completed"]


# --- many


def test_ten_thousand_that_wait_are_no_work(stage: Stage) -> None:
    with stage.store.write(stage.clock.now()) as tx:
        first = ask_in(tx, stage)
        tx.execute(
            """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
               INSERT INTO execution (action_ref, job, host, due, waits, status, created, updated)
               SELECT 'core.ask', (SELECT job FROM execution WHERE id = ?), 'a', 0, 1, 'requested', ?, ? FROM n""",
            (first, tx.now, tx.now),
        )
    while stage.store.connection.execute("SELECT 1 FROM execution WHERE status = 'requested'").fetchone():
        stage.tick()
    assert stage.engines["a"].next_due is None
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    stage.store.connection.set_progress_handler(step, 1000)
    stage.tick()
    stage.store.connection.set_progress_handler(None, 0)
    assert steps < 5  # thousands of SQLite's own steps: a look at each of them would take hundreds


def ask_in(tx: Any, stage: Stage) -> int:
    from attune_cli.runtime.services.submission import Submission, submit
    from tests.engine.question_stage import ASK

    request = Submission(action_ref="core.ask", definition=ASK)
    return submit(tx, request, settings=stage.settings, sealer=stage.sealer, host="a").id
