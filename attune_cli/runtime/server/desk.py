"""What the answers of the server are made with: the engine, a connection for reading, and who may ask."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from attune_cli.errors import UnavailableError
from attune_cli.runtime.engine.loop import NO_ENGINE
from attune_cli.runtime.server.known_webhooks import KnownWebhooks
from attune_cli.runtime.services import tokens
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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

_REPLACING_SECONDS = 0.05
"""How long to wait before an engine that has left is asked for again."""

_BATCH = 200
"""Requests handed to the engine in one piece: a tick that stays short keeps nobody waiting long."""

_GATHERING_SECONDS = 0.001
_GATHERING_LOOKS = 10
"""How often it is looked, this long after another, whether those who were answered together ask again together."""


class Desk:
    """Made on the server's thread, and used there only."""

    def __init__(self, platform: Platform, *, administrator: str, feed: Feed) -> None:
        self.platform = platform
        self.feed = feed
        self._administrator = administrator
        self._store = platform.connect()
        self._loop = asyncio.get_running_loop()
        self._asked: deque[tuple[Callable[[Transaction], Any], asyncio.Future[Any]]] = deque()
        self._is_asking = False
        self._expected = 1
        """How many the last piece had: who posts one call after another asks again as soon as he is answered."""
        self._gathering: asyncio.TimerHandle | None = None
        self._handed_in: list[tuple[Callable[[Transaction], Any], asyncio.Future[Any]]] = []
        self._patience: asyncio.TimerHandle | None = None
        self.webhooks = KnownWebhooks(self._store, platform.sealer)

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
        """Do `work` in one of the engine's next transactions; returns after its commit, and raises what it raised.

        What is asked while the engine is at work for us is handed to it in one piece afterwards: two busy threads of
        one interpreter hinder each other, and a transaction costs the same for many as for one. Those who were
        answered together are waited for, a moment.
        """
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._asked.append((work, future))
        if not self._is_asking:
            self._is_asking = True
            self._loop.call_soon(self._gather)
        elif self._gathering is not None and len(self._asked) >= self._expected:
            self._gathering.cancel()
            self._gathering = None
            self._loop.call_soon(self._hand_in)
        return await future

    def caller(self, connection: HTTPConnection) -> Caller | None:
        """Return whose token a request carries."""
        return self.bearer(connection.headers.get("authorization", ""))

    def bearer(self, authorization: str) -> Caller | None:
        """Return whose token stands in the header of that name (RFC 6750)."""
        scheme, _, token = authorization.partition(" ")
        return self.caller_of(token.strip()) if scheme.lower() == "bearer" else None

    def caller_of(self, token: str) -> Caller | None:
        with self.read() as tx:
            return tokens.caller_of(tx, token, administrator=self._administrator, sealer=self.platform.sealer)

    def close(self) -> None:
        self._store.close()

    def _gather(self, looks: int = _GATHERING_LOOKS, before: int = 0) -> None:
        """Hand in what is asked when as many have asked as are expected, or no more come, or it takes too long."""
        count = len(self._asked)
        if before < count < self._expected and looks:
            self._gathering = self._loop.call_later(_GATHERING_SECONDS, self._gather, looks - 1, count)
        else:
            self._hand_in()

    def _hand_in(self) -> None:
        """Give the engine what is asked now."""
        self._gathering = None
        batch = [self._asked.popleft() for _ in range(min(_BATCH, len(self._asked)))]
        if not batch:
            self._is_asking = False
            self._be_patient_no_more()
            return
        if self._patience is None:
            self._patience = self._loop.call_later(_ENGINE_SECONDS, self._give_up)
        self._handed_in = batch
        reply = self.platform.request(_Batch([work for work, _ in batch]))

        def ready() -> None:
            with suppress(RuntimeError):  # on the engine's thread; the server may have ended
                self._loop.call_soon_threadsafe(self._hand_out, reply)

        reply.when_ready(ready)

    def _hand_out(self, reply: Reply[list[_Answered]]) -> None:
        """Give those who asked what the engine answered."""
        batch, self._handed_in = self._handed_in, []
        try:
            answers = reply.result()
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            if isinstance(error, UnavailableError) and error.code == NO_ENGINE:
                # It has left and done nothing of this; another takes its place in a moment.
                self._asked.extendleft(asked for asked in reversed(batch) if not asked[1].done())
                self._loop.call_later(_REPLACING_SECONDS, self._hand_in)
                return
            answers = [_Answered(error=error)] * len(batch)
        self._be_patient_no_more()
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue  # who asked has left
            if answer.error is not None:
                future.set_exception(answer.error)
            else:
                future.set_result(answer.value)
        self._expected = len(batch)
        self._loop.call_soon(self._gather)  # after those have asked again who do so at once

    def _be_patient_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        """Send away those whose requests the engine has, and those who wait behind them."""
        for _, future in (*self._handed_in, *self._asked):
            if not future.done():
                future.set_exception(
                    UnavailableError("the engine does not answer", code="engine_busy", hint="try again")
                )
        self._asked.clear()
        self._patience = self._loop.call_later(_ENGINE_SECONDS, self._give_up)


@immutable(kw_only=True)
class _Answered:
    """What came of one request."""

    value: Any = None
    error: Exception | None = None


class JointWork(Generic[Answer]):
    """A request of which many cost less done together than one by one."""

    @staticmethod
    def together(tx: Transaction, works: Sequence[Any]) -> Sequence[Answer]:
        """Do several, in order, and return their answers. When it raises, each is done alone instead."""
        raise NotImplementedError

    def __call__(self, tx: Transaction) -> Answer:
        return self.together(tx, [self])[0]


@immutable
class _Batch:
    """Requests of one transaction. One that fails answers its caller alone."""

    works: list[Callable[[Transaction], Any]]

    def __call__(self, tx: Transaction) -> list[_Answered]:
        groups = [list(works) for _, works in groupby(self.works, type)]
        return [answer for works in groups for answer in _answers(tx, works)]


def _answers(tx: Transaction, works: Sequence[Callable[[Transaction], Any]]) -> list[_Answered]:
    """Do requests of one type, together where that costs less."""
    first = works[0]
    if isinstance(first, JointWork):
        try:
            with tx.savepoint():
                answers = cast("Sequence[Any]", first.together(tx, works))
                return [_Answered(value=value) for value in answers]
        except Exception:
            if not tx.alive:
                raise  # a full disk or a damaged file has taken the whole transaction back
            # One of them is to blame: alone, it fails alone.
    return [_answer(tx, work) for work in works]


def _answer(tx: Transaction, work: Callable[[Transaction], Any]) -> _Answered:
    try:
        with tx.savepoint():
            return _Answered(value=work(tx))
    except Exception as error:
        if not tx.alive:
            raise
        return _Answered(error=error)


def desk_of(connection: HTTPConnection) -> Desk:
    return cast("Desk", connection.app.state.desk)
