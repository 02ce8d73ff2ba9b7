"""`attune up`: start the daemon (cli.md 3.9)."""

import sys
from typing import Annotated

from typer import Option

from attune_cli.context import Context, Noun, moves, progress

app = Noun("Start the daemon: timers, webhooks, sensors and what they set off.")


@app.command("up", examples=["attune up", "attune up -d", "attune status -qq || attune up -d"])
def up(
    context: Context,
    detach: Annotated[bool, Option("--detach", "-d", help="Leave it running in the background.")] = False,
    host: Annotated[str | None, Option("--host", metavar="H", help="Address to listen at.")] = None,
    port: Annotated[
        int | None, Option("--port", metavar="N", help="Port to listen at.", min=0, max=65535)
    ] = None,
    no_apply: Annotated[bool, Option("--no-apply", help="Leave the files of the project alone.")] = False,
    no_http: Annotated[bool, Option("--no-http", help="No server: no webhooks, no API.")] = False,
    wait_ready: Annotated[
        str, Option("--wait-ready", metavar="D", help="With -d: wait so long until it is ready.")
    ] = "30s",
) -> int:
    """Start the daemon of this home; Ctrl-C ends it, and what runs goes on. Exit 5 when one runs already.

    On a terminal it shows what runs and ran, what comes next and its last words; lines of its log elsewhere, and
    with --no-progress. In a project, its files are applied first (attune apply).
    """
    from attune_cli.serving import background
    from attune_cli.serving.condition import SECTIONS, SHOWN, duration, status_record
    from attune_cli.serving.foreground import serve, serve_options

    seconds = duration("--wait-ready", wait_ready)
    if not no_apply:
        _apply(context)
    options = serve_options(host=host, port=port, socket=None, no_http=no_http, only=None)
    if detach:
        with progress(context, "starting the daemon"):
            daemon = background.start(context, options.words(), wait_seconds=seconds)
        context.out.record(status_record(context, daemon), SHOWN, SECTIONS)
        context.out.hint("attune down ends it")
        return 0
    is_drawn = context.out.is_text and moves(context, sys.stdout)
    serve(context, options, log_format="text", is_drawn=is_drawn)
    return 0


def _apply(context: Context) -> None:
    """Do what the files of the project declare, where there is one; not when the daemon cannot be started."""
    import os

    from attune_cli.config import find_project
    from attune_cli.runtime.engine.lease import read_lease

    is_project = find_project(context.directory, os.environ) is not None
    if is_project and read_lease(context.home.path) is None:
        from attune_cli.declaring.showing import apply_project
        from attune_cli.errors import AttuneError

        try:
            apply_project(context)
        except AttuneError:
            context.out.note("the daemon is not started; --no-apply starts it without what the files say")
            raise
