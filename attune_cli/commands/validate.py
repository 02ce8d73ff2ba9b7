"""`attune validate`: check the files of a project, or any others, without a database (cli.md 3.9)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun

app = Noun("Check the files of projects and packs; needs no database.")


@app.command(
    "validate",
    examples=[
        "attune validate",
        "attune validate packs/greenhouse --strict",
        "attune validate rules/night.yaml",
    ],
)
def validate(
    context: Context,
    paths: Annotated[
        list[Path] | None,
        Argument(metavar="[PATH]...", help="Projects, packs, folders or files of either; else this project."),
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Warnings are errors.")] = False,
) -> int:
    """Check packs and documents, and print what is wrong with file, line and column. Exit 1 when there is an error.

    Neither a database nor keys are needed: what a document wants of a pack that is not in its project is not checked.
    """
    from attune_cli.config import PROJECT_FILE
    from attune_cli.declaring.checking import check_documents
    from attune_cli.installing.checking import packs_at, project_folder, report

    meant = [
        path.parent if path.name == PROJECT_FILE else path
        for path in paths or [project_folder(context.directory or Path())]
    ]
    documents = check_documents(context, meant, strict=strict)
    packs = [pair for path in meant for pair in packs_at(path, alone=path not in documents.paths)]
    return report(context, packs, documents.findings, documents=documents.count, strict=strict)
