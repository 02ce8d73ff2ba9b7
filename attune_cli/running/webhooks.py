"""Behind `attune webhook`: what its options mean, and sending a request to try a webhook."""

from __future__ import annotations

import json
import mimetypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.errors import DeniedError, NotFoundError, RunFailedError, UnavailableError, UsageError
from attune_cli.reading.parameters import ParameterReader
from attune_cli.reading.people import enclosing_execution
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.engine.doorbell import ring_host
from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.host import open_store, open_store_for_reading
from attune_cli.runtime.model import webhooks as model
from attune_cli.runtime.model.quantities import parse_duration, parse_size
from attune_cli.runtime.model.webhooks import Delivery, Refusal
from attune_cli.runtime.services import webhook_calls, webhooks
from attune_cli.runtime.services.event_pages import whole_event
from attune_cli.runtime.services.tokens import issue_execution_token
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.services.records import Record

_DENIED = frozenset({401, 403})
_SEND_SECONDS = 30.0


def base_url(context: Context) -> str:
    """Return how others reach the server: as set, as the daemon says, or where it would listen."""
    settings, daemon = context.settings, read_lease(context.home.path)
    told = None if daemon is None else daemon.url
    return settings.public_url or told or f"http://{settings.host}:{settings.port}"


@immutable(kw_only=True)
class WebhookOptions:
    """The options of `attune webhook enable`, as typed. None leaves it as it is; `none` takes it away."""

    style: str | None = None
    algorithm: str | None = None
    allow_ip: Sequence[str] = ()
    trusted_proxy: Sequence[str] = ()
    proxy_header: str | None = None
    rate: str | None = None
    max_body: str | None = None
    delivery_header: str | None = None

    def changes(self) -> dict[str, Any]:
        """Return the fields of WebhookConfig that they mean; raises UsageError."""
        given: dict[str, Any] = {
            "style": self.style,
            "algorithm": self.algorithm,
            "allow": _networks(self.allow_ip),
            "trusted_proxies": _networks(self.trusted_proxy),
            "proxy_header": self.proxy_header,
            "delivery_header": self.delivery_header,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if self.rate == "none":
            changes["rate_count"] = None
        elif self.rate is not None:
            count, _, span = self.rate.partition("/")
            changes["rate_count"] = _read("--rate", int, count, "expected calls in a span such as 60/1m")
            changes["rate_seconds"] = _read(
                "--rate", parse_duration, span, "a span such as 60/1m is expected"
            )
        if self.max_body is not None:
            changes["max_body_bytes"] = _read("--max-body", parse_size, self.max_body, "")
        return changes


def _networks(words: Sequence[str]) -> tuple[str, ...] | None:
    if not words:
        return None
    return () if list(words) == ["none"] else tuple(word for text in words for word in text.split(","))


def _read(option: str, read: Callable[[str], Any], text: str, expected: str) -> Any:  # noqa: ANN401 - as `read` has it
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{option}: {expected or error}, got {text!r}") from error


def read_secret(word: str | None) -> str | None:
    """Read `--secret`: `key://REF` as it is, `@F` and `-` as text without its last line end."""
    if word is None or word.startswith("key://"):
        return word
    if word == "-":
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if word.startswith("@"):
        return _file(word[1:]).decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    raise UsageError(
        "a secret does not belong on the command line, where others can read it",
        code="value_on_command_line",
        hint="--secret key://REF, --secret @FILE, or --secret - for stdin",
    )


def enable(context: Context, trigger_ref: str, options: WebhookOptions, secret: str | None) -> None:
    """Switch a webhook on and print it."""
    changes, value = options.changes(), read_secret(secret)
    sealer, now = Sealer(context.home.secret_key), SystemClock().now()
    if context.dry_run:
        # What is written while reading is taken back.
        with open_store_for_reading(context.home, context.settings).read(now) as tx:
            webhooks.enable(tx, trigger_ref, sealer=sealer, changes=changes, secret=value)
        context.out.note(f"the webhook of {trigger_ref} would be switched on")
        return
    with open_store(context.home, context.settings).write(now) as tx:
        webhook = webhooks.enable(tx, trigger_ref, sealer=sealer, changes=changes, secret=value)
        record = webhooks.webhook_record(tx, webhook, base_url=base_url(context))
    context.out.outcome(record, [record["url"]])
    if webhook.config.style == "none":
        context.out.note("whoever knows its URL is believed; --secret lets it check signatures")


# --- sending


@immutable(kw_only=True)
class Request:
    """What is sent to try a webhook."""

    body: bytes
    headers: dict[str, str]


def read_request(words: Sequence[str], headers: Sequence[str]) -> Request:
    """Read `@F`, `-`, or `k=v` items that make a JSON object, and `NAME: VALUE` headers; raises UsageError."""
    given: dict[str, str] = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise UsageError(f"--add-header: expected 'NAME: VALUE', got {header!r}")
        given[name.strip().lower()] = value.strip()
    kind = "application/json"
    if list(words) == ["-"]:
        body = sys.stdin.buffer.read()
        kind = "application/json" if _is_json(body) else "text/plain"
    elif len(words) == 1 and words[0].startswith("@"):
        body = _file(words[0][1:])
        kind = mimetypes.guess_type(words[0])[0] or ("application/json" if _is_json(body) else "text/plain")
    else:
        reader = ParameterReader({})
        reader.read_items(words)
        if reader.faults:
            raise UsageError(
                "the payload cannot be read",
                details=reader.faults,
                hint="a whole body comes from a file, @FILE, or from stdin, -",
            )
        body = json.dumps(reader.values, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return Request(body=body, headers={"content-type": kind, "user-agent": "attune webhook send", **given})


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"no file {name!r}") from error
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error


def send(context: Context, trigger_ref: str, request: Request, *, sign: bool, real: bool) -> Record:
    """Send a request to a trigger's webhook and return the event; without `real` there is no HTTP in between.

    Raises DeniedError for a signature or address that is not taken, RunFailedError for every other refusal.
    """
    sealer = Sealer(context.home.secret_key)
    now = SystemClock().now()
    with open_store_for_reading(context.home, context.settings).read(now) as tx:
        webhook = webhooks.find(tx, trigger_ref)
        secrets = webhooks.secrets_of(tx, webhook, sealer)
    headers = dict(request.headers)
    if sign:
        if webhook.config.style == "none":
            raise UsageError(
                f"the webhook of '{trigger_ref}' checks no signatures: there is nothing to sign with"
            )
        if not secrets:
            raise UnavailableError(f"the secret of the webhook of '{trigger_ref}' is gone", code="no_secret")
        headers |= model.sign(webhook.config, request.body, secrets[0], now)
    if context.dry_run:
        return {"kind": "request", "url": webhooks.url_of(webhook, base_url(context)), "headers": headers}
    cause = enclosing_execution(context)
    if real:
        if cause is not None:
            headers["Authorization"] = f"Bearer {issue_execution_token(sealer, cause)}"
        return _event(
            context,
            _post(context, trigger_ref, webhooks.url_of(webhook, _local_url(context)), request.body, headers),
        )
    delivery = Delivery(body=request.body, headers=headers, peer="127.0.0.1")
    return _event(context, _hand_in(context, trigger_ref, webhook.key, delivery, sealer, cause))


def _hand_in(
    context: Context, trigger_ref: str, key: str, delivery: Delivery, sealer: Sealer, cause: int | None
) -> int:
    """Let the webhook judge a request as the server would, but for address and rate; returns the event."""
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        found = webhook_calls.known(tx, key, sealer)
        try:
            if found is None:
                raise webhook_calls.unknown_key()
            call = webhook_calls.examine(found, key, delivery, tx.now, cause=cause)
            answer = webhook_calls.accept(tx, call, limited=False)
        except Refusal as refusal:
            answer = webhook_calls.refuse(tx, None if found is None else found.webhook, delivery, refusal)
    if isinstance(answer, Refusal):
        raise _refused(trigger_ref, answer.status, answer.message, answer.code)
    if isinstance(answer, webhook_calls.Challenge):
        raise _challenged()
    daemon = read_lease(context.home.path)
    if daemon is not None:
        ring_host(context.home.hosts, daemon.host)
    return answer.event


def _local_url(context: Context) -> str:
    daemon = read_lease(context.home.path)
    if daemon is None or daemon.url is None:
        raise UnavailableError("no daemon listens for this home", code="no_engine", hint="attune up -d")
    return daemon.url


def _post(context: Context, trigger_ref: str, url: str, body: bytes, headers: dict[str, str]) -> int:
    import httpx

    transport = None
    if url.startswith("http+unix://"):
        path, _, rest = url.removeprefix("http+unix://").partition(webhooks.PATH)
        transport, url = httpx.HTTPTransport(uds=path), f"http://localhost{webhooks.PATH}{rest}"
    try:
        with httpx.Client(transport=transport, timeout=_SEND_SECONDS) as client:
            answer = client.post(url, content=body, headers=headers)
        document = answer.json()
        if answer.is_success and "challenge" in document:
            raise _challenged()
        if answer.is_success:
            return int(document["data"]["event_id"])
        message, code = str(document["error"]), str(document["code"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"the daemon of {context.home.path} does not answer as it should: {error}",
            code="server_unreachable",
            hint="attune status",
        ) from error
    raise _refused(trigger_ref, answer.status_code, message, code)


def _challenged() -> UsageError:
    return UsageError("this is Slack's challenge: it is answered, and makes no event", code="challenge")


def _refused(trigger_ref: str, status: int, message: str, code: str) -> DeniedError | RunFailedError:
    kind = DeniedError if status in _DENIED else RunFailedError
    return kind(f"refused with {status}: {message}", code=code, hint=f"attune webhook calls {trigger_ref}")


def _event(context: Context, event_id: int) -> Record:
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        return {"kind": "event", **whole_event(tx, event_id)}
