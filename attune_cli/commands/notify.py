"""`attune notify`: channels to the world outside, and what each wants to hear of."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun, confirm
from attune_cli.output import Column

app = Noun(
    "Tell the world outside: mail, chat, desktop and more.",
    examples=["attune notify add ops @slack-url.txt --on execution.failed", "attune notify list"],
)

COLUMNS = (
    Column("NAME", "name"),
    Column("URL", "url"),
    Column("ON", "on"),
    Column("STATE", "state", kind="status"),
    Column("SENT", "sent", kind="number"),
    Column("SUMMED UP", "suppressed", kind="number"),
    Column("LAST ERROR", "last_error", kind="text"),
)
SHOWN = (
    Column("Channel", "name"),
    Column("URL", "url"),
    Column("On", "on"),
    Column("Packs", "packs"),
    Column("Rules", "rules"),
    Column("Actions", "actions"),
    Column("Triggers", "triggers"),
    Column("Rate", "rate"),
    Column("State", "state", kind="status"),
    Column("Sent", "sent"),
    Column("Summed up", "suppressed"),
    Column("Failures", "failures"),
    Column("Last error", "last_error"),
    Column("Next attempt", "next_attempt", kind="time"),
    Column("Created", "created", kind="time"),
)

Names = Annotated[list[str], Argument(metavar="NAME...", help="Channels; - reads names from stdin.")]


@app.command(
    "add",
    examples=[
        "attune notify add ops @slack-url.txt --on execution.failed,inquiry.created",
        "attune notify add desk dbus:// --on execution.finished --action backup.run",
        "pass show chat/url | attune notify add chat - --on rule.fired --pack greenhouse --rate 5/10m",
    ],
)
def add(
    context: Context,
    name: Annotated[str, Argument(metavar="NAME", help="What it is called.")],
    url: Annotated[
        str, Argument(metavar="URL", help="An apprise URL: @FILE, - (stdin), key://REF, or itself.")
    ],
    on: Annotated[
        list[str] | None,
        Option("--on", metavar="LIST", help="What is told, e.g. execution.failed,rule.fired."),
    ] = None,
    pack: Annotated[list[str] | None, Option("--pack", metavar="P", help="Only of this pack.")] = None,
    rule: Annotated[list[str] | None, Option("--rule", metavar="REF", help="Only of this rule.")] = None,
    action: Annotated[
        list[str] | None, Option("--action", metavar="REF", help="Only of this action, or of pack.*")
    ] = None,
    trigger: Annotated[
        list[str] | None, Option("--trigger", metavar="REF", help="Only of this trigger.")
    ] = None,
    rate: Annotated[
        str | None, Option("--rate", metavar="N/D", help="Messages at most in a span; default 10/1m.")
    ] = None,
    replace: Annotated[bool, Option("--replace", help="Change it when it is there.")] = False,
) -> None:
    """Add a channel; the daemon sends to it. Its URL is kept sealed and never shown.

    What can be told: execution.created, .running, .completed, .failed, .timed_out, .cancelled, .abandoned,
    .finished; event.created; rule.fired; inquiry.created, .responded, .timeout, .cancelled, .reminder; sensor.failed.
    """
    from attune_cli.running import telling

    options = telling.ChannelOptions(
        on=on or (), pack=pack or (), rule=rule or (), action=action or (), trigger=trigger or (), rate=rate
    )
    telling.add(context, name, url, options, replace=replace)


@app.command(
    "list",
    examples=["attune notify list", "attune notify list -j | jq '.[] | select(.state == \"failing\")'"],
)
def list_channels(
    context: Context,
    fail_empty: Annotated[bool, Option("--fail-empty", help="Exit 3 when there is none.")] = False,
) -> None:
    """List channels, how many messages each took, and what keeps it from taking more."""
    from attune_cli.errors import NotFoundError
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import channels

    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        records = channels.list_channels(tx)
    if fail_empty and not records:
        raise NotFoundError("no channel", code="empty")
    context.out.records(records, COLUMNS)


@app.command("show", examples=["attune notify show ops"])
def show(context: Context, names: Names) -> None:
    """Show channels: what each wants to hear of, and how it is."""
    from attune_cli.reading.words import read_words
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import channels

    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        records = [channels.channel_record(one) for one in channels.find_all(tx, read_words(names))]
    context.out.show(records, COLUMNS, SHOWN)


@app.command("test", examples=["attune notify test ops"])
def test(context: Context, names: Names) -> None:
    """Send a test message now; needs no daemon. Exit 1 when it is not taken."""
    from attune_cli.reading.words import read_words
    from attune_cli.running.telling import try_out

    try_out(context, read_words(names))


@app.command("enable", examples=["attune notify enable ops"])
def enable(context: Context, names: Names) -> None:
    """Let channels be told again, of what happens from now on."""
    _switch(context, names, enabled=True)


@app.command("disable", examples=["attune notify disable ops"])
def disable(context: Context, names: Names) -> None:
    """Let channels be told nothing."""
    _switch(context, names, enabled=False)


def _switch(context: Context, names: list[str], *, enabled: bool) -> None:
    from attune_cli.reading.words import read_words
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store, open_store_for_reading
    from attune_cli.runtime.services import channels

    words = read_words(names)
    if context.dry_run:
        with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
            channels.find_all(tx, words)
        context.out.note(f"would {'enable' if enabled else 'disable'} {', '.join(words)}")
        return
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        outcome = channels.set_enabled(tx, words, enabled=enabled)
    context.out.outcome({"kind": "outcome", **outcome}, outcome["changed"])


@app.command("remove", examples=["attune notify remove ops --yes"])
def remove(
    context: Context,
    names: Names,
    if_exists: Annotated[bool, Option("--if-exists", help="It is no error when it is gone already.")] = False,
) -> None:
    """Remove channels, all of those named or none."""
    from attune_cli.reading.words import read_words
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store, open_store_for_reading
    from attune_cli.runtime.services import channels

    words = read_words(names)
    if not if_exists:
        with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
            channels.find_all(tx, words)
    if context.dry_run:
        context.out.note(f"would remove {', '.join(words)}")
        return
    confirm(context, f"Remove {', '.join(words)}?")
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        removed = channels.remove(tx, words, if_exists=if_exists)
    context.out.outcome({"kind": "outcome", "removed": removed}, removed)
