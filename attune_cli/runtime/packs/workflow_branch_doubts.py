"""Reading what need not be there: results of tasks in a branch, and variables that only one transition publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.expressions.faults import Fault, fault_at
from attune_cli.runtime.expressions.scope import TASKS
from attune_cli.runtime.expressions.templates import read_template
from attune_cli.runtime.expressions.workflow_scope import VARIABLES, place_of_input, vocabulary_of
from attune_cli.runtime.model.workflows.graph import Graph
from attune_cli.runtime.packs.workflow_shapes import tasks_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.expressions.paths import Mention
    from attune_cli.runtime.expressions.workflow_scope import Place
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.automations import WorkflowDefinition
    from attune_cli.runtime.model.workflows.task import Task, Transition

_AFTER_FAILURES = ("failed()", "timed_out()", "not succeeded()")


def branch_doubts(document: dict[str, Json], workflow: WorkflowDefinition) -> Iterator[Fault]:
    """Yield a fault for each name that is needed where it need not be there: once for each, and only if it is certain.

    Where several transitions lead to a task, or publish a variable, they may exclude each other: nothing is told.
    The workflow has no faults.
    """
    branches = _Branches(Graph.of(workflow))
    told: set[str] = set()
    for mention, reader in _needed(document, branches.graph):
        root, *rest = mention.path
        said = None
        if root in TASKS and rest:
            name = str(rest[0])
            said = branches.doubt_of_task(name, reader)
        else:
            name = str(rest[0]) if root in VARIABLES and rest else str(root)
            if name in branches.graph.variables:
                said = branches.doubt_of_variable(name, reader)
        if said is not None and name not in told:
            told.add(name)
            written = ".".join(map(str, mention.path))
            yield fault_at(mention.steps, f"{said}; write {written} | default(…)")


def _needed(document: dict[str, Json], graph: Graph) -> Iterator[tuple[Mention, str | None]]:
    """Yield what inputs and outputs need, with the name of the task that reads it, the outer one of nested tasks."""
    for steps, written, _ in tasks_in(document):
        task = graph.tasks[str(written["name"])]
        places: tuple[tuple[str, Place], ...] = (
            ("with_items", "task"),
            ("input", place_of_input(task.with_items)),
        )
        for key, place in places:
            for mention in _mentions(written.get(key), graph, place):
                yield _below((*steps, key), mention), task.within or task.name
    for mention in _mentions(graph.output_map, graph, "task"):
        yield _below(("output_map",), mention), None


def _mentions(written: Json, graph: Graph, place: Place) -> list[Mention]:
    return read_template(written, "", vocabulary_of(graph, place))[0].needed


def _below(steps: tuple[str | int, ...], mention: Mention) -> Mention:
    return type(mention)(mention.path, (*steps, *mention.steps), mention.place)


class _Branches:
    """What of a graph need not happen, though its workflow succeeds."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._into: dict[str, list[tuple[Task, Transition]]] = {}
        self._publishing: dict[str, list[tuple[Task, Transition]]] = {}
        for task in graph.tasks.values():
            for transition in task.next:
                for target in transition.do:
                    self._into.setdefault(target, []).append((task, transition))
                for name in transition.published:
                    self._publishing.setdefault(name, []).append((task, transition))

    def doubt_of_task(self, name: str, reader: str | None) -> str | None:
        """Say why a task need not have run where another reads it, the output being read by None."""
        task = self.graph.tasks[name]
        outer = task.within or name
        if reader == outer or not self._may_be_left(outer):
            return None
        return f"task '{name}' need not have run" if self._is_reached(reader, outer, None) else None

    def doubt_of_variable(self, name: str, reader: str | None) -> str | None:
        """The same of a variable."""
        publishing = self._publishing.get(name, [])
        if name in self.graph.vars or len(publishing) != 1:
            return None
        task, transition = publishing[0]
        if not self._is_conditional(task, transition) and not self._may_be_left(task.name):
            return None
        if not self._is_reached(reader, None, (task.name, transition)):
            return None
        return f"variable '{name}' need not be set: only one transition of task '{task.name}' publishes it"

    def _may_be_left(self, name: str) -> bool:
        """Tell whether the only way to a task is one that need not be taken."""
        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            if self.graph.tasks[name].when is not None:
                return True
            into = self._into.get(name, [])
            if len(into) != 1:
                return False
            task, transition = into[0]
            if self._is_conditional(task, transition):
                return True
            name = task.name
        return False

    def _is_conditional(self, task: Task, transition: Transition) -> bool:
        """Tell whether a transition need not be taken. A failure that leads nowhere ends the workflow anyway."""
        when = transition.condition
        if when == "succeeded()":
            others = (one.condition for one in task.next if one.do and one is not transition)
            return any(one is None or any(word in one for word in _AFTER_FAILURES) for one in others)
        return when is not None

    def _is_reached(
        self, reader: str | None, without: str | None, untaken: tuple[str, Transition] | None
    ) -> bool:
        """Tell whether a task, or the end, is reached when another did not run, or a transition was not taken."""
        if reader is None:
            return True
        if self.graph.tasks[reader].when is not None:  # It may ask for just that.
            return False
        reached = {name for name in self.graph.entry if name != without}
        while True:
            more = {
                name
                for name in self.graph.inbound
                if name != without and self._begins(name, reached, untaken)
            }
            if more <= reached:
                return reader in reached
            reached |= more

    def _begins(self, name: str, reached: set[str], untaken: tuple[str, Transition] | None) -> bool:
        origins = {
            task.name
            for task, transition in self._into.get(name, [])
            if task.name in reached
            and not (untaken is not None and untaken[0] == task.name and untaken[1] is transition)
        }
        join = self.graph.tasks[name].join
        wanted = len(self.graph.inbound[name]) if join == "all" else join or 1
        return len(origins) >= max(1, wanted)
