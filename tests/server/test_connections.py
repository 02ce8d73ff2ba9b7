"""Connections: one on which nothing comes must not keep others out, and an answer is one packet where it can be."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from attune_cli.runtime.server import connection

if TYPE_CHECKING:
    import httpx

REQUEST = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", REQUEST[:20]])
@pytest.mark.parametrize("is_first", [True, False])
def test_who_does_not_finish_the_head_of_a_request_is_let_go(
    monkeypatch: pytest.MonkeyPatch, client: httpx.Client, sent: bytes, *, is_first: bool
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=20) as waiting:
        if not is_first:
            waiting.sendall(REQUEST)
            assert waiting.recv(4096).startswith(b"HTTP/1.1 200")
        waiting.sendall(sent or (b"" if is_first else REQUEST[:1]))
        while waiting.recv(4096):
            pass  # a timeout would raise


def test_a_connection_is_kept_between_requests(monkeypatch: pytest.MonkeyPatch, client: httpx.Client) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.05)
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=0.5) as waiting:
        waiting.sendall(REQUEST)
        assert answer(waiting).startswith(b"HTTP/1.1 200")
        with pytest.raises(TimeoutError):
            waiting.recv(4096)
        waiting.sendall(REQUEST)
        assert answer(waiting).startswith(b"HTTP/1.1 200")


def answer(waiting: socket.socket) -> bytes:
    """Return a whole answer: its head and its body may come apart."""
    read = b""
    while not read.endswith(b"}") and (piece := waiting.recv(4096)):
        read += piece
    return read


def test_an_answer_comes_in_one_piece(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as waiting:
        for _ in range(3):
            waiting.sendall(REQUEST)
            read = waiting.recv(4096)
            assert read.startswith(b"HTTP/1.1 200"), read
            assert read.endswith(b'{"status":"ok"}'), read


def test_a_head_is_not_kept_back_until_its_body_is_there() -> None:
    heard = asyncio.Event()

    async def answers_slowly(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await heard.wait()
        await send({"type": "http.response.body", "body": b"ok"})

    async def talk() -> None:
        config = uvicorn.Config(answers_slowly, lifespan="off", log_config=None)
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: connection.Connection(config, state, {}), "127.0.0.1", 0
        )
        async with server, asyncio.timeout(20):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(REQUEST)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            heard.set()
            assert await reader.readexactly(2) == b"ok"
            writer.close()

    asyncio.run(talk())
