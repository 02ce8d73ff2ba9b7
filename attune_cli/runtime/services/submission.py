"""Starting something: from a ref and parameters to a `requested` execution, or to every fault of them at once."""

from __future__ import annotations

import json
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Literal

from attune_cli.errors import ConflictError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.model.actions import (
    CONTAINER_RUNNER,
    HTTP_RUNNER,
    INQUIRY_RUNNER,
    WAITING_RUNNERS,
    WORKFLOW_RUNNER,
    ActionDefinition,
    RuntimeDefinition,
)
from attune_cli.runtime.model.entities import REDACTED, Outcome, RunError
from attune_cli.runtime.model.inquiries import parameters_of
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.model.json_values import unfit
from attune_cli.runtime.model.parameters import prepare, secret_pointers
from attune_cli.runtime.model.pointers import put_at, value_at
from attune_cli.runtime.model.secret_places import KEY_PREFIX
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.variables import secret_values, words_of
from attune_cli.runtime.services.containers import check_container
from attune_cli.runtime.services.limits import limit_of, refuse
from attune_cli.runtime.store import definitions, executions, jobs, keys, packs
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.config import Settings
    from attune_cli.errors import AttuneError
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.automations import WorkflowDefinition
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

IfRunning = Literal["queue", "skip", "fail", "cancel"]

FAULTY_PARAMETERS = frozenset({"invalid_params", "parameters_too_large", "workflow_faulty"})
"""Codes of what is wrong with what is given, by whoever asks or to a task: `submit_faulty` can write it down."""


@immutable(kw_only=True)
class Submission:
    """What somebody asks to be started."""

    action_ref: str
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    definition: JobDefinition | None = None
    """Given for `run exec` and `run file`, which run what is no stored action."""
    pinned: JobDefinition | None = None
    """What `pin` says of the action now, where the caller knows it already."""
    labels: dict[str, str] = field(default_factory=dict[str, str])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    timeout_seconds: float | None = None
    due: Instant = 0
    idempotency_key: str | None = None
    if_running: IfRunning = "queue"
    parent: int | None = None
    """The execution from inside which this one is started: it runs in its parent's slot, unless that is a workflow."""
    workflow_task: int | None = None
    """The task of the parent, a workflow, that it is a part of."""
    item: int = 0
    """Which of the task's items."""
    executor: str | None = None
    """The person who asks; without one, who asked for the parent."""
    rerun_of: int | None = None
    begin_at: str | None = None
    """The task at which a workflow begins; without one, those to which no other leads."""
    is_alone: bool = False
    """Nothing of the workflow is run but the task `begin_at`."""
    from_failed: bool = False
    """A workflow goes on where `rerun_of` failed, and keeps the results of what succeeded there."""
    origin: Origin | None = None


@immutable(kw_only=True)
class Origin:
    """Why a rule started it."""

    enforcement: int
    rule_ref: str
    trigger_ref: str
    depth: int
    """Rules between it and its first cause, its own included."""


@immutable
class Submitted:
    """The execution that answers a submission: a new one, or an earlier one (`reused`, or `skipped` for it)."""

    id: int
    reused: bool = False
    skipped: bool = False


def submit(
    tx: Transaction, submission: Submission, *, settings: Settings, sealer: Sealer, host: str | None
) -> Submitted:
    """Insert an execution, owned by `host`. Faulty input raises with all its faults, and nothing is inserted."""
    if submission.idempotency_key is not None:
        earlier = executions.by_idempotency_key(tx, submission.action_ref, submission.idempotency_key)
        if earlier is not None:
            return Submitted(earlier, reused=True)
    definition = submission.definition or submission.pinned or pin(tx, submission.action_ref)
    definition, resume = _resuming(tx, submission, definition)
    action = definition.action
    if definition.workflow is not None and submission.workflow_task is None:
        from attune_cli.runtime.services.workflow_checks import check_tasks

        check_tasks(tx, definition)
    parameters = check_start(tx, definition, submission.parameters, settings=settings, sealer=sealer)
    other = _meet_running(tx, submission)
    if other is not None:
        return Submitted(other, skipped=True)
    limit = limit_of(tx, action, parameters, parent=submission.parent)
    refusing = limit if limit is not None and limit.refuses(tx) else None
    sealed = _seal(action, parameters, submission.environment, sealer)
    new = executions.NewExecution(
        action_ref=submission.action_ref,
        job=jobs.intern(tx, definition),
        host=host,
        parameters=executions.dump(parameters),
        sealed=sealed,
        environment=executions.dump(sorted(submission.environment)),
        labels=executions.dump(submission.labels),
        timeout_seconds=_timeout(submission, action, settings),
        due=submission.due,
        limit_group=None if limit is None else limit.group,
        limit_size=None if limit is None else limit.size,
        idempotency_key=submission.idempotency_key,
        rerun_of=submission.rerun_of,
        waits=action.runner_type in WAITING_RUNNERS,
        **_place(tx, submission),
        **_origin(tx, submission),
    )
    execution_id = executions.insert(tx, new)
    if resume is not None:
        resume(execution_id, sealer)
    if refusing is not None:
        refuse(tx, execution_id, refusing)
    return Submitted(execution_id)


def submit_faulty(
    tx: Transaction, submission: Submission, *, error: AttuneError, sealer: Sealer, host: str | None
) -> Submitted:
    """Insert an execution whose parameters are refused, and end it as failed with every fault in its error.

    For what nobody waits to correct: a rule's decision to act is told where its runs are looked for.
    """
    definition = submission.definition or submission.pinned or pin(tx, submission.action_ref)
    parameters = {name: value for name, value in submission.parameters.items() if unfit(value) is None}
    sealed = _seal(definition.action, parameters, submission.environment, sealer)
    execution_id = executions.insert(
        tx,
        executions.NewExecution(
            action_ref=submission.action_ref,
            job=jobs.intern(tx, definition),
            host=host,
            parameters=executions.dump(parameters),
            sealed=sealed,
            labels=executions.dump(submission.labels),
            waits=definition.action.runner_type in WAITING_RUNNERS,
            **_place(tx, submission),
            **_origin(tx, submission),
        ),
    )
    execution = executions.startable(tx, execution_id)
    if execution is not None:
        outcome = Outcome(succeeded=False, error=RunError(type=error.code, message=error.in_words))
        executions.finish(tx, execution, Status.FAILED, outcome)
    return Submitted(execution_id)


def _resuming(
    tx: Transaction, submission: Submission, definition: JobDefinition
) -> tuple[JobDefinition, Callable[[int, Sealer], None] | None]:
    """Return what is run, and what lets a workflow begin elsewhere than at its beginning; raises where it cannot."""
    if submission.begin_at is None and not submission.from_failed:
        return definition, None
    from attune_cli.runtime.services import workflow_resuming

    return workflow_resuming.resuming(tx, submission, definition)


def _place(tx: Transaction, submission: Submission) -> dict[str, Any]:
    """Return the columns that tell where in its tree it stands, and for whom it is done."""
    if submission.parent is None:
        return {"executor": submission.executor}
    parent = executions.startable(tx, submission.parent)
    is_task = submission.workflow_task is not None
    return {
        "parent": submission.parent,
        "root": executions.top_of(tx, submission.parent),
        "nested": not is_task or (parent is not None and parent.nested),
        "workflow_task": submission.workflow_task,
        "item": submission.item,
        "executor": submission.executor or (None if parent is None else parent.executor),
    }


def _origin(tx: Transaction, submission: Submission) -> dict[str, Any]:
    """Return the columns that tell which rule it comes from; what runs inside another is as deep as that."""
    origin = submission.origin
    if origin is not None:
        return {name: getattr(origin, name) for name in ("enforcement", "rule_ref", "trigger_ref", "depth")}
    return {} if submission.parent is None else {"depth": executions.depth_of(tx, submission.parent)}


# --- what is started


def pin(tx: Transaction, action_ref: str) -> JobDefinition:
    """Return the action as it stands now, with its runtime and the place of its files."""
    row = definitions.get(tx, "action", action_ref)
    if row is None:
        raise unknown_action(tx, action_ref)
    if not row.enabled:
        raise ConflictError(
            f"action '{action_ref}' is disabled", code="disabled", hint=f"attune action enable {action_ref}"
        )
    return job_of(tx, ActionDefinition.from_json(row.definition))


def job_of(
    tx: Transaction,
    action: ActionDefinition,
    *,
    runtimes: dict[str, RuntimeDefinition] | None = None,
    workflow: WorkflowDefinition | None = None,
) -> JobDefinition:
    """Return what a run of `action` is started with.

    `runtimes` are known besides the installed ones; `workflow` is its graph where that is not the installed one.
    """
    pack = packs.get(tx, action.pack_ref)
    if pack is not None:
        action = _with_pack_limits(action, pack.manifest)
    return JobDefinition(
        kind=_kind(action),
        action=action,
        runtime=(runtimes or {}).get(action.runner_type) or _runtime(tx, action),
        pack_digest=None if pack is None else pack.digest,
        folder=None if pack is None else pack.link,
        workflow=_workflow(tx, action) if workflow is None else workflow.to_json(),
    )


def definition_of(tx: Transaction, execution: Execution) -> JobDefinition:
    """Return what an execution was started with: today's action where it is stored, else what was pinned."""
    if definitions.get(tx, "action", execution.action_ref) is not None:
        return pin(tx, execution.action_ref)
    return JobDefinition.from_json(jobs.get(tx, execution.job))


def unknown_action(tx: Transaction, action_ref: str) -> NotFoundError:
    suggestion = did_you_mean(action_ref, definitions.refs(tx, "action"))
    return NotFoundError(f"no action '{action_ref}'", hint=suggestion or "attune action list")


def _kind(action: ActionDefinition) -> str:
    kinds = {CONTAINER_RUNNER: "docker", WORKFLOW_RUNNER: "workflow", INQUIRY_RUNNER: "inquiry"}
    return kinds.get(action.runner_type, "process")


def _workflow(tx: Transaction, action: ActionDefinition) -> dict[str, Any] | None:
    if action.runner_type != WORKFLOW_RUNNER:
        return None
    row = definitions.get(tx, "workflow", action.ref)
    if row is None:
        raise NotFoundError(
            f"action '{action.ref}' is a workflow whose graph is not installed",
            code="no_workflow",
            hint=f"attune pack install … --upgrade brings the pack {action.pack_ref} in order",
        )
    return row.definition


def _runtime(tx: Transaction, action: ActionDefinition) -> RuntimeDefinition | None:
    if action.runner_type in {HTTP_RUNNER, CONTAINER_RUNNER, *WAITING_RUNNERS}:
        return None
    row = definitions.get(tx, "runtime", action.runner_type)
    if row is None:
        raise NotFoundError(
            f"action '{action.ref}' needs runtime '{action.runner_type}', which no installed pack defines",
            code="no_runtime",
            hint=did_you_mean(action.runner_type, definitions.refs(tx, "runtime")) or "attune pack list",
        )
    return RuntimeDefinition.from_json(row.definition)


def _with_pack_limits(action: ActionDefinition, manifest: dict[str, Any]) -> ActionDefinition:
    """Give the action its pack's log limits where it sets none itself."""
    names = ("max_stdout_bytes", "max_stderr_bytes")
    return replace(action, **{name: manifest.get(name) for name in names if getattr(action, name) is None})


def _timeout(submission: Submission, action: ActionDefinition, settings: Settings) -> float | None:
    if submission.timeout_seconds is not None:
        return submission.timeout_seconds
    if submission.definition is not None:
        return action.timeout_seconds  # run exec and run file have no limit unless one is given
    if action.runner_type in WAITING_RUNNERS:
        return action.timeout_seconds  # who waits costs nothing
    return settings.timeout_seconds if action.timeout_seconds is None else action.timeout_seconds


# --- parameters


def check_start(
    tx: Transaction, job: JobDefinition, given: dict[str, Any], *, settings: Settings, sealer: Sealer
) -> dict[str, Any]:
    """Return all parameters of a job that may be started with what is given; raises as `check_parameters` does.

    Raises also for a container that this machine does not allow.
    """
    if job.kind == "docker":
        check_container(job.action, settings)
    return check_parameters(tx, job.action, given, settings=settings, sealer=sealer)


def check_parameters(
    tx: Transaction, action: ActionDefinition, given: dict[str, Any], *, settings: Settings, sealer: Sealer
) -> dict[str, Any]:
    """Return the parameters whole: keys and defaults filled in, checked; raises with every fault together."""
    values, faults = complete(action, _fill_from_keys(tx, action, given, sealer))
    if faults:
        raise invalid_parameters(action, faults)
    size = len(json.dumps(values, ensure_ascii=False).encode())
    if size > settings.max_parameters_bytes:
        raise UsageError(
            f"the parameters of {action.ref} take {size} bytes, {settings.max_parameters_bytes} are allowed",
            code="parameters_too_large",
            hint="attune config set max_parameters_bytes 4MiB",
        )
    return values


def invalid_parameters(action: ActionDefinition, faults: Sequence[Detail]) -> UsageError:
    """Return the refusal of parameters, with all their faults."""
    count = "1 parameter" if len(faults) == 1 else f"{len(faults)} parameters"
    return UsageError(
        f"{count} of {action.ref} {'is' if len(faults) == 1 else 'are'} invalid",
        code="invalid_params",
        details=faults,
        hint=f"attune run {action.run_form} {action.ref} --help",
    )


def complete(action: ActionDefinition, given: dict[str, Any]) -> tuple[dict[str, Any], list[Detail]]:
    """Return the parameters with their defaults, and all faults: of the schema, and of what no document can hold."""
    faulty = {name: fault for name, value in given.items() if (fault := unfit(value)) is not None}
    fit = {name: value for name, value in given.items() if name not in faulty}
    values, faults = prepare(action.parameters, fit)
    others = [fault for fault in faults if fault.path.partition(".")[0] not in faulty]
    if action.runner_type == INQUIRY_RUNNER and not (faulty or faults):
        from attune_cli.runtime.packs.questions import question_of

        others = question_of(values)[1]
    told = [*(Detail(name, fault) for name, fault in faulty.items()), *others]
    return values, sorted(told, key=lambda fault: fault.path)


def _fill_from_keys(
    tx: Transaction, action: ActionDefinition, given: dict[str, Any], sealer: Sealer
) -> dict[str, Any]:
    """Give declared secret parameters their values from the key store: `key://REF`, or the key of that name."""
    filled = dict(given)
    faults: list[Detail] = []
    for name, leaf in action.parameters.items():
        if leaf.get("secret") is not True:
            continue
        value = filled.get(name)
        if isinstance(value, str) and value.startswith(KEY_PREFIX):
            key = keys.get(tx, value.removeprefix(KEY_PREFIX))
            if key is None:
                faults.append(Detail(name, f"no key '{value.removeprefix(KEY_PREFIX)}'"))
                continue
            filled[name] = keys.read_value(key, sealer)
        elif value is None:
            key = keys.nearest(tx, name, action_ref=action.ref, pack_ref=action.pack_ref)
            if key is not None:
                filled[name] = keys.read_value(key, sealer)
    if faults:
        raise UsageError("a key is missing", code="invalid_params", details=faults, hint="attune key list")
    return filled


def _seal(
    action: ActionDefinition, parameters: dict[str, Any], environment: dict[str, str], sealer: Sealer
) -> bytes | None:
    """Take the secret values out of `parameters`, in place, and seal them with the environment's values."""
    pointers = secret_pointers(parameters_of(action, parameters), parameters)
    if not pointers and not environment:
        return None
    hidden = {pointer: value_at(parameters, pointer) for pointer in pointers}
    for pointer in pointers:
        put_at(parameters, pointer, dict(REDACTED))
    words = sorted(
        {
            *(word for value in hidden.values() for word in words_of(value)),
            *secret_values(environment),
        }
    )
    return sealer.seal({"environment": environment, "parameters": hidden, "secrets": words})


# --- what runs already


def _meet_running(tx: Transaction, submission: Submission) -> int | None:
    """Do what `if_running` asks when the action runs already; returns the run to be content with."""
    if submission.if_running == "queue":
        return None
    running = executions.live_of_action(tx, submission.action_ref)
    if not running:
        return None
    match submission.if_running:
        case "skip":
            return running[-1]
        case "cancel":
            for execution_id in running:
                executions.request_cancel(tx, execution_id, "replaced by a newer run")
            return None
        case _:
            raise ConflictError(
                f"action '{submission.action_ref}' runs already (execution {running[-1]})",
                code="running",
                hint=f"attune execution wait {running[-1]}",
            )
