"""What the daemon's engine asks of whatever turns events into executions: one stage of its tick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


class Reactor(Protocol):
    """Makes events of timers and of what the platform did, and executions of events."""

    def react(self, tx: Transaction) -> Instant | None:
        """Do a bounded part of what is there to do, reading and writing only `tx`.

        Returns when it has to be called again though nothing happens: `tx.now` or earlier when something was left.
        A fault of one rule is recorded and is that rule's alone: only the store's own errors are raised.
        """
        ...

    def has_news(self, tx: Transaction) -> bool:
        """Tell, at the end of a tick, whether what came after `react` has to be reacted to."""
        ...
