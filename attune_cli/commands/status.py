"""`attune status`: whether a daemon runs, and what it does (cli.md 3.9)."""

from typing import Annotated

from typer import Option

from attune_cli.context import Context, Noun

app = Noun("Show whether the daemon runs, and what it does.")


@app.command("status", examples=["attune status", "attune status -qq || attune up -d"])
def status(
    context: Context,
    wait_ready: Annotated[
        str | None, Option("--wait-ready", metavar="D", help="Wait until it is ready, at most so long.")
    ] = None,
) -> int:
    """Show the daemon of this home. Exit 6 when none runs, 124 when it is not ready in time."""
    from attune_cli.errors import TimedOutError
    from attune_cli.serving.condition import SECTIONS, SHOWN, duration, status_record
    from attune_cli.serving.condition import wait_ready as wait

    daemon = wait(context, duration("--wait-ready", wait_ready or "0"))
    context.out.record(status_record(context, daemon), SHOWN, SECTIONS)
    if daemon is None:
        context.out.hint("attune up -d")
        return 6
    if wait_ready is not None and not daemon.is_ready:
        raise TimedOutError("the daemon is not ready", code="not_ready", hint="attune engine logs")
    return 0
