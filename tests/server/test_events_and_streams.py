"""Telling events with tokens, and following what happens: lists, server-sent events, WebSocket (api.md)."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from attune_cli.errors import ConflictError, UnavailableError
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.server import Server
from attune_cli.runtime.services.submission import Submission, submit
from attune_cli.runtime.services.tokens import issue_execution_token, issue_sensor_token
from attune_cli.runtime.store import definitions, executions
from tests.server.conftest import TRIGGER

if TYPE_CHECKING:
    import httpx

    from tests.server.conftest import Enable
    from tests.server.platform import StagePlatform

EVENTS = "/api/v1/events"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def execution(platform: StagePlatform) -> int:
    """An execution that waits: nothing runs here."""
    action = ActionDefinition(ref="stage.act", pack_ref="stage", runner_type="core.native")
    job = JobDefinition(kind="process", action=action, command=("/bin/true",), folder="/")
    submission = Submission(action_ref=action.ref, definition=job)
    return platform.do(
        lambda tx: submit(tx, submission, settings=platform.settings, sealer=platform.sealer, host=None)
    ).id


def test_an_event_is_told_and_read_back_by_the_administrator(admin: httpx.Client) -> None:
    told = admin.post(EVENTS, json={"trigger_ref": TRIGGER, "payload": {"n": 1}, "config": {"a": "b"}})
    assert told.status_code == 201
    event = admin.get(f"{EVENTS}/{told.json()['data']['id']}").json()["data"]
    assert (event["payload"], event["config"], event["has_payload"]) == ({"n": 1}, {"a": "b"}, True)
    bare = admin.post(EVENTS, json={"trigger_type": TRIGGER}).json()["data"]
    assert (bare["payload"], bare["has_payload"], bare["source"]) == ({}, False, "api")
    keyed = [admin.post(EVENTS, json={"trigger_ref": TRIGGER, "dedup_key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in keyed] == [201, 200]
    page = admin.get(EVENTS, params={"page_size": 2, "trigger_ref": TRIGGER}).json()
    assert [item["id"] for item in page["items"]] == [3, 2]
    assert page["pagination"] == {
        "page": 1, "page_size": 2, "total_items": 3, "total_pages": 2, "has_previous": False, "has_next": True,
    }  # fmt: skip
    assert admin.get(EVENTS, params={"limit": 5000, "offset": 2}).json()["pagination"]["page_size"] == 1000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"", 400),
        (b'{"trigger_ref": 1}', 400),
        (b'{"trigger_ref": "no.such"}', 404),
        (b'{"trigger_ref": "local.push", "payload": {"n": "x"}}', 422),
        (b'{"trigger_ref": "local.push", "config": [1]}', 400),
        (b'{"trigger_ref": "local.push", "trigger_instance_id": "rule_99"}', 404),
        (b'{"trigger_ref": "local.push", "payload": "' + b"x" * 1_100_000 + b'"}', 413),
        (b" " * 3_000_000, 413),
    ],
)
def test_a_faulty_event_is_refused_in_the_form_of_the_api(
    admin: httpx.Client, platform: StagePlatform, body: bytes, status: int
) -> None:
    answer = admin.post(EVENTS, content=body)
    assert answer.status_code == status, answer.text
    assert {"error", "code"} <= answer.json().keys() <= {"error", "code", "details"}
    assert platform.rows("SELECT count(*) FROM event") == [(0,)]


def test_without_a_valid_token_nothing_is_answered(client: httpx.Client, platform: StagePlatform) -> None:
    forged = issue_sensor_token(platform.sealer, "local.sensor", 0)
    for headers in (
        {},
        bearer("x"),
        bearer(forged),
        bearer("a.b.c"),
        {"Authorization": "Basic x"},
    ):
        for method, path in (
            ("GET", EVENTS),
            ("POST", EVENTS),
            ("GET", f"{EVENTS}/1"),
            ("GET", "/api/v1/executions/stream"),
            ("GET", "/api/v1/executions/1/logs/stdout"),
            ("POST", "/auth/refresh"),
        ):
            answer = client.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/health/detailed").json()["database"] == "connected"


def test_an_executions_token_tells_events_of_its_own_while_it_goes_on(
    client: httpx.Client, platform: StagePlatform, execution: int
) -> None:
    headers = bearer(issue_execution_token(platform.sealer, execution))
    told = client.post(EVENTS, json={"trigger_ref": TRIGGER}, headers=headers).json()["data"]
    assert (told["cause"], told["source_ref"]) == (execution, f"execution:{execution}")
    assert client.get(EVENTS, headers=headers).status_code == 403
    assert client.get(f"/api/v1/executions/{execution}/logs/stdout", headers=headers).status_code == 200
    assert client.get(f"/api/v1/executions/{execution + 1}/logs/stdout", headers=headers).status_code == 403
    platform.do(lambda tx: executions.cancel_ownerless(tx, execution))
    assert client.post(EVENTS, json={"trigger_ref": TRIGGER}, headers=headers).status_code == 401


def test_an_execution_that_calls_a_webhook_with_its_token_is_the_cause_of_the_event(
    client: httpx.Client, platform: StagePlatform, execution: int, enable: Enable
) -> None:
    path = enable()
    token = issue_execution_token(platform.sealer, execution)
    for headers, cause in ((bearer(token), execution), (bearer(f"{token}x"), None), ({}, None)):
        assert client.post(path, json={"n": 1}, headers=headers).status_code == 200
        assert platform.rows("SELECT cause FROM event ORDER BY id DESC LIMIT 1") == [(cause,)]


def test_a_sensors_token_fires_its_own_triggers_for_a_day(
    client: httpx.Client, platform: StagePlatform
) -> None:
    platform.do(
        lambda tx: definitions.put(
            tx, "sensor", ref="local.sensor", pack_ref="local", label="", description="", enabled=True,
            definition={"ref": "local.sensor", "pack_ref": "local", "trigger_types": [TRIGGER]},
        )
    )  # fmt: skip
    now = platform.clock.now()
    headers = bearer(issue_sensor_token(platform.sealer, "local.sensor", now))
    told = client.post(EVENTS, json={"trigger_ref": TRIGGER}, headers=headers).json()["data"]
    assert (told["source"], told["source_ref"]) == ("sensor", "local.sensor")
    other = client.post(
        EVENTS, json={"trigger_ref": "core.alert", "payload": {"severity": "info"}}, headers=headers
    )
    assert (other.status_code, other.json()["code"]) == (403, "wrong_trigger")
    renewed = client.post("/auth/refresh", headers=headers).json()["data"]
    assert renewed["token_type"] == "Bearer"
    assert client.post(
        EVENTS, json={"trigger_ref": TRIGGER}, headers=bearer(renewed["access_token"])
    ).is_success
    over = issue_sensor_token(platform.sealer, "local.sensor", now - 86_400 * SECOND)
    assert client.post(EVENTS, json={"trigger_ref": TRIGGER}, headers=bearer(over)).status_code == 401
    platform.do(lambda tx: definitions.set_enabled(tx, "sensor", "local.sensor", enabled=False))
    assert client.post(EVENTS, json={"trigger_ref": TRIGGER}, headers=headers).status_code == 401
    assert client.post("/auth/refresh", headers=headers).status_code == 401


def changes(admin: httpx.Client, count: int, **headers: str) -> list[tuple[str, Any]]:
    """Return the first events of the stream of executions."""
    found: list[tuple[str, Any]] = []
    kind = "message"
    with admin.stream("GET", "/api/v1/executions/stream", headers=headers) as stream:
        for line in stream.iter_lines():
            name, _, text = line.partition(": ")
            if name == "event":
                kind = text
            elif name == "data":
                found.append((kind, json.loads(text)))
                kind = "message"
                if len(found) == count:
                    break
    return found


def test_a_stream_of_changes_resumes_where_it_stopped_and_tells_of_a_gap(
    admin: httpx.Client, platform: StagePlatform, execution: int
) -> None:
    platform.do(lambda tx: executions.cancel_ownerless(tx, execution))
    (hello, _), (_, created), (_, ended) = changes(admin, 3, **{"Last-Event-ID": "0"})
    assert hello == "hello"
    assert (created["notification_type"], created["entity_id"]) == ("execution_created", execution)
    assert (ended["payload"]["status"], ended["seq"] > created["seq"]) == ("cancelled", True)
    assert changes(admin, 2, **{"Last-Event-ID": str(created["seq"])})[1][1] == ended
    platform.do(lambda tx: tx.execute("DELETE FROM notification WHERE sequence <= ?", (created["seq"],)))
    _, (kind, gap), (_, after) = changes(admin, 3, **{"Last-Event-ID": "0"})
    assert (kind, gap["oldest"], after) == ("gap", ended["seq"], ended)


def test_a_log_is_followed_to_its_end(admin: httpx.Client, platform: StagePlatform, execution: int) -> None:
    path = f"/api/v1/executions/{execution}/logs/stdout"
    folder = platform.home.runs / str(execution)
    folder.mkdir(parents=True)
    with admin.stream("GET", f"{path}/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: waiting"
        (folder / "stdout").write_bytes("grüß".encode()[:3])
        assert [next(lines) for _ in range(5)][2:] == ["event: content", "id: 2", "data: gr"]
        with (folder / "stdout").open("ab") as file:
            file.write("grüß".encode()[3:] + b"\n")
        assert [next(lines) for _ in range(5)] == ["", "event: content", "id: 7", "data: üß", "data: "]
        platform.do(lambda tx: executions.cancel_ownerless(tx, execution))
        assert [next(lines) for _ in range(2)] == ["", "event: done"]
    assert admin.get(path, params={"offset": 4}).content == "ß\n".encode()
    assert admin.get(f"/api/v1/executions/{execution}/logs/stdin").status_code == 422
    assert admin.get("/api/v1/executions/999/logs/stdout").status_code == 404


def test_a_websocket_hears_what_it_asked_for(admin: httpx.Client, platform: StagePlatform) -> None:
    token = platform.home.administrator_token.read_text().strip()
    url = str(admin.base_url).replace("http", "ws") + "/ws"

    async def listen() -> None:
        async with websockets.connect(url, subprotocols=["attune.v1", f"attune.jwt.{token}"]) as client:  # pyright: ignore[reportArgumentType] - plain names do
            assert client.subprotocol == "attune.v1"
            welcome = json.loads(await client.recv())
            assert welcome["type"] == "welcome"
            await client.send('{"type": "subscribe", "filter": "entity:event:2"}')
            await client.send("nonsense")
            assert json.loads(await client.recv())["type"] == "error"
            await client.send('{"type": "ping"}')
            assert json.loads(await client.recv()) == {"type": "pong"}
            for _ in range(3):
                await asyncio.to_thread(admin.post, EVENTS, json={"trigger_ref": TRIGGER})
            heard = json.loads(await asyncio.wait_for(client.recv(), 30))
            assert (heard["notification_type"], heard["entity_id"]) == ("event_created", 2)
            assert heard.keys() >= {"type", "entity_type", "payload", "timestamp", "seq"}
        async with websockets.connect(f"{url}?after=0", additional_headers=bearer(token)) as client:
            await client.recv()
            for _ in range(5):  # whoever comes back may take its time to say what it wants
                await client.send('{"type": "ping"}')
                await client.recv()
                await asyncio.to_thread(admin.get, "/health")
            await client.send('{"type": "subscribe", "filter": "notification_type:event_created"}')
            missed = [json.loads(await asyncio.wait_for(client.recv(), 30)) for _ in range(3)]
            assert [one["entity_id"] for one in missed] == [1, 2, 3]
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url)
        assert refused.value.response.status_code == 401

    asyncio.run(listen())


def test_a_port_that_is_taken_is_told_when_the_server_is_made(platform: StagePlatform) -> None:
    other = socket.create_server(("127.0.0.1", 0))
    with other, pytest.raises(ConflictError, match="taken by another program"):
        Server(platform, port=other.getsockname()[1])
    with pytest.raises(UnavailableError, match="nothing can listen"):
        Server(platform, host="192.0.2.1", port=0)


def test_a_token_that_others_can_read_is_not_used(platform: StagePlatform) -> None:
    platform.home.administrator_token.write_text("x" * 40)
    platform.home.administrator_token.chmod(0o644)
    with pytest.raises(UnavailableError, match="can be read by others"):
        Server(platform, port=0)
