"""Workflows made ready: the graph, and every expression of a task compiled when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import UsageError
from attune_cli.runtime.engine.limits import DEFINITIONS_KEPT
from attune_cli.runtime.expressions.faults import ParseError
from attune_cli.runtime.expressions.predicate import read_predicate
from attune_cli.runtime.expressions.templates import read_template
from attune_cli.runtime.expressions.workflow_scope import place_of_input, vocabulary_of
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.model.workflows.graph import Graph
from attune_cli.runtime.store import jobs
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.predicate import Predicate
    from attune_cli.runtime.expressions.templates import Template
    from attune_cli.runtime.expressions.workflow_scope import Place
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.workflows.task import Task, Transition
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class Step:
    """One transition, compiled."""

    when: Predicate | None
    publish: Template | None
    do: tuple[str, ...]


@immutable(kw_only=True)
class ReadyTask:
    """A task with its expressions compiled."""

    task: Task
    when: Predicate | None
    items: Template | None
    input: Template
    permission_set_refs: Template | None
    next: tuple[Step, ...]


class Plan:
    """One workflow as it was started."""

    def __init__(self, job: JobDefinition) -> None:
        self.job = job
        self.definition = WorkflowDefinition.from_json(job.workflow or {})
        self.graph = Graph.of(self.definition)
        self._vocabularies = {
            place: vocabulary_of(self.graph, place) for place in ("task", "item", "transition")
        }
        self._tasks: dict[str, ReadyTask] = {}

    def task(self, name: str) -> ReadyTask:
        """Return a task; raises UsageError where an expression of it cannot be read."""
        found = self._tasks.get(name)
        if found is None:
            found = self._tasks[name] = self._ready(self.graph.tasks[name])
        return found

    def output(self) -> Template | None:
        """Return what the workflow's result is made from; raises UsageError where it cannot be read."""
        written = self.graph.output_map
        return None if written is None else self._template(written, "output_map", "task")

    def _ready(self, task: Task) -> ReadyTask:
        inner = place_of_input(task.with_items)
        refs = task.permission_set_refs
        return ReadyTask(
            task=task,
            when=self._predicate(task.when, "when", "task"),
            items=None if task.with_items is None else self._template(task.with_items, "with_items", "task"),
            input=self._template(task.input, "input", inner),
            permission_set_refs=None if refs is None else self._template(refs, "permission_set_refs", inner),
            next=tuple(self._step(index, one) for index, one in enumerate(task.next)),
        )

    def _step(self, index: int, transition: Transition) -> Step:
        at = f"next.{index}"
        published = transition.published
        return Step(
            when=self._predicate(transition.when, f"{at}.when", "transition"),
            publish=self._template(published, f"{at}.publish", "transition") if published else None,
            do=transition.do,
        )

    def _predicate(self, written: str | None, at: str, place: Place) -> Predicate | None:
        if written is None:
            return None
        try:
            return read_predicate(written, self._vocabularies[place])
        except ParseError as error:
            raise UsageError(f"{at}: {error.message}", code="expression") from error

    def _template(self, written: Json, at: str, place: Place) -> Template:
        template, faults = read_template(written, at, self._vocabularies[place])
        if faults:
            raise UsageError(f"{faults[0].path}: {faults[0].message}", code="expression", details=faults)
        return template


class Plans:
    """The plans of one engine; jobs never change, so each is made once."""

    def __init__(self) -> None:
        self._plans: dict[tuple[int, int], Plan] = {}
        """By number and checksum of the job."""

    def of(self, tx: Transaction, job: int) -> Plan:
        key = (job, jobs.checksum(tx, job))
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= DEFINITIONS_KEPT:
                self._plans.clear()
            document: dict[str, Any] = jobs.get(tx, job)
            found = self._plans[key] = Plan(JobDefinition.from_json(document))
        return found
