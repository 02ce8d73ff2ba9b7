"""Webhooks as they were read last, which spares reading them for each call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attune_cli.runtime.services.webhook_calls import known

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.services.webhook_calls import Known
    from attune_cli.runtime.store.database import Store
    from attune_cli.runtime.store.sealing import Sealer


class KnownWebhooks:
    """Belongs to a server's thread. What it returns is as fresh as a read: a commit of anybody makes it forget all.

    The file is asked for commits once in a turn of the loop, for all requests that came in the turn before.
    """

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._loop = asyncio.get_running_loop()
        self._version = -1
        self._has_looked = False
        self._known: dict[str, Known] = {}
        """By key; keys that nobody has are not kept, since anybody can make them up."""

    def get(self, key: str, now: Instant) -> Known | None:
        """Return the webhook that takes requests under a key now."""
        if not self._has_looked:
            self._look()
        found = self._known.get(key)
        if found is None or (found.until is not None and found.until <= now):
            return self._read(key, now)
        return found

    def _look(self) -> None:
        """Forget what somebody may have changed."""
        version = self._store.data_version()
        if version != self._version:
            self._version = version
            self._known.clear()
        self._has_looked = True
        self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._has_looked = False

    def _read(self, key: str, now: Instant) -> Known | None:
        with self._store.read(now) as tx:
            found = known(tx, key, self._sealer)
        if found is None:
            self._known.pop(key, None)
        else:
            self._known[key] = found
        return found
