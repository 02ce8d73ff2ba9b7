"""What follows a task that is over: transitions, what they publish, and the tasks that they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import AttuneError
from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.expressions.templates import TemplateError
from attune_cli.runtime.model.pointers import parse_pointer
from attune_cli.runtime.model.workflows.states import (
    Inbound,
    TaskStatus,
    iteration_of,
    join_is_met,
    over_bound,
)
from attune_cli.runtime.store import workflow_tasks

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.templates import Template
    from attune_cli.runtime.orchestration.workflows.case import Case
    from attune_cli.runtime.orchestration.workflows.plans import Step
    from attune_cli.runtime.orchestration.workflows.scopes import StepScope
    from attune_cli.runtime.store.workflow_tasks import TaskRow


class Following:
    """Leads from tasks to tasks within one turn."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def follow(self, row: TaskRow, status: TaskStatus) -> None:
        """Take every transition whose condition holds (domain.md 5.3)."""
        led = False
        try:
            steps = self._case.plan.task(row.name).next
        except AttuneError as error:
            self._case.fault(row.name, "next", error.message)
            return
        for index, step in enumerate(steps):
            scope = self._case.surroundings.scope_after(row, status)
            if not self._is_taken(row, status, index, step, scope):
                continue
            # What is skipped gave nothing that could be published.
            publish = None if status is TaskStatus.SKIPPED else step.publish
            if publish is not None and not self._publish(row, f"next.{index}.publish", publish, scope):
                continue
            for target in step.do:
                led |= self._arrive(row, target)
        if led or status.is_success:
            workflow_tasks.set_handled(self._case.tx, row.id)

    def _is_taken(self, row: TaskRow, status: TaskStatus, index: int, step: Step, scope: StepScope) -> bool:
        if step.when is None:
            return True
        try:
            return step.when.holds(scope)
        except ExpressionError as error:
            if status is not TaskStatus.SKIPPED:
                self._case.fault(row.name, f"next.{index}.when", str(error))
            return False

    def _publish(self, row: TaskRow, at: str, publish: Template, scope: StepScope) -> bool:
        """Set variables; False, with a fault, where one cannot be filled in or may not be."""
        try:
            filled = publish.fill(scope)
        except TemplateError as error:
            for fault in error.details:
                self._case.fault(row.name, fault.path, fault.message)
            return False
        secret = {parse_pointer(pointer)[0] for pointer in filled.secrets} - self._case.graph.secret_vars
        if secret:
            names = ", ".join(sorted(secret))
            message = f"{names}: a secret value may only be published as a variable that secret_vars names"
            self._case.fault(row.name, at, message)
            return False
        before = dict(self._case.surroundings.variables)
        self._case.surroundings.variables.update(cast("dict[str, Any]", filled.value))
        size = self._case.surroundings.save_variables()
        if size > self._case.settings.max_result_bytes:
            self._case.surroundings.variables.clear()
            self._case.surroundings.variables.update(before)
            self._case.surroundings.save_variables()
            allowed = self._case.settings.max_result_bytes
            self._case.fault(
                row.name, at, f"the variables take {size} bytes, {allowed} are allowed (max_result_bytes)"
            )
            return False
        return True

    def _arrive(self, row: TaskRow, target: str) -> bool:
        """Lead to a task, which begins when its join is met; tells whether it has begun, now or before."""
        iteration = iteration_of(self._case.graph, row.name, row.iteration, target)
        if iteration > row.iteration and self._is_over_bound(target, iteration):
            return False
        has_join = self._case.graph.tasks[target].join is not None
        existing = self._there(target, iteration, has_join=has_join)
        if existing is not None:
            if existing.status is TaskStatus.WAITING:
                workflow_tasks.add_arrival(self._case.tx, existing, row.name)
            return existing.status is not TaskStatus.WAITING or not has_join
        begins = not has_join and self._case.left > 0 and not self._case.workflow.is_paused
        made = workflow_tasks.insert(
            self._case.tx,
            self._case.id,
            target,
            iteration,
            status=TaskStatus.RUNNING if begins else TaskStatus.WAITING,
            triggered_by=row.name,
        )
        if begins:
            self._case.take()
            self._case.begun.append(made)
        return not has_join

    def _there(self, target: str, iteration: int, *, has_join: bool) -> TaskRow | None:
        """Return the row that stands for an arrival already; all that lead to a join meet in the one that waits."""
        if has_join:
            waiting = workflow_tasks.latest(self._case.tx, self._case.id, target)
            if waiting is not None and waiting.status is TaskStatus.WAITING:
                return waiting
        return workflow_tasks.at(self._case.tx, self._case.id, target, iteration)

    def _is_over_bound(self, target: str, iteration: int) -> bool:
        bound = self._case.graph.bound_of(target)
        first = workflow_tasks.first_iteration(self._case.tx, self._case.id, target) or iteration
        if iteration - first < bound:
            return False
        self._case.fault(target, "max_iterations", over_bound(target, bound))
        return True

    def ready(self) -> list[TaskRow]:
        """Return what waits and may begin."""
        return [row for row in workflow_tasks.waiting(self._case.tx, self._case.id) if self._may_begin(row)]

    def _may_begin(self, row: TaskRow) -> bool:
        if self._case.graph.tasks[row.name].join is None:
            return True
        return join_is_met(self._case.graph, row.name, self.inbound(row))

    def inbound(self, row: TaskRow) -> dict[str, Inbound]:
        """Return the tasks that lead to one, each in its latest round."""
        before = workflow_tasks.previous_id(self._case.tx, self._case.id, row)
        found: dict[str, Inbound] = {}
        for one in workflow_tasks.latest_of(self._case.tx, self._case.id, self._case.graph.inbound[row.name]):
            found[one.name] = Inbound(status=one.status, handled=one.handled, is_recent=one.id > before)
        return found
