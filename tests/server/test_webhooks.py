"""Requests from outside: what they become, and why they are refused (domain.md 3.6)."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from attune_cli.errors import UsageError
from attune_cli.runtime.services import keys, webhooks
from attune_cli.runtime.store.definitions import set_enabled
from tests.server.conftest import TRIGGER

if TYPE_CHECKING:
    from tests.server.conftest import Enable
    from tests.server.platform import StagePlatform

SECRET = "It's a Secret to Everybody"

# A push as GitHub delivers it: headers in its spelling, compact JSON.
PUSH = json.dumps(
    {
        "ref": "refs/heads/main",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": "0000000000000000000000000000000000000000",
        "repository": {
            "id": 35129377,
            "name": "greenhouse",
            "full_name": "octo-org/greenhouse",
            "private": False,
        },
        "pusher": {"name": "octocat", "email": "octocat@example.org"},
        "commits": [{"id": "6113728f", "message": "Öffne Ventil 3 – 水", "distinct": True}],
        "head_commit": None,
    },
    ensure_ascii=False,
    separators=(",", ":"),
).encode()


def github(
    body: bytes = PUSH, secret: str = SECRET, delivery: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
) -> dict[str, str]:
    return {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": "push",
        "X-GitHub-Hook-ID": "292430182",
        "X-GitHub-Hook-Installation-Target-ID": "79929171",
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-Hub-Signature": f"sha1={hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}",
        "X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}",
    }


def the_event(platform: StagePlatform) -> tuple[Any, dict[str, Any]]:
    """Return payload and config of the only event."""
    [(payload, config)] = platform.rows("SELECT payload, config FROM event")
    return json.loads(payload) if payload is not None else None, json.loads(config)


def calls(platform: StagePlatform) -> list[dict[str, Any]]:
    return platform.do(lambda tx: webhooks.list_calls(tx, TRIGGER, since=None, limit=100))


def test_a_push_as_github_sends_it_is_checked_and_becomes_an_event(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable(SECRET, style="github")
    answer = client.post(path, content=PUSH, headers=github())
    assert answer.status_code == 200
    told = answer.json()["data"]
    assert (told["trigger_ref"], told["message"]) == (TRIGGER, "Webhook received successfully")
    payload, config = the_event(platform)
    assert payload == json.loads(PUSH)
    assert config["source"] == "webhook"
    assert config["webhook_key"] == path.rpartition("/")[2]
    assert config["hmac_verified"] is True
    assert config["headers"]["x-github-event"] == "push"
    assert config["source_ip"] == "127.0.0.1"
    assert "x-hub-signature-256" not in config["headers"]
    [(row_id, source, source_ref)] = platform.rows("SELECT id, source, source_ref FROM event")
    assert (row_id, source, source_ref) == (told["event_id"], "webhook", "webhook")
    [call] = calls(platform)
    assert (call["status_code"], call["event"], call["signature_verified"]) == (200, row_id, True)
    assert call["delivery"] == "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def test_a_delivery_that_comes_twice_is_one_event(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable(SECRET, style="github")
    first, again, other = (
        client.post(path, content=PUSH, headers=github(delivery=name)).json()["data"]["event_id"]
        for name in ("one", "one", "two")
    )
    assert (first, again != other) == (again, True)
    assert platform.rows("SELECT count(*) FROM event") == [(2,)]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "no_signature"),
        ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, "wrong_signature"),
        ({"X-Hub-Signature-256": ""}, "wrong_signature"),
        ({"X-Hub-Signature-256": "sha256=zz"}, "wrong_signature"),
        ({"X-Hub-Signature-256": github(secret="another")["X-Hub-Signature-256"]}, "wrong_signature"),
        ({"X-Hub-Signature": github()["X-Hub-Signature"]}, "no_signature"),
        ({"X-Hub-Signature-256": github()["X-Hub-Signature"]}, "wrong_signature"),
    ],
)
def test_a_push_that_is_not_signed_rightly_is_refused_and_written_down(
    platform: StagePlatform, client: httpx.Client, enable: Enable, headers: dict[str, str], code: str
) -> None:
    path = enable(SECRET, style="github")
    answer = client.post(path, content=PUSH, headers={"Content-Type": "application/json", **headers})
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert platform.rows("SELECT count(*) FROM event") == [(0,)]
    [call] = calls(platform)
    assert (call["status_code"], call["event"], call["signature_verified"]) == (401, None, False)
    assert SECRET not in json.dumps(call)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
@pytest.mark.parametrize("form", ["{algorithm}={digest}", "{digest}"])
@pytest.mark.parametrize("header", ["X-Webhook-Signature", "X-Hub-Signature-256"])
def test_generic_signatures_stand_in_two_headers_and_two_forms(
    client: httpx.Client, enable: Enable, algorithm: str, form: str, header: str
) -> None:
    path = enable(SECRET, style="generic", algorithm=algorithm)
    digest = hmac.new(SECRET.encode(), b"hello", algorithm).hexdigest()
    signature = form.format(algorithm=algorithm, digest=digest)
    assert client.post(path, content=b"hello", headers={header: signature}).status_code == 200
    assert client.post(path, content=b"hello!", headers={header: signature}).status_code == 401


def slack(body: bytes, secret: str = SECRET) -> dict[str, str]:
    stamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, "sha256").hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }


def test_slack_is_answered_its_challenge_once_it_has_signed_it(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable(SECRET, style="slack", rate_count=1, rate_seconds=1000)
    body = json.dumps({"token": "x", "challenge": "3eZbrw1aB", "type": "url_verification"}).encode()
    answer = client.post(path, content=body, headers=slack(body))
    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1aB"})
    assert client.post(path, content=body, headers=slack(body, "wrong")).status_code == 401
    assert platform.rows("SELECT count(*) FROM event") == [(0,)]
    assert [(call["status_code"], call["event"]) for call in calls(platform)] == [(401, None), (200, None)]
    other = b'{"n": 1, "challenge": "x"}'
    assert "event_id" in client.post(path, content=other, headers=slack(other)).json()["data"]
    # What looks like a challenge is an event as any other where nobody signs as Slack does.
    path = enable(style="none", rate_count=None)
    assert (
        "event_id"
        in client.post(path, content=body, headers={"Content-Type": "application/json"}).json()["data"]
    )


def test_gitlab_sends_the_secret_itself(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable(SECRET, style="gitlab")
    headers = {"X-Gitlab-Token": SECRET, "X-Gitlab-Event": "Push Hook", "Idempotency-Key": "f5e5f430"}
    assert client.post(path, json={"object_kind": "push"}, headers=headers).status_code == 200
    assert client.post(path, json={"object_kind": "push"}, headers=headers).status_code == 200
    assert platform.rows("SELECT count(*) FROM event") == [(1,)]
    for wrong in ({}, {"X-Gitlab-Token": ""}, {"X-Gitlab-Token": SECRET + " "[:0] + "x"}):
        assert client.post(path, json={}, headers=wrong).status_code == 401
    assert SECRET not in json.dumps(calls(platform))
    assert SECRET not in json.dumps(the_event(platform))


def test_slack_signs_with_the_time_and_an_old_request_is_taken_for_a_recorded_one(
    client: httpx.Client, enable: Enable
) -> None:
    path = enable(SECRET, style="slack")

    def headers(age: int) -> dict[str, str]:
        stamp = str(int(time.time()) - age)
        digest = hmac.new(SECRET.encode(), f"v0:{stamp}:token=x&text=hi".encode(), "sha256").hexdigest()
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
        }

    body = b"token=x&text=hi"
    assert client.post(path, content=body, headers=headers(2)).status_code == 200
    for age in (400, -400):
        old = client.post(path, content=body, headers=headers(age))
        assert (old.status_code, old.json()["code"]) == (401, "replayed")
    without = {name: value for name, value in headers(0).items() if "Timestamp" not in name}
    assert client.post(path, content=body, headers=without).json()["code"] == "no_signature"


@pytest.mark.parametrize(
    ("kind", "body", "payload"),
    [
        ("application/json", b'{"a": [1, null, "\xc3\xbc"]}', {"a": [1, None, "ü"]}),
        ("application/json; charset=utf-8", b"\xef\xbb\xbf[1]", [1]),
        ("application/vnd.github+json", b'"text"', "text"),
        ("application/json", b"", None),
        ("application/x-www-form-urlencoded", b"a=1&b=x+y&b=z&c=", {"a": "1", "b": ["x y", "z"], "c": ""}),
        ("application/x-www-form-urlencoded", b'{"curl": "-d"}', {"curl": "-d"}),
        ("application/x-www-form-urlencoded", b"payload=%7B%22zen%22%3A%22x%22%7D", {"zen": "x"}),
        ("application/x-www-form-urlencoded", b"payload=hello", {"payload": "hello"}),
        ("text/plain", b'{"stays": "text"}', '{"stays": "text"}'),
        ("text/plain; charset=iso-8859-1", b"\xfcber", "über"),
        ("", b"just words", "just words"),
        ("", b'{"a": 1}', {"a": 1}),
        ("application/json", b'{"payload": {"n": 1}, "headers": {"X-Event": "e"}}', {"n": 1}),
        ("application/json", b'{"payload": [], "source_ip": "192.0.2.7", "user_agent": "relay"}', []),
        ("application/json", b'{"payload": 1, "action": "opened"}', {"payload": 1, "action": "opened"}),
    ],
)
def test_json_forms_and_text_become_payloads_and_the_wrapper_is_taken_off(
    platform: StagePlatform, client: httpx.Client, enable: Enable, kind: str, body: bytes, payload: Any
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert client.post(enable(), content=body, headers=headers).status_code == 200
    assert the_event(platform)[0] == payload


def test_a_wrapper_says_what_it_knows_of_the_first_sender(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    wrapper = {"payload": 1, "headers": {"X-Event": "e", "Authorization": "secret"}, "source_ip": "192.0.2.7"}
    client.post(enable(), json=wrapper)
    config = the_event(platform)[1]
    assert config["headers"] == {"x-event": "e"}
    assert (config["source_ip"], config["remote_address"]) == ("192.0.2.7", "127.0.0.1")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b'{"a": NaN}', 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b"\xff", 400),
        ("application/json", b'"\\ud800"', 422),
        ("application/json", b'{"payload": {}, "headers": {"a": "\\ud800"}}', 422),
        ("application/json", b'{"payload": {}, "user_agent": "\\ud800"}', 422),
        ("application/json", b'{"n": 1, "x": 1e999}', 422),
        ("application/json", b'{"n": 1, "x": ' + b"[" * 100 + b"]" * 100 + b"}", 422),
        ("text/plain", b"\xff", 400),
        ("text/plain; charset=ebcdic", b"x", 415),
        ("text/plain; charset=hex", b"x", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/x-www-form-urlencoded", b"no equals sign", 400),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 5000), 400),
        ("application/json", b'{"n": "no number"}', 422),
    ],
)
def test_a_body_that_cannot_be_read_starts_nothing(
    platform: StagePlatform, client: httpx.Client, enable: Enable, kind: str, body: bytes, status: int
) -> None:
    answer = client.post(enable(), content=body, headers={"Content-Type": kind})
    assert (answer.status_code, set(answer.json())) == (status, {"error", "code"})
    assert platform.rows("SELECT count(*) FROM event") == [(0,)]
    assert calls(platform)[0]["status_code"] == status
    assert client.post(enable(), json={"n": 1}).status_code == 200


def test_a_body_that_is_too_large_is_not_read_to_its_end(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable(max_body_bytes=1000)
    assert client.post(path, content=b"x" * 1000).status_code == 200
    announced = client.post(path, content=b"x" * 1001)
    assert (announced.status_code, announced.json()["code"]) == (413, "too_large")

    sent = 0

    def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 65536

    with suppress(httpx.TransportError):  # the connection is closed under what is still being sent
        assert client.post(path, content=endless()).status_code == 413
    assert sent < 1000
    assert [call["status_code"] for call in calls(platform)] == [413, 413, 200]


def test_only_addresses_on_the_list_may_call(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable(allow=("192.0.2.0/24",))
    spoofed = client.post(path, json={}, headers={"X-Forwarded-For": "192.0.2.7"})
    assert (spoofed.status_code, spoofed.json()["code"]) == (403, "address_not_allowed")
    enable(trusted_proxies=("127.0.0.1",))
    assert client.post(path, json={}, headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 200
    assert client.post(path, json={}, headers={"X-Forwarded-For": "192.0.2.7, 127.0.0.1"}).status_code == 200
    for told in ("192.0.2.7, 198.51.100.1", "nonsense", "", "192.0.2.7, nonsense", "127.0.0.1"):
        assert client.post(path, json={}, headers={"X-Forwarded-For": told}).status_code == 403
    assert client.post(path, json={}).status_code == 403
    assert platform.rows("SELECT count(*) FROM event") == [(2,)]


def test_more_calls_than_the_rate_are_told_when_to_come_again(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable(rate_count=3, rate_seconds=1000)
    answers = [client.post(path, json={"n": n}) for n in range(10)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 7
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 1000
    assert platform.rows("SELECT count(*) FROM event") == [(3,)]


def test_a_flood_of_refused_calls_is_kept_within_bounds(
    platform: StagePlatform, client: httpx.Client, enable: Enable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attune_cli.runtime.store.webhooks.KEPT_REFUSED", 20)
    path = enable(SECRET)
    good = client.post(
        path,
        content=b"x",
        headers={"X-Webhook-Signature": hmac.new(SECRET.encode(), b"x", "sha256").hexdigest()},
    )
    assert good.status_code == 200
    for _ in range(250):
        assert client.post(path, content=b"x").status_code == 401
    refused, accepted = platform.rows(
        "SELECT count(*) FILTER (WHERE event IS NULL), count(*) FILTER (WHERE event IS NOT NULL) FROM webhook_call"
    )[0]
    assert (accepted, refused <= 120) == (1, True)


def test_an_unknown_address_and_one_that_is_off_are_the_same(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable()
    platform.do(lambda tx: webhooks.disable(tx, TRIGGER))
    off = client.post(path, json={})
    unknown = client.post(f"{webhooks.PATH}wh_{'0' * 32}", json={})
    assert (off.status_code, off.content) == (404, unknown.content)
    enable()
    platform.do(lambda tx: set_enabled(tx, "trigger", TRIGGER, enabled=False))
    assert client.post(path, json={}).status_code == 404
    assert platform.rows("SELECT count(*) FROM event") == [(0,)]


def test_a_rotated_secret_and_a_rotated_address_are_taken_for_a_while(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable(SECRET, style="gitlab")

    def rotate(secret: str | None, grace_seconds: float) -> str:
        found = platform.do(
            lambda tx: webhooks.rotate(
                tx, TRIGGER, sealer=platform.sealer, secret=secret, grace_seconds=grace_seconds
            )
        )
        return f"{webhooks.PATH}{found.key}"

    def status(where: str, secret: str) -> int:
        return client.post(where, json={}, headers={"X-Gitlab-Token": secret}).status_code

    rotate("second", 1000)
    assert (status(path, SECRET), status(path, "second"), status(path, "third")) == (200, 200, 401)
    rotate("third", 0)
    assert (status(path, SECRET), status(path, "second"), status(path, "third")) == (401, 401, 200)
    moved = rotate(None, 1000)
    assert (moved != path, status(path, "third"), status(moved, "third")) == (True, 200, 200)
    again = rotate(None, 0)
    assert (status(path, "third"), status(moved, "third"), status(again, "third")) == (404, 404, 200)


def test_a_secret_that_is_a_key_follows_the_key_and_without_it_nothing_is_believed(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    def keep(value: str) -> None:
        platform.do(lambda tx: keys.set_key(tx, "hooks.secret", value, sealer=platform.sealer))

    keep("first")
    path = enable("key://hooks.secret", style="gitlab")
    assert client.post(path, json={}, headers={"X-Gitlab-Token": "first"}).status_code == 200
    keep("second")
    assert client.post(path, json={}, headers={"X-Gitlab-Token": "first"}).status_code == 401
    assert client.post(path, json={}, headers={"X-Gitlab-Token": "second"}).status_code == 200
    platform.do(lambda tx: keys.delete_keys(tx, ["hooks.secret"]))
    for token in ("second", ""):
        answer = client.post(path, json={}, headers={"X-Gitlab-Token": token})
        assert (answer.status_code, answer.json()["code"]) == (401, "no_secret")


def test_signatures_without_a_secret_are_refused_when_they_are_asked_for(enable: Enable) -> None:
    with pytest.raises(UsageError, match="need a secret"):
        enable(style="github")


def test_every_fault_of_a_set_up_is_told(admin: httpx.Client) -> None:
    body = {"style": "bitbucket", "allow": ["10.0.0.0/99"], "rate_count": 0, "max_body_bytes": "big"}
    answer = admin.post(f"/api/v1/triggers/{TRIGGER}/webhooks/enable", json=body)
    assert answer.status_code == 422
    assert {detail["path"] for detail in answer.json()["details"]} == set(body)
    assert admin.post(f"/api/v1/triggers/{TRIGGER}/webhooks/enable", json={"hmac": 1}).status_code == 400


def test_the_administrator_switches_webhooks_and_gives_them_new_addresses(
    admin: httpx.Client, client: httpx.Client
) -> None:
    base = f"/api/v1/triggers/{TRIGGER}/webhooks"
    assert client.post(f"{base}/enable").status_code == 401
    assert admin.post(f"{base}/regenerate").status_code == 404
    enabled = admin.post(f"{base}/enable").json()["data"]
    assert (enabled["ref"], enabled["webhook_enabled"]) == (TRIGGER, True)
    assert enabled["webhook_url"].endswith(f"/api/v1/webhooks/{enabled['webhook_key']}")
    assert len(enabled["webhook_key"]) == len("wh_") + 32
    assert client.post(enabled["webhook_url"], json={}).status_code == 200
    renewed = admin.post(f"{base}/regenerate").json()["data"]
    assert client.post(enabled["webhook_url"], json={}).status_code == 404
    assert client.post(renewed["webhook_url"], json={}).status_code == 200
    disabled = admin.post(f"{base}/disable").json()["data"]
    assert (disabled["webhook_enabled"], disabled["webhook_key"]) == (False, None)
    assert admin.post(f"{base}/regenerate").status_code == 400
    assert admin.post("/api/v1/triggers/local.nothing/webhooks/enable").status_code == 404


def test_what_is_no_http_at_all_harms_nobody(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable()
    port = client.base_url.port or 0
    for junk in (
        b"\0" * 4096,
        b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf".encode())
    assert client.post(path, json={}).status_code == 200
    assert platform.rows("SELECT count(*) FROM event") == [(1,)]
