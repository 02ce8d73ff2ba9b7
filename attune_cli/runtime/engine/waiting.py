"""The stage of what waits for others. Its orchestrator is made when there is something of that kind, not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.engine import limits
from attune_cli.runtime.engine.admission import group_is_full
from attune_cli.runtime.model.effort import Effort
from attune_cli.runtime.store import admissions, workflows

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.engine.jobs import JobReader
    from attune_cli.runtime.engine.orchestrator import Orchestrator
    from attune_cli.runtime.model.entities import Outcome
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable


class Waiting:
    """Begins, advances and cancels what waits among what one host owns (and, for a daemon, nobody owns)."""

    def __init__(
        self, make: Callable[[], Orchestrator], *, host: str, ownerless_too: bool, jobs: JobReader
    ) -> None:
        self._make = make
        self._made: Orchestrator | None = None
        self._host = host
        self._ownerless_too = ownerless_too
        self._jobs = jobs

    def advance(self, tx: Transaction, *, begins: bool) -> None:
        """Move on what is due, round by round: what one of them begins may be one that waits itself."""
        if not admissions.any_waiting(tx, self._host, ownerless_too=self._ownerless_too):
            return
        effort = Effort(limits.WORK_PER_TICK)
        for _ in range(limits.ORCHESTRATION_ROUNDS):
            begun = begins and self._begin(tx)
            advanced = self._orchestrator.advance(
                tx, self._host, ownerless_too=self._ownerless_too, effort=effort
            )
            if effort.is_spent or not (begun or advanced):
                return

    def cancel(self, tx: Transaction, execution: Startable) -> None:
        self._orchestrator.cancel(tx, execution, self._jobs.definition(tx, execution))

    def end_ownerless(self, tx: Transaction) -> None:
        if workflows.ownerless_canceling(tx):
            self._orchestrator.end_ownerless(tx)

    def ask(self, tx: Transaction, execution: Startable, outcome: Outcome) -> bool:
        return self._orchestrator.ask(tx, execution, outcome)

    def next_due(self, tx: Transaction) -> Instant | None:
        """Return when something falls due that waits; None where nothing ever did."""
        if self._made is None:
            return None
        return self._made.next_due(tx, self._host, ownerless_too=self._ownerless_too)

    @property
    def _orchestrator(self) -> Orchestrator:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _begin(self, tx: Transaction) -> bool:
        """Admit what waits: no slot is needed, but a place in its limit group."""
        begun = False
        for execution in admissions.admissible_waiting(
            tx, self._host, ownerless_too=self._ownerless_too, limit=limits.STARTS_PER_TICK
        ):
            if not group_is_full(tx, execution):
                self._orchestrator.begin(tx, execution, self._jobs.definition(tx, execution), self._host)
                begun = True
        return begun
