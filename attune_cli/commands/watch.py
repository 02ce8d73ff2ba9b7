"""`attune watch`: one feed of everything that happens, for people and for scripts (cli.md 3.9)."""

from typing import Annotated

from typer import Option

from attune_cli.context import Context, Noun

app = Noun("Watch what happens, as it happens.")


@app.command(
    "watch",
    examples=[
        "attune watch",
        "attune watch --tree --pack greenhouse",
        "attune watch --kinds execution --since-seq 4711 -o jsonl | jq -r .payload.status",
    ],
)
def watch(
    context: Context,
    kinds: Annotated[
        str | None,
        Option(
            "--kinds",
            metavar="LIST",
            help="Some of execution, event, enforcement, inquiry, rule, timer, sensor.",
        ),
    ] = None,
    action: Annotated[
        list[str] | None, Option("--action", metavar="REF", help="Of this action, or of pack.*")
    ] = None,
    pack: Annotated[list[str] | None, Option("--pack", metavar="P", help="Of this pack.")] = None,
    rule: Annotated[list[str] | None, Option("--rule", metavar="REF", help="Of this rule.")] = None,
    trigger: Annotated[list[str] | None, Option("--trigger", metavar="REF", help="Of this trigger.")] = None,
    since_seq: Annotated[
        int | None,
        Option(
            "--since-seq",
            metavar="N",
            min=0,
            max=2**62,
            help="Begin behind this sequence; 0: with all there is.",
        ),
    ] = None,
    tree: Annotated[
        bool, Option("--tree", help="On a terminal, each thing below what it came from.")
    ] = False,
) -> int:
    """Show each change until Ctrl-C; needs no daemon.

    A table on a terminal, JSON lines with -j, else tab-separated lines: time, sequence, kind, id, ref, status.
    """
    from attune_cli.runtime.model.notices import Subjects
    from attune_cli.watching.outbox import Watch, read_kinds
    from attune_cli.watching.outbox import watch as show

    subjects = Subjects(
        packs=tuple(pack or ()),
        rules=tuple(rule or ()),
        actions=tuple(action or ()),
        triggers=tuple(trigger or ()),
    )
    return show(context, Watch(kinds=read_kinds(kinds), subjects=subjects, since=since_seq), tree=tree)
