"""`attune apply`: make things as files declare them (cli.md 3.9)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun

app = Noun("Make things as files declare them.")


@app.command(
    "apply",
    examples=[
        "attune apply",
        "attune apply rules/night.yaml -n",
        "attune apply --prune --scope pack:local --yes",
        "attune export | attune --home other apply -",
    ],
)
def apply(
    context: Context,
    paths: Annotated[
        list[str] | None, Argument(metavar="[PATH]...", help="Files, folders, or -; default: the project.")
    ] = None,
    file: Annotated[list[str] | None, Option("--file", "-f", metavar="PATH", help="Same as PATH.")] = None,
    recursive: Annotated[bool, Option("--recursive", "-R", help="Every file below a folder.")] = False,
    prune: Annotated[
        bool, Option("--prune", help="Remove rules and triggers that people made and no file declares.")
    ] = False,
    scope: Annotated[
        str | None, Option("--scope", metavar="pack:REF", help="With --prune: only what is of this pack.")
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Warnings are errors.")] = False,
) -> None:
    """Create and update what YAML documents declare, all of it or nothing.

    Documents say their kind: rule, trigger, webhook, sensor, key or channel. Packs of the project are linked.
    """
    from attune_cli.declaring.showing import apply_files, read_pruning

    pruning = read_pruning(prune=prune, scope=scope)
    apply_files(context, [*(paths or ()), *(file or ())], pruning, recursive=recursive, strict=strict)
