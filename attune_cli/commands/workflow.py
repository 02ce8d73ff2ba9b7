"""`attune workflow`: look at, draw, check, write and run workflows (cli.md 3.9)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Rows
from attune_cli.output import Column, Section

app = Noun(
    "Look at, draw, check and write workflows.",
    examples=["attune workflow list", "attune workflow graph greenhouse.water"],
)

COLUMNS = (
    Column("REF", "ref"),
    Column("LABEL", "label"),
    Column("VERSION", "version"),
    Column("TASKS", "task_count", kind="number"),
    Column("ENABLED", "enabled"),
    Column("DESCRIPTION", "description", kind="text"),
)
SHOWN = (
    Column("Workflow", "ref"),
    Column("Label", "label"),
    Column("Version", "version"),
    Column("Enabled", "enabled"),
    Column("File", "workflow_file"),
    Column("On cancel", "cancellation_policy"),
    Column("Updated", "updated", kind="time"),
    Column("Description", "description", kind="text"),
)
PARAMETERS = (
    Column("NAME", "name"),
    Column("TYPE", "type"),
    Column("REQUIRED", "required"),
    Column("DEFAULT", "default"),
    Column("DESCRIPTION", "description", kind="text"),
)
TASKS = (
    Column("NAME", "name"),
    Column("ACTION", "action_ref"),
    Column("AFTER", "after", kind="text"),
    Column("JOIN", "join"),
    Column("WHEN", "when", kind="text"),
    Column("ITEMS", "with_items", kind="text"),
)

Refs = Annotated[list[str], Argument(metavar="REF...", help="Workflows; - reads refs from stdin.")]


@app.command("list", examples=["attune workflow list", "attune workflow list --pack greenhouse -q"])
def list_workflows(
    context: Context,
    rows: Rows,
    pack: Annotated[str | None, Option("--pack", metavar="P", help="Of this pack.")] = None,
) -> None:
    """List workflows."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.reading.naming import named
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import workflow_definitions

    with definitions_read(context) as tx:
        records = workflow_definitions.list_workflows(tx, pack_ref=pack, after=rows.after)
    show_rows(context, records, COLUMNS, rows, "workflow", named(pack=pack))


@app.command(
    "show", examples=["attune workflow show greenhouse.water", "attune workflow show greenhouse.water -j"]
)
def show(context: Context, refs: Refs) -> None:
    """Show workflows: what goes in, their tasks, what comes out."""
    from attune_cli.reading.words import read_words
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import workflow_definitions

    with definitions_read(context) as tx:
        records = [workflow_definitions.show_workflow(tx, ref) for ref in read_words(refs)]
    sections = (
        Section("Parameters", "parameters", PARAMETERS),
        Section("Tasks", "tasks", TASKS),
        Section("Output", "output_map"),
    )
    context.out.show(records, COLUMNS, SHOWN, sections)
    if len(records) == 1:
        context.out.hint(f"attune workflow graph {records[0]['ref']}")


@app.command(
    "graph",
    examples=[
        "attune workflow graph greenhouse.water",
        "attune workflow graph packs/greenhouse/workflows/water.workflow.yaml --format mermaid",
        "attune workflow graph greenhouse.water --execution @last",
        "attune workflow graph greenhouse.water --format dot | dot -Tsvg > water.svg",
    ],
)
def graph(
    context: Context,
    word: Annotated[
        str | None, Argument(metavar="REF|FILE", help="A workflow, or its file; with --execution not needed.")
    ] = None,
    format_: Annotated[
        str, Option("--format", metavar="text|mermaid|dot", help="What to draw it in.")
    ] = "text",
    execution: Annotated[
        str | None, Option("--execution", metavar="ID", help="With the states of this run: an id, @last.")
    ] = None,
    width: Annotated[
        int | None,
        Option("--width", metavar="N", min=20, help="Columns to draw in; default: the terminal's."),
    ] = None,
) -> None:
    """Draw a workflow: in the terminal, or as text that other programs draw."""
    from attune_cli.running.graphs import draw_graph

    draw_graph(context, word, format_=format_, execution=execution, width=width)


@app.command(
    "validate",
    examples=["attune workflow validate", "attune workflow validate packs/greenhouse/workflows/*.yaml"],
)
def validate(
    context: Context,
    paths: Annotated[
        list[Path] | None, Argument(metavar="[PATH]...", help="Files of packs, or packs; else this project.")
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Warnings are errors.")] = False,
) -> int:
    """Check the files of workflows; needs no database. Exit 1 when there is an error."""
    from attune_cli.installing.checking import validate

    return validate(context, paths or [], strict=strict)


@app.command(
    "new", examples=["attune workflow new greenhouse.water", "attune workflow new demo.deploy --dir packs"]
)
def new(
    context: Context,
    ref: Annotated[str, Argument(metavar="REF", help="The workflow to write: pack.name.")],
    directory: Annotated[
        Path, Option("--dir", metavar="DIR", help="The pack's folder, or one in it.")
    ] = Path(),
) -> None:
    """Write a new workflow that works as it is into a pack's folder."""
    from attune_cli.runtime.packs.scaffold import new_workflow

    files = [str(path) for path in new_workflow(ref, directory, dry_run=context.dry_run)]
    context.out.outcome({"kind": "files", "ref": ref, "files": files}, files)
    context.out.hint(f"attune run workflow {files[0]}")
