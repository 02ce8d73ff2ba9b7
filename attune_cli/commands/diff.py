"""`attune diff`: how what is kept differs from what files declare (cli.md 3.9)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun

app = Noun("Show how things differ from what files declare.")


@app.command("diff", examples=["attune diff", "attune diff rules/night.yaml", "attune diff --prune -q"])
def diff(
    context: Context,
    paths: Annotated[
        list[str] | None, Argument(metavar="[PATH]...", help="Files, folders, or -; default: the project.")
    ] = None,
    file: Annotated[list[str] | None, Option("--file", "-f", metavar="PATH", help="Same as PATH.")] = None,
    recursive: Annotated[bool, Option("--recursive", "-R", help="Every file below a folder.")] = False,
    prune: Annotated[bool, Option("--prune", help="Show what --prune would remove as well.")] = False,
    scope: Annotated[
        str | None, Option("--scope", metavar="pack:REF", help="With --prune: only what is of this pack.")
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Warnings are errors.")] = False,
) -> int:
    """Print a unified diff from what is kept to what files declare; exit 1 when there is a difference."""
    from attune_cli.declaring.showing import read_pruning, show_differences

    pruning = read_pruning(prune=prune, scope=scope)
    return show_differences(
        context, [*(paths or ()), *(file or ())], pruning, recursive=recursive, strict=strict
    )
