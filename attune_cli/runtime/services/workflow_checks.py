"""Whether a workflow can be run with what is installed now: asked before anything of it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import Detail, UsageError, did_you_mean
from attune_cli.runtime.model.actions import WORKFLOW_RUNNER, ActionDefinition
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.refs import pack_of
from attune_cli.runtime.packs.workflow_input_faults import input_faults
from attune_cli.runtime.packs.workflow_shapes import tasks_in
from attune_cli.runtime.store import definitions, packs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.expressions.faults import Fault
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.store.database import Transaction


def check_tasks(tx: Transaction, job: JobDefinition) -> None:
    """Raise UsageError with each task of a workflow whose action is not there, or refuses what the file gives it.

    Those of its sub-workflows are among them. What is no workflow has none.
    """
    if job.workflow is None:
        return
    looking = _Looking(tx)
    faults = list(looking.through(WorkflowDefinition.from_json(job.workflow)))
    if faults:
        count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise UsageError(
            f"workflow '{job.action.ref}' cannot be run: it has {count}",
            code="workflow_faulty",
            details=faults,
            hint=_hint(tx, job, looking.missing),
        )


class _Looking:
    """One look through a workflow and those that it runs, each once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._actions: dict[str, ActionDefinition | None] = {}

    @property
    def missing(self) -> list[str]:
        """Refs of actions that are not there."""
        return [ref for ref, action in self._actions.items() if action is None]

    def through(self, workflow: WorkflowDefinition) -> Iterator[Detail]:
        pending, seen = [workflow], {workflow.ref}
        while pending:
            here = pending.pop(0)
            yield from self._faults_of(here, "" if here is workflow else f"{here.ref} ")
            for ref in self._workflows_in(here):
                if ref not in seen:
                    seen.add(ref)
                    row = definitions.get(self._tx, "workflow", ref)
                    pending += [] if row is None else [WorkflowDefinition.from_json(row.definition)]

    def _faults_of(self, workflow: WorkflowDefinition, prefix: str) -> Iterator[Detail]:
        document: dict[str, Any] = {"tasks": list(workflow.tasks)}
        for _, task, _ in tasks_in(document):
            ref = task.get("action")
            if ref and self._action(ref) is None:
                yield Detail(f"{prefix}{task['name']}.action", self._said_of(ref))
        for fault in input_faults(document, workflow, self._action):
            yield Detail(prefix + _named(document, fault), fault.said, fault.value)

    def _workflows_in(self, workflow: WorkflowDefinition) -> list[str]:
        tasks = tasks_in({"tasks": list(workflow.tasks)})
        actions = [self._action(task["action"]) for _, task, _ in tasks if task.get("action")]
        return [one.ref for one in actions if one is not None and one.runner_type == WORKFLOW_RUNNER]

    def _action(self, ref: str) -> ActionDefinition | None:
        if ref not in self._actions:
            row = definitions.get(self._tx, "action", ref)
            self._actions[ref] = None if row is None else ActionDefinition.from_json(row.definition)
        return self._actions[ref]

    def _said_of(self, ref: str) -> str:
        suggestion = did_you_mean(ref, definitions.refs(self._tx, "action"))
        return f"no action '{ref}'" + (f"; {suggestion}" if suggestion else "")


def _named(document: dict[str, Any], fault: Fault) -> str:
    """Return where a fault is: its task by name, and the rest of the way."""
    task, steps = document, fault.steps
    while steps[:1] == ("tasks",):
        task, steps = task["tasks"][steps[1]], steps[2:]
    return ".".join(map(str, (task["name"], *steps)))


def _hint(tx: Transaction, job: JobDefinition, missing: list[str]) -> str:
    """Name the command that brings what is missing, or the one that shows the workflow."""
    own = job.action.pack_ref
    absent = {pack_of(ref) for ref in missing if packs.get(tx, pack_of(ref)) is None}
    if own in absent and job.folder is not None:
        return f"attune pack install {job.folder}"
    return "attune action list" if missing else f"attune workflow show {job.action.ref}"
