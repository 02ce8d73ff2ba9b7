"""Workflow files, linked to an action or standing alone (domain.md 5.1 to 5.3): shape and graph, no expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from attune_cli.errors import did_you_mean
from attune_cli.runtime.model.actions import WORKFLOW_RUNNER, ActionDefinition
from attune_cli.runtime.model.automations import CancellationPolicy, WorkflowDefinition
from attune_cli.runtime.model.parameters import shown
from attune_cli.runtime.model.refs import label_of
from attune_cli.runtime.packs.kinds.action import BACKOFFS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

CANCELLATION_POLICIES: tuple[CancellationPolicy, ...] = get_args(CancellationPolicy)
RESERVED_NAMES = frozenset({"parameters", "vars", "task", "system", "kv", "pack", "item", "batch", "index"})
OF_THE_ACTION = frozenset({"ref", "label", "description", "parameters", "output", "tags", "enabled"})
TASK_TYPES = ("action", "workflow", "parallel")
LEGACY_TARGETS = ("on_success", "on_failure", "on_complete", "on_timeout")
TASK_VALUES = (
    *("when", "permission_set_refs", "permission_set_ref", "__chart_meta__"),
    *("worker_selector", "worker_tolerations", "worker_affinity"),
)
"""Task keys that may hold any value, or a template for one."""

Target = tuple[str, str, tuple[str | int, ...]]
"""From which task, to which, and where that is written (below `tasks`)."""


def decode_workflow(
    fields: Fields, reading: Reading, file: str, action: ActionDefinition | None, default_name: str
) -> WorkflowDefinition:
    """Read a graph. Linked to an action it takes ref, label, parameters, output and tags from there."""
    ref = action.ref if action else _own_ref(fields, reading, default_name)
    fields.require("version")
    fields.require("tasks")
    tasks = tuple(_decode_task(task, reading) for task in fields.each("tasks"))
    if fields.has("tasks") and not tasks:
        fields.error("a workflow needs at least one task", "tasks")
    _check_graph(fields)
    workflow = WorkflowDefinition(
        ref=ref,
        pack_ref=reading.ref,
        label=action.label if action else fields.text("label") or label_of(ref),
        description=action.description if action else fields.text("description"),
        version=fields.text("version"),
        parameters=action.parameters if action else fields.schema("parameters"),
        output=action.output if action else fields.schema("output"),
        vars=fields.mapping("vars"),
        tasks=tasks,
        output_map=fields.mapping("output_map") if fields.has("output_map") else None,
        cancellation_policy=fields.choice(
            "cancellation_policy", CANCELLATION_POLICIES, default="allow_finish"
        ),
        tags=action.tags if action else fields.texts("tags"),
        file=file,
    )
    fields.json("output_map")
    fields.finish(ignored={"__chart_meta__", *(OF_THE_ACTION if action else ())})
    return workflow


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
        tags=workflow.tags,
    )


def _own_ref(fields: Fields, reading: Reading, default_name: str) -> str:
    own = fields.own_ref(reading.ref) if fields.has("ref") else f"{reading.ref}.{default_name}"
    fields.json("ref")
    return own


def _decode_task(task: Fields, reading: Reading) -> dict[str, Json]:
    """Check one task and return it as written, its action's ref in full (domain.md 5.2)."""
    task.require("name")
    name = task.text("name")
    if name in RESERVED_NAMES:
        task.error(f"'{name}' is a reserved name", "name")
    action = _task_action(task, reading)
    task.mapping("input")
    task.text("with_items")
    for count in ("concurrency", "batch_size", "join"):
        task.integer(count, minimum=1)
    task.seconds("timeout", above_zero=True)
    _check_retry(task)
    for transition in task.each("next"):
        _check_transition(transition)
    _check_publish(task)
    for legacy in LEGACY_TARGETS:
        task.text(legacy)
    for branch in task.each("decision"):
        _check_branch(branch)
    for key in TASK_VALUES:
        task.json(key)
    task.finish(ignored={"delay"})
    return {**task.members, **({"action": action} if action else {})}


def _task_action(task: Fields, reading: Reading) -> str:
    if task.choice("type", TASK_TYPES, default="action") == "parallel":
        task.error("'type: parallel' never runs; start several tasks from one 'do' instead", "type")
        task.json("tasks")
    task.require("action")
    action = task.other_ref("action", reading.ref)
    reading.refer("action", action, task, "action", late=True)
    return action


def _check_retry(task: Fields) -> None:
    retry = task.optional("retry")
    if retry is None:
        return
    retry.require("count")
    retry.integer("count", minimum=1, maximum=100)
    retry.seconds("delay")
    retry.choice("backoff", BACKOFFS, default="constant")
    retry.seconds("max_delay")
    retry.finish(ignored={"on_error"})


def _check_transition(transition: Fields) -> None:
    """Check one of `next`: `do` and `publish` are lists (domain.md 5.3)."""
    transition.json("when")
    transition.json("__chart_meta__")
    _check_publish(transition)
    for index, target in enumerate(transition.items("do")):
        if not isinstance(target, str):
            transition.error(f"'do[{index}]': expected a task's name, got {shown(target)}", "do", index)
    transition.finish(ignored={"label", "color"})


def _check_publish(fields: Fields) -> None:
    for index, item in enumerate(fields.items("publish")):
        if not isinstance(item, (dict, str)):
            message = f"'publish[{index}]': expected a mapping or a name, got {shown(item)}"
            fields.error(message, "publish", index)


def _check_branch(branch: Fields) -> None:
    branch.json("when")
    branch.text("next")
    branch.flag("default")
    branch.finish()


def _check_graph(fields: Fields) -> None:
    """Check names and targets: unique, known, and each task reachable from one that nothing leads to."""
    names: dict[str, int] = {}
    targets: list[Target] = []
    for index, task in enumerate(_mappings(fields.items("tasks"))):
        name = task.get("name")
        if not isinstance(name, str):
            continue
        if name in names:
            fields.error(f"a second task '{name}'", "tasks", index, "name")
        names.setdefault(name, index)
        targets += [(name, to, (index, *where)) for to, where in _targets_of(task)]
    for _, to, where in targets:
        if to not in names:
            suggestion = did_you_mean(to, names)
            fields.error(f"unknown task '{to}'", "tasks", *where, suggestion=suggestion)
    for name in _unreachable(list(names), targets):
        fields.error(f"task '{name}' cannot be reached from a first task", "tasks", names[name], "name")


def _targets_of(task: dict[str, Json]) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Return each task that this one leads to, and where it says so; what has a wrong shape is skipped."""
    found: list[tuple[Json, tuple[str | int, ...]]] = [
        (task.get(legacy), (legacy,)) for legacy in LEGACY_TARGETS
    ]
    for index, transition in enumerate(_mappings(task.get("next"))):
        found += [(to, ("next", index, "do", place)) for place, to in enumerate(_list(transition.get("do")))]
    for index, branch in enumerate(_mappings(task.get("decision"))):
        found.append((branch.get("next"), ("decision", index, "next")))
    return ((to, where) for to, where in found if isinstance(to, str))


def _unreachable(names: list[str], targets: list[Target]) -> list[str]:
    reached = {name for name in names if all(to != name for _, to, _ in targets)}
    waiting = list(reached)
    while waiting:
        current = waiting.pop()
        following = {to for origin, to, _ in targets if origin == current} - reached
        reached |= following
        waiting += following
    return [name for name in names if name not in reached]


def _list(value: Json) -> list[Json]:
    return cast("list[Json]", value) if isinstance(value, list) else []


def _mappings(value: Json) -> list[dict[str, Json]]:
    return [cast("dict[str, Json]", item) if isinstance(item, dict) else {} for item in _list(value)]
