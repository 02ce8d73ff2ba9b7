"""What is wrong with what the tasks of a workflow give to the actions that they name (domain.md 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions.faults import Fault, fault_at
from attune_cli.runtime.model.actions import INQUIRY_RUNNER
from attune_cli.runtime.model.refs import qualify
from attune_cli.runtime.packs.given_values import holds_template, misfits
from attune_cli.runtime.packs.workflow_shapes import tasks_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attune_cli.errors import Detail
    from attune_cli.runtime.model.actions import ActionDefinition, Json
    from attune_cli.runtime.model.automations import WorkflowDefinition
    from attune_cli.runtime.packs.schemas import SchemaFault
    from attune_cli.runtime.packs.workflow_shapes import Steps

    ActionOf = Callable[[str], ActionDefinition | None]

_MOST_NAMED = 8
"""Parameters that a message lists: a longer list hides what it is about."""
_SCHEMA = "response_schema"
_NEEDS_SCHEMA = (_SCHEMA, "default_response", "approvals")
"""Members of a question that are held against its schema."""


def input_faults(
    document: dict[str, Json], workflow: WorkflowDefinition, action_of: ActionOf
) -> Iterator[Fault]:
    """Yield every fault of a task's input. Values with templates in them are known later, and not judged.

    `action_of` returns an action by its ref, or None where it is not known.
    """
    for steps, given, action in _inputs(document, workflow, action_of):
        if not given:
            yield from _faults_of_handed_on(steps, workflow, action)
            continue
        later = [name for name, value in given.items() if holds_template(value)]
        faults = misfits(action.parameters, given, later, noun=f"parameter of {action.ref}")
        for fault in faults:
            yield _within(steps, fault, action)
        if action.runner_type == INQUIRY_RUNNER:
            misfit = {fault.path.partition(".")[0] for fault in faults}
            fit = {name: value for name, value in given.items() if name not in misfit}
            yield from _faults_of_question(steps, fit)


def input_doubts(
    document: dict[str, Json], workflow: WorkflowDefinition, action_of: ActionOf
) -> Iterator[Fault]:
    """Yield what a question's schema says that has no meaning, and is no slip either."""
    for steps, given, action in _inputs(document, workflow, action_of):
        if action.runner_type == INQUIRY_RUNNER:
            for fault in _schema_faults(given):
                if fault.severity == "warning" and not fault.suggestion:
                    yield fault_at((*steps, "input", _SCHEMA, *fault.path), fault.message)


def _inputs(
    document: dict[str, Json], workflow: WorkflowDefinition, action_of: ActionOf
) -> Iterator[tuple[Steps, dict[str, Json], ActionDefinition]]:
    for steps, task, _ in tasks_in(document):
        ref, given = task.get("action"), task.get("input")
        if not isinstance(ref, str) or not (given is None or isinstance(given, dict)):
            continue
        action = action_of(qualify(ref, workflow.pack_ref))
        if action is not None and task.get("type") != "parallel":
            yield steps, cast("dict[str, Json]", given or {}), action


def _faults_of_handed_on(
    steps: Steps, workflow: WorkflowDefinition, action: ActionDefinition
) -> Iterator[Fault]:
    """Without an input of its own a task hands on what the workflow was given, as far as both declare it."""
    handed = [name for name in action.parameters if name in workflow.parameters]
    for fault in misfits(action.parameters, dict.fromkeys(handed, ""), handed):
        said = f"{fault.message}: {action.ref} needs it, and the workflow has no parameter of that name"
        yield fault_at((*steps, "input", fault.path), said)


def _within(steps: Steps, fault: Detail, action: ActionDefinition) -> Fault:
    said, place = fault.message, (*steps, "input", *_steps_of(fault.path))
    if fault.path not in action.parameters and said.endswith(action.ref):
        said += f"; it takes {_named(action)}"
    if isinstance(fault.value, str) and said.startswith("expected ") and _reads_as(said, fault.value):
        return fault_at(place, f"{said}, got '{fault.value}'; did you mean {fault.value}?")
    return fault_at(place, said, value=fault.value)


def _reads_as(wanted: str, text: str) -> bool:
    """Tell whether a text without its quotes would be what is wanted."""
    from attune_cli.runtime.packs.documents import reads_as_text

    return wanted.removeprefix("expected ") in {"integer", "number", "boolean"} and not reads_as_text(text)


def _named(action: ActionDefinition) -> str:
    names = list(action.parameters)
    more = ", …" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


# --- questions ---


def _faults_of_question(steps: Steps, given: dict[str, Json]) -> Iterator[Fault]:
    """Yield what is wrong with the question of an action that asks people, as far as it is written out."""
    from attune_cli.runtime.packs.questions import question_of

    faulty = [fault for fault in _schema_faults(given) if fault.severity == "error" or fault.suggestion]
    for fault in faulty:
        said = fault.message + (f"; {fault.suggestion}" if fault.suggestion else "")
        yield fault_at((*steps, "input", _SCHEMA, *fault.path), said)
    known = {name: value for name, value in given.items() if not holds_template(value)}
    if faulty or _SCHEMA in given.keys() - known.keys():
        known = {name: value for name, value in known.items() if name not in _NEEDS_SCHEMA}
    for fault in question_of(known)[1]:
        yield fault_at((*steps, "input", *_steps_of(fault.path)), fault.message, value=fault.value)


def _schema_faults(given: dict[str, Json]) -> list[SchemaFault]:
    """Return what is wrong with the schema of an answer, where that is not a template."""
    from attune_cli.runtime.packs.schemas import schema_faults

    schema = given.get(_SCHEMA)
    found = [] if schema is None else schema_faults(schema)
    return [fault for fault in found if not holds_template(_value_at(schema, fault.path))]


def _value_at(value: Json, steps: Steps) -> Json:
    for step in steps:
        if not isinstance(value, (dict, list)):
            break
        value = cast("Any", value)[step]
    return value


def _steps_of(path: str) -> Steps:
    return tuple(int(part) if part.isdecimal() else part for part in path.split(".") if part)
