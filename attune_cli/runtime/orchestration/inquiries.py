"""Inquiries as the engine moves them on (domain.md 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.store import executions

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer


class Inquiries:
    """Begins, settles and expires inquiries."""

    def __init__(self, *, settings: Settings, sealer: Sealer) -> None:
        self._settings = settings
        self._sealer = sealer

    def begin(self, tx: Transaction, execution: Startable, job: JobDefinition, host: str) -> None:
        del host
        error = RunError(
            type="no_runner", message=f"this host has no runner for actions of kind '{job.kind}'"
        )
        executions.finish(tx, execution, Status.FAILED, Outcome(succeeded=False, error=error))

    def cancel(self, tx: Transaction, execution: Startable, job: JobDefinition) -> None:
        del tx, execution, job

    def ask(self, tx: Transaction, execution: Startable, outcome: Outcome) -> bool:
        del tx, execution, outcome
        return False

    def advance(self, tx: Transaction, host: str, *, ownerless_too: bool) -> bool:
        del tx, host, ownerless_too
        return False

    def next_due(self, tx: Transaction, host: str, *, ownerless_too: bool) -> Instant | None:
        del tx, host, ownerless_too
        return None
