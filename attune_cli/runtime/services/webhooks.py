"""Webhooks: the addresses under which triggers take requests from outside, and what their owners do with them."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import ConflictError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import SECOND, rfc3339
from attune_cli.runtime.model import webhooks as model
from attune_cli.runtime.model.webhooks import WebhookConfig
from attune_cli.runtime.services import keys, triggers
from attune_cli.runtime.services.events import unknown_trigger
from attune_cli.runtime.store import definitions
from attune_cli.runtime.store import webhooks as rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.webhooks import Call, Webhook

PATH = "/api/v1/webhooks/"
_KEY_REF = "key://"
_DEFAULT_GRACE_SECONDS = 24 * 3600.0


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
        Detail(name, f"{expected}{_meant(name, config)}", getattr(config, name))
        for name, expected, is_right in _RULES
        if not is_right(getattr(config, name))
    ]
    if faults:
        raise UsageError("the webhook cannot be set up so", code="invalid_webhook", details=faults)


def _meant(name: str, config: WebhookConfig) -> str:
    """Return what a slip in one of the words was meant to be, for the end of a message."""
    words = {"style": model.STYLES, "algorithm": model.ALGORITHMS}.get(name, ())
    suggestion = did_you_mean(str(getattr(config, name)), words)
    return f"; {suggestion}" if suggestion else ""


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
    return secrets_until(tx, webhook, sealer)[0]


def secrets_until(tx: Transaction, webhook: Webhook, sealer: Sealer) -> tuple[list[str], Instant | None]:
    """Return the same, and when the previous one of them ends."""
    stored: dict[str, Any] = {} if webhook.sealed is None else sealer.unseal(webhook.sealed)
    found: list[str | None] = [stored.get("secret")]
    if webhook.config.secret_ref is not None:
        try:
            value = keys.value_of(tx, webhook.config.secret_ref, sealer)
        except NotFoundError:
            value = None
        found = [value if isinstance(value, str) else None]
    ends: Instant | None = None
    if stored.get("previous_until", 0) > tx.now:
        ends = int(stored["previous_until"])
        found.append(stored["previous"])
    return [secret for secret in found if secret], ends


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
