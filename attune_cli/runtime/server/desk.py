"""What the answers of the server are made with: the engine, a connection for reading, and who may ask."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attune_cli.errors import UnavailableError
from attune_cli.runtime.services import tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from starlette.requests import HTTPConnection

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.parts import Platform
    from attune_cli.runtime.server.feed import Feed
    from attune_cli.runtime.services.tokens import Caller
    from attune_cli.runtime.store.database import Transaction

Answer = TypeVar("Answer")

_ENGINE_SECONDS = 60.0
"""How long the engine may take to commit before a caller is told to try again."""


class Desk:
    """Made on the server's thread, and used there only."""

    def __init__(self, platform: Platform, *, administrator: str, feed: Feed) -> None:
        self.platform = platform
        self.feed = feed
        self._administrator = administrator
        self._store = platform.connect()
        self._loop = asyncio.get_running_loop()
        self._answered: deque[tuple[Reply[Any], asyncio.Future[Any]]] = deque()

    @property
    def base_url(self) -> str:
        """How others reach this server."""
        return self.platform.settings.public_url or self.platform.url or ""

    def now(self) -> Instant:
        return self.platform.clock.now()

    def read(self) -> AbstractContextManager[Transaction]:
        """One consistent view for something short: everybody else waits meanwhile."""
        return self._store.read(self.now())

    async def ask(self, work: Callable[[Transaction], Answer]) -> Answer:
        """Do `work` in the engine's next transaction; returns after its commit, and raises what it raised."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        reply = self.platform.request(work)
        reply.when_ready(lambda: self._take(reply, future))
        try:
            async with asyncio.timeout(_ENGINE_SECONDS):
                return await future
        except TimeoutError as error:
            raise UnavailableError(
                "the engine does not answer", code="engine_busy", hint="try again"
            ) from error

    def caller(self, connection: HTTPConnection) -> Caller | None:
        """Return whose token a request carries."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        return self.caller_of(token.strip()) if scheme.lower() == "bearer" else None

    def caller_of(self, token: str) -> Caller | None:
        with self.read() as tx:
            return tokens.caller_of(tx, token, administrator=self._administrator, sealer=self.platform.sealer)

    def close(self) -> None:
        self._store.close()

    # --- on the engine's thread

    def _take(self, reply: Reply[Any], future: asyncio.Future[Any]) -> None:
        """Bring an answer over; those of one commit wake this thread once."""
        self._answered.append((reply, future))
        if len(self._answered) == 1:
            try:
                self._loop.call_soon_threadsafe(self._hand_over)
            except RuntimeError:
                self._answered.clear()  # the server has ended

    def _hand_over(self) -> None:
        while self._answered:
            reply, future = self._answered.popleft()
            if future.done():
                continue
            try:
                future.set_result(reply.result())
            except BaseException as error:  # noqa: BLE001 - raised where it was asked
                future.set_exception(error)


def desk_of(connection: HTTPConnection) -> Desk:
    return cast("Desk", connection.app.state.desk)
