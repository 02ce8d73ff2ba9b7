"""A connection of the server that does not wait for ever for a request: uvicorn's knows no such bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

HEAD_SECONDS = 20.0
"""How long the head of a request may take; some that come after others on their connection get up to twice that."""


class Connection(H11Protocol):
    """Closes when no request comes, or its head only in drops: a few who do that would keep everybody else out."""

    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_looking()
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
