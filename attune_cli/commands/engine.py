"""`attune engine`: operate the daemon, apart from what it runs (cli.md 3.9)."""

from typing import Annotated

from typer import Option

from attune_cli.context import Context, Noun, progress

app = Noun("Operate the daemon: its log, its settings, its service.")


@app.command(
    "logs", examples=["attune engine logs", "attune engine logs -f", "attune engine logs --level error"]
)
def logs(
    context: Context,
    follow: Annotated[bool, Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    since: Annotated[
        str | None, Option("--since", metavar="T", help="Not before this time, or so long ago.")
    ] = None,
    level: Annotated[
        str, Option("--level", metavar="L", help="info, warning or error: this and what is worse.")
    ] = "info",
) -> None:
    """Show what the daemon says of itself. What actions print is shown by attune execution logs."""
    from attune_cli.serving.journal import show

    show(context, follow=follow, since=since, level=level)


@app.command("drain", examples=["attune engine drain", "attune engine drain --timeout 10m && attune down"])
def drain(
    context: Context,
    timeout: Annotated[str, Option("--timeout", metavar="D", help="Wait so long for what runs.")] = "5m",
) -> None:
    """Let the daemon start nothing more, and wait for what runs. Exit 8 when that takes longer.

    attune engine reload ends the draining.
    """
    from attune_cli.errors import PendingError
    from attune_cli.serving import background
    from attune_cli.serving.condition import duration, running_daemon

    seconds = duration("--timeout", timeout)
    daemon = running_daemon(context)
    background.tell_to_drain(daemon)
    with progress(context, "waiting for what runs"):
        if not background.drained(context, daemon, seconds):
            raise PendingError(
                f"something still runs after {timeout}",
                code="still_running",
                hint="attune execution list -s running",
            )
    context.out.note("drained: the daemon runs nothing, and starts nothing more")


@app.command("reload", examples=["attune engine reload"])
def reload(context: Context) -> None:
    """Let the daemon read its settings again. What runs goes on; address and port stay as they are."""
    from attune_cli.serving import background
    from attune_cli.serving.condition import SECTIONS, SHOWN, running_daemon, status_record

    daemon = background.tell_to_reload(context, running_daemon(context))
    context.out.record(status_record(context, daemon), SHOWN, SECTIONS)


@app.command(
    "install",
    examples=[
        "attune engine install --systemd --user --write",
        "attune engine install --systemd > attune.service",
    ],
)
def install(
    context: Context,
    systemd: Annotated[bool, Option("--systemd", help="A unit of systemd.")] = False,
    launchd: Annotated[bool, Option("--launchd", help="A property list of launchd.")] = False,
    user: Annotated[bool, Option("--user", help="For this user, not for the machine.")] = False,
    write: Annotated[bool, Option("--write", help="Write it where it belongs, not to stdout.")] = False,
) -> None:
    """Print what makes a service manager run the daemon."""
    from attune_cli.errors import UsageError
    from attune_cli.serving.service_files import launchd_list, place, systemd_unit

    if systemd == launchd:
        raise UsageError("say which service manager: --systemd or --launchd")
    text = systemd_unit(context, user=user) if systemd else launchd_list(context)
    if not write:
        context.out.value(text)
        return
    path, commands = place(text, systemd=systemd, user=user, dry_run=context.dry_run)
    context.out.note(f"{'would write' if context.dry_run else 'wrote'} {path}")
    for command in commands:
        context.out.hint(command)
