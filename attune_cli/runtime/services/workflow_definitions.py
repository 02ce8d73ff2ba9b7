"""Workflows: what people and scripts may ask of the installed ones, and of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.workflows.graph import Graph
from attune_cli.runtime.services.actions import parameter_records
from attune_cli.runtime.store import definitions, jobs

if TYPE_CHECKING:
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.model.workflows.task import Task
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row

Record = dict[str, Any]


def list_workflows(tx: Transaction, *, pack_ref: str | None = None, after: str = "") -> list[Record]:
    """Return workflows by ref, of one pack or of all."""
    return [
        workflow_record(tx, row) for row in definitions.all_of(tx, "workflow", pack_ref=pack_ref, after=after)
    ]


def find(tx: Transaction, ref: str) -> WorkflowDefinition:
    """Return a workflow; raises NotFoundError, which says so when it is an action of another kind."""
    return WorkflowDefinition.from_json(_row(tx, ref).definition)


def of_execution(tx: Transaction, execution: Execution) -> WorkflowDefinition:
    """Return the graph that an execution was started with; raises UsageError when it runs none."""
    written = jobs.get(tx, execution.job).get("workflow")
    if written is None:
        raise UsageError(
            f"execution {execution.id} of {execution.action_ref} is no workflow",
            code="no_workflow",
            hint=f"attune execution show {execution.id}",
        )
    return WorkflowDefinition.from_json(written)


def _row(tx: Transaction, ref: str) -> Row:
    row = definitions.get(tx, "workflow", ref)
    if row is not None:
        return row
    if definitions.get(tx, "action", ref) is not None:
        raise NotFoundError(
            f"'{ref}' is an action, and no workflow", code="no_workflow", hint=f"attune action show {ref}"
        )
    suggestion = did_you_mean(ref, definitions.refs(tx, "workflow"))
    raise NotFoundError(f"no workflow '{ref}'", hint=suggestion or "attune workflow list")


def show_workflow(tx: Transaction, ref: str) -> Record:
    """Return the full record of a workflow: what goes in, its tasks, what comes out."""
    row = _row(tx, ref)
    workflow = WorkflowDefinition.from_json(row.definition)
    graph = Graph.of(workflow)
    return {
        **workflow_record(tx, row),
        "pack": row.pack,
        "workflow_file": workflow.file,
        "cancellation_policy": workflow.cancellation_policy,
        "max_iterations": workflow.max_iterations,
        "param_schema": workflow.parameters,
        "out_schema": workflow.output,
        "vars": workflow.vars,
        "secret_vars": list(workflow.secret_vars),
        "output_map": workflow.output_map,
        "parameters": parameter_records(workflow.parameters),
        "tasks": [_task_record(graph, task) for task in graph.tasks.values()],
    }


def workflow_record(tx: Transaction, row: Row) -> Record:
    """Return the summary of a workflow; enabled is the action that runs it."""
    action = definitions.get(tx, "action", row.ref)
    workflow = WorkflowDefinition.from_json(row.definition)
    return {
        "kind": "workflow",
        "id": row.id,
        "ref": row.ref,
        "pack_ref": workflow.pack_ref,
        "label": row.label,
        "description": row.description,
        "version": workflow.version,
        "task_count": len(Graph.of(workflow).tasks),
        "enabled": action is not None and action.enabled,
        "tags": list(workflow.tags),
        "created": rfc3339(row.created),
        "updated": rfc3339(row.updated),
    }


def _task_record(graph: Graph, task: Task) -> Record:
    return {
        "name": task.name,
        "type": task.type,
        "action_ref": task.action,
        "within": task.within,
        "when": task.when,
        "with_items": task.with_items,
        "concurrency": task.concurrency,
        "batch_size": task.batch_size,
        "join": task.join,
        "delay_seconds": task.delay_seconds,
        "timeout_seconds": task.timeout_seconds,
        "max_iterations": task.max_iterations,
        "after": list(graph.inbound.get(task.name, ())),
        "next": [{"when": one.when, "publish": list(one.published), "do": list(one.do)} for one in task.next],
    }
