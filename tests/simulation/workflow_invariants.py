"""What must hold of workflows in every history: what ran is what the graph says of how it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.workflows.graph import Graph
from tests.simulation.invariants import rows

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Store

_HOLDS = {
    None: lambda _status: True,
    "{{ succeeded() }}": lambda status: status in {"completed", "skipped"},
    "{{ failed() }}": lambda status: status not in {"completed", "skipped"},
    "{{ timed_out() }}": lambda status: status == "timed_out",
}


def broken(store: Store) -> list[str]:
    """Return every broken invariant of the workflows of a store in which nothing more can happen."""
    found = [
        f"workflow {one} is {status}, and its execution {child} is {of_child}"
        for one, status, child, of_child in rows(
            store,
            """SELECT w.id, w.status, c.id, c.status FROM workflow_execution AS s
               JOIN execution AS w ON w.id = s.execution JOIN execution AS c ON c.parent = w.id
               WHERE w.finished IS NOT NULL AND (c.finished IS NULL OR c.finished > w.finished)""",
        )
    ]
    found += [
        f"task {name} of workflow {one} is {status}"
        for one, name, status in rows(
            store, "SELECT workflow, name, status FROM workflow_task WHERE status IN ('waiting', 'running')"
        )
    ]
    found += [
        f"workflow {one} is to be looked at"
        for (one,) in rows(store, "SELECT execution FROM workflow_execution WHERE due IS NOT NULL")
    ]
    found += _after_cancel(store)
    workflows = rows(
        store,
        """SELECT e.id, e.status, e.timed_out, e.cancel_requested IS NOT NULL, j.definition, s.faults
           FROM workflow_execution AS s JOIN execution AS e ON e.id = s.execution JOIN job AS j ON j.id = e.job""",
    )
    for one, status, timed_out, cancelled, definition, faults in workflows:
        graph = Graph.of(WorkflowDefinition.from_json(json.loads(str(definition))["workflow"]))
        found += _tasks(store, one, str(status), graph)
        if status != "cancelled" and not timed_out:
            found += _graph(store, one, str(status), graph, has_faults=faults != "[]")
        if status == "cancelled" and not cancelled and not _is_cancelled_above(store, one):
            found.append(f"workflow {one} was cancelled by nobody")
    return found


def _after_cancel(store: Store) -> list[str]:
    """Nothing begins in a workflow that is being cancelled, and the workflows in it are cancelled with it."""
    below = """FROM execution_history AS w JOIN workflow_execution AS s ON s.execution = w.execution
        JOIN execution AS c ON c.parent = w.execution"""
    found = [
        f"execution {child} began after its workflow {one} was cancelled"
        for one, child in rows(
            store,
            f"""SELECT w.execution, c.id {below} JOIN execution_history AS h ON h.execution = c.id
                WHERE w.to_status = 'canceling' AND h.to_status = 'running' AND h.id > w.id""",
        )
    ]
    found += [
        f"execution {child} waited, and was {status} after its workflow {one} was cancelled"
        for one, child, status in rows(
            store,
            f"""SELECT w.execution, c.id, c.status {below} JOIN execution_history AS h ON h.execution = c.id
                WHERE w.to_status = 'canceling' AND c.waits AND h.id > w.id
                  AND h.to_status NOT IN ('canceling', 'cancelled')""",
        )
    ]
    return found


def _is_cancelled_above(store: Store, one: object) -> bool:
    query = f"SELECT parent FROM execution WHERE id = {one}"
    return bool(rows(store, query)[0][0])


def _tasks(store: Store, one: object, status: str, graph: Graph) -> list[str]:
    """Each task is as its executions ended, and has as many as it has items."""
    found: list[str] = []
    ended = rows(
        store,
        f"""SELECT t.name, t.iteration, t.status, json_array_length(t.items), count(c.id), count(DISTINCT c.item),
              coalesce(sum(c.status = 'completed'), 0)
            FROM workflow_task AS t LEFT JOIN execution AS c ON c.workflow_task = t.id AND c.next_attempt IS NULL
            WHERE t.workflow = {one} GROUP BY t.id""",
    )
    for name, iteration, of_task, items, last, distinct, completed in ended:
        task = graph.tasks[str(name)]
        if task.type == "parallel" or of_task == "skipped":
            continue
        wanted = 1 if items is None else items
        if last != distinct:
            found.append(f"task {name}@{iteration} of workflow {one} has {last} ends of {distinct} items")
        if of_task == "completed" and (distinct, completed) != (wanted, wanted):
            found.append(f"task {name}@{iteration} of {one} completed with {completed} of {wanted} items")
        if of_task in {"failed", "timed_out"} and completed == wanted:
            found.append(f"task {name}@{iteration} of {one} is {of_task}, and all of it completed")
        if status == "completed" and last == 0:
            found.append(f"task {name}@{iteration} of {one} completed without an execution")
    return found


def _graph(store: Store, one: object, status: str, graph: Graph, *, has_faults: bool) -> list[str]:
    """What was begun is what the ends of the tasks lead to, and the end is what these say."""
    found: list[str] = []
    became: dict[tuple[str, int], str] = {
        (str(name), int(str(iteration))): str(of_task)
        for name, iteration, of_task in rows(
            store,
            f"SELECT name, iteration, status FROM workflow_task WHERE workflow = {one} AND within IS NULL",
        )
    }
    led: set[tuple[str, int]] = {(name, 1) for name in graph.entry}
    unhandled = False
    unmet = False
    for (name, iteration), of_task in became.items():
        targets = [
            (target, iteration + graph.is_back(name, target))
            for transition in graph.tasks[name].next
            if _HOLDS[transition.when](of_task)
            for target in transition.do
            if iteration + graph.is_back(name, target) <= graph.bound_of(target)
        ]
        led |= set(targets)
        begun = [place for place in targets if became.get(place) != "cancelled" and place in became]
        is_join = all(graph.tasks[target].join is not None for target, _ in targets)
        if of_task not in {"completed", "skipped"}:
            unhandled = unhandled or not begun or is_join
    for place in sorted(led ^ set(became)):
        kind = "was led to and has no row" if place in led else "has a row and nothing led to it"
        found.append(f"task {place[0]}@{place[1]} of workflow {one} {kind}")
    found += [
        f"task {name}@{iteration} of workflow {one} began before its join was met"
        for name, iteration in became
        if graph.tasks[name].join == "all" and not _waited_for_all(store, one, name, graph)
    ]
    unmet = any(_is_unmet(store, one, name) for name, _ in became)
    expected = "failed" if unhandled or unmet or has_faults else "completed"
    if status != expected:
        found.append(f"workflow {one} is {status}, and its tasks say {expected}: {became}")
    return found


def _waited_for_all(store: Store, one: object, name: str, graph: Graph) -> bool:
    """Tell whether a task began after all that lead to it were over, if it began."""
    leading = ", ".join(f"'{origin}'" for origin in graph.inbound[name])
    query = f"""SELECT t.started, (SELECT count(*) FROM workflow_task AS l WHERE l.workflow = {one}
                  AND l.name IN ({leading}) AND l.finished <= t.started)
                FROM workflow_task AS t WHERE t.workflow = {one} AND t.name = '{name}'"""
    return all(started is None or over == len(graph.inbound[name]) for started, over in rows(store, query))


def _is_unmet(store: Store, one: object, name: str) -> bool:
    """Tell whether a task was ended without ever having begun."""
    query = f"""SELECT 1 FROM workflow_task AS t WHERE workflow = {one} AND name = '{name}' AND status = 'cancelled'
                AND NOT EXISTS (SELECT 1 FROM execution WHERE workflow_task = t.id)"""
    return bool(rows(store, query))
