"""From the words of `attune run` to a finished execution: read, submit, follow, present."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from attune_cli.errors import (
    AttuneError,
    Detail,
    NotFoundError,
    PendingError,
    RunFailedError,
    UnavailableError,
    UsageError,
    did_you_mean,
)
from attune_cli.follow import Follower, Sink, exit_code_of, sinks
from attune_cli.parameters import ParameterReader, read_pairs
from attune_cli.runtime.clock import SECOND, Instant, SystemClock, parse_rfc3339
from attune_cli.runtime.host import InlineHost, open_store, open_store_for_reading
from attune_cli.runtime.model.definitions import ActionDefinition
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.model.parameters import prepare
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.services.executions import result_value
from attune_cli.runtime.services.logs import stream_file
from attune_cli.runtime.services.records import execution_record
from attune_cli.runtime.services.submission import IfRunning, Submission, Submitted, pin, submit
from attune_cli.runtime.store import executions
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Store

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOT_IN_REFS = re.compile(r"[^a-z0-9_-]+")
_SHOWN_MESSAGE = 200


# --- what was asked


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of `attune run`, read and checked."""

    items: tuple[str, ...] = ()
    params: str | None = None
    environment: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, str] = field(default_factory=dict[str, str])
    detach: bool = False
    queue_offline: bool = False
    timeout_seconds: float | None = None
    wait_timeout_seconds: float | None = None
    result: bool = False
    no_logs: bool = False
    log_prefix: bool = False
    key: str | None = None
    if_running: IfRunning = "queue"
    on_interrupt: Literal["cancel", "detach"] = "cancel"
    propagate_exit_code: bool = False
    due: Instant = 0

    @classmethod
    def read(cls, **given: Any) -> RunOptions:  # noqa: ANN401 - the options as Typer gives them
        """Read the options as Typer gives them; raises UsageError for values they cannot have."""
        trace: str | None = given.get("trace")
        labels = read_pairs("--label", given.get("label") or [])
        if given.get("engine", "auto") == "daemon":
            raise UnavailableError(
                "no engine is running for this home", hint="leave --engine out: it runs here"
            )
        _check_choice("--engine", given.get("engine", "auto"), ("auto", "here", "daemon"))
        _check_choice("--if-running", given.get("if_running", "queue"), get_args(IfRunning))
        _check_choice("--on-interrupt", given.get("on_interrupt", "cancel"), ("cancel", "detach"))
        return cls(
            items=tuple(given.get("items") or ()),
            params=given.get("params"),
            environment=_environment(given.get("env") or [], given.get("env_file")),
            labels=labels | ({"trace": trace} if trace else {}),
            detach=given.get("detach", False),
            queue_offline=given.get("queue_offline", False),
            timeout_seconds=_seconds("--timeout", given.get("timeout")),
            wait_timeout_seconds=_seconds("--wait-timeout", given.get("wait_timeout")),
            result=given.get("result", False),
            no_logs=given.get("no_logs", False),
            log_prefix=given.get("log_prefix", False),
            key=given.get("key"),
            if_running=given.get("if_running", "queue"),
            on_interrupt=given.get("on_interrupt", "cancel"),
            propagate_exit_code=given.get("propagate_exit_code", False),
            due=_due(given.get("at"), given.get("in_")),
        )


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(
            f"{option} {value!r} is none of {', '.join(choices)}", hint=did_you_mean(value, choices)
        )


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint=f"{option} 45s") from error
    if seconds <= 0:
        raise UsageError(f"{option} has to be longer than nothing", hint=f"{option} 45s")
    return seconds


def _due(at: str | None, in_: str | None) -> Instant:
    if at is not None and in_ is not None:
        raise UsageError("--at and --in say the same thing twice")
    if in_ is not None:
        return SystemClock().now() + round((_seconds("--in", in_) or 0) * SECOND)
    try:
        return 0 if at is None else parse_rfc3339(at)
    except ValueError as error:
        raise UsageError(f"--at {at!r} is no time", hint="--at 2026-05-01T09:00:00Z") from error


def _environment(pairs: Sequence[str], file: Path | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if file is not None:
        try:
            lines = file.read_text("utf-8").splitlines()
        except OSError as error:
            raise UsageError(f"--env-file {file} cannot be read: {error.strerror}") from error
        kept = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        found = {name: _unquoted(value) for name, value in read_pairs("--env-file", kept).items()}
    return found | read_pairs("--env", pairs)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


# --- the three forms


def run_action(context: Context, ref: str, options: RunOptions) -> int:
    """Run a stored action."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        definition = pin(tx, ref)
    parameters = _read_parameters(context, definition.action, options)
    return _run(context, store, _submission(ref, parameters, options), options)


def run_file(context: Context, path: Path, options: RunOptions) -> int:
    """Run a script or the action of a YAML file, which are not stored."""
    if not path.exists():
        raise NotFoundError(f"no file {str(path)!r}")
    store = open_store(context.home, context.settings)
    if path.suffix in {".yaml", ".yml"}:
        from attune_cli.runtime.services.loose_actions import job_of_action_file

        with store.read(SystemClock().now()) as tx:
            definition = job_of_action_file(tx, path)
    else:
        definition = _unstored(f"file.{_name(path.stem)}", (*_script_words(path), str(path.absolute())))
    parameters = _read_parameters(context, definition.action, options)
    submission = _submission(definition.action.ref, parameters, options, definition)
    return _run(context, store, submission, options)


def run_command(context: Context, command: Sequence[str], name: str | None, options: RunOptions) -> int:
    """Run a command line."""
    definition = _unstored(f"exec.{_name(name or Path(command[0]).name)}", tuple(command))
    store = open_store(context.home, context.settings)
    submission = _submission(definition.action.ref, {}, options, definition)
    return _run(context, store, submission, options)


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
        if_running=options.if_running,
    )


def _read_parameters(context: Context, action: ActionDefinition, options: RunOptions) -> dict[str, Any]:
    """Read the items; what cannot be read is told together with what does not fit the schema."""
    reader = ParameterReader(action.parameters)
    if options.params is not None:
        reader.read_document(options.params)
    reader.read_items(options.items)
    for warning in reader.warnings:
        context.out.warning(warning)
    if reader.faults:
        raise _invalid(action, reader)
    return reader.values


def _invalid(action: ActionDefinition, reader: ParameterReader) -> UsageError:
    told = {fault.path for fault in reader.faults}
    _, more = prepare(action.parameters, reader.values)
    faults = [*reader.faults, *(fault for fault in more if fault.path not in told)]
    count = "1 parameter" if len(faults) == 1 else f"{len(faults)} parameters"
    return UsageError(
        f"{count} of {action.ref} {'is' if len(faults) == 1 else 'are'} invalid",
        code="invalid_params",
        details=faults,
        hint=f"attune run action {action.ref} --help",
    )


# --- running


def _run(context: Context, store: Store, submission: Submission, options: RunOptions) -> int:
    submission = _with_parent(context, store, submission)
    if context.dry_run:
        return _show_plan(context, store, submission)
    if options.detach or options.wait_timeout_seconds is not None or options.on_interrupt == "detach":
        return _run_apart(context, store, submission, options)
    with InlineHost(context.home, context.settings, store) as host:
        submitted = host.request(
            lambda tx: submit(tx, submission, settings=context.settings, sealer=host.sealer, host=host.id)
        ).result()
        _tell(context, submitted)
        with _cancelled_by_signals(host, submitted, context) as received:
            execution = _follow_here(context, host, submitted.id, options)
    return _present(context, execution, options, received)


def _with_parent(context: Context, store: Store, submission: Submission) -> Submission:
    """Inside an action of the same home a run is that action's child."""
    from dataclasses import replace

    inside = os.environ.get("ATTUNE_EXEC_ID", "")
    if not inside.isdecimal() or os.environ.get("ATTUNE_HOME") != str(context.home.path):
        return submission
    with store.read(SystemClock().now()) as tx:
        parent = executions.startable(tx, int(inside))
    return (
        submission
        if parent is None or not parent.status.holds_slot
        else replace(submission, parent=parent.id)
    )


def _show_plan(context: Context, store: Store, submission: Submission) -> int:
    """Print what would be started; the insert is rolled back."""

    class Rehearsed(Exception):  # noqa: N818 - no error: the way out of a transaction that must not commit
        pass

    sealer = Sealer(context.home.secret_key)
    execution = None
    try:
        with store.write(SystemClock().now()) as tx:
            submitted = submit(tx, submission, settings=context.settings, sealer=sealer, host=None)
            execution = executions.get(tx, submitted.id)
            raise Rehearsed  # noqa: TRY301 - see above
    except Rehearsed:
        pass
    if execution is not None:
        record = execution_record(execution) | {"id": None, "environment": sorted(submission.environment)}
        context.out.record(
            {
                key: record[key]
                for key in ("kind", "action_ref", "parameters", "timeout_seconds", "environment", "labels")
            }
        )
    context.out.note("nothing was started")
    return 0


def _tell(context: Context, submitted: Submitted) -> None:
    if submitted.reused:
        context.out.note(f"execution {submitted.id} reused: it was started with the same key")
    if submitted.skipped:
        context.out.note(f"skipped: execution {submitted.id} runs already")


def _follow_here(context: Context, host: InlineHost, execution_id: int, options: RunOptions) -> Execution:
    reading = open_store(context.home, context.settings)

    def wait(seconds: float) -> None:
        host.check()
        host.changed.wait(seconds)
        host.changed.clear()

    try:
        return Follower(
            context.home, reading, _targets(context, options), wait, retried=_tell_retry(context)
        ).follow(execution_id)
    finally:
        reading.close()


def _tell_retry(context: Context) -> Any:  # noqa: ANN401 - a function that is told of an attempt
    def tell(execution: Execution) -> None:
        context.out.note(
            f"attempt {execution.attempt} (execution {execution.id}) {_how_it_ended(execution)}; trying again"
        )

    return tell


def _targets(context: Context, options: RunOptions) -> dict[Any, Sink]:
    """Where the output goes live: to our streams as text; to stderr when stdout holds a document."""
    if options.no_logs or context.quiet:
        return {}
    prefix = "" if not options.log_prefix else "| "
    stdout = sys.stdout if context.out.is_text and not options.result else sys.stderr
    return sinks(stdout=stdout, stderr=sys.stderr, prefix=prefix)


@contextmanager
def _cancelled_by_signals(host: InlineHost, submitted: Submitted, context: Context) -> Generator[list[int]]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into a cancel, a second into an end at once."""
    received: list[int] = []

    def take(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        host.cancel_tree(submitted.id, signal.Signals(number).name)
        if number == signal.SIGINT:
            context.out.note("stopping; once more to kill it at once")

    before = {number: signal.signal(number, take) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_apart(context: Context, store: Store, submission: Submission, options: RunOptions) -> int:
    """Run where this command's end does not matter: in a host of its own, which this command only watches."""
    if options.detach and not options.queue_offline:
        raise UnavailableError(
            f"no engine is running for {context.home.path}",
            code="no_engine",
            hint="wait for it (leave --detach out), or keep it for later: --queue-offline",
        )
    sealer = Sealer(context.home.secret_key)
    with store.write(SystemClock().now()) as tx:
        submitted = submit(tx, submission, settings=context.settings, sealer=sealer, host=None)
    _tell(context, submitted)
    if options.detach:
        return _show_detached(context, store, submitted.id)
    start_background_host(context, submitted.id)
    return _watch(context, store, submitted.id, options)


def _show_detached(context: Context, store: Store, execution_id: int) -> int:
    with store.read(SystemClock().now()) as tx:
        execution = executions.get(tx, execution_id)
    if execution is not None:
        context.out.record(execution_record(execution))
    return 0


def start_background_host(context: Context, execution_id: int) -> None:
    """Start a process that becomes the host of one tree and ends with it."""
    subprocess.Popen(
        [
            sys.executable,
            "-m",
            "attune_cli",
            "--home",
            str(context.home.path),
            "execution",
            "wait",
            str(execution_id),
            "-qq",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _watch(context: Context, store: Store, execution_id: int, options: RunOptions) -> int:
    """Follow an execution that another process runs."""
    import time

    follower = Follower(
        context.home,
        store,
        _targets(context, options),
        time.sleep,
        retried=_tell_retry(context),
        give_up_seconds=options.wait_timeout_seconds,
    )
    try:
        execution = follower.follow(execution_id)
    except KeyboardInterrupt:
        context.out.note(f"execution {execution_id} goes on: attune execution wait {execution_id}")
        raise
    if not execution.status.is_terminal:
        raise PendingError(
            f"execution {execution.id} is still going on: it is {execution.status}",
            hint=f"attune execution wait {execution.id}",
        )
    return _present(context, execution, options, [])


# --- the end


def _present(context: Context, execution: Execution, options: RunOptions, received: list[int]) -> int:
    """Print what stdout has to hold, say how it ended, and return the exit code."""
    record = execution_record(execution)
    if options.result:
        _print_result(context, execution, record)
    elif not context.out.is_text:
        context.out.record(record)
    if context.out.format == "text":
        _say_end(context, execution)
    if options.propagate_exit_code and execution.exit_code is not None and execution.exit_code >= 0:
        return execution.exit_code
    if execution.status == "cancelled" and received:
        return 128 + received[0]
    return exit_code_of(execution)


def _print_result(context: Context, execution: Execution, record: dict[str, Any]) -> None:
    if execution.status != "completed":
        return
    stdout = stream_file(context.home, execution.id, "stdout")
    if context.out.is_text and "data" not in (execution.result or {}):
        if stdout.exists():
            with stdout.open("rb") as file:
                shutil.copyfileobj(file, cast("Any", Sink(sys.stdout)))
        return
    context.out.value(result_value(record, stdout))


def _say_end(context: Context, execution: Execution) -> None:
    if execution.status == "completed":
        if context.out.is_terminal:
            context.out.note(f"execution {execution.id} {_how_it_ended(execution)}")
        return
    context.out.error(
        RunFailedError(
            f"execution {execution.id} of {execution.action_ref} {_how_it_ended(execution)}",
            hint=f"attune execution show {execution.id}",
        )
    )


def _how_it_ended(execution: Execution) -> str:
    error = execution.error
    if execution.timed_out:
        return "timed out" if error is None else error.message.replace("Execution ", "")
    if error is None:
        return str(execution.status)
    if error.type == "exit":
        return f"failed with exit code {execution.exit_code}"
    if execution.status == "cancelled":
        return "was cancelled"
    return f"{execution.status}: {error.message[:_SHOWN_MESSAGE]}"


# --- help of an action


def explain_action(context: Context, arguments: Sequence[str]) -> str:
    """Return the parameters of the action a help page is asked for, and an example."""
    ref = next(
        (word for word in arguments if "." in word and "=" not in word and not word.startswith("-")), None
    )
    if ref is None:
        return ""
    try:
        store = open_store_for_reading(context.home, context.settings)
        with store.read(SystemClock().now()) as tx:
            action = pin(tx, ref).action
    except AttuneError as error:
        return error.message
    lines = [f"{action.ref}: {action.description or action.label}"]
    if action.parameters:
        width = max(map(len, action.parameters))
        lines += [
            "",
            "Parameters:",
            *(_parameter_line(name, leaf, width) for name, leaf in action.parameters.items()),
        ]
    return "\n".join([*lines, "", "Example:", f"  attune run action {action.ref}{_example(action)}"])


def _parameter_line(name: str, leaf: dict[str, Any], width: int) -> str:
    facts = [str(leaf.get("type", "any"))]
    if leaf.get("required"):
        facts.append("required")
    if leaf.get("default") is not None:
        facts.append(f"default {leaf['default']}")
    if leaf.get("enum"):
        facts.append("one of " + ", ".join(map(str, leaf["enum"])))
    if leaf.get("secret"):
        facts.append("secret")
    return f"  {name:<{width}}  {', '.join(facts)}. {leaf.get('description', '')}".rstrip()


def _example(action: ActionDefinition) -> str:
    needed = [name for name, leaf in action.parameters.items() if leaf.get("required")]
    return "".join(f" {name}=…" for name in needed)


__all__ = [
    "Detail",
    "RunOptions",
    "explain_action",
    "run_action",
    "run_command",
    "run_file",
    "start_background_host",
]
