"""`attune sensor`: the programs that make events (cli.md 3.9)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Rows
from attune_cli.output import Column, Section

app = Noun(
    "Look at sensors, try them, and see what they write.",
    examples=["attune sensor list", "attune sensor test core.file_watch --trigger-param path=/tmp --once"],
)

COLUMNS = (
    Column("REF", "ref"),
    Column("STATE", "state"),
    Column("TRIGGERS", "trigger_refs"),
    Column("EVENTS", "events", kind="number"),
    Column("LAST EVENT", "last_event", kind="time"),
    Column("RESTARTS", "restarts", kind="number"),
)
SHOWN = (
    Column("Sensor", "ref"),
    Column("Label", "label"),
    Column("State", "state"),
    Column("Enabled", "enabled"),
    Column("Process", "pid"),
    Column("Started", "started", kind="time"),
    Column("Restarts", "restarts", kind="number"),
    Column("Next start", "next_start", kind="time"),
    Column("Events", "events", kind="number"),
    Column("Refused", "refused", kind="number"),
    Column("Last event", "last_event", kind="time"),
    Column("Runtime", "runner_type"),
    Column("File", "entrypoint"),
    Column("Rule changes", "rule_changes"),
    Column("Keeps", "kept"),
    Column("Error", "error", kind="text"),
    Column("Description", "description", kind="text"),
)
SECTIONS = (Section("Triggers", "trigger_refs"), Section("Rules", "rules"))

Ref = Annotated[str, Argument(metavar="REF", help="The sensor.")]
Refs = Annotated[list[str], Argument(metavar="REF...", help="Sensors; - reads refs from stdin.")]


@app.command("list", examples=["attune sensor list", "attune sensor list --pack greenhouse -j"])
def list_sensors(
    context: Context,
    rows: Rows,
    pack: Annotated[str | None, Option("--pack", metavar="P", help="Of this pack.")] = None,
) -> None:
    """List sensors, and how their processes are."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.reading.naming import named
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.engine.lease import read_lease
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import sensors

    is_running = read_lease(context.home.path) is not None
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        records = sensors.list_sensors(tx, pack_ref=pack, after=rows.after, is_daemon_running=is_running)
    show_rows(context, records, COLUMNS, rows, "sensor", named(pack=pack))


@app.command("show", examples=["attune sensor show core.file_watch", "attune sensor show core.file_watch -j"])
def show(context: Context, refs: Refs) -> None:
    """Show sensors: the process, the rules that want it, what it keeps, and why it failed."""
    from attune_cli.reading.words import read_words
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.engine.lease import read_lease
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import sensors

    is_running = read_lease(context.home.path) is not None
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        records = [sensors.show_sensor(tx, ref, is_daemon_running=is_running) for ref in read_words(refs)]
    context.out.show(records, COLUMNS, SHOWN, SECTIONS)


@app.command("enable", examples=["attune sensor enable greenhouse.soil_probe"])
def enable(context: Context, refs: Refs) -> None:
    """Let sensors run again, where a rule wants them."""
    from attune_cli.declaring.sensor_switching import switch

    switch(context, refs, enabled=True)


@app.command("disable", examples=["attune sensor disable greenhouse.soil_probe"])
def disable(context: Context, refs: Refs) -> None:
    """Stop sensors, and keep them stopped."""
    from attune_cli.declaring.sensor_switching import switch

    switch(context, refs, enabled=False)


@app.command("restart", examples=["attune sensor restart greenhouse.soil_probe"])
def restart(context: Context, refs: Refs) -> None:
    """Have the daemon start the processes of sensors anew, at once; exit 6 without a daemon."""
    from attune_cli.declaring.sensor_switching import restart as restart_sensors

    restart_sensors(context, refs)


@app.command(
    "test",
    examples=[
        "attune sensor test greenhouse.soil_probe --once --for 10s",
        "attune sensor test core.file_watch --trigger-param path=/tmp --for 1m | jq .payload.path",
    ],
)
def try_here(
    context: Context,
    ref: Ref,
    once: Annotated[bool, Option("--once", help="End with the first event.")] = False,
    for_: Annotated[str | None, Option("--for", metavar="D", help="End after so long.")] = None,
    trigger_param: Annotated[
        list[str] | None,
        Option(
            "--trigger-param", metavar="K=V", help="What a rule would set, instead of the rules there are."
        ),
    ] = None,
) -> None:
    """Run a sensor here and print the events it would make, as JSON lines; what else it writes goes to stderr.

    Exit 1 when it fails or tells what would be refused, 124 when the time is over without an event.
    """
    from attune_cli.serving.condition import duration
    from attune_cli.serving.sensor_trial import try_sensor

    seconds = None if for_ is None else duration("--for", for_)
    try_sensor(context, ref, once=once, seconds=seconds, params=trigger_param)


@app.command(
    "logs",
    examples=["attune sensor logs core.file_watch", "attune sensor logs core.file_watch -f --since 1h"],
)
def logs(
    context: Context,
    ref: Ref,
    follow: Annotated[bool, Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    since: Annotated[
        str | None, Option("--since", metavar="T", help="Not before this time, or so long ago.")
    ] = None,
    stream: Annotated[str, Option("--stream", metavar="stdout|stderr|all", help="Which stream.")] = "all",
) -> None:
    """Print what a sensor wrote besides events, with the time of each line."""
    from attune_cli.serving.sensor_logs import show as show_logs

    show_logs(context, ref, follow=follow, since=since, stream=stream)
