"""One workflow moved on within one transaction: what ended, where that leads, what begins, and how it all ends."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.engine.endings import end
from attune_cli.runtime.engine.limits import TASKS_PER_ROUND
from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.expressions.templates import TemplateError
from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.model.pointers import parse_pointer
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.workflows.states import (
    OPEN,
    Inbound,
    TaskStatus,
    failure,
    iteration_of,
    join_is_met,
    over_bound,
    together,
    unmet_join,
)
from attune_cli.runtime.orchestration.workflows.outputs import output_of
from attune_cli.runtime.orchestration.workflows.results import Results
from attune_cli.runtime.orchestration.workflows.scopes import Surroundings
from attune_cli.runtime.services.workflow_cancelling import (
    cancel_children,
    end_if_over,
    outcome_of,
    settle_tasks,
)
from attune_cli.runtime.store import executions, workflow_children, workflow_tasks, workflows

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.expressions.templates import Template
    from attune_cli.runtime.orchestration.workflows.plans import Plan, ReadyTask, Step
    from attune_cli.runtime.orchestration.workflows.scopes import StepScope
    from attune_cli.runtime.orchestration.workflows.starting import Starter
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.workflow_tasks import TaskRow
    from attune_cli.runtime.store.workflows import Workflow


class Turn:
    """Does a bounded part; what is left is due at once."""

    def __init__(
        self,
        tx: Transaction,
        execution: Startable,
        workflow: Workflow,
        plan: Plan,
        *,
        starter: Starter,
        settings: Settings,
        sealer: Sealer,
    ) -> None:
        self._tx = tx
        self._execution = execution
        self._id = execution.id
        self._workflow = workflow
        self._plan = plan
        self._graph = plan.graph
        self._starter = starter
        self._settings = settings
        results = Results(tx, self._id, plan.graph, sealer=sealer, max_result_bytes=settings.max_result_bytes)
        self._sealer = sealer
        self._surroundings = Surroundings(tx, execution, workflow, plan, results, sealer)
        self._begun: deque[TaskRow] = deque()
        """Tasks that run by their row, and have not been looked at since they do."""
        self._left = TASKS_PER_ROUND

    def go(self) -> None:
        """Move on as far as the bound allows."""
        deadline = _deadline(self._execution)
        workflows.set_due(self._tx, self._id, deadline)
        if self._workflow.closing is not None:
            self._close()
        elif deadline is not None and deadline <= self._tx.now:
            self._run_out_of_time()
        elif not self._workflow.is_paused:
            self._move_on()

    def _move_on(self) -> None:
        for row in workflow_tasks.running(self._tx, self._id):
            if self._left > 0:
                self._look_at(row)
        self._begin_all()
        while self._left > 0 and (ready := self._ready()):
            for row in ready[: self._left]:
                self._left -= 1
                workflow_tasks.begin(self._tx, row.id)
                self._begun.append(row)
            self._begin_all()
        if self._left <= 0:
            workflows.set_due(self._tx, self._id, 0)
        elif not workflow_tasks.is_running(self._tx, self._id):
            self._finish()

    # --- what goes on

    def _look_at(self, row: TaskRow) -> None:
        """Go on with a task that runs: with its next items, or with what follows it when it is over."""
        if self._graph.tasks[row.name].type == "parallel":
            if row.origin is not None:
                self._over(row)
            return  # otherwise the last of those nested in it says when it is over
        if row.origin is None and row.has_items and row.error is None and self._begin_items(row):
            return
        if row.origin is not None or workflow_children.count_live(self._tx, row.id) == 0:
            self._over(row)

    def _begin_items(self, row: TaskRow) -> bool:
        """Make executions for the next items as places are free; tells whether there are more to come."""
        ready = self._plan.task(row.name)
        items = self._starter.items(self._tx, row)
        count = items.units(ready.task)
        index = workflow_children.next_item(self._tx, row.id)
        if index >= count:
            return False
        free = ready.task.concurrency - workflow_children.count_live(self._tx, row.id)
        delay_seconds = self._delay_seconds(ready) if index == 0 else 0.0
        for place in range(index, min(index + free, count)):
            if self._left <= 0:
                return True
            self._left -= 1
            try:
                self._starter.start(
                    self._tx,
                    self._execution,
                    row,
                    ready,
                    self._plan,
                    self._surroundings,
                    unit=items.unit(ready.task, place),
                    index=place,
                    delay_seconds=delay_seconds,
                )
            except AttuneError as error:
                workflow_tasks.set_error(self._tx, row.id, _error(error))
                # Otherwise it is looked at again when what runs of it is over.
                if workflow_children.count_live(self._tx, row.id) == 0:
                    self._end(row, TaskStatus.FAILED, _error(error))
                return True
        return True

    def _over(self, row: TaskRow) -> None:
        """End a task of which nothing goes on any more."""
        if row.error is not None:
            self._end(row, TaskStatus.FAILED, row.error)
        elif self._graph.tasks[row.name].type == "parallel":
            nested = workflow_tasks.nested(self._tx, row.source)
            self._end(row, together(one.status for one in nested))
        else:
            ended = workflow_children.ended(self._tx, row.source)
            self._end(row, together(child.task_status for child in ended))

    def _end(self, row: TaskRow, status: TaskStatus, error: dict[str, str] | None = None) -> None:
        self._left -= 1
        workflow_tasks.end(self._tx, row.id, status, error=error)
        if row.within is None:
            self._follow(row, status)
            return
        nested = workflow_tasks.nested(self._tx, row.within)
        around = workflow_tasks.by_id(self._tx, row.within)
        if around is not None and all(one.status not in OPEN for one in nested):
            self._over(around)

    # --- what follows

    def _follow(self, row: TaskRow, status: TaskStatus) -> None:
        """Take every transition whose condition holds (domain.md 5.3)."""
        led = False
        try:
            steps = self._plan.task(row.name).next
        except AttuneError as error:
            self._fault(row.name, "next", error.message)
            return
        for index, step in enumerate(steps):
            scope = self._surroundings.scope_after(row, status)
            if not self._is_taken(row, status, index, step, scope):
                continue
            # What is skipped gave nothing that could be published.
            publish = None if status is TaskStatus.SKIPPED else step.publish
            if publish is not None and not self._publish(row, f"next.{index}.publish", publish, scope):
                continue
            for target in step.do:
                led |= self._arrive(row, target)
        if led or status.is_success:
            workflow_tasks.set_handled(self._tx, row.id)

    def _is_taken(self, row: TaskRow, status: TaskStatus, index: int, step: Step, scope: StepScope) -> bool:
        if step.when is None:
            return True
        try:
            return step.when.holds(scope)
        except ExpressionError as error:
            if status is not TaskStatus.SKIPPED:
                self._fault(row.name, f"next.{index}.when", f"{{{{ {step.when.expression.text} }}}}: {error}")
            return False

    def _publish(self, row: TaskRow, at: str, publish: Template, scope: StepScope) -> bool:
        """Set variables; False, with a fault, where one cannot be filled in or may not be."""
        try:
            filled = publish.fill(scope)
        except TemplateError as error:
            for fault in error.details:
                self._fault(row.name, fault.path, fault.message)
            return False
        secret = {parse_pointer(pointer)[0] for pointer in filled.secrets} - self._graph.secret_vars
        if secret:
            names = ", ".join(sorted(secret))
            message = f"{names}: a secret value may only be published as a variable that secret_vars names"
            self._fault(row.name, at, message)
            return False
        before = dict(self._surroundings.variables)
        self._surroundings.variables.update(cast("dict[str, Any]", filled.value))
        size = self._surroundings.save_variables()
        if size > self._settings.max_result_bytes:
            self._surroundings.variables.clear()
            self._surroundings.variables.update(before)
            self._surroundings.save_variables()
            allowed = self._settings.max_result_bytes
            self._fault(
                row.name, at, f"the variables take {size} bytes, {allowed} are allowed (max_result_bytes)"
            )
            return False
        return True

    def _arrive(self, row: TaskRow, target: str) -> bool:
        """Lead to a task, which begins when its join is met; tells whether it has begun, now or before."""
        iteration = iteration_of(self._graph, row.name, row.iteration, target)
        if iteration > row.iteration and self._is_over_bound(target, iteration):
            return False
        has_join = self._graph.tasks[target].join is not None
        existing = self._there(target, iteration, has_join=has_join)
        if existing is not None:
            if existing.status is TaskStatus.WAITING:
                workflow_tasks.add_arrival(self._tx, existing, row.name)
            return existing.status is not TaskStatus.WAITING or not has_join
        begins = not has_join and self._left > 0
        made = workflow_tasks.insert(
            self._tx,
            self._id,
            target,
            iteration,
            status=TaskStatus.RUNNING if begins else TaskStatus.WAITING,
            triggered_by=row.name,
        )
        if begins:
            self._left -= 1
            self._begun.append(made)
        return not has_join

    def _there(self, target: str, iteration: int, *, has_join: bool) -> TaskRow | None:
        """Return the row that stands for an arrival already; all that lead to a join meet in the one that waits."""
        if has_join:
            waiting = workflow_tasks.latest(self._tx, self._id, target)
            if waiting is not None and waiting.status is TaskStatus.WAITING:
                return waiting
        return workflow_tasks.at(self._tx, self._id, target, iteration)

    def _is_over_bound(self, target: str, iteration: int) -> bool:
        bound = self._graph.bound_of(target)
        first = workflow_tasks.first_iteration(self._tx, self._id, target) or iteration
        if iteration - first < bound:
            return False
        self._fault(target, "max_iterations", over_bound(target, bound))
        return True

    def _ready(self) -> list[TaskRow]:
        """Return what waits and may begin."""
        return [row for row in workflow_tasks.waiting(self._tx, self._id) if self._may_begin(row)]

    def _may_begin(self, row: TaskRow) -> bool:
        if self._graph.tasks[row.name].join is None:
            return True
        return join_is_met(self._graph, row.name, self._inbound(row))

    def _inbound(self, row: TaskRow) -> dict[str, Inbound]:
        """Return the tasks that lead to one, each in its latest round."""
        before = workflow_tasks.previous_id(self._tx, self._id, row)
        found: dict[str, Inbound] = {}
        for one in workflow_tasks.latest_of(self._tx, self._id, self._graph.inbound[row.name]):
            found[one.name] = Inbound(status=one.status, handled=one.handled, is_recent=one.id > before)
        return found

    # --- what begins

    def _begin_all(self) -> None:
        while self._begun:
            self._begin(self._begun.popleft())

    def _begin(self, row: TaskRow) -> None:
        """Begin a task whose row says that it runs."""
        try:
            ready = self._plan.task(row.name)
            if ready.when is not None and not ready.when.holds(self._surroundings.scope()):
                self._end(row, TaskStatus.SKIPPED)
                return
            if ready.task.type == "parallel":
                self._begin_nested(row, ready)
            else:
                self._begin_action(row, ready)
        except ExpressionError as error:
            self._end(row, TaskStatus.FAILED, {"type": "expression", "message": f"when: {error}"})
        except AttuneError as error:
            self._end(row, TaskStatus.FAILED, _error(error))

    def _begin_nested(self, row: TaskRow, ready: ReadyTask) -> None:
        for task in ready.task.tasks:
            made = workflow_tasks.insert(
                self._tx,
                self._id,
                task.name,
                row.iteration,
                status=TaskStatus.RUNNING,
                triggered_by=row.name,
                within=row.id,
            )
            self._left -= 1
            self._begun.append(made)
        if not ready.task.tasks:
            self._end(row, TaskStatus.COMPLETED)

    def _begin_action(self, row: TaskRow, ready: ReadyTask) -> None:
        self._starter.job(self._tx, self._execution, ready.task)
        items = self._starter.pin_items(self._tx, row, ready, self._surroundings)
        if items is None:
            self._starter.start(
                self._tx,
                self._execution,
                row,
                ready,
                self._plan,
                self._surroundings,
                delay_seconds=self._delay_seconds(ready),
            )
        elif items.values:
            self._begin_items(row)
        else:
            self._end(row, TaskStatus.COMPLETED)

    def _delay_seconds(self, ready: ReadyTask) -> float:
        """Return how long a task waits before it starts; those nested in it wait with it."""
        seconds = ready.task.delay_seconds
        around = ready.task.within
        while around is not None:
            seconds += self._graph.tasks[around].delay_seconds
            around = self._graph.tasks[around].within
        return seconds

    # --- the end

    def _fault(self, task: str, field: str, message: str) -> None:
        """Note what went wrong between tasks: the workflow fails when it has come to its end."""
        self._workflow.faults.append({"task": task, "field": field, "message": message})
        workflows.set_faults(self._tx, self._id, self._workflow.faults)

    def _finish(self) -> None:
        """End a workflow in which nothing goes on any more."""
        failed = workflow_tasks.failed(self._tx, self._id)
        others = [
            fault["message"]
            if fault["field"] == "max_iterations"
            else f"task '{fault['task']}', {fault['field']}: {fault['message']}"
            for fault in self._workflow.faults
        ]
        others += [
            unmet_join(self._graph, row.name, self._inbound(row))
            for row in workflow_tasks.waiting(self._tx, self._id)
        ]
        workflow_tasks.end_open(self._tx, self._id)
        if failed or others:
            message = failure([row.name for row in failed], self._first_error(failed), others)
            self._end_with(failed_outcome("workflow_failed", message))
            return
        self._end_with(self._output())

    def _output(self) -> Outcome:
        try:
            return output_of(self._plan, self._surroundings.scope(), self._sealer, self._settings)
        except AttuneError as error:
            reasons = [f"{fault.path}: {fault.message}" for fault in error.details] or [error.message]
            return failed_outcome("output", failure([], None, reasons))

    def _first_error(self, failed: list[TaskRow]) -> str | None:
        if not failed:
            return None
        first = failed[0]
        if first.error is not None:
            return first.error["message"]
        parts = [first.source, *(one.source for one in workflow_tasks.nested(self._tx, first.source))]
        return next((said for one in parts if (said := workflow_children.first_error(self._tx, one))), None)

    def _run_out_of_time(self) -> None:
        seconds = self._execution.timeout_seconds
        message = f"the workflow took longer than {seconds:g} s"
        give_up(self._tx, self._id, "timeout", message, timed_out=True)
        self._close()

    def _close(self) -> None:
        """End a workflow that is being ended, when nothing below it goes on."""
        workflows.set_due(self._tx, self._id, None)
        is_cancelled = self._execution.status is Status.CANCELING
        # What ran when it was ended may have failed, and would be tried again.
        cancel_children(self._tx, self._id, running_too=not is_cancelled)
        if is_cancelled:
            end_if_over(self._tx, self._id)
            return
        settle_tasks(self._tx, self._id)
        state = workflows.get(self._tx, self._id)
        if state is None or state.closing is None or workflow_children.any_live(self._tx, self._id):
            return
        workflow_tasks.end_open(self._tx, self._id)
        self._end_with(outcome_of(state.closing))

    def _end_with(self, outcome: Outcome) -> None:
        workflows.set_due(self._tx, self._id, None)
        current = executions.startable(self._tx, self._id)
        if current is not None:
            end(self._tx, current, outcome, self._plan.job.action.retry)


def give_up(tx: Transaction, workflow: int, kind: str, message: str, *, timed_out: bool = False) -> None:
    """Say that a workflow has failed, and stop all below it; it ends when nothing of that goes on."""
    closing = {"status": "failed", "error": {"type": kind, "message": message}, "timed_out": timed_out}
    workflows.close(tx, workflow, closing)
    cancel_children(tx, workflow, running_too=True)


def failed_outcome(kind: str, message: str) -> Outcome:
    return Outcome(
        succeeded=False,
        error=RunError(type=kind, message=message),
        result={"error": message, "succeeded": False},
    )


def _error(error: AttuneError) -> dict[str, str]:
    """Return what is written down of an error; a template's message names the first place, its details all."""
    if isinstance(error, TemplateError) and len(error.details) > 1:
        return {
            "type": error.code,
            "message": "; ".join(f"{one.path}: {one.message}" for one in error.details),
        }
    return {"type": error.code, "message": error.message}


def _deadline(execution: Startable) -> Instant | None:
    if execution.timeout_seconds is None or execution.started is None:
        return None
    return execution.started + round(execution.timeout_seconds * SECOND)
