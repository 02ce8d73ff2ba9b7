"""`attune inbox`: what waits for your answer, one after another (cli.md 3.9)."""

from typing import Annotated

from typer import Option

from attune_cli.context import Context, Noun

app = Noun("Pick and answer what waits for you.")


@app.command("inbox", examples=["attune inbox", "attune inbox --as anna"])
def inbox(
    context: Context,
    as_: Annotated[
        str | None, Option("--as", metavar="NAME", help="Who you are; default: your login.")
    ] = None,
) -> int:
    """Pick and answer what waits for you, one after another; needs a terminal."""
    from attune_cli.running.options import check_name
    from attune_cli.running.responding import inbox as open_inbox

    return open_inbox(context, check_name(as_))
