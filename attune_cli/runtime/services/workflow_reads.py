"""What the tasks of a workflow read: parameters, variables, and what other tasks gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.expressions.faults import ParseError
from attune_cli.runtime.expressions.predicate import read_predicate
from attune_cli.runtime.expressions.templates import read_template
from attune_cli.runtime.expressions.workflow_scope import TASKS, VARIABLES, place_of_input, vocabulary_of
from attune_cli.runtime.store import definitions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attune_cli.runtime.expressions.paths import WrittenPath
    from attune_cli.runtime.expressions.workflow_scope import Place
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.model.workflows.task import Task
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class Reads:
    """Names that some expressions read."""

    parameters: frozenset[str]
    variables: frozenset[str]
    tasks: frozenset[str]


def reads_of(tx: Transaction, graph: Graph, task: Task) -> Reads:
    """Return what a task is done with: its condition, items and input, and those of the tasks nested in it."""
    found = [_reads(graph, _paths_of(graph, task))]
    if task.type == "action" and not task.input:
        # Without an input of its own a task hands on what the workflow was given.
        row = definitions.get(tx, "action", task.action or "")
        declared: Iterable[str] = () if row is None else row.definition.get("parameters") or ()
        handed = graph.parameters & frozenset(declared)
        found.append(Reads(parameters=handed, variables=frozenset(), tasks=frozenset()))
    found += [reads_of(tx, graph, nested) for nested in task.tasks]
    return Reads(
        parameters=frozenset[str]().union(*(one.parameters for one in found)),
        variables=frozenset[str]().union(*(one.variables for one in found)),
        tasks=frozenset[str]().union(*(one.tasks for one in found)),
    )


def reads_after(graph: Graph, task: Task) -> Reads:
    """Return what the transitions of a task read."""
    paths: list[WrittenPath] = []
    for one in task.next:
        paths += [
            *_in_condition(graph, one.when, "transition"),
            *_in_template(graph, one.published, "transition"),
        ]
    return _reads(graph, paths)


def _paths_of(graph: Graph, task: Task) -> Iterator[WrittenPath]:
    place = place_of_input(task.with_items)
    yield from _in_condition(graph, task.when, "task")
    yield from _in_template(graph, task.with_items, "task")
    yield from _in_template(graph, [task.input, task.permission_set_refs], place)


def _in_condition(graph: Graph, written: str | None, place: Place) -> Iterator[WrittenPath]:
    if written is None:
        return
    try:
        predicate = read_predicate(written, vocabulary_of(graph, place))
    except ParseError:  # It fails where it is needed, and says so there.
        return
    yield from (path for path, _ in predicate.expression.paths)


def _in_template(graph: Graph, written: Json, place: Place) -> Iterator[WrittenPath]:
    template, _ = read_template(written, "", vocabulary_of(graph, place))
    yield from (mention.path for mention in template.mentions)


def _reads(graph: Graph, paths: Iterable[WrittenPath]) -> Reads:
    parameters: set[str] = set()
    variables: set[str] = set()
    tasks: set[str] = set()
    for root, *rest in paths:
        if root == "parameters":
            parameters |= {str(rest[0])} if rest else graph.parameters
        elif root in VARIABLES:
            variables |= {str(rest[0])} if rest else graph.variables
        elif root in TASKS and rest:
            tasks.add(str(rest[0]))
        else:
            variables |= {str(root)} & graph.variables
    return Reads(parameters=frozenset(parameters), variables=frozenset(variables), tasks=frozenset(tasks))
