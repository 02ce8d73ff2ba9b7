"""`attune run`: an action, a workflow, a file or a command, run here and now, with a record (cli.md 3.9, Run)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun, RefGroup


def _explain(context: Context, arguments: list[str]) -> str:
    from attune_cli.running.explain import explain_action

    return explain_action(context, arguments)


app = Noun(
    "Run an action, a workflow, a file or a command, and keep its record.",
    cls=RefGroup,
    examples=[
        "attune run action core.echo message=hi",
        "attune run core.http_request url=https://example.com",
    ],
)

Items = Annotated[list[str] | None, Argument(metavar="[KEY=VALUE]...", help="Parameters, by name.")]
Params = Annotated[
    str | None, Option("--params", "--params-json", metavar="JSON|@FILE|-", help="All parameters at once.")
]
Param = Annotated[list[str] | None, Option("--param", metavar="K=V", help="Same as KEY=VALUE.", hidden=True)]
Environment = Annotated[
    list[str] | None, Option("--env", "-e", metavar="K=V", help="Extra variable for the action.")
]
EnvironmentFile = Annotated[
    Path | None, Option("--env-file", metavar="FILE", help="Extra variables, a line each.")
]
Label = Annotated[list[str] | None, Option("--label", metavar="K=V", help="A label to find the run by.")]
Detach = Annotated[
    bool, Option("--detach", "-d", "--no-wait", help="Print the id at once; needs a running engine.")
]
QueueOffline = Annotated[bool, Option("--queue-offline", help="With --detach: keep it for the next engine.")]
TimeLimit = Annotated[
    str | None, Option("--timeout", metavar="D", help="Time limit of the run; exit 124 when over.")
]
WaitTimeout = Annotated[
    str | None, Option("--wait-timeout", metavar="D", help="Stop waiting; the run goes on; exit 8.")
]
Result = Annotated[bool, Option("--result", "-r", help="Print the result value only.")]
NoLogs = Annotated[bool, Option("--no-logs", help="Do not copy the run's output.")]
LogPrefix = Annotated[bool, Option("--log-prefix", help="Put the action's name before each line of output.")]
Key = Annotated[
    str | None, Option("--key", metavar="K", help="Run once: the same key returns the earlier run.")
]
IfRunning = Annotated[
    str, Option("--if-running", metavar="queue|skip|fail|cancel", help="When the action runs already.")
]
Trace = Annotated[str | None, Option("--trace", metavar="ID", help="Same as --label trace=ID.")]
OnInterrupt = Annotated[
    str, Option("--on-interrupt", metavar="cancel|detach", help="What Ctrl-C does to the run.")
]
Propagate = Annotated[bool, Option("--propagate-exit-code", help="Exit with the action's own code.")]
EngineChoice = Annotated[str, Option("--engine", metavar="auto|here|daemon", help="Who runs it.")]
OnInquiry = Annotated[
    str | None,
    Option(
        "--on-inquiry",
        metavar="prompt|wait|fail",
        help="When it asks; prompt on terminals, else wait. fail: 7.",
    ),
]
As = Annotated[str | None, Option("--as", metavar="NAME", help="Who asks for it; default: your login.")]
Image = Annotated[str | None, Option("--image", metavar="IMAGE", help="Run it in a container of this image.")]
At = Annotated[str | None, Option("--at", metavar="T", help="Not before this time.")]
In = Annotated[str | None, Option("--in", metavar="D", help="Not before this much time has passed.")]
From = Annotated[
    str | None,
    Option("--from", metavar="TASK", help="Begin at this task, as if those before it had completed."),
]
Watch = Annotated[bool, Option("--watch", hidden=True, help="The default.")]


@app.command(
    "action",
    examples=[
        "attune run action core.echo message=hi",
        "attune run action core.http_request url=https://example.com -r",
        "attune run action core.sleep seconds:=60 --timeout 5s",
        "attune run action demo.convert file=a.png --image python:3.12-slim",
    ],
    explain=_explain,
)
def action(
    context: Context,
    ref: Annotated[str, Argument(metavar="REF", help="The action: pack.name.")],
    items: Items = None,
    params: Params = None,
    param: Param = None,
    env: Environment = None,
    env_file: EnvironmentFile = None,
    label: Label = None,
    detach: Detach = False,
    queue_offline: QueueOffline = False,
    timeout: TimeLimit = None,
    wait_timeout: WaitTimeout = None,
    result: Result = False,
    no_logs: NoLogs = False,
    log_prefix: LogPrefix = False,
    key: Key = None,
    if_running: IfRunning = "queue",
    trace: Trace = None,
    on_interrupt: OnInterrupt = "cancel",
    propagate_exit_code: Propagate = False,
    engine: EngineChoice = "auto",
    on_inquiry: OnInquiry = None,
    as_: As = None,
    at: At = None,
    in_: In = None,
    image: Image = None,
    watch: Watch = False,
) -> int:
    """Run an action of an installed pack, show its output live, and exit as it ended."""
    from attune_cli.running.options import RunOptions
    from attune_cli.running.start import run_action

    del watch
    options = RunOptions.read(
        items=[*(param or ()), *(items or ())], params=params, env=env, env_file=env_file, label=label,
        detach=detach, queue_offline=queue_offline, timeout=timeout, wait_timeout=wait_timeout, result=result,
        no_logs=no_logs, log_prefix=log_prefix, key=key, if_running=if_running, trace=trace,
        on_interrupt=on_interrupt, propagate_exit_code=propagate_exit_code, engine=engine, at=at, in_=in_,
        on_inquiry=on_inquiry, person=as_,
    )  # fmt: skip
    return run_action(context, ref, options, image=image)


@app.command(
    "workflow",
    examples=[
        "attune run workflow greenhouse.water",
        "attune run workflow packs/greenhouse/workflows/water.workflow.yaml -r",
        "attune run workflow deploy.app version=1.10 --wait-timeout 30m",
    ],
    explain=_explain,
)
def workflow(
    context: Context,
    word: Annotated[str, Argument(metavar="REF|FILE", help="The workflow, or its file.")],
    items: Items = None,
    from_: From = None,
    params: Params = None,
    param: Param = None,
    env: Environment = None,
    env_file: EnvironmentFile = None,
    label: Label = None,
    detach: Detach = False,
    queue_offline: QueueOffline = False,
    timeout: TimeLimit = None,
    wait_timeout: WaitTimeout = None,
    result: Result = False,
    no_logs: NoLogs = False,
    log_prefix: LogPrefix = False,
    key: Key = None,
    if_running: IfRunning = "queue",
    trace: Trace = None,
    on_interrupt: OnInterrupt = "cancel",
    engine: EngineChoice = "auto",
    at: At = None,
    in_: In = None,
    on_inquiry: OnInquiry = None,
    as_: As = None,
    watch: Watch = False,
) -> int:
    """Run a workflow, show how its tasks come along, and exit as it ended; a file needs not be installed."""
    from attune_cli.running.options import RunOptions
    from attune_cli.running.start import run_workflow

    del watch
    options = RunOptions.read(
        items=[*(param or ()), *(items or ())], params=params, env=env, env_file=env_file, label=label,
        detach=detach, queue_offline=queue_offline, timeout=timeout, wait_timeout=wait_timeout, result=result,
        no_logs=no_logs, log_prefix=log_prefix, key=key, if_running=if_running, trace=trace,
        on_interrupt=on_interrupt, engine=engine, at=at, in_=in_, from_=from_, on_inquiry=on_inquiry,
        person=as_,
    )  # fmt: skip
    return run_workflow(context, word, options)


@app.command(
    "file",
    examples=["attune run file ./check.sh", "attune run file packs/demo/actions/hello.yaml name=Ada"],
)
def file(
    context: Context,
    path: Annotated[
        Path, Argument(metavar="PATH", help="A script, or the YAML file of an action or a workflow.")
    ],
    items: Items = None,
    params: Params = None,
    env: Environment = None,
    env_file: EnvironmentFile = None,
    label: Label = None,
    timeout: TimeLimit = None,
    result: Result = False,
    no_logs: NoLogs = False,
    key: Key = None,
    propagate_exit_code: Propagate = False,
    on_inquiry: OnInquiry = None,
    as_: As = None,
) -> int:
    """Run a script, or what a YAML file defines, without installing it; here, with your environment."""
    from attune_cli.running.options import RunOptions
    from attune_cli.running.start import run_file

    options = RunOptions.read(
        items=items, params=params, env=env, env_file=env_file, label=label, timeout=timeout, result=result,
        no_logs=no_logs, key=key, propagate_exit_code=propagate_exit_code, on_inquiry=on_inquiry, person=as_,
    )  # fmt: skip
    return run_file(context, path, options)


@app.command(
    "exec",
    examples=[
        "attune run exec -- make backup",
        "attune run exec --name nightly --timeout 4m -- ./backup.sh",
        "attune run exec --image alpine:3.20 -- cat /etc/os-release",
    ],
)
def exec_(
    context: Context,
    command: Annotated[list[str], Argument(metavar="-- COMMAND [ARG]...", help="The command line.")],
    name: Annotated[
        str | None, Option("--name", metavar="N", help="Name in the record; default: the program's.")
    ] = None,
    env: Environment = None,
    env_file: EnvironmentFile = None,
    label: Label = None,
    timeout: TimeLimit = None,
    result: Result = False,
    no_logs: NoLogs = False,
    key: Key = None,
    propagate_exit_code: Propagate = False,
    image: Image = None,
    on_inquiry: OnInquiry = None,
    as_: As = None,
) -> int:
    """Run a command line here, with your environment, or in a container without it; keep its output and its end."""
    from attune_cli.running.options import RunOptions
    from attune_cli.running.start import run_command

    options = RunOptions.read(
        env=env, env_file=env_file, label=label, timeout=timeout, result=result, no_logs=no_logs, key=key,
        propagate_exit_code=propagate_exit_code, on_inquiry=on_inquiry, person=as_,
    )  # fmt: skip
    return run_command(context, command, name, options, image=image)
