"""`attune up`: start the daemon (cli.md 3.9)."""

from typing import Annotated

from typer import Option

from attune_cli.context import Context, Noun, progress

app = Noun("Start the daemon: timers, webhooks, sensors and what they set off.")


@app.command("up", examples=["attune up", "attune up -d", "attune status -qq || attune up -d"])
def up(
    context: Context,
    detach: Annotated[bool, Option("--detach", "-d", help="Leave it running in the background.")] = False,
    host: Annotated[str | None, Option("--host", metavar="H", help="Address to listen at.")] = None,
    port: Annotated[
        int | None, Option("--port", metavar="N", help="Port to listen at.", min=0, max=65535)
    ] = None,
    no_http: Annotated[bool, Option("--no-http", help="No server: no webhooks, no API.")] = False,
    wait_ready: Annotated[
        str, Option("--wait-ready", metavar="D", help="With -d: wait so long until it is ready.")
    ] = "30s",
) -> int:
    """Start the daemon of this home; Ctrl-C ends it, and what runs goes on. Exit 5 when one runs already."""
    from attune_cli.serving import background
    from attune_cli.serving.condition import SECTIONS, SHOWN, duration, status_record
    from attune_cli.serving.foreground import serve, serve_options

    seconds = duration("--wait-ready", wait_ready)
    options = serve_options(host=host, port=port, socket=None, no_http=no_http, only=None)
    if detach:
        with progress(context, "starting the daemon"):
            daemon = background.start(context, options.words(), wait_seconds=seconds)
        context.out.record(status_record(context, daemon), SHOWN, SECTIONS)
        context.out.hint("attune down ends it")
        return 0
    serve(context, options, log_format="text")
    return 0
