"""A small tree made with the kit as a command module makes it: commands that fail, ask, wait and print oddly."""

import sys
from collections.abc import Mapping
from typing import ClassVar

from attune_cli.context import Context, Noun, confirm, progress
from attune_cli.errors import ConflictError, Detail
from attune_cli.main import Attune
from attune_cli.output import Column

app = Noun("Try the kit.")


@app.command("bug", examples=["attune sample bug"])
def bug(context: Context) -> None:
    """Divide by nothing."""
    context.out.text("before\n")
    raise ZeroDivisionError("nothing to divide by")


@app.command("interrupt", examples=["attune sample interrupt"])
def interrupt(context: Context) -> None:  # noqa: ARG001 - every command gets it
    """Be interrupted."""
    raise KeyboardInterrupt


@app.command("code", examples=["attune sample code"])
def code(context: Context) -> int:
    """End with a verdict."""
    context.out.record({"kind": "thing", "id": 7})
    return 8


@app.command("conflict", examples=["attune sample conflict"])
def conflict(context: Context) -> None:  # noqa: ARG001 - every command gets it
    """Fail with details."""
    details = [
        Detail("url", "required (string)"),
        Detail("timeout", "expected integer", "soon", "argument 3"),
    ]
    raise ConflictError("2 things are wrong", code="wrong", hint="attune sample code", details=details)


@app.command("ask", examples=["attune sample ask --yes"])
def ask(context: Context) -> None:
    """Ask before anything is done."""
    confirm(context, "Delete everything?")
    context.out.note("deleted")


@app.command("wait", examples=["attune sample wait"])
def wait(context: Context) -> None:
    """Show that work goes on."""
    with progress(context, "counting [sheep]") as tell:
        tell("counting stars")
    context.out.value("done")


@app.command("list", examples=["attune sample list"])
def list_things(context: Context) -> None:
    """Print records whose text would drive a terminal."""
    rows = [{"kind": "thing", "ref": "a.b", "status": "failed", "text": "\x1b[2J" + "long " * 40}]
    columns = (
        Column("REF", "ref"),
        Column("STATUS", "status", kind="status"),
        Column("TEXT", "text", kind="text"),
    )
    context.out.records(rows, columns)
    context.out.note("that was one")
    context.out.hint("attune sample code")


class Sample(Attune):
    nouns: ClassVar[Mapping[str, tuple[str, str]]] = {"sample": ("tests.cli.sample", "Try the kit.")}


root = Noun("A root for tests.", cls=Sample)
root.info.context_settings = {"help_option_names": ["-h", "--help"]}


@root.callback()
def sample() -> None:
    """Make Typer see a tree."""


if __name__ == "__main__":
    sys.exit(root())
