"""Workflows as the engine moves them on (domain.md 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.engine.limits import WORKFLOWS_PER_ROUND
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.workflows.states import TaskStatus
from attune_cli.runtime.orchestration.workflows.case import Case
from attune_cli.runtime.orchestration.workflows.ending import failed_outcome, give_up
from attune_cli.runtime.orchestration.workflows.plans import Plans
from attune_cli.runtime.orchestration.workflows.starting import Starter
from attune_cli.runtime.orchestration.workflows.turn import Turn
from attune_cli.runtime.services.workflow_cancelling import cancel, end_ownerless
from attune_cli.runtime.services.workflow_resuming import insert
from attune_cli.runtime.store import executions, workflow_tasks, workflows

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.effort import Effort
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer


class Workflows:
    """Begins, advances and ends workflows."""

    def __init__(self, *, settings: Settings, sealer: Sealer) -> None:
        self._settings = settings
        self._sealer = sealer
        self._plans = Plans()
        self._starter = Starter(settings, sealer)

    def begin(self, tx: Transaction, execution: Startable, job: JobDefinition, host: str) -> None:
        """Let a workflow run: its variables, and the tasks that nothing leads to. Some begin where another ended."""
        del job
        try:
            plan = self._plans.of(tx, execution.job)
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            message = f"the definition of the workflow cannot be read: {error}"
            executions.finish(tx, execution, Status.FAILED, failed_outcome("workflow_unreadable", message))
            return
        if not executions.run(tx, execution, host, None):
            return
        if workflows.get(tx, execution.id) is not None:
            workflows.set_due(tx, execution.id, 0)
            return
        insert(tx, execution.id, plan.graph, self._sealer)
        for name in plan.graph.entry:
            workflow_tasks.insert(tx, execution.id, name, 1, status=TaskStatus.WAITING)

    def cancel(self, tx: Transaction, execution: Startable, job: JobDefinition) -> None:
        del job
        cancel(tx, execution)

    def end_ownerless(self, tx: Transaction) -> None:
        end_ownerless(tx)

    def advance(self, tx: Transaction, host: str, *, ownerless_too: bool, effort: Effort) -> bool:
        """Move on what is due; one that cannot be moved on fails, alone."""
        found = workflows.due(tx, host, ownerless_too=ownerless_too, limit=WORKFLOWS_PER_ROUND)
        for execution in found:
            if effort.is_spent:
                return False
            # Whoever was moved on before it in this round may have ended it.
            current = executions.startable(tx, execution.id)
            if current is not None and not current.status.is_terminal:
                self._advance_one(tx, current, host, effort)
        return bool(found) and not effort.is_spent

    def next_due(self, tx: Transaction, host: str, *, ownerless_too: bool) -> Instant | None:
        return workflows.next_due(tx, host, ownerless_too=ownerless_too)

    def _advance_one(self, tx: Transaction, execution: Startable, host: str, effort: Effort) -> None:
        if execution.host is None and executions.set_host(tx, execution, host):
            execution = replace(execution, host=host)
        try:
            with tx.savepoint():
                self._turn(tx, execution, effort)
        except (AttuneError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            if not tx.alive:
                raise
            message = error.message if isinstance(error, AttuneError) else f"it cannot be moved on: {error!r}"
            give_up(tx, execution.id, "workflow_faulty", message)
            workflows.set_due(tx, execution.id, 0)

    def _turn(self, tx: Transaction, execution: Startable, effort: Effort) -> None:
        state = workflows.get(tx, execution.id)
        if state is None:
            return
        plan = self._plans.of(tx, execution.job)
        case = Case(tx, execution, state, plan, settings=self._settings, sealer=self._sealer, effort=effort)
        Turn(case, self._starter).go()
