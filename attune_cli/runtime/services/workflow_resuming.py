"""Beginning a workflow in its midst: at one task, or where an earlier run failed, with what that one has done.

The rows are made with the execution, before it begins; from then on it goes on like any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import ConflictError, UsageError, did_you_mean
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.pointers import format_pointer, put_back
from attune_cli.runtime.model.secret_places import take_out
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.workflows.cycles import reached_from
from attune_cli.runtime.model.workflows.graph import Graph
from attune_cli.runtime.model.workflows.states import FAILURES, TaskStatus
from attune_cli.runtime.model.workflows.task import FOLLOWING
from attune_cli.runtime.services.workflow_keeping import Keeping, Redone, causes_of
from attune_cli.runtime.services.workflow_leaving_out import check_left_out
from attune_cli.runtime.store import executions, jobs, workflow_children, workflow_tasks, workflows
from attune_cli.runtime.store.sealing import opened_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.model.workflows.task import Task
    from attune_cli.runtime.services.submission import Submission
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.workflow_tasks import TaskRow
    from attune_cli.runtime.store.workflows import Workflow


def resuming(
    tx: Transaction, submission: Submission, job: JobDefinition
) -> tuple[JobDefinition, Callable[[int, Sealer], None]]:
    """Return the job that is run and what makes the rows it begins with; raises where it cannot begin as asked."""
    graph = graph_of(job)
    if submission.begin_at is not None:
        name = submission.begin_at
        check_task(graph, name)
        if submission.is_alone:
            job = alone(job, name)
            graph = graph_of(job)
        check_left_out(graph, name, is_alone=submission.is_alone)
        return job, lambda execution, sealer: begin_at(tx, execution, graph, name, sealer)
    earlier = submission.rerun_of or 0
    check_failed(tx, earlier)
    check_results(tx, earlier, graph)
    return job, lambda execution, sealer: take_over(tx, execution, graph, earlier, sealer)


def graph_of(job: JobDefinition) -> Graph:
    """Return the graph of a workflow; raises UsageError for what is none."""
    if job.workflow is None:
        raise UsageError(
            f"action '{job.action.ref}' is no workflow", code="no_workflow", hint="attune workflow list"
        )
    return Graph.of(WorkflowDefinition.from_json(job.workflow))


def check_task(graph: Graph, name: str) -> None:
    """Raise UsageError where a workflow cannot begin at a task: it has none of that name, or within another one."""
    task = graph.tasks.get(name)
    if task is not None and task.within is None:
        return
    names = [one.name for one in graph.tasks.values() if one.within is None]
    reason = f"is nested in '{task.within}'" if task is not None else "does not exist"
    raise UsageError(
        f"workflow '{graph.ref}' cannot begin at '{name}': that task {reason}",
        code="unknown_task",
        hint=did_you_mean(name, names) or f"its tasks are {', '.join(names)}",
    )


def alone(job: JobDefinition, name: str) -> JobDefinition:
    """Return a workflow of which one task is all: nothing follows it, and nothing is made of its result.

    The other tasks stay, so that their names mean what they did; where one is needed, it has not run.
    """
    written = cast("dict[str, Any]", job.workflow)
    tasks = [
        {key: value for key, value in task.items() if key not in FOLLOWING} if task["name"] == name else task
        for task in written["tasks"]
    ]
    return replace(job, workflow={**written, "tasks": tasks, "output_map": None})


def begin_at(tx: Transaction, execution: int, graph: Graph, name: str, sealer: Sealer) -> None:
    """Let a workflow begin at a task. What that does not lead to counts as completed for joins, and does not run."""
    insert(tx, execution, graph, sealer, due=None)
    reached = reached_from([name], graph.edges)
    for other in graph.edges:
        if other not in reached:
            row = workflow_tasks.insert(tx, execution, other, 1, status=TaskStatus.SKIPPED)
            workflow_tasks.set_handled(tx, row.id)
    workflow_tasks.insert(tx, execution, name, 1, status=TaskStatus.WAITING)


def insert(tx: Transaction, execution: int, graph: Graph, sealer: Sealer, *, due: int | None = 0) -> None:
    """Make the state of a workflow with the variables that it begins with."""
    _insert_state(tx, execution, graph, dict(graph.vars), sealer, due=due)


def _insert_state(
    tx: Transaction,
    execution: int,
    graph: Graph,
    variables: dict[str, Any],
    sealer: Sealer,
    *,
    due: int | None,
) -> None:
    secret = [format_pointer([name]) for name in graph.secret_vars if name in variables]
    hidden = take_out(variables, secret)
    workflows.insert(
        tx, execution, variables=variables, sealed=sealer.seal(hidden) if hidden else None, due=due
    )


def check_failed(tx: Transaction, execution: int) -> None:
    """Raise ConflictError where there is nothing to go on from: it is no workflow, goes on, or has succeeded."""
    row = executions.get(tx, execution)
    hint = f"attune execution show {execution}"
    if row is None or workflows.get(tx, execution) is None:
        raise ConflictError(f"execution {execution} is no workflow that has begun", hint=hint)
    if not row.status.is_terminal:
        raise ConflictError(f"execution {execution} goes on", code="unfinished", hint=hint)
    if row.status is Status.COMPLETED:
        raise ConflictError(
            f"execution {execution} has not failed: nothing of it is to begin again", hint=hint
        )


def check_results(tx: Transaction, execution: int, graph: Graph) -> None:
    """Raise ConflictError where what a task gave was deleted: those behind it would go on with nothing."""
    faulty = _faulty(workflows.get(tx, execution))
    gone = [
        row.name
        for row in workflow_tasks.all_of(tx, execution)
        if row.name in graph.tasks
        and _status_of(row, row.name in faulty) not in {TaskStatus.WAITING, TaskStatus.SKIPPED}
        and _lacks_results(tx, row, graph.tasks[row.name])
    ]
    if gone:
        names = ", ".join(dict.fromkeys(gone))
        raise ConflictError(
            f"execution {execution} cannot go on where it failed: what its tasks gave was deleted ({names})",
            code="results_deleted",
            hint=f"attune execution retry {execution} begins at the beginning",
        )


def _lacks_results(tx: Transaction, row: TaskRow, task: Task) -> bool:
    """Tell whether executions of a task were pruned. One that failed before it had any has its error in its row."""
    if task.type == "parallel" or row.error is not None:
        return False
    items = workflow_tasks.count_items(tx, row.id)
    found, highest = workflow_children.extent(tx, workflow_tasks.sources(tx, row))
    if task.batch_size is None:
        return found != items
    return found != highest or (found == 0) != (items == 0)


def take_over(tx: Transaction, execution: int, graph: Graph, earlier: int, sealer: Sealer) -> None:
    """Let a workflow go on where an earlier run of it failed: variables and results of that one count for it.

    What failed and led nowhere begins again, of several items those that failed; so does a handled failure that did not
    end well, and what read a parameter that is other now. Of what succeeded only what follows is looked at again, where
    that could not be told.
    """
    state = workflows.get(tx, earlier)
    old = executions.startable(tx, earlier)
    if state is None or old is None:
        return
    before = Graph.of(WorkflowDefinition.from_json(jobs.get(tx, old.job)["workflow"]))
    rows = workflow_tasks.all_of(tx, earlier)
    redone = _redone(tx, graph, (earlier, execution), rows, state, sealer)
    _insert_variables(tx, execution, graph, state, redone, sealer)
    faulty = _faulty(state)
    made: dict[int, int] = {}
    for row, status in _taken(graph, rows, redone, faulty):
        if row.within is not None and row.within not in made:
            continue
        within = None if row.within is None else made[row.within]
        begins = status is TaskStatus.WAITING
        origin = _origin_of(row, begins=begins, is_same=_is_same(before, graph, row))
        copy = workflow_tasks.copy(
            tx,
            row,
            execution,
            status=status,
            handled=row.within is not None
            or (row.handled and row.name not in redone.followed and not begins),
            within=within,
            origin=None if begins and row.name in redone.stale | redone.behind else origin,
        )
        if not begins:
            made[row.id] = copy


def _redone(
    tx: Transaction,
    graph: Graph,
    runs: tuple[int, int],
    rows: list[TaskRow],
    state: Workflow,
    sealer: Sealer,
) -> Redone:
    """Return what of the first of two runs the second one does again."""
    before, now = (_given(tx, run, sealer) for run in runs)
    replaced = frozenset(
        name
        for name in {**before, **now}
        if (name in before, before.get(name)) != (name in now, now.get(name))
    )
    causes = frozenset[str]() if state.faults else causes_of(graph, rows)
    return Keeping(tx, graph).redone(replaced, causes) if replaced or causes else Redone()


def _given(tx: Transaction, execution: int, sealer: Sealer) -> dict[str, Any]:
    """Return the parameters of an execution, secret ones too."""
    row = executions.startable(tx, execution)
    return {} if row is None else opened_parameters(row, sealer)[0]


def _insert_variables(
    tx: Transaction, execution: int, graph: Graph, state: Workflow, redone: Redone, sealer: Sealer
) -> None:
    """Begin with the variables of the earlier run; those that are published again are what they were at first."""
    variables = dict(state.variables)
    if state.sealed is not None:
        put_back(variables, sealer.unseal(state.sealed))
    for name in redone.variables & frozenset(variables):
        del variables[name]
        if name in graph.vars:
            variables[name] = graph.vars[name]
    _insert_state(tx, execution, graph, variables, sealer, due=None)


def _taken(
    graph: Graph, rows: list[TaskRow], redone: Redone, faulty: set[str]
) -> Iterator[tuple[TaskRow, TaskStatus]]:
    """Yield each row of the earlier run that the next one begins with, and what it is to that."""
    begun: set[str] = set()
    top, again = redone.begins | redone.followed, redone.begins | redone.behind
    for row in rows:
        if row.name not in graph.tasks:
            continue
        if row.within is not None:
            yield row, row.status
        elif row.name in again:
            is_led_to_anew = row.name in redone.behind and not set(row.arrivals) - redone.behind - top
            if row.name not in begun and not is_led_to_anew:
                begun.add(row.name)
                yield row, TaskStatus.WAITING
        elif row.name in redone.followed and row.status is TaskStatus.COMPLETED:
            yield row, TaskStatus.RUNNING
        elif row.name in redone.followed:
            yield row, TaskStatus.WAITING
        else:
            yield row, _status_of(row, row.name in faulty)


def _is_same(before: Graph, now: Graph, row: TaskRow) -> bool:
    """Tell whether a task is done by the same action as it was, for as many items at once."""
    one, other = before.tasks.get(row.name), now.tasks[row.name]
    return one is not None and (one.action, one.batch_size) == (other.action, other.batch_size)


def _origin_of(row: TaskRow, *, begins: bool, is_same: bool) -> int | None:
    """Return the row whose results count for the next run: of several items also those of a task that failed."""
    if begins:
        return row.id if is_same and row.has_items and row.status in FAILURES else None
    return row.id if row.has_items else row.source


def _faulty(state: Workflow | None) -> set[str]:
    """Return the tasks between which something went wrong."""
    return set() if state is None else {fault["task"] for fault in state.faults}


def _status_of(row: TaskRow, is_faulty: bool) -> TaskStatus:
    """Return what a task of an earlier run is to the next one: over, over but not followed (`running`), or to begin."""
    if row.status.is_success:
        if row.handled and not is_faulty:
            return row.status
        return TaskStatus.RUNNING if row.status is TaskStatus.COMPLETED else TaskStatus.WAITING
    return row.status if row.handled else TaskStatus.WAITING
