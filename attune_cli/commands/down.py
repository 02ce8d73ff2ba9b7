"""`attune down`: end the daemon (cli.md 3.9)."""

from typing import Annotated

from typer import Option

from attune_cli.context import Context, Noun, progress
from attune_cli.output import Column

app = Noun("End the daemon.")

SHOWN = (Column("Stopped", "stopped"), Column("Running", "running"))


@app.command("down", examples=["attune down", "attune down --drain 5m", "attune down --cancel-running"])
def down(
    context: Context,
    drain: Annotated[
        str | None, Option("--drain", metavar="D", help="Start nothing more and wait so long for what runs.")
    ] = None,
    cancel_running: Annotated[bool, Option("--cancel-running", help="Cancel what runs first.")] = False,
    force: Annotated[bool, Option("--force", help="Kill it; what runs goes on all the same.")] = False,
) -> None:
    """End the daemon. What runs goes on, and the next `attune up` takes it over, unless --cancel-running.

    Exit 6 when none runs, 8 when --drain was not enough.
    """
    from attune_cli.serving import background
    from attune_cli.serving.condition import duration, running_daemon

    seconds = duration("--drain", drain or "0")
    daemon = running_daemon(context)
    with progress(context, "ending the daemon"):
        left = background.end(
            context, daemon, drain_seconds=seconds, cancel_running=cancel_running, force=force
        )
    context.out.record({"kind": "stopped", "stopped": daemon.pid, "running": left}, SHOWN)
    if left:
        context.out.note(f"{background.runs_go_on(left)} on; the next daemon takes over: attune up")
