"""`attune serve`: the daemon in the foreground, for service managers and containers (cli.md 3.9)."""

from typing import Annotated

from typer import Option

from attune_cli.context import Context, Noun

app = Noun("Be the daemon, in the foreground, for service managers.")


@app.command(
    "serve",
    examples=[
        "attune serve --log-format json",
        "attune serve --no-http",
        "attune serve --only timers,sensors",
    ],
)
def serve(
    context: Context,
    host: Annotated[str | None, Option("--host", metavar="H", help="Address to listen at.")] = None,
    port: Annotated[
        int | None, Option("--port", metavar="N", help="Port to listen at.", min=0, max=65535)
    ] = None,
    socket: Annotated[
        str | None, Option("--socket", metavar="P", help="Listen at this Unix socket instead.")
    ] = None,
    no_http: Annotated[bool, Option("--no-http", help="No server: no webhooks, no API.")] = False,
    only: Annotated[
        str | None, Option("--only", metavar="A,B", help="Of timers, sensors, http, notices: these only.")
    ] = None,
    log_format: Annotated[
        str, Option("--log-format", metavar="F", help="text, json or none, on stderr.")
    ] = "text",
) -> int:
    """Run timers, webhooks, sensors and actions until SIGTERM. Runs go on when it ends; the next one adopts them.

    SIGHUP reads the settings again; SIGUSR1 lets it start nothing more. Exit 5 when one runs already.
    """
    from attune_cli.errors import UsageError
    from attune_cli.serving.foreground import FORMATS, serve_options
    from attune_cli.serving.foreground import serve as be_daemon

    options = serve_options(host=host, port=port, socket=socket, no_http=no_http, only=only)
    if log_format not in FORMATS:
        raise UsageError(f"--log-format: expected {', '.join(FORMATS)}, not {log_format!r}")
    be_daemon(context, options, log_format=FORMATS[log_format])
    return 143
