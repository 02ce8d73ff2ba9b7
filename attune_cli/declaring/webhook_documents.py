"""Webhooks as documents: what each asks of its callers. Its address is made here, its secret lies in a key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.declaring.channel_documents import span
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.model.webhooks import ALGORITHMS, MAX_BODY_BYTES, STYLES, WebhookConfig
from attune_cli.runtime.services import webhooks as services
from attune_cli.runtime.store import webhooks
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from attune_cli.declaring.rule_documents import Document
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

_KEY = "key://"
_DEFAULT = WebhookConfig()


@immutable
class DeclaredWebhook:
    """The webhook of a trigger that is to be so. Without a key in its configuration, the secret it has is kept."""

    ref: str
    config: WebhookConfig
    enabled: bool


@immutable
class WebhookKind:
    identified_by: str = "ref"

    def decode(self, fields: Fields) -> DeclaredWebhook:
        count, seconds = _rate(fields)
        config = WebhookConfig(
            style=fields.choice("style", STYLES, _DEFAULT.style),
            algorithm=fields.choice("algorithm", ALGORITHMS, _DEFAULT.algorithm),
            secret_ref=_key(fields),
            allow=fields.texts("allow"),
            trusted_proxies=fields.texts("trusted_proxies"),
            proxy_header=fields.text("proxy_header", default=_DEFAULT.proxy_header),
            rate_count=count,
            rate_seconds=seconds,
            max_body_bytes=fields.integer("max_body_bytes", minimum=1, maximum=MAX_BODY_BYTES)
            or MAX_BODY_BYTES,
            delivery_header=fields.text("delivery_header") or None,
        )
        declared = DeclaredWebhook(fields.text("ref"), config, fields.flag("enabled", default=True))
        fields.finish()
        return declared

    def current(self, tx: Transaction, ref: str) -> Document | None:
        webhook = webhooks.get(tx, ref)
        return None if webhook is None else _document(ref, webhook.config, enabled=webhook.enabled)

    def keep(self, tx: Transaction, declared: DeclaredWebhook, sealer: Sealer) -> None:
        known = webhooks.get(tx, declared.ref)
        config, secret_ref = declared.config, declared.config.secret_ref
        if secret_ref is None and known is not None and config.style != "none":
            config = replace(config, secret_ref=known.config.secret_ref)
        if self.current(tx, declared.ref) == _document(declared.ref, config, enabled=declared.enabled):
            return
        changes = {name: value for name, value in vars(config).items() if name != "secret_ref"}
        secret = None if secret_ref is None else f"{_KEY}{secret_ref}"
        services.enable(tx, declared.ref, sealer=sealer, changes=changes, secret=secret)
        if not declared.enabled:
            services.disable(tx, declared.ref)

    def verify(self, tx: Transaction, declared: object) -> None:
        """Keeping it has said so."""

    def needs(self, declared: DeclaredWebhook) -> Iterable[str]:
        return (declared.ref,)

    def keys_of(self, declared: DeclaredWebhook) -> Mapping[str, str]:
        secret_ref = declared.config.secret_ref
        return {} if secret_ref is None else {secret_ref: "secret"}

    def refs(self, tx: Transaction, *, everything: bool) -> list[str]:
        del everything
        return [webhook.trigger_ref for webhook in webhooks.all_webhooks(tx)]

    def remove(self, tx: Transaction, ref: str) -> None:
        services.disable(tx, ref)


def _rate(fields: Fields) -> tuple[int | None, float]:
    """Read `rate: 60/1m`."""
    written = fields.text("rate")
    if not written:
        return None, _DEFAULT.rate_seconds
    count, _, window = written.partition("/")
    try:
        return int(count), parse_duration(window)
    except ValueError:
        fields.error(f"'rate': expected calls in a span such as 60/1m, got '{written}'", "rate")
    return None, _DEFAULT.rate_seconds


def _key(fields: Fields) -> str | None:
    written = fields.text("secret")
    if written and not written.startswith(_KEY):
        fields.error("'secret': does not belong in a file; key://REF names the key that holds it", "secret")
        return None
    return written.removeprefix(_KEY) or None


def _document(ref: str, config: WebhookConfig, *, enabled: bool) -> Document:
    """Return a webhook as its file says it: what is as it would be anyway is left out."""
    rate = None
    if config.rate_count is not None:
        rate = f"{config.rate_count}/{span(config.rate_seconds)}"
    written: Document = {
        "ref": ref,
        "style": config.style,
        "algorithm": config.algorithm,
        "secret": f"{_KEY}{config.secret_ref}" if config.secret_ref else None,
        "allow": list(config.allow),
        "trusted_proxies": list(config.trusted_proxies),
        "proxy_header": config.proxy_header,
        "rate": rate,
        "max_body_bytes": config.max_body_bytes,
        "delivery_header": config.delivery_header,
        "enabled": None if enabled else False,
    }
    usual = vars(_DEFAULT)
    return {
        name: value for name, value in written.items() if value not in (None, []) and value != usual.get(name)
    }
