"""Looking after what is waited for: dead hosts are settled, and what nobody runs is taken up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.host import settle_dead_hosts
from attune_cli.runtime.store import executions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from attune_cli.context import Context
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Store

_PAUSE_SECONDS = 0.5
"""Between two looks: each asks the kernel about a lock for each host."""


class Attendant:
    """Waits with somebody. An execution whose host died would otherwise be waited for in vain."""

    def __init__(
        self, context: Context, store: Store, adopt: Callable[[int], None] = lambda _execution: None
    ) -> None:
        """`adopt` is told, once, of each execution that waits and that nobody owns."""
        self._context = context
        self._store = store
        self._adopt = adopt
        self._adopted: set[int] = set()
        self._looked = monotonic_seconds() - _PAUSE_SECONDS
        self._may_write = os.access(context.home.database, os.W_OK)

    def look_after(self, waiting: Iterable[Execution]) -> None:
        """Do what is needed for the executions that are waited for; does nothing most of the time."""
        now = monotonic_seconds()
        if not self._may_write or now - self._looked < _PAUSE_SECONDS:
            return
        self._looked = now
        settle_dead_hosts(self._store, self._context.home, self._context.settings)
        for execution in waiting:
            with self._store.read(SystemClock().now()) as tx:
                current = executions.last_attempt(tx, executions.get(tx, execution.id) or execution)
            ownerless = current.host is None and not current.status.is_terminal
            if ownerless and current.id not in self._adopted:
                self._adopted.add(current.id)
                self._adopt(current.id)
