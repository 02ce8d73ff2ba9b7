"""How coroutines ask the engine's thread, and other threads, without waiting on them."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from attune_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.parts import Platform
    from attune_cli.runtime.store.database import Transaction

Answer = TypeVar("Answer")

_PATIENCE_SECONDS = 15.0
"""How long a request waits to be begun, before it is withdrawn: the engine it was put to may be gone."""

_PAUSE_SECONDS = 0.5


class _Withdrawn(Exception):  # noqa: N818 - no error: nobody waits any more
    pass


class _Once:
    """A request that is either begun by the engine or withdrawn by who made it, never both."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = True

    def close(self) -> bool:
        """Take the one chance; tells whether it was still there."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
        return was_open


async def commit(platform: Platform, work: Callable[[Transaction], Answer]) -> Answer:
    """Do `work` in the engine's next transaction; returns after its commit, and raises what `work` raises.

    While the engine is replaced or the file cannot be written, it tries again: what a sensor told is not to be lost.
    """
    while True:
        try:
            return await _try(platform, work)
        except (UnavailableError, _Withdrawn):
            await asyncio.sleep(_PAUSE_SECONDS)


async def _try(platform: Platform, work: Callable[[Transaction], Answer]) -> Answer:
    chance = _Once()

    def begin(tx: Transaction) -> Answer:
        if not chance.close():
            raise _Withdrawn
        return work(tx)

    loop = asyncio.get_running_loop()
    ready = asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(ready.set)

    reply = platform.request(begin)
    reply.when_ready(tell)
    try:
        await asyncio.wait_for(ready.wait(), _PATIENCE_SECONDS)
    except TimeoutError:
        if chance.close():
            raise _Withdrawn from None
        await ready.wait()
    return reply.result()


async def in_thread(work: Callable[[], Answer]) -> Answer:
    """Do what blocks on a thread of its own: one that hangs keeps nothing else, and not the end of this process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Callable[[], Answer]) -> None:
        if future.done():
            return
        try:
            future.set_result(answer())
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            future.set_exception(error)

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            failure = error

            def fail() -> Answer:
                raise failure

            answer: Callable[[], Answer] = fail
        else:
            answer = lambda: result  # noqa: E731 - the answer is there
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=run, name="sensor start", daemon=True).start()
    return await future
