"""Starting a run: from the words of `attune run` to a submission, and to whoever runs it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, UnavailableError, UsageError
from attune_cli.reading.parameters import ParameterReader
from attune_cli.reading.people import enclosing_execution
from attune_cli.running.hosting import Work, run_apart, run_here, run_in_daemon
from attune_cli.running.linked import refresh_for_run
from attune_cli.running.rehearsing import rehearsed
from attune_cli.running.uninstalled import hinting_at_folders
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.engine.doorbell import ring_host
from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.host import open_store
from attune_cli.runtime.model.actions import INQUIRY_RUNNER, ActionDefinition
from attune_cli.runtime.model.inquiries import ROLE_PREFIX
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.model.parameters import secret_pointers
from attune_cli.runtime.model.pointers import value_at
from attune_cli.runtime.model.variables import secret_values
from attune_cli.runtime.services.containers import in_container
from attune_cli.runtime.services.people import login, members_of
from attune_cli.runtime.services.records import execution_record
from attune_cli.runtime.services.submission import Submission, complete, invalid_parameters, pin, submit
from attune_cli.runtime.store import executions
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.runtime.supervisor.mask import SHORTEST_SECRET_BYTES as SHORTEST_MASKED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.running.options import RunOptions
    from attune_cli.runtime.engine.lease import Daemon
    from attune_cli.runtime.store.database import Store

_NOT_IN_REFS = re.compile(r"[^a-z0-9_-]+")
_SHOWN_IN_LOGS = f"a secret of fewer than {SHORTEST_MASKED} characters is not masked in logs"


# --- the forms


def run_action(context: Context, ref: str, options: RunOptions, *, image: str | None = None) -> int:
    """Run a stored action, in a container of `image` if there is one."""
    store = open_store(context.home, context.settings)
    refresh_for_run(context, store, ref)
    with hinting_at_folders(context, store, ref), store.read(SystemClock().now()) as tx:
        definition = pin(tx, ref)
    parameters = _read_parameters(context, definition.action, options)
    submission = _submission(ref, parameters, options)
    if image is not None:
        limit = definition.action.timeout_seconds
        submission = replace(
            submission,
            definition=in_container(definition, image),
            timeout_seconds=options.timeout_seconds or limit or context.settings.timeout_seconds,
        )
    return run_submission(context, store, submission, options)


def run_workflow(context: Context, word: str, options: RunOptions) -> int:
    """Run a stored workflow, or that of a file."""
    if word.endswith((".yaml", ".yml")) or "/" in word:
        return run_file(context, Path(word), options)
    from attune_cli.runtime.services import workflow_definitions

    store = open_store(context.home, context.settings)
    refresh_for_run(context, store, word)
    with hinting_at_folders(context, store, word), store.read(SystemClock().now()) as tx:
        workflow_definitions.find(tx, word)
    return run_action(context, word, options)


def run_file(context: Context, path: Path, options: RunOptions) -> int:
    """Run a script, or the action or workflow of a YAML file, which are not stored."""
    if not path.exists():
        raise NotFoundError(f"no file {str(path)!r}")
    store = open_store(context.home, context.settings)
    if path.suffix in {".yaml", ".yml"}:
        from attune_cli.runtime.services.loose_actions import job_of_action_file

        with store.read(SystemClock().now()) as tx:
            definition, warnings = job_of_action_file(tx, path)
        for warning in warnings:
            context.out.warning(warning)
    else:
        definition = _unstored(f"file.{_name(path.stem)}", (*_script_words(path), str(path.absolute())))
    parameters = _read_parameters(context, definition.action, options)
    submission = _submission(definition.action.ref, parameters, options, definition)
    return run_submission(context, store, submission, options)


def run_command(
    context: Context,
    command: Sequence[str],
    name: str | None,
    options: RunOptions,
    *,
    image: str | None = None,
) -> int:
    """Run a command line, in a container of `image` if there is one."""
    definition = _unstored(f"exec.{_name(name or Path(command[0]).name)}", tuple(command))
    if image is not None:
        definition = replace(in_container(definition, image), caller_environment=False)
    store = open_store(context.home, context.settings)
    submission = _submission(definition.action.ref, {}, options, definition)
    return run_submission(context, store, submission, options)


def _unstored(ref: str, command: tuple[str, ...]) -> JobDefinition:
    action = ActionDefinition(ref=ref, pack_ref=ref.partition(".")[0], runner_type="core.native")
    return JobDefinition(
        kind="process", action=action, command=command, folder=str(Path.cwd()), caller_environment=True
    )


def _name(text: str) -> str:
    return _NOT_IN_REFS.sub("_", text.lower()).strip("_") or "command"


def _script_words(path: Path) -> tuple[str, ...]:
    """Return what comes before a script that cannot be executed itself."""
    if os.access(path, os.X_OK):
        return ()
    interpreter = {".py": "python3", ".sh": "bash", ".js": "node"}.get(path.suffix)
    if interpreter is None:
        raise UsageError(f"{path} is not executable", hint=f"chmod +x {path}")
    return (interpreter,)


def _submission(
    ref: str, parameters: dict[str, Any], options: RunOptions, definition: JobDefinition | None = None
) -> Submission:
    return Submission(
        action_ref=ref,
        parameters=parameters,
        definition=definition,
        labels=options.labels,
        environment=options.environment,
        timeout_seconds=options.timeout_seconds,
        due=options.due,
        idempotency_key=options.key,
        executor=options.person,
        if_running=options.if_running,
        begin_at=options.begin_at,
        is_alone=options.is_alone,
    )


def _read_parameters(context: Context, action: ActionDefinition, options: RunOptions) -> dict[str, Any]:
    """Read the items; what cannot be read is told together with what does not fit the schema."""
    reader = ParameterReader(action.parameters)
    if options.params is not None:
        reader.read_document(options.params)
    reader.read_items(options.items)
    doubts = [*_short_secrets(action, reader.values), *_empty_roles(context, action, reader.values)]
    for warning in [*reader.warnings, *doubts]:
        context.out.warning(warning)
    if reader.faults:
        raise _invalid(action, reader)
    return reader.values


def _short_secrets(action: ActionDefinition, values: dict[str, Any]) -> list[str]:
    """Warn of secrets that logs will show: masking so short a text would blacken half of every log."""
    found = [str(value_at(values, pointer)) for pointer in secret_pointers(action.parameters, values)]
    return [_SHOWN_IN_LOGS] if any(0 < len(text) < SHORTEST_MASKED for text in found) else []


def _empty_roles(context: Context, action: ActionDefinition, values: dict[str, Any]) -> list[str]:
    """Warn of a role that a question is for and that nobody has: it may gain members while the question waits."""
    given = values.get("assigned_to")
    if (
        action.runner_type != INQUIRY_RUNNER
        or not isinstance(given, str)
        or not given.startswith(ROLE_PREFIX)
    ):
        return []
    role = given.removeprefix(ROLE_PREFIX)
    if members_of(context.settings)(role):
        return []
    return [
        f"nobody can answer yet: there is no role {role!r} with members (setting roles, or a system's group)"
    ]


def _invalid(action: ActionDefinition, reader: ParameterReader) -> UsageError:
    told = {fault.path for fault in reader.faults}
    # A secret that is missing here may be a key, which is looked up when all else is well.
    told |= {name for name, leaf in action.parameters.items() if leaf.get("secret") is True}
    _, more = complete(action, reader.values)
    found = [*reader.faults, *(fault for fault in more if fault.path not in told)]
    return invalid_parameters(action, sorted(found, key=lambda fault: fault.path))


# --- who runs it


def run_submission(context: Context, store: Store, submission: Submission, options: RunOptions) -> int:
    """Run what is asked for: here, or apart where this command's end must not matter; returns the exit code."""
    if any(0 < len(value) < SHORTEST_MASKED for value in secret_values(submission.environment)):
        context.out.warning(_SHOWN_IN_LOGS)
    submission = _with_parent(context, store, submission)
    if context.dry_run:
        return _show_plan(context, store, submission)
    work = Work(context, store, submission.action_ref, options)
    daemon = _daemon_for(context, submission, options)
    if options.detach:
        return _leave_to_daemon(work, submission, daemon)
    if daemon is not None and options.wait_timeout_seconds is None and options.on_interrupt == "cancel":
        return run_in_daemon(work, submission, daemon)
    if options.wait_timeout_seconds is not None or options.on_interrupt == "detach":
        return run_apart(work, submission)
    return run_here(work, submission)


def _with_parent(context: Context, store: Store, submission: Submission) -> Submission:
    """Inside an action of the same home a run is that action's child; else a person asks for it."""
    inside = enclosing_execution(context)
    parent = None
    if inside is not None:
        with store.read(SystemClock().now()) as tx:
            parent = executions.startable(tx, inside)
    if parent is None or not parent.status.holds_slot:
        return replace(submission, executor=submission.executor or login())
    return replace(submission, parent=parent.id)


def _daemon_for(context: Context, submission: Submission, options: RunOptions) -> Daemon | None:
    """Return the daemon that shall run it; None when it runs here. One that drains counts as absent."""
    definition = submission.definition
    if options.engine == "here" or (
        options.engine == "auto"
        and definition is not None
        and (definition.caller_environment or definition.command)
    ):
        return None  # what is the caller's own runs where the caller is
    daemon = read_lease(context.home.path)
    if daemon is not None and daemon.is_ready and not daemon.is_draining:
        return daemon
    if options.engine == "daemon":
        raise UnavailableError(
            f"no engine is running for {context.home.path}", code="no_engine", hint="attune up -d"
        )
    return None


def _leave_to_daemon(work: Work, submission: Submission, daemon: Daemon | None) -> int:
    """Store a run for the daemon, or with --queue-offline for whoever comes next."""
    context = work.context
    if daemon is None and not work.options.queue_offline:
        raise UnavailableError(
            f"no engine is running for {context.home.path}",
            code="no_engine",
            hint="attune up -d starts one; --queue-offline keeps it for later; without --detach it runs here",
        )
    with work.store.write(SystemClock().now()) as tx:
        sealer = Sealer(context.home.secret_key)
        submitted = submit(tx, submission, settings=context.settings, sealer=sealer, host=None)
        execution = executions.get(tx, submitted.id)
    if daemon is not None:
        ring_host(context.home.hosts, daemon.host)
    if execution is not None:
        context.out.record(execution_record(execution))
    context.out.hint(f"attune execution wait {submitted.id}")
    return 0


def _show_plan(context: Context, store: Store, submission: Submission) -> int:
    """Print what would be started; its insert is rolled back."""
    sealer = Sealer(context.home.secret_key)
    with rehearsed(context, store) as tx:
        submitted = submit(tx, submission, settings=context.settings, sealer=sealer, host=None)
        execution = executions.get(tx, submitted.id)
    if execution is not None:
        record = execution_record(execution) | {"environment": sorted(submission.environment)}
        shown = ("kind", "action_ref", "parameters", "timeout_seconds", "environment", "labels")
        context.out.record({name: record[name] for name in shown})
    context.out.note("nothing was started")
    return 0
