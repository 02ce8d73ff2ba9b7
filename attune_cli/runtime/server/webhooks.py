"""Requests from outside, and switching them on and off (api.md, webhooks)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.errors import ConflictError, UsageError
from attune_cli.runtime.clock import monotonic_seconds, rfc3339
from attune_cli.runtime.model.webhooks import Delivery, Refusal, check_address
from attune_cli.runtime.server.answers import (
    BodyTooLargeError,
    administrator,
    json_response,
    one,
    read_body,
    read_object,
    refusal_response,
    text_field,
)
from attune_cli.runtime.server.desk import JointWork, desk_of
from attune_cli.runtime.services import webhook_calls, webhooks
from attune_cli.runtime.services.webhook_calls import Challenge, ChangedMeanwhile
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from attune_cli.runtime.server.desk import Desk
    from attune_cli.runtime.services.webhook_calls import Accepted, Examined, Known
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.webhooks import Webhook

_ATTEMPTS = 3
_CONFIG = frozenset(
    {
        "style", "algorithm", "allow", "trusted_proxies", "proxy_header", "rate_count", "rate_seconds",
        "max_body_bytes", "delivery_header",
    }
)  # fmt: skip


async def receive(request: Request) -> Response:
    """Take a request under a webhook's address. The answer comes after the commit of what it says."""
    call = _Call(desk_of(request), request, str(request.path_params["key"]))
    answer = await call.judge()
    if isinstance(answer, Refusal):
        return refusal_response(answer)
    if isinstance(answer, Challenge):
        return json_response({"challenge": answer.text})
    return one(
        {
            "event_id": answer.event,
            "trigger_ref": answer.trigger_ref,
            "received_at": rfc3339(answer.received),
            "message": "Webhook received successfully",
        }
    )


class _Call:
    """One request to a webhook, from its headers to its verdict."""

    def __init__(self, desk: Desk, request: Request, key: str) -> None:
        self._desk = desk
        self._request = request
        self._key = key
        self._started = monotonic_seconds()
        peer = None if request.client is None else request.client.host
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._delivery = Delivery(body=b"", headers=headers, peer=peer or None)

    async def judge(self) -> Accepted | Challenge | Refusal:
        """Return the verdict, which is written down."""
        found = self._known()
        try:
            if found is not None:
                await self._read(found)
            return await self._accept(found)
        except Refusal as error:
            refusal = error
        delivery, webhook = self._delivery, None if found is None else found.webhook
        milliseconds = self._milliseconds()
        return await self._desk.ask(
            lambda tx: webhook_calls.refuse(tx, webhook, delivery, refusal, duration_ms=milliseconds)
        )

    def _known(self) -> Known | None:
        return self._desk.webhooks.get(self._key, self._desk.now())

    async def _read(self, found: Known) -> None:
        check_address(found.config, self._delivery)
        try:
            body = await read_body(self._request, found.config.max_body_bytes)
        except BodyTooLargeError:
            raise webhook_calls.too_large(found.config) from None
        self._delivery = replace(self._delivery, body=body)

    async def _accept(self, found: Known | None) -> Accepted | Challenge | Refusal:
        """Examine the call and have it accepted; again when the webhook was changed in between."""
        for _ in range(_ATTEMPTS):
            if found is None:
                raise webhook_calls.unknown_key()
            check_address(found.config, self._delivery)
            examined = webhook_calls.examine(
                found,
                self._key,
                self._delivery,
                self._desk.now(),
                duration_ms=self._milliseconds(),
                cause=self._cause(),
            )
            answer = await self._desk.ask(_Acceptance(examined))
            if not isinstance(answer, ChangedMeanwhile):
                return answer
            found = self._known()
        raise Refusal(503, "the webhook is being changed", "busy", retry_after=1)

    def _cause(self) -> int | None:
        """Return the execution whose token came along: rules that set each other off this way are a loop as well."""
        caller = self._desk.caller(self._request)
        return None if caller is None else caller.execution

    def _milliseconds(self) -> int:
        return round((monotonic_seconds() - self._started) * 1000)


@immutable
class _Acceptance(JointWork["Accepted | Challenge | Refusal | ChangedMeanwhile"]):
    """What the engine does for a call."""

    examined: Examined

    @staticmethod
    def together(
        tx: Transaction, works: Sequence[_Acceptance]
    ) -> Sequence[Accepted | Challenge | Refusal | ChangedMeanwhile]:
        return webhook_calls.accept_all(tx, [work.examined for work in works])


# --- switching


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
