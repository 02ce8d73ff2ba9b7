"""A connection of the server that does not wait for ever for a request: uvicorn's knows no such bound."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"""How long the head of a request may take; some that come after others on their connection get up to twice that."""


class Connection(H11Protocol):
    """Closes when no request comes, or its head only in drops: a few who do that would keep everybody else out."""

    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._plain_transport, self.transport = transport, _HeadWithBody(transport, self.loop)
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_looking()
        self.transport = self._plain_transport
        super().handle_websocket_upgrade(event)

    def _look_again(self, request_before: object = None, waited_before: object = False) -> None:
        """Close when the same request has been waited for since the last look."""
        # Between requests uvicorn's own timer runs, until the first byte of the next one.
        waits = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None
        if waits and waited_before and self.scope is request_before:
            self.transport.close()
            return
        self._look = self.loop.call_later(HEAD_SECONDS, self._look_again, self.scope, waits)

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()


class _HeadWithBody(asyncio.Transport):
    """Sends the head of an answer together with what is written next, or at the end of the loop's turn by itself.

    A call of the kernel costs as much as a good part of an answer, and so does a packet for who receives it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data[:5] == b"HTTP/":
            self._head = bytes(data)
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def _send_head(self) -> None:
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as asyncio has it
        return self._transport.get_extra_info(name, default)
