"""Bodies that an answer does not wait for: a little of them is taken to hear the answer, no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DRAINED_BYTES = 4 * 1024 * 1024
_DRAINED_SECONDS = 5.0
"""Who is still sending does not read: what has nearly come is taken, so that the refusal is heard."""


class UnreadBodies:
    """Ends connections whose request was answered before it was read to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope["headers"]} if scope["type"] == "http" else set[bytes]()
        if names.isdisjoint({b"content-length", b"transfer-encoding"}):
            await self._app(scope, receive, send)
            return
        is_read = False

        async def reading() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not is_read:
                await _drain(reading)
                if not is_read:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, reading, sending)


async def _drain(reading: Receive) -> None:
    taken = 0
    try:
        async with asyncio.timeout(_DRAINED_SECONDS):
            while taken < _DRAINED_BYTES:
                message = await reading()
                taken += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
