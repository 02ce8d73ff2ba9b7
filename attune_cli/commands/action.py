"""`attune action`: look at the actions of installed packs (cli.md 3.9)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Rows
from attune_cli.output import Column, Section

app = Noun(
    "Look at the actions of installed packs.",
    examples=["attune action list", "attune action params core.http_request --example"],
)

COLUMNS = (
    Column("REF", "ref"),
    Column("LABEL", "label"),
    Column("RUNTIME", "runner_type"),
    Column("ENABLED", "enabled"),
    Column("DESCRIPTION", "description", kind="text"),
)
SHOWN = (
    Column("Action", "ref"),
    Column("Label", "label"),
    Column("Pack", "pack_ref"),
    Column("Version", "pack_version"),
    Column("Runtime", "runner_type"),
    Column("Enabled", "enabled"),
    Column("Output", "output_format"),
    Column("Time limit (s)", "timeout_seconds"),
    Column("Updated", "updated", kind="time"),
    Column("Description", "description", kind="text"),
)
ENTRY_POINT = Column("Entry point", "entrypoint")
CONTAINER = (
    Column("Image", "container.image"),
    Column("Built from", "container.build"),
    Column("Command", "container.command"),
)
PARAMETERS = (
    Column("NAME", "name"),
    Column("TYPE", "type"),
    Column("REQUIRED", "required"),
    Column("SECRET", "secret"),
    Column("DEFAULT", "default"),
    Column("ONE OF", "enum"),
    Column("DESCRIPTION", "description", kind="text"),
)

Ref = Annotated[str, Argument(metavar="REF", help="The action: pack.name.")]
Refs = Annotated[list[str], Argument(metavar="REF...", help="Actions; - reads refs from stdin.")]
SomeRefs = Annotated[list[str] | None, Argument(metavar="[REF]...", help="Actions; - reads refs from stdin.")]
PackOption = Annotated[str | None, Option("--pack", metavar="P", help="Of this pack.")]
All = Annotated[bool, Option("--all", help="Every action.")]
Limit = Annotated[int, Option("--limit", "-l", min=1, help="Rows at most.")]


@app.command("list", examples=["attune action list", "attune action list --pack core --runtime shell -q"])
def list_actions(
    context: Context,
    rows: Rows,
    pack: PackOption = None,
    runtime: Annotated[str | None, Option("--runtime", metavar="R", help="Run by this runtime.")] = None,
    workflow: Annotated[
        bool | None, Option("--workflow/--no-workflow", help="Workflows only, or none.")
    ] = None,
) -> None:
    """List actions."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.reading.naming import named
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import actions

    with definitions_read(context) as tx:
        records = actions.list_actions(
            tx, pack_ref=pack, runtime=runtime, workflow=workflow, after=rows.after
        )
    show_rows(context, records, COLUMNS, rows, "action", named(pack=pack))


@app.command("show", examples=["attune action show core.echo", "attune action show core.echo -j"])
def show(context: Context, refs: Refs) -> None:
    """Show actions, with their parameters."""
    from attune_cli.reading.words import read_words
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import actions

    with definitions_read(context) as tx:
        records = [actions.show_action(tx, ref) for ref in read_words(refs)]
    columns, sections = [*SHOWN], [Section("Parameters", "parameters", PARAMETERS)]
    if len(records) == 1:
        (record,) = records
        columns += [one for one in CONTAINER if record["container"].get(one.path.partition(".")[2])]
        if "\n" in record["entrypoint"]:
            sections.insert(0, Section(ENTRY_POINT.title, ENTRY_POINT.path))
        elif record["entrypoint"]:
            columns.append(ENTRY_POINT)
    context.out.show(records, COLUMNS, columns, sections)


@app.command(
    "params", examples=["attune action params core.echo", "attune action params core.echo --example"]
)
def params(
    context: Context,
    ref: Ref,
    example: Annotated[bool, Option("--example", help="Print a command line to start from.")] = False,
) -> None:
    """Show the parameters of an action: a table, or as JSON their JSON Schema."""
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import actions

    with definitions_read(context) as tx:
        if example:
            context.out.value(actions.example_command(tx, ref))
        elif context.out.format in ("json", "jsonl", "yaml"):
            context.out.record(actions.json_schema(tx, ref))
        else:
            context.out.records(actions.show_action(tx, ref)["parameters"], PARAMETERS)


@app.command("search", examples=["attune action search http", "attune action search print message -q"])
def search(
    context: Context,
    words: Annotated[list[str], Argument(metavar="WORD...", help="Words, all of which must be found.")],
    limit: Limit = 20,
    fail_empty: Annotated[bool, Option("--fail-empty", help="Exit 3 when there is none.")] = False,
) -> None:
    """Find actions by words in ref, label, tags and description; the best hits first."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import actions

    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        records = actions.search(tx, words)
    show_rows(context, records, COLUMNS, Rows(limit=limit, fail_empty=fail_empty), "action")


@app.command("enable", examples=["attune action enable core.echo", "attune action enable --pack greenhouse"])
def enable(context: Context, refs: SomeRefs = None, pack: PackOption = None, all_: All = False) -> None:
    """Let actions be started again."""
    from attune_cli.installing.switching import switch_actions

    switch_actions(context, refs or [], pack=pack, everything=all_, enabled=True)


@app.command(
    "disable", examples=["attune action disable core.echo", "attune action disable --pack greenhouse"]
)
def disable(context: Context, refs: SomeRefs = None, pack: PackOption = None, all_: All = False) -> None:
    """Keep actions from being started."""
    from attune_cli.installing.switching import switch_actions

    switch_actions(context, refs or [], pack=pack, everything=all_, enabled=False)


@app.command("new", examples=["attune action new greenhouse.open_valve --lang python"])
def new(
    context: Context,
    ref: Ref,
    directory: Annotated[
        Path, Option("--dir", metavar="DIR", help="The pack's folder, or one in it.")
    ] = Path(),
    language: Annotated[str, Option("--lang", metavar="shell|python|node", help="Of its script.")] = "shell",
) -> None:
    """Write a new action, with its script, into a pack's folder."""
    from attune_cli.runtime.packs.scaffold import language_of, new_action

    files = [str(path) for path in new_action(ref, directory, language_of(language), dry_run=context.dry_run)]
    context.out.outcome({"kind": "files", "ref": ref, "files": files}, files)
    context.out.hint(f"attune run file {files[0]}")


@app.command("validate", examples=["attune action validate greenhouse/actions/open_valve.yaml"])
def validate(
    context: Context,
    paths: Annotated[list[Path], Argument(metavar="PATH...", help="Files of packs.")],
    strict: Annotated[bool, Option("--strict", help="Warnings are errors.")] = False,
) -> int:
    """Check the files of actions; needs no database. Exit 1 when there is an error."""
    from attune_cli.installing.checking import validate

    return validate(context, paths, strict=strict)
