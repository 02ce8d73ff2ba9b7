"""Looking after what is waited for: dead hosts are settled, and what nobody runs is taken up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.engine.presence import is_alive
from attune_cli.runtime.host import settle_dead_hosts
from attune_cli.runtime.model.states import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Store

_OWNER_SECONDS = 0.5
"""Between two looks at the owners of what is waited for."""

_ALL_SECONDS = 3.0
"""Between two looks at every host, for who waits for a slot: with many waiting, each such look costs as many locks."""


class Attendant:
    """Waits with somebody. An execution whose host died would otherwise be waited for in vain."""

    def __init__(
        self,
        context: Context,
        store: Store,
        *,
        adopt: Callable[[int], None] = lambda _execution: None,
        own_host: str | None = None,
    ) -> None:
        """`adopt` is told, once, of each execution that waits and that nobody owns."""
        self._context = context
        self._store = store
        self._adopt = adopt
        self._own_host = own_host
        self._adopted: set[int] = set()
        self._looked = self._settled = monotonic_seconds()
        self._may_write = os.access(context.home.database, os.W_OK)

    def look_after(self, waiting: Sequence[Execution]) -> None:
        """Do what is needed for the live executions that are waited for; does nothing most of the time."""
        for execution in waiting:
            if execution.host is None and execution.id not in self._adopted and not self._has_daemon():
                self._adopted.add(execution.id)
                self._adopt(execution.id)
        now = monotonic_seconds()
        if not self._may_write or now - self._looked < _OWNER_SECONDS:
            return
        self._looked = now
        for_a_slot = any(one.status is Status.REQUESTED for one in waiting)
        if self._has_dead_owner(waiting) or (for_a_slot and now - self._settled >= _ALL_SECONDS):
            self._settled = now
            settle_dead_hosts(self._store, self._context.home, self._context.settings)

    def _has_daemon(self) -> bool:
        """Tell whether somebody takes unasked what nobody owns."""
        daemon = read_lease(self._context.home.path)
        return daemon is not None and not daemon.is_draining

    def _has_dead_owner(self, waiting: Sequence[Execution]) -> bool:
        owners = {one.host for one in waiting} - {None, self._own_host}
        return any(owner is not None and not is_alive(self._context.home.hosts, owner) for owner in owners)
