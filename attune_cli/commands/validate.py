"""`attune validate`: check the packs of a project, or any others, without a database (cli.md 3.9)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun

app = Noun("Check the files of packs; needs no database.")


@app.command("validate", examples=["attune validate", "attune validate packs/greenhouse --strict"])
def validate(
    context: Context,
    paths: Annotated[
        list[Path] | None, Argument(metavar="[PATH]...", help="Packs, folders of packs, or files of packs.")
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Warnings are errors.")] = False,
) -> int:
    """Check packs and print what is wrong with file, line and column. Exit 1 when there is an error.

    What else a project declares (rules/, webhooks/ …) is checked by `attune apply --dry-run`.
    """
    from attune_cli.installing.checking import validate

    return validate(context, paths or [], strict=strict)
