"""The bodies of requests: read within bounds, and brought to an end where an answer does not wait for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from attune_cli.runtime.model.webhooks import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY_SECONDS = 30.0
_DRAINED_BYTES = 4 * 1024 * 1024
_DRAINED_SECONDS = 5.0
"""Who is still sending does not read: what has nearly come is taken, so that the refusal is heard."""

CLOSE = (b"connection", b"close")
"""The header of an answer after which the connection ends."""


class BodyTooLargeError(Exception):
    """A body grew over its limit; the rest of it was not read."""


class Body:
    """The body of one request. `headers` are found by names in lower case."""

    def __init__(self, receive: Receive, headers: Mapping[str, str]) -> None:
        self._receive = receive
        self._announced = headers.get("content-length", "")
        self._is_read = not self._announced and "transfer-encoding" not in headers

    async def read(self, limit: int) -> bytes:
        """Return all of it; raises BodyTooLargeError as soon as it is known to have more than `limit` bytes."""
        if self._announced.isascii() and self._announced.isdecimal() and int(self._announced) > limit:
            raise BodyTooLargeError
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await self._read(limit)
        except TimeoutError as error:
            raise Refusal(408, f"the body did not come within {_BODY_SECONDS:g} s", "too_slow") from error

    async def _read(self, limit: int) -> bytes:
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > limit:
                raise BodyTooLargeError
            if not message.get("more_body", False):
                return bytes(body)

    async def receive(self) -> Message:
        """Return the next message of the request."""
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message

    async def end(self) -> bool:
        """Take a little of what is left of it, so that the answer is heard; tells whether that was all."""
        if self._is_read:
            return True
        taken = 0
        try:
            async with asyncio.timeout(_DRAINED_SECONDS):
                while not self._is_read and taken < _DRAINED_BYTES:
                    taken += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return False
        return self._is_read


class UnreadBodies:
    """Ends connections whose request was answered before it was read to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = Body(receive, Headers(scope=scope))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not await body.end():
                message["headers"] = [*message.get("headers", ()), CLOSE]
            await send(message)

        await self._app(scope, body.receive, sending)
