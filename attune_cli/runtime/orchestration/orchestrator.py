"""Implements `engine.orchestrator.Orchestrator`: hands each execution that waits to what knows its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.orchestration.inquiries import Inquiries
from attune_cli.runtime.orchestration.workflows.workflows import Workflows

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.effort import Effort
    from attune_cli.runtime.model.entities import Outcome
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer


class Orchestration:
    """Belongs to one engine's thread; see the protocol."""

    def __init__(self, *, settings: Settings, sealer: Sealer) -> None:
        self._inquiries = Inquiries(settings=settings, sealer=sealer)
        self._workflows = Workflows(settings=settings, sealer=sealer)

    def begin(self, tx: Transaction, execution: Startable, job: JobDefinition, host: str) -> None:
        self._of(job).begin(tx, execution, job, host)

    def cancel(self, tx: Transaction, execution: Startable, job: JobDefinition) -> None:
        self._of(job).cancel(tx, execution, job)

    def end_ownerless(self, tx: Transaction) -> None:
        self._workflows.end_ownerless(tx)

    def ask(self, tx: Transaction, execution: Startable, outcome: Outcome) -> bool:
        return self._inquiries.ask(tx, execution, outcome)

    def advance(self, tx: Transaction, host: str, *, ownerless_too: bool, effort: Effort) -> bool:
        """Answers first: what they end, the workflows go on from in the same tick."""
        settled = self._inquiries.advance(tx, host, ownerless_too=ownerless_too)
        advanced = self._workflows.advance(tx, host, ownerless_too=ownerless_too, effort=effort)
        return (advanced or settled) and not effort.is_spent

    def next_due(self, tx: Transaction, host: str, *, ownerless_too: bool) -> Instant | None:
        dues = (
            part.next_due(tx, host, ownerless_too=ownerless_too)
            for part in (self._inquiries, self._workflows)
        )
        return min((due for due in dues if due is not None), default=None)

    def _of(self, job: JobDefinition) -> Inquiries | Workflows:
        """An action that asked when its run ended waits as a question does."""
        return self._workflows if job.kind == "workflow" else self._inquiries
