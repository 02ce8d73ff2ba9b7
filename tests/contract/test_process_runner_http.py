"""The http runtime: one request in a supervised child, against a real server on this machine (domain.md 2.11)."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.runner_bench import Observed, ProcessBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Answers as its paths say, and remembers what it was asked."""

    url: str
    requests: list[Request] = field(default_factory=list[Request])

    @property
    def last(self) -> Request:
        return self.requests[-1]


ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/text": (200, {"Content-Type": "text/plain; charset=latin-1"}, b"caf\xe9"),
    "/json": (200, {"Content-Type": "application/json"}, '{"ok": [1, "ü"]}'.encode()),
    "/broken-json": (200, {"Content-Type": "application/json"}, b'{"ok"'),
    "/odd-json": (200, {"Content-Type": "application/json"}, b'{"n": [NaN, 1e999]}'),
    "/deep-json": (200, {"Content-Type": "application/json"}, b"[" * 100_000),
    "/half-json": (200, {"Content-Type": "application/json"}, rb'{"half": "\ud800"}'),
    "/binary": (200, {"Content-Type": "application/octet-stream"}, bytes(range(256))),
    "/teapot": (418, {}, b"short and stout"),
    "/error": (500, {"Content-Type": "text/plain"}, b"sorry"),
    "/none": (204, {}, b""),
    "/moved": (302, {"Location": "/json"}, b""),
    "/loop": (302, {"Location": "/loop"}, b""),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked.requests.append(
                Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
            )
            if self.path == "/silent":
                silence.wait(30)
                return
            status, headers, body = ANSWERS.get(self.path.partition("?")[0], (200, {}, b"hello"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_one  # noqa: N815 - as http.server calls them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            pass

    silence = threading.Event()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asked = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield asked
    silence.set()
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ProcessBench]:
    with ProcessBench(tmp_path, environment={"PATH": "/usr/bin:/bin", "LANG": "de_DE.ISO-8859-1"}) as bench:
        yield bench


def ask(bench: ProcessBench, *, http: dict[str, Any] | None = None, **parameters: Any) -> Observed:
    return bench.run(runner_type="core.http", output_format="json", http=http or {}, parameters=parameters)


def test_the_answer_is_the_result(bench: ProcessBench, server: Server) -> None:
    end = ask(bench, url=f"{server.url}/json")
    assert end.outcome.succeeded
    data = end.result["data"]
    assert data["elapsed_ms"] >= 0
    assert {name.lower(): value for name, value in data["headers"].items()}[
        "content-type"
    ] == "application/json"
    del data["elapsed_ms"], data["headers"]
    assert data == {
        "status_code": 200,
        "body": '{"ok": [1, "ü"]}',
        "json": {"ok": [1, "ü"]},
        "url": f"{server.url}/json",
        "success": True,
        "error": None,
    }


def test_only_a_webhook_of_the_own_server_is_told_who_calls(bench: ProcessBench, server: Server) -> None:
    own = {"ATTUNE_API_URL": server.url, "ATTUNE_API_TOKEN": "its-own"}

    def told(path: str, **parameters: Any) -> str | None:
        bench.run(
            runner_type="core.http", output_format="json", environment=own,
            parameters={"url": f"{server.url}{path}"} | parameters,
        )  # fmt: skip
        return server.last.headers.get("Authorization")

    assert told("/api/v1/webhooks/wh_1", method="POST") == "Bearer its-own"
    assert told("/api/v1/webhooks/wh_1", headers={"authorization": "mine"}) is None
    assert server.last.headers["authorization"] == "mine"
    assert told("/text") is None


@pytest.mark.parametrize(
    ("path", "body", "value"),
    [
        ("/text", "café", None),
        ("/none", "", None),
        ("/broken-json", '{"ok"', None),
        ("/odd-json", '{"n": [NaN, 1e999]}', None),
        ("/deep-json", "[" * 100_000, None),
        ("/half-json", r'{"half": "\ud800"}', {"half": "\N{REPLACEMENT CHARACTER}"}),
    ],
)
def test_a_body_is_shown_as_text_and_as_a_value_where_it_is_one(
    bench: ProcessBench, server: Server, path: str, body: str, value: object
) -> None:
    data = ask(bench, url=server.url + path).result["data"]
    assert (data["body"], data["json"]) == (body, value)


def test_a_binary_body_does_no_harm(bench: ProcessBench, server: Server) -> None:
    data = ask(bench, url=f"{server.url}/binary").result["data"]
    assert data["success"] is True
    assert data["body"].startswith("\0\x01\x02")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_every_method_is_sent(bench: ProcessBench, server: Server, method: str) -> None:
    end = ask(bench, url=f"{server.url}/json", method=method)
    assert server.last.method == method
    assert end.result["data"]["status_code"] == 200
    assert (end.result["data"]["json"] is None) is (method == "HEAD")


def test_headers_query_and_bodies_are_sent(bench: ProcessBench, server: Server) -> None:
    ask(
        bench,
        url=f"{server.url}/x",
        method="POST",
        headers={"X-Number": 3},
        query_params={"q": "a b"},
        body="ü",
    )
    assert server.last.path in {"/x?q=a+b", "/x?q=a%20b"}
    assert server.last.headers["X-Number"] == "3"
    assert server.last.body == "ü".encode()
    ask(bench, url=f"{server.url}/x", method="POST", json_body={"a": [1]})
    assert json.loads(server.last.body) == {"a": [1]}
    assert server.last.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (
            {"auth_type": "basic", "auth_username": "ada", "auth_password": "pa:ss"},
            "Basic " + base64.b64encode(b"ada:pa:ss").decode(),
        ),
        ({"auth_type": "bearer", "auth_token": "t0ken"}, "Bearer t0ken"),
        ({"auth_type": "none", "auth_token": "t0ken"}, None),
    ],
)
def test_credentials_are_sent_as_asked(
    bench: ProcessBench, server: Server, auth: dict[str, Any], header: str | None
) -> None:
    ask(bench, url=server.url, **auth)
    assert server.last.headers.get("Authorization") == header


def test_a_redirect_is_followed_unless_that_is_not_wanted(bench: ProcessBench, server: Server) -> None:
    data = ask(bench, url=f"{server.url}/moved").result["data"]
    assert (data["status_code"], data["url"]) == (200, f"{server.url}/json")
    assert ask(bench, url=f"{server.url}/moved", follow_redirects=False).result["data"]["status_code"] == 302


def test_an_answer_is_a_success_of_the_run_whatever_its_status(bench: ProcessBench, server: Server) -> None:
    end = ask(bench, url=f"{server.url}/error")
    assert end.outcome.succeeded
    data = end.result["data"]
    assert (data["status_code"], data["success"], data["error"]) == (500, False, None)


@pytest.mark.parametrize(
    ("expected", "succeeded"), [(418, True), ([200, 418], True), (200, False), ([200], False)]
)
def test_where_statuses_are_expected_every_other_is_a_failure(
    bench: ProcessBench, server: Server, expected: object, succeeded: bool
) -> None:
    end = ask(bench, http={"url": f"{server.url}/teapot", "expected_status": expected})
    assert end.outcome.succeeded is succeeded
    if not succeeded:
        assert "/teapot answered 418" in end.error.message


def test_the_actions_block_wins_over_parameters_and_its_templates_are_filled_in(
    bench: ProcessBench, server: Server
) -> None:
    block = {
        "url": server.url + "/things/{{ parameters.id }}",
        "method": "PUT",
        "headers": {"X-Of": "{{ name }}", "X-Gone": "-{{ nothing }}-"},
        "body": {"id": "{{ parameters.id }}", "all": "{{ parameters }}"},
        "auth": {"type": "bearer", "token": "{{ parameters.pin }}"},
    }
    end = ask(bench, http=block, id=7, name="ada", pin="1234", method="GET", url="http://127.0.0.1:1/")
    assert end.outcome.succeeded, end.error
    asked = server.last
    assert (asked.method, asked.path, asked.headers["X-Of"], asked.headers["X-Gone"]) == (
        "PUT", "/things/7", "ada", "--",
    )  # fmt: skip
    assert asked.headers["Authorization"] == "Bearer 1234"
    assert json.loads(asked.body)["id"] == 7


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"url": "http://127.0.0.1:1/"}, ("no answer from http://127.0.0.1:1/", "refused")),
        ({"url": "not a url"}, ("no answer from not a url",)),
        ({}, ("no answer from no URL",)),
        ({"url": "{server}/loop", "max_redirects": 2}, ("/loop", "redirect")),
        ({"url": "{server}/silent", "timeout": 0.2}, ("/silent", "timed out")),
        ({"url": "{server}/", "headers": {"X": "a\nb"}}, ("no answer from",)),
        ({"url": "{server}/", "timeout": "soon"}, ("no answer from", "soon")),
    ],
)
def test_no_answer_is_a_failure_that_says_why(
    bench: ProcessBench, server: Server, parameters: dict[str, Any], words: tuple[str, ...]
) -> None:
    if "url" in parameters:
        parameters = parameters | {"url": parameters["url"].replace("{server}", server.url)}
    end = ask(bench, **parameters)
    assert (end.outcome.succeeded, end.outcome.exit_code) == (False, 1)
    for word in words:
        assert word in end.error.message
    assert "Traceback" not in end.stderr.decode()
    assert json.loads(end.stdout)["success"] is False


def test_a_request_that_takes_too_long_ends_with_its_run(bench: ProcessBench, server: Server) -> None:
    end = bench.run(
        runner_type="core.http",
        parameters={"url": f"{server.url}/silent"},
        timeout_seconds=1.0,
    )
    assert end.outcome.timed_out
