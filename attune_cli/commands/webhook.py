"""`attune webhook`: addresses under which triggers take requests from outside (cli.md 3.9)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Rows
from attune_cli.output import Column

app = Noun(
    "Let triggers take requests from outside.",
    examples=[
        "attune webhook enable app.push --style github --secret key://github.secret",
        "attune webhook send app.push ref=refs/heads/main --sign",
    ],
)

COLUMNS = (
    Column("TRIGGER", "trigger_ref"),
    Column("ENABLED", "enabled"),
    Column("STYLE", "style"),
    Column("LAST CALL", "last_call", kind="time"),
    Column("URL", "url"),
)
CALLS = (
    Column("ID", "id", kind="number"),
    Column("AT", "created", kind="time"),
    Column("STATUS", "status_code", kind="number"),
    Column("EVENT", "event", kind="number"),
    Column("FROM", "source_address"),
    Column("DELIVERY", "delivery"),
    Column("REASON", "error", kind="text"),
)
SENT = (
    Column("Event", "id", kind="number"),
    Column("Trigger", "trigger_ref"),
    Column("Created", "created", kind="time"),
)
REQUEST = (Column("URL", "url"), Column("Headers", "headers"))

Trigger = Annotated[str, Argument(metavar="TRIGGER", help="The trigger.")]
Secret = Annotated[
    str | None,
    Option("--secret", metavar="S", help="key://REF (follows the key), @FILE, or - for stdin."),
]


@app.command("list", examples=["attune webhook list", "attune webhook list -j | jq -r '.[].url'"])
def list_webhooks(
    context: Context,
    rows: Rows,
) -> None:
    """List webhooks, never their secrets."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.running.webhooks import base_url
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import webhooks

    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        records = webhooks.list_webhooks(tx, base_url=base_url(context), after=rows.after)
    records = [{"ref": record["trigger_ref"], **record} for record in records]
    show_rows(context, records, COLUMNS, rows, "webhook")


@app.command(
    "enable",
    examples=[
        "attune webhook enable app.push",
        "attune webhook enable app.push --style github --secret key://github.secret",
        "attune webhook enable app.push --allow-ip 192.0.2.0/24 --rate 60/1m",
    ],
)
def enable(
    context: Context,
    trigger: Trigger,
    secret: Secret = None,
    style: Annotated[
        str | None, Option("--style", metavar="S", help="Who signs: github, gitlab, slack, generic or none.")
    ] = None,
    algorithm: Annotated[
        str | None, Option("--algorithm", metavar="A", help="sha256, sha512 or sha1.")
    ] = None,
    allow_ip: Annotated[
        list[str] | None,
        Option("--allow-ip", metavar="C", help="Address or network that may call; none: all."),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        Option(
            "--trusted-proxy", metavar="C", help="Proxy whose word on addresses counts; unix: the socket."
        ),
    ] = None,
    proxy_header: Annotated[
        str | None, Option("--proxy-header", metavar="H", help="Where it says them; X-Forwarded-For.")
    ] = None,
    rate: Annotated[
        str | None, Option("--rate", metavar="N/D", help="Calls in a span, e.g. 60/1m; none: no limit.")
    ] = None,
    max_body: Annotated[
        str | None, Option("--max-body", metavar="SIZE", help="Largest body, up to 1MiB.")
    ] = None,
    delivery_header: Annotated[
        str | None,
        Option("--delivery-header", metavar="H", help="Names a delivery: the same twice is one event."),
    ] = None,
) -> None:
    """Switch a webhook on, or change it; what is not named stays as it was. Prints its URL."""
    from attune_cli.running import webhooks

    options = webhooks.WebhookOptions(
        style=style,
        algorithm=algorithm,
        allow_ip=allow_ip or (),
        trusted_proxy=trusted_proxy or (),
        proxy_header=proxy_header,
        rate=rate,
        max_body=max_body,
        delivery_header=delivery_header,
    )
    webhooks.enable(context, trigger, options, secret)


@app.command("disable", examples=["attune webhook disable app.push"])
def disable(context: Context, trigger: Trigger) -> None:
    """Refuse every request from now on; address, secret and settings are kept."""
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store, open_store_for_reading
    from attune_cli.runtime.services import webhooks

    if context.dry_run:
        with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
            webhooks.find(tx, trigger)
        context.out.note(f"the webhook of {trigger} would be switched off")
        return
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        changed = webhooks.disable(tx, trigger)
    names = [trigger]
    context.out.outcome(
        {"kind": "outcome", "changed": names * changed, "unchanged": names * (not changed)}, names
    )


@app.command(
    "rotate",
    examples=[
        "attune webhook rotate app.push",
        "openssl rand -hex 32 | attune webhook rotate app.push --secret -",
    ],
)
def rotate(
    context: Context,
    trigger: Trigger,
    secret: Secret = None,
    grace: Annotated[
        str, Option("--grace", metavar="D", help="How long the old one is still taken.")
    ] = "24h",
) -> None:
    """Give a webhook another URL, or with --secret another secret."""
    from attune_cli.running.webhooks import base_url, read_secret
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store, open_store_for_reading
    from attune_cli.runtime.services import webhooks
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.serving.condition import duration

    seconds, value = duration("--grace", grace), read_secret(secret)
    if context.dry_run:
        with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
            webhooks.find(tx, trigger)
        context.out.note(f"the webhook of {trigger} would get another {'URL' if value is None else 'secret'}")
        return
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        webhook = webhooks.rotate(
            tx, trigger, sealer=Sealer(context.home.secret_key), secret=value, grace_seconds=seconds
        )
        record = webhooks.webhook_record(tx, webhook, base_url=base_url(context))
    context.out.outcome(record, [record["url"]])


@app.command(
    "url", examples=["attune webhook url app.push", 'curl -d hello "$(attune webhook url app.push)"']
)
def url(context: Context, trigger: Trigger) -> None:
    """Print the URL of a webhook: whoever knows it may call, unless signatures are checked."""
    from attune_cli.running.webhooks import base_url
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import webhooks

    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        webhook = webhooks.find(tx, trigger)
    if not webhook.enabled:
        context.out.warning(f"the webhook of {trigger} is off")
    context.out.value(webhooks.url_of(webhook, base_url(context)))


@app.command(
    "send",
    examples=[
        "attune webhook send app.push ref=refs/heads/main --sign",
        "attune webhook send app.push @push.json --add-header 'X-GitHub-Event: push' --sign --real",
    ],
)
def send(
    context: Context,
    trigger: Trigger,
    body: Annotated[
        list[str] | None,
        Argument(metavar="[@F|-|KEY=VALUE...]", help="A file, stdin, or a JSON object's members."),
    ] = None,
    header: Annotated[
        list[str] | None, Option("--add-header", metavar="H", help="A header, 'NAME: VALUE'; repeatable.")
    ] = None,
    sign: Annotated[bool, Option("--sign", help="Sign it as its sender would.")] = False,
    real: Annotated[bool, Option("--real", help="Over HTTP, through the running daemon.")] = False,
) -> None:
    """Try a webhook: the request is checked, and makes its event. Exit 4 for a wrong signature, 1 if refused else."""
    from attune_cli.running import webhooks

    request = webhooks.read_request(body or (), header or ())
    record = webhooks.send(context, trigger, request, sign=sign, real=real)
    context.out.record(record, SENT if record["kind"] == "event" else REQUEST)


@app.command(
    "calls", examples=["attune webhook calls app.push", "attune webhook calls app.push --since 1h -j"]
)
def calls(
    context: Context,
    trigger: Trigger,
    since: Annotated[str | None, Option("--since", metavar="T", help="From then on: 24h, or a date.")] = None,
    limit: Annotated[int, Option("--limit", "-l", min=1, help="Rows at most.")] = 50,
) -> None:
    """List what came to a webhook and what became of it, newest first."""
    from attune_cli.reading.words import read_time
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import webhooks

    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        records = webhooks.list_calls(tx, trigger, since=read_time("--since", since), limit=limit)
    context.out.records(records, CALLS)
