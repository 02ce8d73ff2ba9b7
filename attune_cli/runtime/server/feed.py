"""The outbox for many clients: one thread reads it, and each client goes through it at its own pace.

Nothing is kept for a client but its place: a slow one is behind and reads on from there, and finds a gap where what it
had not seen yet was deleted.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.services.notifications import extent, notification_record
from attune_cli.runtime.store import notifications
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.parts import Platform
    from attune_cli.runtime.services.notifications import Extent
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Store, Transaction

Answer = TypeVar("Answer")

_PAGE = 500


@immutable(kw_only=True)
class News:
    """What comes after a place: records in order, the next place, and what is gone in between."""

    records: list[Record]
    sequence: int
    gap: Record | None = None


class Feed:
    """Made on the server's thread, and used there only, but for its listener."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._loop = asyncio.get_running_loop()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._store: Store | None = None
        self._changed = asyncio.Event()
        self._waiting = 0
        self._ends = False
        platform.subscribe(self._ticked)

    async def extent(self) -> Extent:
        return await self.read(extent)

    async def next(self, after: int) -> News | None:
        """Return what is new behind a place; waits for it. None: the server ends."""
        self._waiting += 1
        try:
            while not self._ends:
                changed = self._changed  # taken before the look, so that nothing comes in between unseen
                news = await self.read(lambda tx: _news(tx, after))
                if news is not None:
                    return news
                await changed.wait()
            return None
        finally:
            self._waiting -= 1

    async def read(self, work: Callable[[Transaction], Answer]) -> Answer:
        """Do `work` in one consistent view, on the reading thread."""
        return await self._loop.run_in_executor(self._reader, lambda: self._read(work))

    async def run(self, call: Callable[..., Answer], *arguments: Any) -> Answer:  # noqa: ANN401 - the call's own
        """Do something that reads files, on the reading thread."""
        return await self._loop.run_in_executor(self._reader, call, *arguments)

    def end(self) -> None:
        """Let every client know that nothing more comes."""
        self._ends = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def ends(self) -> bool:
        return self._ends

    def close(self) -> None:
        self._reader.shutdown()
        if self._store is not None:
            self._store.close()

    # --- on other threads

    def _read(self, work: Callable[[Transaction], Answer]) -> Answer:
        if self._store is None:
            self._store = self._platform.connect()
        with self._store.read(self._platform.clock.now()) as tx:
            return work(tx)

    def _ticked(self) -> None:
        """After a tick, on the engine's thread: with nobody to tell, nothing is done."""
        if self._waiting:
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:
                self._waiting = 0  # the server has ended


def _news(tx: Transaction, after: int) -> News | None:
    found = notifications.since(tx, after, limit=_PAGE)
    gap = None
    if not found or found[0].sequence > after + 1:
        held = extent(tx)
        if after < held.oldest - 1 or after > held.newest:
            first = held.oldest if after < held.oldest else held.newest + 1
            gap = {"type": "gap", "after": after, "oldest": first, "epoch": held.epoch, "ts": rfc3339(tx.now)}
            after = first - 1
            found = notifications.since(tx, after, limit=_PAGE)
    if not found:
        return None if gap is None else News(records=[], sequence=after, gap=gap)
    records = [stream_record(notification_record(one)) for one in found]
    return News(records=records, sequence=found[-1].sequence, gap=gap)


def stream_record(record: Record) -> dict[str, Any]:
    """Return a change as clients of the server know it: its time is called `timestamp` there."""
    return {**record, "timestamp": record["ts"]}
