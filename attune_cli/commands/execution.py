"""`attune execution`: look at, wait for, cancel, repeat and prune what ran (cli.md 3.9, Executions)."""

from contextlib import nullcontext
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun, confirm, progress
from attune_cli.options import EveryRun, GivenParameters, Newest, Placement
from attune_cli.output import Column, Section

app = Noun("Look at, wait for, cancel and retry what ran.")

COLUMNS = (
    Column("ID", "id", kind="number"),
    Column("ACTION", "action_ref"),
    Column("STATUS", "status", kind="status"),
    Column("STARTED", "started_at", kind="time"),
    Column("DURATION", "duration_ms", kind="duration"),
    Column("RULE", "rule_ref"),
)
SHOWN = (
    Column("Execution", "id", kind="number"),
    Column("Action", "action_ref"),
    Column("Status", "status", kind="status"),
    Column("Exit code", "exit_code"),
    Column("Error", "error.message", kind="text"),
    Column("Attempt", "attempt"),
    Column("Created", "created", kind="time"),
    Column("Started", "started_at", kind="time"),
    Column("Duration", "duration_ms", kind="duration"),
    Column("Stdout", "stdout.bytes", kind="bytes"),
    Column("Stderr", "stderr.bytes", kind="bytes"),
)
PLACE = (
    Column("Workflow", "workflow_ref"),
    Column("Its execution", "parent", kind="number"),
    Column("Task", "workflow_task.task_name"),
)
COMMAND_LINE = (Column("Command", "command", kind="text"), Column("Folder", "folder"))
TIMELINE = (Column("AT", "at", kind="time"), Column("STATUS", "to", kind="status"), Column("HOST", "host"))

Word = Annotated[str, Argument(metavar="ID", help="An id, @last, @last:REF or @failed.")]
Words = Annotated[list[str], Argument(metavar="ID...", help="Ids, @last, @failed; - reads ids from stdin.")]
ActionOption = Annotated[str | None, Option("--action", metavar="REF", help="Of this action, or pack.*")]
PackOption = Annotated[str | None, Option("--pack", metavar="P", help="Of this pack.")]
StatusOption = Annotated[
    list[str] | None, Option("--status", "-s", metavar="S", help="A status, or running, done, bad, timeout.")
]
Since = Annotated[
    str | None, Option("--since", metavar="T", help="Created since: 24h, 2026-05-01, RFC 3339.")
]
Until = Annotated[str | None, Option("--until", metavar="T", help="Created until.")]
LabelOption = Annotated[list[str] | None, Option("--label", metavar="K=V", help="With this label.")]


@app.command(
    "list",
    examples=[
        "attune execution list",
        "attune execution list -s bad --since 24h -q",
        "attune execution list --sort duration_ms --reverse -l 5",
    ],
)
def list_executions(
    context: Context,
    newest: Newest,
    action: ActionOption = None,
    pack: PackOption = None,
    workflow: Annotated[
        str | None, Option("--workflow", metavar="REF", help="Begun by tasks of this workflow.")
    ] = None,
    rule: Annotated[str | None, Option("--rule", metavar="REF", help="Started by this rule.")] = None,
    trigger: Annotated[
        str | None, Option("--trigger", metavar="REF", help="Because of an event of this trigger.")
    ] = None,
    status: StatusOption = None,
    since: Since = None,
    until: Until = None,
    label: LabelOption = None,
    parent: Annotated[
        int | None, Option("--parent", metavar="ID", max=2**62, help="Children of this execution.")
    ] = None,
    root: Annotated[bool, Option("--root", help="Only those without a parent.")] = False,
    result: Annotated[
        str | None, Option("--result", metavar="TEXT", help="Whose result holds this text.")
    ] = None,
    sort: Annotated[str | None, Option("--sort", metavar="FIELD", help="Sort by this field.")] = None,
    reverse: Annotated[
        bool, Option("--reverse", help="Oldest first, or the sort the other way round.")
    ] = False,
) -> None:
    """List executions, newest first."""
    from attune_cli.listing.executions import ListOptions, show_list

    options = ListOptions(
        action=action, pack=pack, workflow=workflow, rule=rule, trigger=trigger, status=status, since=since,
        until=until, label=label, parent=parent, root=root, result=result, limit=newest.most, after=newest.after,
        sort=sort, reverse=reverse,
    )  # fmt: skip
    show_list(context, options, COLUMNS, count=newest.count, fail_empty=newest.fail_empty)


@app.command(
    "show",
    examples=[
        "attune execution show 12",
        "attune execution show @last --field result.data",
        "attune execution show @last --tree",
    ],
)
def show(
    context: Context,
    ids: Words,
    tree: Annotated[
        bool, Option("--tree", help="All that it began: tasks, items, attempts, questions, sub-workflows.")
    ] = False,
    timeline: Annotated[bool, Option("--timeline", help="The tasks of a workflow over time.")] = False,
) -> None:
    """Show executions: summary, parameters, result, changes; or their trees."""
    if tree or timeline:
        from attune_cli.running.trees import show_trees

        show_trees(context, ids, timeline=timeline)
        return
    from attune_cli.listing.executions import shortened
    from attune_cli.reading.words import read_words
    from attune_cli.running.ownerless import tell_nobody_runs, tops_nobody_runs
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import executions

    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        records = [executions.show(tx, word) for word in read_words(ids)]
        ownerless = tops_nobody_runs(tx, context, [record["id"] for record in records])
    if len(records) == 1:
        if context.out.is_text and context.out.is_terminal:
            records = [shortened(records[0])]
        sections = (
            Section("Parameters", "parameters"),
            Section("Result", "result"),
            Section("Timeline", "timeline", TIMELINE),
        )
        more = (
            COMMAND_LINE if records[0]["command"] is not None else PLACE if records[0]["workflow_ref"] else ()
        )
        columns = (*SHOWN[:2], *more, *SHOWN[2:])
        context.out.record(records[0], columns, sections)
    else:
        context.out.records(records, COLUMNS)
    tell_nobody_runs(context, ownerless)


@app.command("logs", examples=["attune execution logs 12", "attune execution logs @last -f --stream stderr"])
def logs(
    context: Context,
    id_: Word,
    follow: Annotated[bool, Option("--follow", "-f", help="Go on until the run ends.")] = False,
    stream: Annotated[str, Option("--stream", metavar="stdout|stderr|all", help="Which stream.")] = "all",
    tail: Annotated[int | None, Option("--tail", min=0, metavar="N", help="Only the last N lines.")] = None,
    timestamps: Annotated[bool, Option("--timestamps", help="When each line came.")] = False,
    task: Annotated[str | None, Option("--task", metavar="T", help="Of a workflow, only this task.")] = None,
) -> None:
    """Print what an execution wrote: the bytes themselves, or JSON lines; of a workflow, what its tasks did."""
    from attune_cli.running.viewing import chosen_streams, follow_logs, show_logs
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import executions

    streams = chosen_streams(stream)
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        execution = executions.find(tx, id_)
        is_workflow = executions.is_workflow(tx, execution.id)
    if is_workflow or task is not None:
        from attune_cli.watching.workflow_logs import follow_workflow_logs, show_workflow_logs

        if follow:
            follow_workflow_logs(context, store, execution, streams, task=task)
            return
        show_workflow_logs(context, store, execution, streams, task=task, last=tail, timestamps=timestamps)
    elif follow:
        follow_logs(context, store, execution, streams)
    else:
        show_logs(context, execution, streams, last=tail, timestamps=timestamps)


@app.command(
    "result", examples=["attune execution result 12", "attune execution result @last --field status_code"]
)
def result(
    context: Context,
    id_: Word,
    wait: Annotated[bool, Option("--wait", help="Wait for its end first.")] = False,
    reveal: Annotated[bool, Option("--reveal", help="Show its secret values.")] = False,
) -> int:
    """Print the bare result of an execution; exit 8 when it is not over, 1 when it failed."""
    from attune_cli.running.viewing import show_result

    return show_result(context, id_, wait=wait, reveal=reveal)


@app.command("wait", examples=["attune execution wait 12", "attune execution wait 12 13 --any --timeout 5m"])
def wait(
    context: Context,
    ids: Words,
    any_: Annotated[bool, Option("--any", help="Until one of them ended.")] = False,
    timeout: Annotated[str | None, Option("--timeout", metavar="D", help="Stop waiting; exit 8.")] = None,
    on_inquiry: Annotated[
        str, Option("--on-inquiry", metavar="prompt|wait|fail", help="When one of them asks; fail: exit 7.")
    ] = "wait",
) -> int:
    """Wait for executions to end; those that nobody runs are run here. Exits as they ended."""
    from attune_cli.reading.words import read_words
    from attune_cli.running.asking import on_inquiry_of
    from attune_cli.running.options import read_on_inquiry, seconds_of
    from attune_cli.running.viewing import wait_for
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store
    from attune_cli.runtime.services import executions

    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        found = [executions.find(tx, word) for word in read_words(ids)]
    seconds = seconds_of("--timeout", timeout)
    mode = on_inquiry_of(context, read_on_inquiry(on_inquiry))
    # A spinner would draw over what is asked.
    with nullcontext() if mode == "prompt" else progress(context, "waiting"):
        return wait_for(context, store, found, any_one=any_, give_up_seconds=seconds, on_inquiry=mode)


@app.command("watch", examples=["attune execution watch 12", "attune execution watch @last -j"])
def watch(context: Context, id_: Word) -> int:
    """Watch an execution: each change and each line, of a workflow its tree, until its end; exits as it ended."""
    from attune_cli.running.viewing import watch_changes
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import executions

    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        execution = executions.find(tx, id_)
        is_workflow = executions.is_workflow(tx, execution.id)
    if is_workflow:
        from attune_cli.watching.workflows import watch_workflow

        return watch_workflow(context, store, execution)
    return watch_changes(context, store, execution)


@app.command(
    "cancel",
    examples=["attune execution cancel 12", "attune execution cancel --action core.sleep -s running"],
)
def cancel(
    context: Context,
    ids: Annotated[
        list[str] | None, Argument(metavar="[ID]...", help="Ids, @last; - reads ids from stdin.")
    ] = None,
    action: ActionOption = None,
    status: StatusOption = None,
    reason: Annotated[str | None, Option("--reason", metavar="T", help="Why, for the record.")] = None,
    wait: Annotated[bool, Option("--wait", help="Wait until they have ended.")] = False,
) -> int:
    """Cancel executions; by filter it asks first."""
    from attune_cli.running.changing import cancel_executions

    return cancel_executions(context, ids or [], action=action, status=status, reason=reason, wait=wait)


@app.command(
    "pause", examples=["attune execution pause 12", 'attune execution pause @last --reason "not today"']
)
def pause(
    context: Context,
    id_: Word,
    reason: Annotated[str | None, Option("--reason", metavar="T", help="Why, for the record.")] = None,
) -> None:
    """Let a workflow begin nothing more, nor those below it; what runs goes on."""
    from attune_cli.running.pausing import pause_workflow

    pause_workflow(context, id_, reason)


@app.command("resume", examples=["attune execution resume 12"])
def resume(context: Context, id_: Word) -> None:
    """Let a paused workflow go on."""
    from attune_cli.running.pausing import resume_workflow

    resume_workflow(context, id_)


@app.command(
    "retry",
    examples=[
        "attune execution retry 12",
        "attune execution retry @failed message=again",
        "attune execution retry @failed --from-failed",
    ],
)
def retry(
    context: Context,
    id_: Annotated[str, Argument(metavar="ID", help="An id, @last, @failed; - reads ids from stdin.")],
    items: Annotated[
        list[str] | None, Argument(metavar="[KEY=VALUE]...", help="Parameters to replace.")
    ] = None,
    from_failed: Annotated[
        bool, Option("--from-failed", help="Of a workflow, only what failed and what comes after it.")
    ] = False,
    timeout: Annotated[str | None, Option("--timeout", metavar="D", help="Another time limit.")] = None,
    result: Annotated[bool, Option("--result", "-r", help="Print the result value only.")] = False,
    no_logs: Annotated[bool, Option("--no-logs", help="Do not copy the run's output.")] = False,
    detach: Annotated[bool, Option("--detach", "-d", "--no-wait", help="Print the id at once.")] = False,
    queue_offline: Annotated[
        bool, Option("--queue-offline", help="With --detach: keep it for later.")
    ] = False,
    on_inquiry: Annotated[
        str | None, Option("--on-inquiry", metavar="prompt|wait|fail", help="When it asks; fail: exit 7.")
    ] = None,
) -> int:
    """Run an execution again, with the same parameters or some replaced; exits as the new one ended."""
    from attune_cli.running.changing import retry_executions
    from attune_cli.running.options import RunOptions

    run = EveryRun(timeout=timeout, result=result, no_logs=no_logs, on_inquiry=on_inquiry)
    placement = Placement(detach=detach, queue_offline=queue_offline)
    options = RunOptions.read(run, GivenParameters(items=items), placement, from_failed=from_failed)
    return retry_executions(context, id_, options)


@app.command(
    "prune",
    examples=[
        "attune execution prune --older-than 30d",
        "attune execution prune --older-than 7d -s done --keep 100 -y",
    ],
)
def prune(
    context: Context,
    older_than: Annotated[str, Option("--older-than", metavar="D", help="Ended longer ago than this.")],
    status: StatusOption = None,
    action: ActionOption = None,
    keep: Annotated[
        int, Option("--keep", min=0, metavar="N", help="Keep the newest N whatever their age.")
    ] = 0,
) -> None:
    """Delete old executions with their logs, and give the space back.

    Events and notifications as old go too, unless --status or --action choose.
    """
    from attune_cli.running.changing import prune_executions

    prune_executions(context, older_than=older_than, status=status, action=action, keep=keep, confirm=confirm)


@app.command("stats", examples=["attune execution stats", "attune execution stats --by day --since 7d"])
def stats(
    context: Context,
    by: Annotated[str, Option("--by", metavar="action|status|day", help="What to count by.")] = "action",
    since: Since = None,
) -> None:
    """Count executions and their durations."""
    from attune_cli.listing.executions import show_stats

    show_stats(context, by=by, since=since)
