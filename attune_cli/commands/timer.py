"""`attune timer`: rules that fire by the clock (cli.md 3.9, Triggers … timers)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.output import Column

app = Noun("Look at, make and try what fires by the clock.")

COLUMNS = (
    Column("RULE", "ref"),
    Column("SCHEDULE", "schedule", kind="text"),
    Column("NEXT", "next_fire_at", kind="time"),
    Column("LAST", "last_fired_at", kind="time"),
    Column("STATE", "state"),
    Column("FIRED", "fired", kind="number"),
    Column("MISSED", "missed", kind="number"),
)

Cron = Annotated[
    str | None, Option("--cron", metavar="S", help="Five or six fields, or @daily and its like.")
]
Zone = Annotated[str | None, Option("--tz", metavar="Z", help="An IANA time zone; default: UTC.")]
Rule = Annotated[str, Argument(metavar="TIMER", help="A rule on a core timer.")]


@app.command("list", examples=["attune timer list", "attune timer list --next 5 -j | jq '.[].upcoming'"])
def list_timers(
    context: Context,
    pack: Annotated[str | None, Option("--pack", metavar="P", help="Of this pack.")] = None,
    next_: Annotated[
        int, Option("--next", metavar="N", min=1, max=1000, help="How many instants to come.")
    ] = 1,
    fail_empty: Annotated[bool, Option("--fail-empty", help="Exit 3 when there is none.")] = False,
) -> None:
    """List the rules that fire by the clock: when they do, when they did, what is wrong with them."""
    from attune_cli.running.timing import show_timers

    show_timers(context, COLUMNS, pack_ref=pack, upcoming_count=next_, fail_empty=fail_empty)


@app.command(
    "create",
    examples=[
        'attune timer create nightly --cron "0 3 * * *" --tz Europe/Berlin --action garden.water area=4',
        "attune timer create heartbeat --every 30s --action core.echo message=alive",
        "attune timer create once --at 2026-12-24T18:00:00 --action core.noop",
    ],
)
def create(
    context: Context,
    name: Annotated[str, Argument(metavar="NAME", help="The rule's ref; without a dot local.NAME.")],
    action: Annotated[str, Option("--action", metavar="REF", help="What it runs.")],
    items: Annotated[
        list[str] | None,
        Argument(metavar="KEY=VALUE...", help="Parameters of the action; texts may hold {{ templates }}."),
    ] = None,
    cron: Cron = None,
    every: Annotated[str | None, Option("--every", metavar="D", help="Again and again, e.g. 30s.")] = None,
    at: Annotated[str | None, Option("--at", metavar="T", help="Once, e.g. 2026-12-24T18:00:00.")] = None,
    rrule: Annotated[
        str | None, Option("--rrule", metavar="S", help="A recurrence rule, with its DTSTART or --start.")
    ] = None,
    start: Annotated[str | None, Option("--start", metavar="T", help="Where a recurrence begins.")] = None,
    tz: Zone = None,
    jitter: Annotated[
        str | None, Option("--jitter", metavar="D", help="Put each firing off by up to so long.")
    ] = None,
    misfire: Annotated[
        str | None,
        Option(
            "--misfire",
            metavar="skip|once|all",
            help="What becomes of instants that passed while no daemon ran.",
        ),
    ] = None,
    past: Annotated[
        str | None,
        Option("--past", metavar="never|immediately|refuse", help="What --at does when it has passed."),
    ] = None,
    disabled: Annotated[bool, Option("--disabled", help="Make it, but let it not fire yet.")] = False,
    if_not_exists: Annotated[
        bool, Option("--if-not-exists", help="Leave a rule that is there as it is.")
    ] = False,
    replace: Annotated[bool, Option("--replace", help="Take the place of a rule that is there.")] = False,
) -> None:
    """Make a rule that runs an action by the clock."""
    from attune_cli.running.timing import NewTimer, create_timer

    new = NewTimer(
        name=name, action_ref=action, items=tuple(items or ()), cron=cron, every=every, at=at, rrule=rrule,
        start=start, timezone=tz, jitter=jitter, misfire=misfire, past=past, enabled=not disabled,
    )  # fmt: skip
    create_timer(context, new, if_not_exists=if_not_exists, replace=replace)


@app.command(
    "next",
    examples=["attune timer next local.nightly -l 10", 'attune timer next --cron "30 2 * * SUN" --tz CET'],
)
def next_instants(
    context: Context,
    rule: Annotated[str | None, Argument(metavar="[TIMER]", help="A rule on a core timer.")] = None,
    cron: Cron = None,
    rrule: Annotated[
        str | None, Option("--rrule", metavar="S", help="A recurrence rule with its DTSTART.")
    ] = None,
    tz: Zone = None,
    limit: Annotated[int, Option("--limit", "-l", min=1, max=1000, help="How many.")] = 5,
) -> None:
    """Print the next instants of a timer, or of a schedule that nobody has made yet; UTC."""
    from attune_cli.running.timing import show_next

    show_next(context, rule, cron=cron, rrule=rrule, timezone=tz, limit=limit)


@app.command(
    "fire", examples=["attune timer fire local.nightly", "attune timer fire local.nightly --no-wait"]
)
def fire(
    context: Context,
    rule: Rule,
    no_wait: Annotated[
        bool, Option("--no-wait", help="Leave it to the daemon, and print the event's id.")
    ] = False,
    wait_timeout: Annotated[
        str | None, Option("--wait-timeout", metavar="D", help="Stop waiting after this; exit 8, it goes on.")
    ] = None,
) -> int:
    """Fire a timer now, as if its time had come; by the daemon, or here where none runs."""
    from attune_cli.running.options import seconds_of
    from attune_cli.running.timing import fire_timer

    seconds = seconds_of("--wait-timeout", wait_timeout)
    return fire_timer(context, rule, wait=not no_wait, wait_timeout_seconds=seconds)
