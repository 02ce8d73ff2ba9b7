"""Inquiries over HTTP: asked, read and answered, with every refusal in the form of the API (api.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.services.people import login
from attune_cli.runtime.services.submission import Submission, submit
from attune_cli.runtime.services.tokens import issue_execution_token
from attune_cli.runtime.store import executions
from tests.engine.question_stage import ASK

if TYPE_CHECKING:
    import httpx

    from tests.server.platform import StagePlatform

INQUIRIES = "/api/v1/inquiries"
ACT = JobDefinition(
    kind="process",
    action=ActionDefinition(ref="stage.act", pack_ref="stage", runner_type="core.native"),
    command=("/bin/true",),
    folder="/",
)


def start(platform: StagePlatform, definition: JobDefinition, **details: Any) -> int:
    request = Submission(action_ref=definition.action.ref, definition=definition, executor="anna", **details)
    return platform.do(
        lambda tx: submit(tx, request, settings=platform.settings, sealer=platform.sealer, host=None)
    ).id


def running(platform: StagePlatform, **details: Any) -> int:
    """An execution that goes on, though nothing of it runs here."""
    execution_id = start(platform, ACT, **details)

    def run(tx: Any) -> None:
        execution = executions.startable(tx, execution_id)
        assert execution is not None
        assert executions.run(tx, execution, "stage", "nothing")

    platform.do(run)
    return execution_id


def as_execution(platform: StagePlatform, execution: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue_execution_token(platform.sealer, execution)}"}


@pytest.fixture
def question(platform: StagePlatform) -> int:
    """An execution that waits for the answer to inquiry 1."""
    schema = {"approved": {"type": "boolean", "required": True}, "pin": {"type": "string", "secret": True}}
    return start(platform, ASK, parameters={"prompt": "Open valve 3?", "response_schema": schema})


def respond(who: httpx.Client, number: int, response: object, **more: Any) -> httpx.Response:
    return who.post(f"{INQUIRIES}/{number}/respond", json={"response": response, **more})


def test_an_inquiry_is_read_answered_and_its_execution_goes_on(
    admin: httpx.Client, platform: StagePlatform, question: int
) -> None:
    assert admin.get(f"{INQUIRIES}/1").json()["data"]["prompt"] == "Open valve 3?"
    for path in (INQUIRIES, f"{INQUIRIES}/status/pending", f"/api/v1/executions/{question}/inquiries"):
        assert [item["id"] for item in admin.get(path).json()["items"]] == [1], path
    answer = respond(admin, 1, {"approved": True, "pin": "90210"}, comment="go")
    assert answer.status_code == 200
    record = answer.json()["data"]
    assert (record["status"], record["responded_by"], record["comment"]) == ("responded", login(), "go")
    assert record["response"] == {"approved": True, "pin": REDACTED}
    assert "90210" not in answer.text + admin.get(f"{INQUIRIES}/1").text
    assert platform.rows("SELECT status FROM execution WHERE id = ?", question) == [("completed",)]
    assert admin.get(INQUIRIES, params={"status": "pending"}).json()["items"] == []
    late = respond(admin, 1, {"approved": False})
    assert (late.status_code, late.json()["code"]) == (409, "responded")
    assert "responded" in late.json()["error"]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["response"]),
        (
            {"respnse": 1, "comment": 7, "responded_by": ""},
            ["response", "comment", "responded_by", "respnse"],
        ),
        ({"response": {"approved": "maybe", "colour": "red"}}, ["approved", "colour"]),
        ({"response": None}, [""]),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_all_its_faults(
    admin: httpx.Client, question: int, body: dict[str, Any], paths: list[str]
) -> None:
    assert question
    answer = admin.post(f"{INQUIRIES}/1/respond", json=body)
    assert answer.status_code == 400
    assert [fault["path"] for fault in answer.json()["details"]] == paths
    assert admin.get(f"{INQUIRIES}/1").json()["data"]["status"] == "pending"


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"response": NaN}'])
def test_a_body_that_is_no_answer_is_refused(admin: httpx.Client, question: int, body: bytes) -> None:
    assert question
    assert admin.post(f"{INQUIRIES}/1/respond", content=body).status_code == 400


def test_who_asks_for_what_is_not_there_is_told(admin: httpx.Client) -> None:
    assert respond(admin, 7, True).status_code == 404
    for path in (
        f"{INQUIRIES}/7",
        f"{INQUIRIES}/x",
        f"{INQUIRIES}/{'9' * 30}",
        "/api/v1/executions/7/inquiries",
    ):
        assert admin.get(path).status_code == 404, path
    for path in (f"{INQUIRIES}/status/open", f"{INQUIRIES}?status=open", f"{INQUIRIES}?execution=x"):
        assert admin.get(path).status_code == 400, path


def test_a_run_asks_reads_the_answer_and_does_not_answer_itself(
    admin: httpx.Client, client: httpx.Client, platform: StagePlatform
) -> None:
    execution = running(platform)
    own = as_execution(platform, execution)
    asked = client.post(INQUIRIES, headers=own, json={"execution": execution, "prompt": "Go on?"})
    assert asked.status_code == 201, asked.text
    again = client.post(INQUIRIES, headers=own, json={"execution": execution})
    assert (again.status_code, again.json()["code"]) == (409, "asked_already")
    refused = client.post(f"{INQUIRIES}/1/respond", headers=own, json={"response": {"approved": True}})
    assert refused.status_code == 403
    assert "asked by the run that would answer it" in refused.json()["error"]
    assert client.get(f"{INQUIRIES}/1", headers=own).json()["data"]["status"] == "pending"
    assert respond(admin, 1, {"approved": True}, responded_by="ben").json()["data"]["responded_by"] == "ben"
    assert client.get(f"{INQUIRIES}/1", headers=own).json()["data"]["response"] == {"approved": True}
    assert platform.rows("SELECT status FROM execution WHERE id = ?", execution) == [("running",)]


def test_a_run_of_another_tree_answers_for_who_asked_for_it_and_sees_no_other_tree(
    client: httpx.Client, platform: StagePlatform, question: int
) -> None:
    other = as_execution(platform, running(platform))
    for path in (f"{INQUIRIES}/1", f"/api/v1/executions/{question}/inquiries", INQUIRIES):
        assert client.get(path, headers=other).status_code == 403, path
    body: dict[str, Any] = {"response": {"approved": True}, "responded_by": "ben"}
    assert client.post(f"{INQUIRIES}/1/respond", headers=other, json=body).status_code == 403
    del body["responded_by"]
    answer = client.post(f"{INQUIRIES}/1/respond", headers=other, json=body)
    assert (answer.status_code, answer.json()["data"]["responded_by"]) == (200, "anna")


def test_what_is_assigned_to_somebody_else_is_refused(admin: httpx.Client, platform: StagePlatform) -> None:
    start(platform, ASK, parameters={"assigned_to": "carl"})
    refused = respond(admin, 1, {"approved": True}, responded_by="ben")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    for name in ("carl\x1b[2J", " "):
        misread = respond(admin, 1, {"approved": True}, responded_by=name)
        assert (misread.status_code, misread.json()["code"]) == (400, "invalid_field"), name
    assert respond(admin, 1, {"approved": True}, responded_by=" carl ").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "paths"),
    [
        ({}, 400, ["execution"]),
        (
            {
                "execution": "1",
                "promt": "x",
                "response_schema": {"a": {"type": "strnig"}},
                "timeout_at": "soon",
            },
            400,
            ["execution", "promt", "response_schema.a.type", "timeout_at"],
        ),
        ({"execution": 1, "timeout_at": "2001-01-01T00:00:00Z"}, 400, ["timeout_at"]),
        ({"execution": True}, 400, ["execution"]),
        ({"execution": 99}, 404, []),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_with_all_its_faults(
    admin: httpx.Client, platform: StagePlatform, body: dict[str, Any], status: int, paths: list[str]
) -> None:
    running(platform)
    answer = admin.post(INQUIRIES, json=body)
    assert answer.status_code == status, answer.text
    assert [fault["path"] for fault in answer.json().get("details", [])] == paths
    assert platform.rows("SELECT count(*) FROM inquiry") == [(0,)]


def test_only_what_runs_may_ask_and_only_for_itself(
    admin: httpx.Client, client: httpx.Client, platform: StagePlatform, question: int
) -> None:
    waiting, one, other = start(platform, ACT), running(platform), running(platform)
    for execution in (waiting, question):
        answer = admin.post(INQUIRIES, json={"execution": execution})
        assert (answer.status_code, answer.json()["code"]) == (409, "not_running")
    answer = client.post(INQUIRIES, headers=as_execution(platform, one), json={"execution": other})
    assert answer.status_code == 403


def test_without_a_valid_token_nothing_is_answered(client: httpx.Client, question: int) -> None:
    for method, path in (
        ("GET", INQUIRIES),
        ("POST", INQUIRIES),
        ("GET", f"{INQUIRIES}/1"),
        ("GET", f"{INQUIRIES}/status/pending"),
        ("POST", f"{INQUIRIES}/1/respond"),
        ("GET", f"/api/v1/executions/{question}/inquiries"),
    ):
        assert client.request(method, path).status_code == 401, path


def test_two_people_at_once_are_one_answer_and_one_refusal(admin: httpx.Client, question: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    assert question
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: respond(admin, 1, {"approved": n % 2 == 0}, responded_by=f"p{n}"), range(8))
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    (won,) = [answer.json()["data"] for answer in answers if answer.status_code == 200]
    assert admin.get(f"{INQUIRIES}/1").json()["data"] == won
