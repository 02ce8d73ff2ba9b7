"""One workflow as a turn finds it, and how much of it the turn may still do."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attune_cli.runtime.engine.limits import FAULTS_KEPT, TASKS_PER_ROUND
from attune_cli.runtime.orchestration.workflows.results import Results
from attune_cli.runtime.orchestration.workflows.scopes import Surroundings
from attune_cli.runtime.store import workflows

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.model.effort import Effort
    from attune_cli.runtime.orchestration.workflows.plans import Plan
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.workflow_tasks import TaskRow
    from attune_cli.runtime.store.workflows import Workflow


class Case:
    """What the parts of a turn share."""

    def __init__(
        self,
        tx: Transaction,
        execution: Startable,
        workflow: Workflow,
        plan: Plan,
        *,
        settings: Settings,
        sealer: Sealer,
        effort: Effort,
    ) -> None:
        self.tx = tx
        self.execution = execution
        self.id = execution.id
        self.workflow = workflow
        self.plan = plan
        self.graph = plan.graph
        self.settings = settings
        self.sealer = sealer
        results = Results(tx, self.id, plan.graph, sealer=sealer, max_result_bytes=settings.max_result_bytes)
        self.surroundings = Surroundings(tx, execution, workflow, plan, results, sealer, effort)
        self.effort = effort
        self.begun: deque[TaskRow] = deque()
        """Tasks that run by their row, and have not been looked at since they do."""
        self._left = TASKS_PER_ROUND

    @property
    def left(self) -> int:
        """How many tasks may still begin or end, and executions may be made."""
        return 0 if self.effort.is_spent else self._left

    def take(self) -> None:
        """Count one of them."""
        self._left -= 1

    def fault(self, task: str, field: str, message: str) -> None:
        """Note what went wrong between tasks: the workflow fails when it has come to its end."""
        if len(self.workflow.faults) < FAULTS_KEPT:
            self.workflow.faults.append({"task": task, "field": field, "message": message})
            workflows.set_faults(self.tx, self.id, self.workflow.faults)
