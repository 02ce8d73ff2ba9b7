"""Workflow files, linked to an action or standing alone (domain.md 5.1 to 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from attune_cli.runtime.model.actions import WORKFLOW_RUNNER, ActionDefinition
from attune_cli.runtime.model.automations import CancellationPolicy, WorkflowDefinition
from attune_cli.runtime.model.parameters import shown
from attune_cli.runtime.model.refs import label_of
from attune_cli.runtime.model.workflows.graph import MAX_ITERATIONS
from attune_cli.runtime.model.workflows.task import LEGACY_CONDITIONS
from attune_cli.runtime.packs.foreign_words import OF_RETRIES, OF_TASKS, OF_TRANSITIONS, OF_WORKFLOWS
from attune_cli.runtime.packs.kinds.retry import read_retry
from attune_cli.runtime.packs.workflow_shapes import members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

CANCELLATION_POLICIES: tuple[CancellationPolicy, ...] = get_args(CancellationPolicy)
RESERVED_NAMES = frozenset({"parameters", "vars", "task", "system", "kv", "pack", "item", "batch", "index"})
OF_THE_ACTION = frozenset(
    {"ref", "label", "description", "parameters", "output", "tags", "enabled", "timeout"}
)
TASK_TYPES = ("action", "workflow", "parallel")
LEGACY_TARGETS = tuple(LEGACY_CONDITIONS)
TASK_VALUES = (
    *("when", "with_items", "permission_set_refs", "permission_set_ref", "__chart_meta__"),
    *("worker_selector", "worker_tolerations", "worker_affinity"),
)
"""Task keys that may hold any value, or a template for one."""
OLDER = (*LEGACY_TARGETS, "decision", "publish")
"""Keys that count only where there is no `next`."""
NOT_NESTED = ("next", "join", "max_iterations", *OLDER)
OF_A_RUN = (
    *("action", "input", "with_items", "concurrency", "batch_size", "retry", "timeout"),
    *("permission_set_refs", "permission_set_ref"),
)
"""Keys that say how an action runs: a parallel task runs none itself."""


def decode_workflow(
    fields: Fields, reading: Reading, file: str, action: ActionDefinition | None, default_name: str
) -> WorkflowDefinition:
    """Read a graph. Linked to an action it takes ref, label, parameters, output and tags from there."""
    ref = action.ref if action else _own_ref(fields, reading, default_name)
    fields.require("version")
    fields.require("tasks")
    tasks = _decode_tasks(fields, reading, "a workflow")
    workflow = WorkflowDefinition(
        ref=ref,
        pack_ref=reading.ref,
        label=action.label if action else fields.text("label") or label_of(ref),
        description=action.description if action else fields.text("description"),
        version=fields.text("version"),
        parameters=action.parameters if action else fields.schema("parameters"),
        output=action.output if action else fields.schema("output"),
        vars=_decode_vars(fields),
        secret_vars=fields.texts("secret_vars"),
        tasks=tasks,
        output_map=fields.mapping("output_map") if fields.has("output_map") else None,
        cancellation_policy=fields.choice(
            "cancellation_policy", CANCELLATION_POLICIES, default="allow_finish"
        ),
        max_iterations=fields.integer("max_iterations", minimum=1, maximum=MAX_ITERATIONS),
        timeout_seconds=None if action else fields.seconds("timeout", above_zero=True),
        tags=action.tags if action else fields.texts("tags"),
        file=file,
    )
    fields.json("output_map")
    _check_whole(fields, workflow)
    fields.finish(ignored={"__chart_meta__", *(OF_THE_ACTION if action else ())}, instead=OF_WORKFLOWS)
    reading.workflows.append((fields, workflow))
    return workflow


def _decode_vars(fields: Fields) -> dict[str, Json]:
    """Read the first values of variables; a list of them is another tool's."""
    written = fields.json("vars")
    if not isinstance(written, list):
        return fields.mapping("vars")
    fields.error(
        f"'vars': expected a mapping of keys, got {shown(written)}", "vars", suggestion="leave out the '- '"
    )
    return {}


def companion_action(workflow: WorkflowDefinition) -> ActionDefinition:
    """Return the action by which a stand-alone workflow is called."""
    return ActionDefinition(
        ref=workflow.ref,
        pack_ref=workflow.pack_ref,
        label=workflow.label,
        description=workflow.description,
        runner_type=WORKFLOW_RUNNER,
        parameters=workflow.parameters,
        output=workflow.output,
        workflow_file=workflow.file,
        timeout_seconds=workflow.timeout_seconds,
        tags=workflow.tags,
    )


def _own_ref(fields: Fields, reading: Reading, default_name: str) -> str:
    own = fields.own_ref(reading.ref) if fields.has("ref") else f"{reading.ref}.{default_name}"
    fields.json("ref")
    return own


# --- tasks ---


def _decode_tasks(fields: Fields, reading: Reading, whose: str) -> tuple[dict[str, Json], ...]:
    """Check the tasks of a workflow, or of a parallel task, and return them as written with refs in full."""
    nested_in = fields.text("name") if fields.path else None
    if not isinstance(fields.members.get("tasks"), list):
        fields.items("tasks", suggestion="begin each task with '- name: NAME', its keys below")
        return ()
    tasks = tuple(_decode_task(task, reading, nested_in) for task in fields.each("tasks"))
    if not tasks:
        fields.error(f"{whose} needs at least one task", "tasks")
    return tasks


def _decode_task(task: Fields, reading: Reading, nested_in: str | None) -> dict[str, Json]:
    """Check one task and return it as written, its action's ref in full (domain.md 5.2)."""
    task.require("name")
    name = task.text("name")
    if name in RESERVED_NAMES:
        task.error(f"'{name}' is a reserved name", "name")
    if nested_in is not None:
        _refuse(task, NOT_NESTED, f"has no meaning in a nested task; it belongs to '{nested_in}'")
    own = _decode_parallel(task, reading) if _is_parallel(task) else _decode_run(task, reading)
    _check_join(task)
    task.integer("max_iterations", minimum=1, maximum=MAX_ITERATIONS)
    seconds = {key: task.seconds(key, above_zero=key == "timeout") for key in ("delay", "timeout")}
    _check_following(task)
    for key in TASK_VALUES:
        task.json(key)
    task.finish(instead=OF_TASKS)
    return {**task.members, **own, **{key: value for key, value in seconds.items() if value is not None}}


def _is_parallel(task: Fields) -> bool:
    return task.choice("type", TASK_TYPES, default="action") == "parallel"


def _decode_parallel(task: Fields, reading: Reading) -> dict[str, Json]:
    """Check a task that is over when each of its own tasks is."""
    _refuse(task, OF_A_RUN, "has no meaning in a parallel task; give it to the tasks within")
    task.require("tasks")
    return {"tasks": list(_decode_tasks(task, reading, "a parallel task"))}


def _decode_run(task: Fields, reading: Reading) -> dict[str, Json]:
    """Check a task that runs an action, which may be a workflow."""
    if task.has("tasks"):
        task.error("'tasks' has a meaning only in a task with 'type: parallel'", "tasks")
    task.json("tasks")
    task.require("action")
    action = task.other_ref("action", reading.ref)
    reading.refer("action", action, task, "action", late=True)
    task.mapping("input")
    retry = _decode_retry(task)
    for count in ("concurrency", "batch_size"):
        task.integer(count, minimum=1)
        if task.has(count) and not task.has("with_items"):
            task.warn(f"'{count}' has no effect without 'with_items'", count)
    return {**({"action": action} if action else {}), **retry}


def _decode_retry(task: Fields) -> dict[str, Json]:
    """Check the retries of a task and return them as written, with their times in seconds."""
    written = task.json("retry")
    if isinstance(written, int):
        task.error(
            f"'retry': expected a mapping of keys, got {shown(written)}",
            "retry",
            suggestion=f"write retry: {{count: {written}}}",
        )
        return {}
    retry = read_retry(task, least=1, instead=OF_RETRIES)
    if retry is None or not isinstance(written, dict):
        return {}
    times = {"delay": retry.delay_seconds, "max_delay": retry.max_delay_seconds}
    kept = cast("dict[str, Json]", written)
    return {"retry": {**kept, **{key: value for key, value in times.items() if key in kept}}}


def _refuse(task: Fields, keys: tuple[str, ...], reason: str) -> None:
    for key in keys:
        if task.has(key):
            task.error(f"'{key}' {reason}", key)
        task.json(key)


def _check_join(task: Fields) -> None:
    join = task.json("join")
    if isinstance(join, str) and join != "all":
        task.error(f"'join': expected a whole number, or all, got {shown(join)}", "join")
    elif join != "all":
        task.integer("join", minimum=1)


# --- what follows a task ---


def _check_following(task: Fields) -> None:
    for transition in _transitions(task):
        _check_transition(transition)
    _check_publish(task)
    for legacy in LEGACY_TARGETS:
        task.text(legacy)
    for branch in task.each("decision"):
        _check_branch(branch)
    for key in OLDER:
        if task.members.get("next") and task.has(key):
            task.warn(f"'{key}' has no effect beside 'next'", key)


def _transitions(task: Fields) -> Iterator[Fields]:
    """Yield the mappings of `next`; names of tasks instead of them are told with what to write."""
    written = task.json("next")
    names = [written] if isinstance(written, str) else members(written)
    if names and all(isinstance(name, str) for name in names):
        meant = f"write next: [{{do: [{', '.join(names)}]}}]"
        task.error(f"'next': expected a list of mappings, got {shown(written)}", "next", suggestion=meant)
        return
    yield from task.each("next")


def _check_transition(transition: Fields) -> None:
    """Check one of `next`: `do` and `publish` are lists (domain.md 5.3)."""
    transition.json("when")
    transition.json("__chart_meta__")
    _check_publish(transition)
    for index, target in enumerate(transition.items("do")):
        if not isinstance(target, str):
            transition.error(f"'do[{index}]': expected a task's name, got {shown(target)}", "do", index)
    transition.finish(ignored={"label", "color"}, instead=OF_TRANSITIONS)


def _check_publish(fields: Fields) -> None:
    for index, item in enumerate(fields.items("publish")):
        if not isinstance(item, (dict, str)):
            message = f"'publish[{index}]': expected a mapping or a name, got {shown(item)}"
            fields.error(message, "publish", index)


def _check_branch(branch: Fields) -> None:
    branch.json("when")
    branch.text("next")
    branch.flag("default")
    branch.finish(instead=OF_TRANSITIONS)


# --- the whole ---


def _check_whole(fields: Fields, workflow: WorkflowDefinition) -> None:
    """Check what only shows when all tasks are known: the graph, and the names in expressions."""
    from attune_cli.runtime.packs.workflow_branch_doubts import branch_doubts
    from attune_cli.runtime.packs.workflow_expression_faults import WorkflowExpressions
    from attune_cli.runtime.packs.workflow_graph_faults import WorkflowGraph

    graph = WorkflowGraph(fields.members)
    fields.note(graph.faults())
    fields.note(graph.doubts(), "warning")
    expressions = WorkflowExpressions(fields.members, workflow.parameters)
    fields.note(expressions.faults)
    fields.note(expressions.doubts, "warning")
    if not fields.has_errors:
        fields.note(branch_doubts(fields.members, workflow), "warning")
