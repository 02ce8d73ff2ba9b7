"""`attune export`: what there is, as the documents that would make it again (cli.md 3.9)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun

app = Noun("Write what there is as documents that apply makes again.")


@app.command(
    "export",
    examples=["attune export > all.yaml", "attune export rule/local.night", "attune export --to . --yes"],
)
def export(
    context: Context,
    words: Annotated[
        list[str] | None,
        Argument(
            metavar="[NOUN[/REF]]...", help="rule, trigger, webhook, sensor, key, channel, or one of them."
        ),
    ] = None,
    all_: Annotated[bool, Option("--all", help="What packs bring as well.")] = False,
    to: Annotated[
        Path | None, Option("--to", metavar="DIR", help="Into files: DIR/rules/local.night.yaml.")
    ] = None,
) -> None:
    """Print what people made as YAML documents. Secrets stay: sealed keys have no value, channels no URL."""
    from attune_cli.declaring.exporting import export

    export(context, words or (), everything=all_, to=to)
