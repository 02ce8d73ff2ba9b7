"""Switching webhooks on and off (api.md, webhooks)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import ConflictError, UsageError
from attune_cli.runtime.server.answers import administrator, one, read_object, text_field
from attune_cli.runtime.server.desk import desk_of
from attune_cli.runtime.services import webhooks

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.webhooks import Webhook

_CONFIG = frozenset(
    {
        "style", "algorithm", "allow", "trusted_proxies", "proxy_header", "rate_count", "rate_seconds",
        "max_body_bytes", "delivery_header",
    }
)  # fmt: skip


async def enable(request: Request) -> Response:
    """Switch a trigger's webhook on; the body may name protections and the secret."""
    administrator(request)
    document = await read_object(request)
    secret = text_field(document, "secret")
    document.pop("secret", None)
    unknown = sorted(document.keys() - _CONFIG)
    if unknown:
        raise UsageError(f"unknown fields: {', '.join(unknown)}", code="invalid_field")
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType] - checked with the rest
        for name, value in document.items()
    }
    desk, trigger_ref = desk_of(request), str(request.path_params["ref"])
    await desk.ask(
        lambda tx: webhooks.enable(
            tx, trigger_ref, sealer=desk.platform.sealer, changes=changes, secret=secret
        )
    )
    return _trigger(request, trigger_ref)


async def disable(request: Request) -> Response:
    administrator(request)
    trigger_ref = str(request.path_params["ref"])
    await desk_of(request).ask(lambda tx: webhooks.disable(tx, trigger_ref))
    return _trigger(request, trigger_ref)


async def regenerate(request: Request) -> Response:
    """Give a webhook another address; the old one ends at once. 400 when it is off."""
    administrator(request)
    desk, trigger_ref = desk_of(request), str(request.path_params["ref"])

    def renew(tx: Transaction) -> Webhook:
        try:
            return webhooks.rotate(tx, trigger_ref, sealer=desk.platform.sealer, grace_seconds=0)
        except ConflictError as error:
            raise UsageError(error.message, code=error.code) from error

    await desk.ask(renew)
    return _trigger(request, trigger_ref)


def _trigger(request: Request, trigger_ref: str) -> Response:
    desk = desk_of(request)
    with desk.read() as tx:
        return one(webhooks.trigger_record(tx, trigger_ref, base_url=desk.base_url))
