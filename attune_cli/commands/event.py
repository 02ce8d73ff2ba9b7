"""`attune event`: what happened, and telling that something has (cli.md 3.9, Triggers … events)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Newest
from attune_cli.output import Column, Section

app = Noun("Look at what happened, and tell that something has.")

COLUMNS = (
    Column("ID", "id", kind="number"),
    Column("TRIGGER", "trigger_ref"),
    Column("CREATED", "created", kind="time"),
    Column("SOURCE", "source"),
    Column("CONCERNED", "concerned", kind="number"),
    Column("MATCHED", "matched", kind="number"),
)
SHOWN = (
    Column("Event", "id", kind="number"),
    Column("Trigger", "trigger_ref"),
    Column("Created", "created", kind="time"),
    Column("Source", "source"),
    Column("Of", "source_ref"),
    Column("For rule", "rule_ref"),
    Column("Key", "dedup_key"),
    Column("Caused by", "cause"),
    Column("Waits", "pending"),
)
VERDICTS = (
    Column("RULE", "rule_ref"),
    Column("VERDICT", "outcome"),
    Column("REASON", "reason", kind="text"),
)
EXECUTIONS = (
    Column("EXECUTION", "id", kind="number"),
    Column("ACTION", "action_ref"),
    Column("STATUS", "status", kind="status"),
)

Words = Annotated[
    list[str], Argument(metavar="EVENT...", help="Ids, @last, @last:TRIGGER; - reads them from stdin.")
]
WaitTimeout = Annotated[
    str | None, Option("--wait-timeout", metavar="D", help="Stop waiting after this; exit 8, all goes on.")
]


@app.command(
    "list",
    examples=[
        "attune event list --trigger garden.dry --since 24h",
        "attune event list --unmatched -j | jq -r '.[].trigger_ref'",
    ],
)
def list_events(
    context: Context,
    newest: Newest,
    trigger: Annotated[str | None, Option("--trigger", metavar="REF", help="Of this trigger.")] = None,
    rule: Annotated[str | None, Option("--rule", metavar="REF", help="That concerned this rule.")] = None,
    source: Annotated[
        str | None,
        Option("--source", metavar="S", help="user, api, webhook, timer, sensor or attune."),
    ] = None,
    since: Annotated[
        str | None, Option("--since", metavar="T", help="Created since: 24h, 2026-05-01, RFC 3339.")
    ] = None,
    until: Annotated[str | None, Option("--until", metavar="T", help="Created until.")] = None,
    unmatched: Annotated[bool, Option("--unmatched", help="Only those that no rule acts on.")] = False,
) -> None:
    """List events, newest first, with how many rules each concerned and how many act on it."""
    from attune_cli.listing.history import list_newest
    from attune_cli.reading.naming import named
    from attune_cli.reading.words import read_time
    from attune_cli.runtime.services.event_history import list_events as found
    from attune_cli.runtime.store import events

    wanted = events.EventFilter(
        trigger_ref=trigger, judged_by=rule, source=source, since=read_time("--since", since),
        until=read_time("--until", until), unmatched=unmatched, before_id=newest.after,
    )  # fmt: skip
    list_newest(
        context,
        newest,
        lambda tx, rows: found(tx, wanted, limit=rows),
        lambda tx: events.count(tx, wanted),
        COLUMNS,
        meant=named(rule=rule, trigger=trigger),
    )


@app.command("show", examples=["attune event show @last", "attune event show 12 --field verdicts.0.reason"])
def show(context: Context, events: Words) -> None:
    """Show events: payload, what each rule made of it and why, what was started."""
    from attune_cli.listing.history import show_all
    from attune_cli.runtime.services.event_history import find_event, show_event

    show_all(
        context,
        events,
        lambda tx, word: show_event(tx, find_event(tx, word)),
        COLUMNS,
        SHOWN,
        (
            Section("Payload", "payload"),
            Section("Not judged", "config.unjudged"),
            Section("Verdicts", "verdicts", VERDICTS),
            Section("Executions", "executions", EXECUTIONS),
        ),
    )


@app.command("watch", examples=["attune event watch --trigger garden.dry", "attune event watch -j"])
def watch(
    context: Context,
    trigger: Annotated[list[str] | None, Option("--trigger", metavar="REF", help="Of this trigger.")] = None,
    since_seq: Annotated[
        int | None,
        Option(
            "--since-seq",
            metavar="N",
            min=0,
            max=2**62,
            help="Begin behind this sequence; 0: with all there is.",
        ),
    ] = None,
) -> int:
    """Show each event as it comes, until Ctrl-C."""
    from attune_cli.runtime.model.notices import Subjects
    from attune_cli.watching.outbox import Watch
    from attune_cli.watching.outbox import watch as show_changes

    wanted = Watch(kinds=("event",), subjects=Subjects(triggers=tuple(trigger or ())), since=since_seq)
    return show_changes(context, wanted, tree=False)


@app.command(
    "emit",
    examples=[
        "attune event emit garden.dry area=4 --process",
        "attune event emit garden.dry --payload @event.json --key reading-17",
        "tail -f readings.jsonl | attune event emit garden.dry - --jsonl",
    ],
)
def emit(
    context: Context,
    trigger: Annotated[str, Argument(metavar="TRIGGER", help="The trigger to fire.")],
    items: Annotated[
        list[str] | None,
        Argument(
            metavar="KEY=VALUE...", help="Members of the payload; key:=JSON, key=@FILE; - with --jsonl."
        ),
    ] = None,
    payload: Annotated[
        str | None, Option("--payload", metavar="JSON|@F|-", help="The payload as a whole, any JSON value.")
    ] = None,
    jsonl: Annotated[bool, Option("--jsonl", help="An event for each line of stdin.")] = False,
    key: Annotated[
        str | None, Option("--key", metavar="K", help="The second event with the same key is the first.")
    ] = None,
    rule: Annotated[str | None, Option("--rule", metavar="REF", help="Only this rule is meant.")] = None,
    wait: Annotated[bool, Option("--wait", help="Wait for the end of what it starts.")] = False,
    process: Annotated[bool, Option("--process", help="Judge it and run what it starts here.")] = False,
    wait_timeout: WaitTimeout = None,
) -> int:
    """Tell that something has happened; prints the event's id.

    Rules are judged by the daemon; with --process here, also without one.
    """
    from attune_cli.errors import UsageError
    from attune_cli.running.emitting import Delivery, emit_lines, read_payload
    from attune_cli.running.emitting import emit as deliver
    from attune_cli.running.options import check_text, seconds_of
    from attune_cli.runtime.services.events import NewEvent

    check_text("--key", key or "")
    if jsonl:
        if (items or ["-"]) != ["-"] or payload is not None or key is not None or wait or process:
            raise UsageError(
                "--jsonl reads stdin, and goes with --rule only", hint="attune event emit --help"
            )
        return emit_lines(context, NewEvent(trigger_ref=trigger, rule_ref=rule))
    if items == ["-"]:
        items, payload = None, payload or "-"
    new = NewEvent(
        trigger_ref=trigger,
        payload=read_payload(context, trigger, items or (), payload),
        rule_ref=rule,
        dedup_key=key,
    )
    delivery = Delivery(
        wait=wait, here=process, wait_timeout_seconds=seconds_of("--wait-timeout", wait_timeout)
    )
    return deliver(context, new, delivery)


@app.command(
    "replay", examples=["attune event replay 12 --rule garden.water_when_dry", "attune event replay @last"]
)
def replay(
    context: Context,
    events: Words,
    rule: Annotated[str | None, Option("--rule", metavar="REF", help="Only this rule is meant.")] = None,
    wait: Annotated[bool, Option("--wait", help="Wait for the end of what they start.")] = False,
    process: Annotated[bool, Option("--process", help="Judge them and run what they start here.")] = False,
    wait_timeout: WaitTimeout = None,
) -> int:
    """Tell events again, as new ones: after a rule was mended."""
    from attune_cli.running.emitting import Delivery
    from attune_cli.running.emitting import replay as tell_again
    from attune_cli.running.options import seconds_of

    delivery = Delivery(
        wait=wait, here=process, wait_timeout_seconds=seconds_of("--wait-timeout", wait_timeout)
    )
    return tell_again(context, events, rule, delivery)
