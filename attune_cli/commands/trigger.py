"""`attune trigger`: kinds of events (cli.md 3.9)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Rows
from attune_cli.output import Column, Section

app = Noun(
    "Look at kinds of events, and make your own.",
    examples=["attune trigger list", "attune trigger create app.error --out-schema @error.yaml"],
)

COLUMNS = (
    Column("REF", "ref"),
    Column("FROM", "type"),
    Column("ENABLED", "enabled"),
    Column("DESCRIPTION", "description", kind="text"),
)
SHOWN = (
    Column("Trigger", "ref"),
    Column("Label", "label"),
    Column("From", "type"),
    Column("Sensor", "sensor_ref"),
    Column("Webhook", "webhook_enabled"),
    Column("Enabled", "enabled"),
    Column("Updated", "updated", kind="time"),
    Column("Description", "description", kind="text"),
)
_FIELDS = (
    Column("NAME", "name"),
    Column("TYPE", "type"),
    Column("REQUIRED", "required"),
    Column("DEFAULT", "default"),
    Column("ONE OF", "enum"),
    Column("DESCRIPTION", "description", kind="text"),
)
SECTIONS = (
    Section("Parameters a rule may set", "parameters", _FIELDS),
    Section("What its events hold", "output", _FIELDS),
    Section("Rules", "rules"),
)

Refs = Annotated[list[str], Argument(metavar="REF...", help="Triggers; - reads refs from stdin.")]
SomeRefs = Annotated[
    list[str] | None, Argument(metavar="[REF]...", help="Triggers; - reads refs from stdin.")
]
PackOption = Annotated[str | None, Option("--pack", metavar="P", help="Of this pack.")]
All = Annotated[bool, Option("--all", help="Every trigger.")]


@app.command("list", examples=["attune trigger list", "attune trigger list --pack greenhouse -q"])
def list_triggers(
    context: Context,
    rows: Rows,
    pack: PackOption = None,
    enabled: Annotated[bool | None, Option("--enabled/--disabled", help="Only such ones.")] = None,
) -> None:
    """List triggers."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.reading.naming import named
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import triggers

    with definitions_read(context) as tx:
        records = triggers.list_triggers(tx, pack_ref=pack, enabled=enabled, after=rows.after)
    show_rows(context, records, COLUMNS, rows, "trigger", named(pack=pack))


@app.command("show", examples=["attune trigger show core.crontimer", "attune trigger show core.alert -j"])
def show(context: Context, refs: Refs) -> None:
    """Show triggers: what a rule may set, what their events hold, which rules wait for them."""
    from attune_cli.reading.words import read_words
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import triggers

    with definitions_read(context) as tx:
        records = [triggers.show_trigger(tx, ref) for ref in read_words(refs)]
    context.out.show(records, COLUMNS, SHOWN, SECTIONS)


@app.command(
    "create",
    examples=[
        "attune trigger create app.error",
        "attune trigger create app.push --webhook",
        """attune trigger create app.error --out-schema '{"line": {"type": "string", "required": true}}'""",
    ],
)
def create(
    context: Context,
    ref: Annotated[str, Argument(metavar="REF", help="Its name: pack.name.")],
    param_schema: Annotated[
        str | None, Option("--param-schema", metavar="JSON", help="What rules may set; @FILE too.")
    ] = None,
    out_schema: Annotated[
        str | None, Option("--out-schema", metavar="JSON", help="What its events hold; @FILE too.")
    ] = None,
    label: Annotated[str, Option("--label", metavar="L", help="A name for people.")] = "",
    description: Annotated[str, Option("--description", metavar="TEXT", help="What it tells of.")] = "",
    disabled: Annotated[bool, Option("--disabled", help="It takes no events before it is enabled.")] = False,
    webhook: Annotated[
        bool, Option("--webhook", help="Give it an address for requests, as webhook enable does.")
    ] = False,
) -> None:
    """Make a trigger, for events from scripts, webhooks or the API."""
    from attune_cli.declaring.trigger_making import create_trigger

    create_trigger(
        context, ref, label=label, description=description, parameters=param_schema, output=out_schema,
        enabled=not disabled, webhook=webhook,
    )  # fmt: skip


@app.command("delete", examples=["attune trigger delete app.error --yes"])
def delete(
    context: Context,
    refs: Refs,
    if_exists: Annotated[bool, Option("--if-exists", help="One that is not there is no error.")] = False,
) -> None:
    """Delete triggers that people made; exit 5 while a rule waits for one."""
    from attune_cli.declaring.trigger_making import delete_triggers

    delete_triggers(context, refs, if_exists=if_exists)


@app.command("enable", examples=["attune trigger enable app.error"])
def enable(context: Context, refs: SomeRefs = None, pack: PackOption = None, all_: All = False) -> None:
    """Let triggers take events again."""
    from attune_cli.declaring.trigger_making import switch_triggers

    switch_triggers(context, refs or [], pack=pack, everything=all_, enabled=True)


@app.command("disable", examples=["attune trigger disable app.error"])
def disable(context: Context, refs: SomeRefs = None, pack: PackOption = None, all_: All = False) -> None:
    """Refuse events of triggers, at once."""
    from attune_cli.declaring.trigger_making import switch_triggers

    switch_triggers(context, refs or [], pack=pack, everything=all_, enabled=False)
