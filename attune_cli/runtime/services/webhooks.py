"""Webhooks: the addresses under which triggers take requests from outside, and what becomes of a request.

A call is judged in two steps, so that what is costly holds nobody up: `examine` checks it against the webhook as read
before, on the caller's thread; `accept` makes the event in the transaction that also writes the call down.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import AttuneError, ConflictError, Detail, NotFoundError, UsageError
from attune_cli.runtime.clock import SECOND, rfc3339
from attune_cli.runtime.model import webhooks as model
from attune_cli.runtime.model.webhooks import Refusal, WebhookConfig
from attune_cli.runtime.services import keys, triggers
from attune_cli.runtime.services.events import NewEvent, take_in, unknown_trigger
from attune_cli.runtime.store import definitions
from attune_cli.runtime.store import webhooks as rows
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.webhooks import Content, Delivery
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.webhooks import Call, Webhook

PATH = "/api/v1/webhooks/"
_KEY_REF = "key://"
_DEFAULT_GRACE_SECONDS = 24 * 3600.0


# --- what its owner does


def find(tx: Transaction, trigger_ref: str) -> Webhook:
    """Return the webhook of a trigger, on or off; raises NotFoundError."""
    webhook = rows.get(tx, trigger_ref)
    if webhook is None:
        if definitions.get(tx, "trigger", trigger_ref) is None:
            raise unknown_trigger(tx, trigger_ref)
        raise NotFoundError(
            f"trigger '{trigger_ref}' has no webhook",
            code="no_webhook",
            hint=f"attune webhook enable {trigger_ref}",
        )
    return webhook


def enable(
    tx: Transaction,
    trigger_ref: str,
    *,
    sealer: Sealer,
    changes: dict[str, Any] | None = None,
    secret: str | None = None,
) -> Webhook:
    """Let a trigger take requests. `changes` are fields of WebhookConfig; what is not named stays as it was.

    `secret` is a value to seal or `key://REF`. Raises NotFoundError, and UsageError with every fault.
    """
    if definitions.get(tx, "trigger", trigger_ref) is None:
        raise unknown_trigger(tx, trigger_ref)
    present = rows.get(tx, trigger_ref)
    before = WebhookConfig() if present is None else present.config
    config = replace(before, **(changes or {}))
    if secret is not None and config.style == "none":
        if (changes or {}).get("style") == "none":
            raise UsageError("a webhook without signatures (--style none) has no use for a secret")
        config = replace(config, style="generic")
    _check(config)
    if present is None:
        rows.insert(tx, trigger_ref=trigger_ref, key=new_key(), config=config, sealed=None)
        present = find(tx, trigger_ref)
    webhook = replace(present, enabled=True, config=config)
    if config.style == "none":
        webhook = replace(webhook, sealed=None, config=replace(config, secret_ref=None))
    elif secret is not None:
        webhook = _with_secret(tx, webhook, secret, sealer, grace_seconds=0)
    if config.style != "none" and not secrets_of(tx, webhook, sealer):
        raise UsageError(
            f"signatures in the style of {config.style} need a secret to check them with",
            code="no_secret",
            hint=f"attune webhook enable {trigger_ref} --style {config.style} --secret key://REF",
        )
    if webhook != present:
        rows.update(tx, webhook)
    return find(tx, trigger_ref)


def _check(config: WebhookConfig) -> None:
    """Raise UsageError with every fault of a configuration, whoever wrote it."""
    faults = [
        Detail(name, expected, getattr(config, name))
        for name, expected, is_right in _RULES
        if not is_right(getattr(config, name))
    ]
    if faults:
        raise UsageError("the webhook cannot be set up so", code="invalid_webhook", details=faults)


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _are_networks(value: object, *words: str) -> bool:
    """Tell whether it is a list of addresses, networks and `words`."""
    if not isinstance(value, tuple):
        return False
    for text in cast("tuple[object, ...]", value):
        try:
            model.read_network(text if isinstance(text, str) else "")
        except ValueError:
            if text not in words:
                return False
    return True


def _is_header(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9-]{1,100}", value) is not None


_NETWORKS = "expected addresses or networks such as 10.0.0.0/8"
_RULES: tuple[tuple[str, str, Callable[[object], bool]], ...] = (
    ("style", f"expected one of {', '.join(model.STYLES)}", lambda value: value in model.STYLES),
    ("algorithm", f"expected one of {', '.join(model.ALGORITHMS)}", lambda value: value in model.ALGORITHMS),
    ("allow", _NETWORKS, _are_networks),
    (
        "trusted_proxies",
        f"{_NETWORKS}, or {model.PROXY_SOCKET}",
        lambda value: _are_networks(value, model.PROXY_SOCKET),
    ),
    ("proxy_header", "expected the name of a header", _is_header),
    (
        "rate_count",
        f"expected a number of calls, 1 to {rows.KEPT_ACCEPTED}",
        lambda value: value is None or (isinstance(value, int) and _is_number(value, 1, rows.KEPT_ACCEPTED)),
    ),
    ("rate_seconds", "expected a span of up to a day", lambda value: _is_number(value, 0.001, 86_400)),
    (
        "max_body_bytes",
        f"expected 1 to {model.MAX_BODY_BYTES} bytes",
        lambda value: isinstance(value, int) and _is_number(value, 1, model.MAX_BODY_BYTES),
    ),
    ("delivery_header", "expected the name of a header", lambda value: value is None or _is_header(value)),
)
"""What each field has to be: name, what is expected, and the check."""


def disable(tx: Transaction, trigger_ref: str) -> bool:
    """Refuse all requests from now on; tells whether it was on. Address and settings are kept for the next time."""
    webhook = find(tx, trigger_ref)
    if webhook.enabled:
        rows.update(tx, replace(webhook, enabled=False))
    return webhook.enabled


def rotate(
    tx: Transaction,
    trigger_ref: str,
    *,
    sealer: Sealer,
    secret: str | None = None,
    grace_seconds: float = _DEFAULT_GRACE_SECONDS,
) -> Webhook:
    """Give a webhook another secret, or another address when none is named; the old one is taken for the grace.

    Raises ConflictError when the webhook is off, or checks no signatures though a secret is given.
    """
    webhook = find(tx, trigger_ref)
    if not webhook.enabled:
        raise ConflictError(
            f"the webhook of '{trigger_ref}' is off",
            code="webhook_off",
            hint=f"attune webhook enable {trigger_ref}",
        )
    if secret is None:
        until = tx.now + round(grace_seconds * SECOND)
        webhook = replace(webhook, key=new_key(), previous_key=webhook.key, previous_until=until)
    elif webhook.config.style == "none":
        raise ConflictError(
            f"the webhook of '{trigger_ref}' checks no signatures",
            code="no_signatures",
            hint=f"attune webhook enable {trigger_ref} --secret …",
        )
    else:
        webhook = _with_secret(tx, webhook, secret, sealer, grace_seconds=grace_seconds)
    rows.update(tx, webhook)
    return find(tx, trigger_ref)


def new_key() -> str:
    """Return an address that cannot be guessed: `wh_` and 32 hexadecimal digits."""
    return f"wh_{os.urandom(16).hex()}"


def _with_secret(
    tx: Transaction, webhook: Webhook, secret: str, sealer: Sealer, *, grace_seconds: float
) -> Webhook:
    """Return the webhook with another secret; the present one stays valid for the grace."""
    present = next(iter(secrets_of(tx, webhook, sealer)), None)
    stored: dict[str, Any] = {}
    if present is not None and grace_seconds:
        stored = {"previous": present, "previous_until": tx.now + round(grace_seconds * SECOND)}
    secret_ref = secret.removeprefix(_KEY_REF) if secret.startswith(_KEY_REF) else None
    if secret_ref is None:
        if not secret:
            raise UsageError("the secret is empty; nothing changed", code="value_empty")
        stored["secret"] = secret
    elif not isinstance(keys.value_of(tx, secret_ref, sealer), str):
        raise UsageError(f"key '{secret_ref}' holds no text", code="value_not_text")
    config = replace(webhook.config, secret_ref=secret_ref)
    return replace(webhook, config=config, sealed=sealer.seal(stored) if stored else None)


def secrets_of(tx: Transaction, webhook: Webhook, sealer: Sealer) -> list[str]:
    """Return the secrets that are valid now, the present one first; none when its key is gone."""
    stored: dict[str, Any] = {} if webhook.sealed is None else sealer.unseal(webhook.sealed)
    found: list[str | None] = [stored.get("secret")]
    if webhook.config.secret_ref is not None:
        try:
            value = keys.value_of(tx, webhook.config.secret_ref, sealer)
        except NotFoundError:
            value = None
        found = [value if isinstance(value, str) else None]
    if stored.get("previous_until", 0) > tx.now:
        found.append(stored["previous"])
    return [secret for secret in found if secret]


def webhook_record(tx: Transaction, webhook: Webhook, *, base_url: str) -> Record:
    """Return what is shown of a webhook: never its secret."""
    config = webhook.config
    last = rows.last_call(tx, webhook.trigger_ref)
    rate = None if config.rate_count is None else {"calls": config.rate_count, "seconds": config.rate_seconds}
    return {
        "kind": "webhook",
        "id": webhook.id,
        "trigger_ref": webhook.trigger_ref,
        "enabled": webhook.enabled,
        "url": url_of(webhook, base_url),
        "style": config.style,
        "algorithm": config.algorithm,
        "has_secret": webhook.sealed is not None or config.secret_ref is not None,
        "secret_ref": config.secret_ref,
        "allow": list(config.allow),
        "trusted_proxies": list(config.trusted_proxies),
        "rate": rate,
        "max_body_bytes": config.max_body_bytes,
        "delivery_header": config.delivery_header or model.DELIVERY_HEADERS.get(config.style),
        "previous_url_until": None if webhook.previous_until is None else rfc3339(webhook.previous_until),
        "last_call": None if last is None else rfc3339(last),
        "created": rfc3339(webhook.created),
        "updated": rfc3339(webhook.updated),
    }


def trigger_record(tx: Transaction, trigger_ref: str, *, base_url: str) -> Record:
    """Return the full record of a trigger with its address, while it has one (api.md, records)."""
    webhook = rows.get(tx, trigger_ref)
    is_on = webhook is not None and webhook.enabled
    return {
        **triggers.show_trigger(tx, trigger_ref),
        "webhook_key": webhook.key if webhook is not None and is_on else None,
        "webhook_url": url_of(webhook, base_url) if webhook is not None and is_on else None,
    }


def url_of(webhook: Webhook, base_url: str) -> str:
    return f"{base_url.rstrip('/')}{PATH}{webhook.key}"


def list_webhooks(tx: Transaction, *, base_url: str, after: str = "") -> list[Record]:
    """Return the records of all webhooks behind a ref."""
    return [
        webhook_record(tx, webhook, base_url=base_url)
        for webhook in rows.all_webhooks(tx)
        if webhook.trigger_ref > after
    ]


def list_calls(tx: Transaction, trigger_ref: str, *, since: Instant | None, limit: int) -> list[Record]:
    """Return the calls of a webhook, newest first; raises NotFoundError."""
    find(tx, trigger_ref)
    return [_call_record(call) for call in rows.calls(tx, trigger_ref, since=since, limit=limit)]


def _call_record(call: Call) -> Record:
    return {
        "kind": "webhook_call",
        "id": call.id,
        "trigger_ref": call.trigger_ref,
        "event": call.event,
        "status_code": call.status_code,
        "error": call.error,
        "source_address": call.source_address,
        "user_agent": call.user_agent,
        "delivery": call.delivery,
        "headers": call.headers,
        "size_bytes": call.size_bytes,
        "duration_ms": call.duration_ms,
        "signature_verified": call.signature_verified,
        "created": rfc3339(call.created),
    }


# --- what becomes of a call


@immutable
class Known:
    """A webhook as it was read, with its secrets in the clear."""

    webhook: Webhook
    secrets: Sequence[str]

    @property
    def config(self) -> WebhookConfig:
        return self.webhook.config


@immutable(kw_only=True)
class Examined:
    """A call that may make an event."""

    webhook: Webhook
    key: str
    delivery: Delivery
    content: Content
    verified: bool | None


@immutable(kw_only=True)
class Accepted:
    """The event that a call has made, or made earlier under the same delivery."""

    event: int
    trigger_ref: str
    received: Instant
    reused: bool


class ChangedMeanwhileError(Exception):
    """The webhook was changed since the call was examined: it has to be examined again."""


def known(tx: Transaction, key: str, sealer: Sealer) -> Known | None:
    """Return the webhook that takes requests under a key now."""
    webhook = rows.by_key(tx, key)
    return None if webhook is None else Known(webhook, secrets_of(tx, webhook, sealer))


def unknown_key() -> Refusal:
    return Refusal(404, "no webhook has this address, or it is off", "not_found")


def examine(found: Known, key: str, delivery: Delivery, now: Instant) -> Examined:
    """Check size and signature, and read the body; raises Refusal. The address was checked before it was read."""
    if len(delivery.body) > found.config.max_body_bytes:
        raise too_large(found.config)
    verified = model.check_signature(found.config, delivery, found.secrets, now)
    content = model.read_content(found.config, delivery)
    return Examined(webhook=found.webhook, key=key, delivery=delivery, content=content, verified=verified)


def too_large(config: WebhookConfig) -> Refusal:
    return Refusal(413, f"the body is larger than {config.max_body_bytes} bytes", "too_large")


def accept(
    tx: Transaction, call: Examined, *, duration_ms: int = 0, limited: bool = True
) -> Accepted | Refusal:
    """Make the event and write the call down, or write down why not. Without `limited` no rate counts."""
    present = rows.by_key(tx, call.key)
    if present is None:
        return refuse(tx, None, call.delivery, unknown_key(), duration_ms=duration_ms)
    if present.updated != call.webhook.updated:
        raise ChangedMeanwhileError
    config = present.config
    name = model.delivery_name(config, call.delivery)
    try:
        if limited:
            _check_rate(tx, present)
        taken = take_in(tx, _event(tx, call, name))
    except Refusal as refusal:
        return refuse(tx, present, call.delivery, refusal, duration_ms=duration_ms)
    except AttuneError as error:
        return refuse(tx, present, call.delivery, _refusal_of(error), duration_ms=duration_ms)
    rows.log(
        tx,
        _call(
            present, call.delivery, duration_ms, status=200, event=taken.id, verified=call.verified, name=name
        ),
    )
    return Accepted(event=taken.id, trigger_ref=present.trigger_ref, received=tx.now, reused=taken.reused)


def _event(tx: Transaction, call: Examined, name: str | None) -> NewEvent:
    """Return the event of a call, in the shape of domain.md 3.6."""
    content = call.content
    config = {
        "source": "webhook",
        "webhook_key": call.key,
        "received_at": rfc3339(tx.now),
        "headers": content.headers,
        "source_ip": content.source_ip,
        "user_agent": content.user_agent,
        "remote_address": call.delivery.peer,
        "hmac_verified": bool(call.verified),
        "delivery": name,
    }
    return NewEvent(
        trigger_ref=call.webhook.trigger_ref,
        payload=content.payload,
        config=config,
        source="webhook",
        source_ref="webhook",
        dedup_key=None if name is None else f"delivery:{name}",
    )


def _check_rate(tx: Transaction, webhook: Webhook) -> None:
    config = webhook.config
    if config.rate_count is None:
        return
    window = round(config.rate_seconds * SECOND)
    first = rows.accepted_before(tx, webhook.trigger_ref, config.rate_count)
    if first is not None and tx.now - window < first <= tx.now:
        wait = max(1, -(-(first + window - tx.now) // SECOND))
        raise Refusal(
            429,
            f"more than {config.rate_count} calls in {config.rate_seconds:g} s",
            "rate_limited",
            retry_after=wait,
        )


def _refusal_of(error: AttuneError) -> Refusal:
    if error.code in {"disabled", "not_found"}:
        return Refusal(404, error.message, "not_found")
    if error.code == "payload_too_large":
        return Refusal(413, error.message, "too_large")
    faults = "; ".join(f"{detail.path}: {detail.message}" for detail in error.details)
    return Refusal(422, f"{error.message}: {faults}" if faults else error.message, error.code)


def refuse(
    tx: Transaction, webhook: Webhook | None, delivery: Delivery, refusal: Refusal, *, duration_ms: int = 0
) -> Refusal:
    """Write down a call that was refused, and why."""
    verified = False if refusal.status == 401 else None  # noqa: PLR2004 - HTTP's unauthorised
    rows.log(
        tx,
        _call(
            webhook, delivery, duration_ms, status=refusal.status, error=refusal.message, verified=verified,
            name=None if webhook is None else model.delivery_name(webhook.config, delivery),
        ),
    )  # fmt: skip
    return refusal


def _call(
    webhook: Webhook | None,
    delivery: Delivery,
    duration_ms: int,
    *,
    status: int,
    name: str | None,
    event: int | None = None,
    error: str | None = None,
    verified: bool | None = None,
) -> Call:
    return rows.Call(
        trigger_ref=None if webhook is None else webhook.trigger_ref,
        event=event,
        status_code=status,
        error=error,
        source_address=model.source_address(WebhookConfig() if webhook is None else webhook.config, delivery),
        user_agent=delivery.user_agent,
        delivery=name,
        headers=model.shown_headers(delivery.headers),
        size_bytes=len(delivery.body),
        duration_ms=duration_ms,
        signature_verified=verified,
    )
