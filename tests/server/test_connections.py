"""Connections on which nothing comes: they must not keep others out."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

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
