"""`attune enforcement`: the decisions of rules to act (cli.md 3.9)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Newest
from attune_cli.output import Column, Section

app = Noun("Look at what rules decided to do.")

COLUMNS = (
    Column("ID", "id", kind="number"),
    Column("RULE", "rule_ref"),
    Column("EVENT", "event", kind="number"),
    Column("STATUS", "status"),
    Column("EXECUTION", "execution", kind="number"),
    Column("CREATED", "created", kind="time"),
    Column("ERROR", "error", kind="text"),
)
SHOWN = (
    Column("Enforcement", "id", kind="number"),
    Column("Rule", "rule_ref"),
    Column("Trigger", "trigger_ref"),
    Column("Event", "event", kind="number"),
    Column("Status", "status"),
    Column("Execution", "execution"),
    Column("Error", "error", kind="text"),
    Column("Created", "created", kind="time"),
    Column("Resolved", "resolved_at", kind="time"),
)


@app.command(
    "list",
    examples=[
        "attune enforcement list --rule garden.water_when_dry",
        "attune enforcement list --event 12 -j",
    ],
)
def list_enforcements(
    context: Context,
    newest: Newest,
    rule: Annotated[str | None, Option("--rule", metavar="REF", help="Of this rule.")] = None,
    trigger: Annotated[str | None, Option("--trigger", metavar="REF", help="Of this trigger.")] = None,
    event: Annotated[
        int | None, Option("--event", metavar="ID", max=2**62, help="Because of this event.")
    ] = None,
    status: Annotated[
        str | None, Option("--status", "-s", metavar="S", help="created, processed or disabled.")
    ] = None,
    since: Annotated[
        str | None, Option("--since", metavar="T", help="Created since: 24h, 2026-05-01, RFC 3339.")
    ] = None,
) -> None:
    """List decisions, newest first, and the executions they led to."""
    from attune_cli.listing.history import list_newest
    from attune_cli.reading.naming import named
    from attune_cli.reading.words import read_time
    from attune_cli.running.options import one_of
    from attune_cli.runtime.services.event_history import list_enforcements as found
    from attune_cli.runtime.store import enforcements

    if status is not None:
        one_of("--status", status, ("created", "processed", "disabled"))
    wanted = enforcements.EnforcementFilter(
        rule_ref=rule, trigger_ref=trigger, event=event, status=status, since=read_time("--since", since),
        before_id=newest.after,
    )  # fmt: skip
    list_newest(
        context,
        newest,
        lambda tx, rows: found(tx, wanted, limit=rows),
        lambda tx: enforcements.count(tx, wanted),
        COLUMNS,
        meant=named(rule=rule, trigger=trigger),
    )


@app.command("show", examples=["attune enforcement show 7", "attune enforcement show 7 --field execution"])
def show(
    context: Context,
    ids: Annotated[list[str], Argument(metavar="ENFORCEMENT...", help="Ids; - reads them from stdin.")],
) -> None:
    """Show decisions with the parameters they filled in."""
    from attune_cli.listing.history import show_all
    from attune_cli.runtime.services.event_history import enforcement_record, find_enforcement

    show_all(
        context,
        ids,
        lambda tx, word: enforcement_record(find_enforcement(tx, word)),
        COLUMNS,
        SHOWN,
        (Section("Parameters", "config"), Section("Conditions", "conditions")),
    )
