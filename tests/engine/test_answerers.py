"""Stories about who may answer a question: persons, roles, and never who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.errors import ConflictError, DeniedError
from tests.engine.question_stage import ask, respond, shown
from tests.engine.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

YES = {"approved": True}
NO = {"approved": False}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage with two roles, and a host."""
    made = Stage(tmp_path, roles=(("ops", ("ben", "carl", "anna")), ("none", ())))
    made.host()
    return made


def test_only_who_it_is_assigned_to_may_answer(stage: Stage) -> None:
    ask(stage, assigned_to="carl")
    ask(stage, assigned_to="role:ops")
    ask(stage, assigned_to="role:none")
    with pytest.raises(DeniedError, match="it is assigned to carl, not to ben"):
        respond(stage, "1", YES, by="ben")
    respond(stage, "1", YES, by="carl")
    with pytest.raises(DeniedError, match="assigned to role:ops, not to dora"):
        respond(stage, "2", YES, by="dora")
    respond(stage, "2", YES, by="ben")
    with pytest.raises(DeniedError, match="role:none"):
        respond(stage, "3", YES, by="root")


def test_a_run_does_not_answer_what_its_own_tree_asks(stage: Stage) -> None:
    work = stage.submit(executor="anna")
    question = ask(stage, parent=work)
    inner = stage.submit(parent=work)
    for inside in (work, inner, question):
        with pytest.raises(DeniedError, match="asked by the run that would answer it"):
            respond(stage, "1", YES, inside=inside)
    stage.end(inner)
    stage.end(work)
    stranger = stage.submit(executor="dora")
    assert respond(stage, "1", YES, by=None, inside=stranger).responded_by == "dora"


def test_two_persons_approve_and_neither_is_who_asked(stage: Stage) -> None:
    execution = ask(stage, approvals={"required": 2, "from": ["role:ops", "dora"]})
    with pytest.raises(DeniedError, match="anna asked for the run, and may not approve it"):
        respond(stage, "1", YES, by="anna")
    with pytest.raises(DeniedError, match="needs the approval of role:ops, dora, not of emil"):
        respond(stage, "1", YES, by="emil")
    assert respond(stage, "1", YES, by="ben", comment="looks fine").is_pending
    with pytest.raises(ConflictError, match="ben has answered inquiry 1 already"):
        respond(stage, "1", YES, by="ben")
    assert stage.status(execution) == ["running"]
    respond(stage, "1", YES, by="dora")
    assert stage.status(execution) == ["completed"]
    given = shown(stage)["approvals"]["given"]
    assert [(vote["person"], vote["approved"], vote["comment"]) for vote in given] == [
        ("ben", True, "looks fine"),
        ("dora", True, None),
    ]


def test_who_asked_for_a_tree_does_not_approve_it_whatever_a_run_inside_it_goes_by(stage: Stage) -> None:
    work = stage.submit(executor="anna")
    ask(stage, executor="mallory", parent=work, approvals={"required": 1})
    with pytest.raises(DeniedError, match="anna asked for the run, and may not approve it"):
        respond(stage, "1", YES, by="anna")
    assert shown(stage)["requester"] == "anna"


def test_a_role_that_no_system_could_have_has_no_members(stage: Stage) -> None:
    ask(stage, assigned_to="role:o\x00ps")
    with pytest.raises(DeniedError, match="not to ben"):
        respond(stage, "1", YES)


def test_one_rejection_ends_it(stage: Stage) -> None:
    execution = ask(stage, approvals={"required": 3})
    respond(stage, "1", YES, by="ben")
    respond(stage, "1", NO, by="carl")
    assert (stage.row(execution).result or {}) == {"response": NO, "__inquiry_id": 1, "responded_by": "carl"}


def test_approvals_that_nobody_could_ever_give_fail_and_say_so(stage: Stage) -> None:
    execution = ask(stage, approvals={"required": 2, "from": ["anna", "ben", "ben"]})
    error = stage.row(execution).error
    assert error is not None
    assert (
        "2 approvals are required, and only ben may give them, because anna asked for the run"
        in error.message
    )
