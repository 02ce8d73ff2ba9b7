"""Whether a workflow that begins at a task lacks what the tasks before it would have given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import Detail, UsageError
from attune_cli.runtime.expressions.templates import read_template
from attune_cli.runtime.expressions.workflow_scope import TASKS, VARIABLES, place_of_input, vocabulary_of
from attune_cli.runtime.model.workflows.cycles import reached_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.expressions.paths import WrittenPath
    from attune_cli.runtime.expressions.workflow_scope import Place
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.model.workflows.task import Task


def check_left_out(graph: Graph, name: str, *, is_alone: bool) -> None:
    """Raise UsageError where what surely runs from a task on needs a task that is left out, or its variable.

    What stands under `default` or a condition need not be there; a task with its own `when` may ask for just that.
    """
    runs = reached_from([name], graph.edges)
    left = {task.name for task in graph.tasks.values() if (task.within or task.name) not in runs}
    set_by = {variable: task for task in left for variable in graph.tasks[task].published}
    there = frozenset(graph.vars).union(*(graph.tasks[task].published for task in runs))
    missing = {variable: task for variable, task in set_by.items() if variable not in there}
    option = "--only" if is_alone else "--from"
    details: list[Detail] = []
    needed: list[str] = []
    for field, path in _needed(graph, name):
        shown = ".".join(map(str, path))
        root, *rest = map(str, path)
        source = rest[0] if root in TASKS and rest else None
        variable = rest[0] if root in VARIABLES and rest else root
        if source in left:
            details.append(Detail(field, f"reads {shown}, and {option} {name} leaves out task '{source}'"))
            needed.append(graph.tasks[source].within or source)
        elif variable in missing and source is None:
            task = missing[variable]
            details.append(
                Detail(field, f"reads {shown}, and {option} {name} leaves out '{task}', which sets it")
            )
            needed.append(task)
    if details:
        raise UsageError(
            f"workflow '{graph.ref}' cannot begin at '{name}': what it reads would be missing",
            code="left_out",
            details=details,
            hint=f"--from {next(one for one in graph.edges if one in needed)}, or with what an earlier run gave:"
            " attune execution retry ID --from-failed",
        )


def _needed(graph: Graph, name: str) -> Iterator[tuple[str, WrittenPath]]:
    """Yield each path without which a workflow that begins at a task surely fails, and where it is written."""
    for task in _surely_run(graph, name):
        for one in (task, *task.tasks):
            yield from _paths(graph, one.with_items, f"{one.name}.with_items", "task")
            yield from _paths(graph, one.input, f"{one.name}.input", place_of_input(one.with_items))
    yield from _paths(graph, graph.output_map, "output_map", "task")


def _paths(graph: Graph, written: Json, at: str, place: Place) -> Iterator[tuple[str, WrittenPath]]:
    for mention in read_template(written, at, vocabulary_of(graph, place))[0].needed:
        yield ".".join(map(str, mention.steps)), mention.path


def _surely_run(graph: Graph, name: str) -> list[Task]:
    """Return the tasks that run from one on when each of them succeeds, up to conditions."""
    found: dict[str, Task] = {}
    pending = [name]
    while pending:
        task = graph.tasks[pending.pop(0)]
        if task.name in found or task.when is not None:
            continue
        found[task.name] = task
        for transition in task.next:
            if transition.condition in {None, "succeeded()"}:
                pending += transition.do
    return list(found.values())
