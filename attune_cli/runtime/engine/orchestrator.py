"""What the engine asks of whatever moves workflows and inquiries on: one stage of its tick.

Both are executions that wait for others (`waits`): rows without a run and without a slot, which cost nothing however
long they wait, and which simply change their owner when a host dies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.effort import Effort
    from attune_cli.runtime.model.entities import Outcome
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable


class Orchestrator(Protocol):
    """Begins, advances and ends executions that wait. Reads and writes only the transaction it is given.

    What is wrong with one of them ends that one with a message: only the store's own errors are raised.
    """

    def begin(self, tx: Transaction, execution: Startable, job: JobDefinition, host: str) -> None:
        """Admit a `requested` execution: `running`, owned by `host`, with the rows it needs; or end it, failed."""
        ...

    def cancel(self, tx: Transaction, execution: Startable, job: JobDefinition) -> None:
        """Carry out the wish to cancel a `running` execution that waits."""
        ...

    def end_ownerless(self, tx: Transaction) -> None:
        """End what is being cancelled, has no owner, and of which nothing goes on any more."""
        ...

    def ask(self, tx: Transaction, execution: Startable, outcome: Outcome) -> bool:
        """Let an action whose run ended with a question wait for the answer; False when it is no question."""
        ...

    def advance(self, tx: Transaction, host: str, *, ownerless_too: bool, effort: Effort) -> bool:
        """Do a bounded part of what is due among what `host` owns (and nobody owns).

        Tells whether there was any, and some of `effort` is left for more.
        """
        ...

    def next_due(self, tx: Transaction, host: str, *, ownerless_too: bool) -> Instant | None:
        """Return when it has to be called again though nothing happens."""
        ...
