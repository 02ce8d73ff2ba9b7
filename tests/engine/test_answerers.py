"""Stories about who may answer a question: persons, roles, and never who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.errors import ConflictError, DeniedError, UsageError
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.store import executions
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


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            {"assigned_to": "ben", "approvals": {"required": 2, "from": ["ben", "carla"]}},
            "2 approvals are required, and only ben may give them, because it is assigned to ben",
        ),
        (
            {"assigned_to": "ben", "approvals": {"required": 2}},
            "2 approvals are required, and only ben may give them, because it is assigned to ben",
        ),
        (
            {"assigned_to": "ben", "approvals": {"from": ["carla"]}},
            "1 approval is required, and nobody may give it, because it is assigned to ben",
        ),
    ],
)
def test_approvals_from_others_than_who_it_is_assigned_to_start_nothing(
    stage: Stage, question: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        ask(stage, **question)
    assert [(one.path, one.message) for one in caught.value.details] == [("approvals", told)]


def test_an_approval_that_is_assigned_to_who_asked_for_the_run_fails_and_says_so(stage: Stage) -> None:
    error = stage.row(ask(stage, assigned_to="anna", approvals={"from": ["role:ops"]})).error
    assert error is not None
    assert "nobody may give it, because anna asked for the run and it is assigned to anna" in error.message


def test_approvals_within_who_it_is_assigned_to_are_waited_for(stage: Stage) -> None:
    for given in ("ben", "role:ops"):
        ask(stage, assigned_to=given, approvals={"required": 1, "from": ["role:ops", "dora"]})
    assert ask(stage, assigned_to="role:ops", approvals={"required": 2, "from": ["ben", "carl"]})
    assert respond(stage, "1", YES, by="ben").status == "responded"
    assert respond(stage, "3", YES, by="ben").is_pending


# --- several who approve, approve the same

SHARED = {
    "approved": {"type": "boolean", "required": True},
    "share": {"type": "integer", "minimum": 1, "maximum": 100, "required": True},
    "why": {"type": "string"},
}


def ask_two(stage: Stage, **fields: object) -> int:
    """Ask for a share that two persons approve."""
    return ask(stage, response_schema={**SHARED, **fields}, approvals={"required": 2})


def test_an_approval_of_other_values_is_refused_and_says_who_approved_what(stage: Stage) -> None:
    execution = ask_two(stage)
    respond(stage, "1", {"approved": True, "share": 5, "why": "it is late"}, by="ben")
    with pytest.raises(ConflictError, match="approved with the same values by all") as caught:
        respond(stage, "1", {"approved": True, "share": 100}, by="carl")
    assert [(one.path, one.message) for one in caught.value.details] == [("share", "ben approved 5, not 100")]
    assert caught.value.hint == "attune inquiry respond 1 --approve approves the same; --reject ends it"
    assert stage.status(execution) == ["running"]
    respond(stage, "1", {"approved": True, "share": 5, "why": "fine"}, by="carl")
    assert (stage.row(execution).result or {})["response"] == {"approved": True, "share": 5, "why": "fine"}


def test_an_approval_takes_over_what_it_leaves_open_and_free_text_stays_with_who_said_it(
    stage: Stage,
) -> None:
    execution = ask_two(stage)
    respond(stage, "1", {"approved": True, "share": 5, "why": "it is late"}, by="ben")
    respond(stage, "1", YES, by="carl")
    result = stage.row(execution).result or {}
    assert result["response"] == {"approved": True, "share": 5, "why": "it is late"}
    assert [vote["response"] for vote in shown(stage)["approvals"]["given"]] == [
        {"approved": True, "share": 5, "why": "it is late"},
        {"approved": True, "share": 5},
    ]


def test_a_rejection_need_not_be_of_the_same_values_and_has_words_of_its_own(stage: Stage) -> None:
    ask_two(stage)
    ask_two(stage)
    respond(stage, "1", {"approved": True, "share": 5, "why": "it is late"}, by="ben")
    respond(stage, "2", {"approved": True, "share": 5, "why": "it is late"}, by="ben")
    assert respond(stage, "1", NO, by="carl").response == {"approved": False, "share": 5}
    assert respond(stage, "2", {"approved": False, "share": 9}, by="carl").response == {
        "approved": False,
        "share": 9,
    }


def test_an_answer_without_a_yes_or_no_is_not_made_an_approval(stage: Stage) -> None:
    ask_two(stage)
    respond(stage, "1", {"approved": True, "share": 5}, by="ben")
    with pytest.raises(UsageError, match="does not fit"):
        respond(stage, "1", {"share": 5}, by="carl")


def test_secret_values_have_to_be_the_same_and_are_not_told(stage: Stage) -> None:
    execution = ask_two(stage, pin={"type": "integer", "secret": True, "required": True})
    respond(stage, "1", {"approved": True, "share": 5, "pin": 987123}, by="ben")
    with pytest.raises(ConflictError) as caught:
        respond(stage, "1", {"approved": True, "pin": 987124}, by="carl")
    assert [one.message for one in caught.value.details] == ["ben approved another value (secret)"]
    respond(stage, "1", YES, by="carl")
    assert (stage.row(execution).result or {})["response"]["pin"] == REDACTED
    with stage.store.read(stage.clock.now()) as tx:
        sealed = executions.sealed_result(tx, execution)
    assert sealed is not None
    assert list(stage.sealer.unseal(sealed).values()) == [987123]
