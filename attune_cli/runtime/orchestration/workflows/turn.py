"""One workflow moved on within one transaction: what ended, where that leads, what begins, and how it all ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.expressions.faults import ExpressionError
from attune_cli.runtime.model.workflows.states import OPEN, TaskStatus, together
from attune_cli.runtime.orchestration.workflows.ending import Ending
from attune_cli.runtime.orchestration.workflows.following import Following
from attune_cli.runtime.store import workflow_children, workflow_tasks, workflows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.orchestration.workflows.case import Case
    from attune_cli.runtime.orchestration.workflows.plans import ReadyTask
    from attune_cli.runtime.orchestration.workflows.starting import Starter
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.workflow_tasks import TaskRow


_LAST = 1
"""An instant that is over like all others, and comes after 0."""


class Turn:
    """Does a bounded part; what is left is due at once."""

    def __init__(self, case: Case, starter: Starter) -> None:
        self._case = case
        self._starter = starter
        self._following = Following(case)
        self._ending = Ending(case, self._following)

    def go(self) -> None:
        """Move on as far as the bound allows."""
        deadline = _deadline(self._case.execution)
        workflows.set_due(self._case.tx, self._case.id, deadline)
        if self._case.workflow.closing is not None:
            self._ending.close()
        elif deadline is not None and deadline <= self._case.tx.now:
            self._ending.run_out_of_time()
        else:
            self._move_on()

    def _move_on(self) -> None:
        """Go on with what runs, begin what may; a paused workflow only learns what is over, and begins nothing."""
        for row in workflow_tasks.running(self._case.tx, self._case.id):
            if self._case.left > 0:
                self._look_at(row)
        self._begin_all()
        if self._case.workflow.is_paused:
            if self._case.left <= 0:
                workflows.set_due(self._case.tx, self._case.id, 0)
            return
        while self._case.left > 0 and (ready := self._following.ready()):
            for row in ready[: self._case.left]:
                self._case.take()
                workflow_tasks.begin(self._case.tx, row.id)
                self._case.begun.append(row)
            self._begin_all()
        if self._case.left <= 0:
            # Others that are due have their turn before one that takes so much.
            workflows.set_due(self._case.tx, self._case.id, _LAST if self._case.effort.is_spent else 0)
        elif not workflow_tasks.is_running(self._case.tx, self._case.id):
            self._ending.finish()

    # --- what goes on

    def _look_at(self, row: TaskRow) -> None:
        """Go on with a task that runs: with its next items, or with what follows it when it is over."""
        if self._case.graph.tasks[row.name].type == "parallel":
            if row.origin is not None:
                self._over(row)
            elif not workflow_tasks.nested(self._case.tx, row.id):
                self._begin(row)
            return  # otherwise the last of those nested in it says when it is over
        if self._is_untouched(row):
            if not self._case.workflow.is_paused:
                self._begin(row)
            return
        is_to_do = row.has_items and row.error is None and not self._is_kept(row)
        if is_to_do and self._begin_items(row):
            return
        if workflow_children.count_live(self._case.tx, row.id) == 0:
            self._over(row)

    def _is_untouched(self, row: TaskRow) -> bool:
        """Tell whether an earlier turn said of a task that it runs, and then had no room to begin it."""
        return (
            row.origin is None
            and row.error is None
            and not row.has_items
            and workflow_children.next_item(self._case.tx, row.id) == 0
        )

    def _is_kept(self, row: TaskRow) -> bool:
        """Tell whether a task was done in an earlier run, and only what follows it is not."""
        before = None if row.origin is None else workflow_tasks.by_id(self._case.tx, row.origin)
        return before is not None and before.status.is_success

    def _begin_items(self, row: TaskRow) -> bool:
        """Make executions for the next items as places are free; tells whether there are more to come."""
        ready = self._case.plan.task(row.name)
        items = self._starter.items(self._case.tx, row)
        count = items.units(ready.task)
        index = workflow_children.next_item(self._case.tx, row.id)
        places: Sequence[int] = range(index, count)
        if row.origin is not None:
            kept = workflow_children.kept_items(self._case.tx, workflow_tasks.sources(self._case.tx, row))
            places = [place for place in places if place not in kept]
        if not places:
            return False
        if self._case.workflow.is_paused:
            return True
        free = ready.task.concurrency - workflow_children.count_live(self._case.tx, row.id)
        delay_seconds = self._delay_seconds(ready) if index == 0 else 0.0
        for place in places[: max(0, free)]:
            if self._case.left <= 0:
                return True
            self._case.take()
            try:
                self._starter.start(
                    self._case,
                    row,
                    ready,
                    unit=items.unit(ready.task, place),
                    index=place,
                    delay_seconds=delay_seconds,
                )
            except AttuneError as error:
                workflow_tasks.set_error(self._case.tx, row.id, _error(error))
                # Otherwise it is looked at again when what runs of it is over.
                if workflow_children.count_live(self._case.tx, row.id) == 0:
                    self._end(row, TaskStatus.FAILED, _error(error))
                return True
        return True

    def _over(self, row: TaskRow) -> None:
        """End a task of which nothing goes on any more."""
        if row.error is not None:
            self._end(row, TaskStatus.FAILED, row.error)
        elif self._case.graph.tasks[row.name].type == "parallel":
            nested = workflow_tasks.nested(self._case.tx, row.source)
            self._end(row, together(one.status for one in nested))
        else:
            ended = workflow_children.ended(self._case.tx, workflow_tasks.sources(self._case.tx, row))
            self._end(row, together(child.task_status for child in ended))

    def _end(self, row: TaskRow, status: TaskStatus, error: dict[str, str] | None = None) -> None:
        self._case.take()
        workflow_tasks.end(self._case.tx, row.id, status, error=error)
        if row.within is None:
            self._following.follow(row, status)
            return
        nested = workflow_tasks.nested(self._case.tx, row.within)
        around = workflow_tasks.by_id(self._case.tx, row.within)
        if around is not None and all(one.status not in OPEN for one in nested):
            self._over(around)

    # --- what begins

    def _begin_all(self) -> None:
        """Begin what has become ready; what there is no room for is begun in the next turn."""
        while self._case.begun and not self._case.effort.is_spent:
            self._begin(self._case.begun.popleft())

    def _begin(self, row: TaskRow) -> None:
        """Begin a task whose row says that it runs."""
        try:
            ready = self._case.plan.task(row.name)
            if ready.when is not None and not ready.when.holds(self._case.surroundings.scope()):
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
                self._case.tx,
                self._case.id,
                task.name,
                row.iteration,
                status=TaskStatus.RUNNING,
                triggered_by=row.name,
                within=row.id,
            )
            self._case.take()
            self._case.begun.append(made)
        if not ready.task.tasks:
            self._end(row, TaskStatus.COMPLETED)

    def _begin_action(self, row: TaskRow, ready: ReadyTask) -> None:
        self._starter.job(self._case, ready.task)
        items = self._starter.pin_items(self._case, row, ready)
        row = self._starter.with_origin(self._case, row, items)
        if items is None:
            self._starter.start(self._case, row, ready, delay_seconds=self._delay_seconds(ready))
        elif items.values:
            self._begin_items(row)
        else:
            self._end(row, TaskStatus.COMPLETED)

    def _delay_seconds(self, ready: ReadyTask) -> float:
        """Return how long a task waits before it starts; those nested in it wait with it."""
        seconds = ready.task.delay_seconds
        around = ready.task.within
        while around is not None:
            seconds += self._case.graph.tasks[around].delay_seconds
            around = self._case.graph.tasks[around].within
        return seconds


def _error(error: AttuneError) -> dict[str, str]:
    return {"type": error.code, "message": error.in_words}


def _deadline(execution: Startable) -> Instant | None:
    if execution.timeout_seconds is None or execution.started is None:
        return None
    return execution.started + round(execution.timeout_seconds * SECOND)
