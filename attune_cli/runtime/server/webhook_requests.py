"""Requests under the address of a webhook (api.md, webhooks), in front of all other routes.

They come in floods, and what Starlette does for each is a good part of what they cost: here a request is what the
server hands over, and an answer is two messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import monotonic_seconds, rfc3339
from attune_cli.runtime.model.webhooks import Delivery, Refusal, check_address
from attune_cli.runtime.server.answers import json_bytes, json_response, on_bug, on_error, refusal_response
from attune_cli.runtime.server.bodies import CLOSE, Body, BodyTooLargeError
from attune_cli.runtime.server.desk import JointWork
from attune_cli.runtime.services import webhook_calls
from attune_cli.runtime.services.webhook_calls import Accepted, Challenge, ChangedMeanwhile
from attune_cli.runtime.services.webhooks import PATH
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from attune_cli.runtime.server.desk import Desk
    from attune_cli.runtime.services.webhook_calls import Examined, Known
    from attune_cli.runtime.store.database import Transaction

_ATTEMPTS = 3


class WebhookRequests:
    """An ASGI application that takes what is posted to webhooks, and passes all else on to `app`."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        call = _Call(self._desk, key, scope, receive)
        try:
            verdict = await call.judge()
        except ClientDisconnect:
            return
        except AttuneError as error:
            response = await on_error(Request(scope), error)
        except Exception as error:  # noqa: BLE001 - answered and written down as with any other request
            response = await on_bug(Request(scope), error)
        else:
            if isinstance(verdict, Accepted):
                await _send_accepted(send, verdict)
                return
            response = _response(verdict)
        if not await call.body.end():
            response.raw_headers.append(CLOSE)
        await response(scope, receive, send)


async def taken_before(_request: Request) -> Response:
    """Stand for the requests that never come so far, among the routes: other methods are refused beside it."""
    raise NotImplementedError


def _key_of(scope: Scope) -> str | None:
    """Return the key in the path of what is posted to a webhook; None for every other request."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path: str = scope["path"]
    key = path[len(PATH) :]
    return key if key and path.startswith(PATH) and "/" not in key else None


async def _send_accepted(send: Send, accepted: Accepted) -> None:
    body = json_bytes(
        {
            "data": {
                "event_id": accepted.event,
                "trigger_ref": accepted.trigger_ref,
                "received_at": rfc3339(accepted.received),
                "message": "Webhook received successfully",
            }
        }
    )
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _response(verdict: Challenge | Refusal) -> Response:
    if isinstance(verdict, Refusal):
        return refusal_response(verdict)
    return json_response({"challenge": verdict.text})


class _Call:
    """One request to a webhook, from its headers to its verdict. The verdict comes after the commit of what it says."""

    def __init__(self, desk: Desk, key: str, scope: Scope, receive: Receive) -> None:
        self._desk = desk
        self._key = key
        self._started = monotonic_seconds()
        self._headers = _headers_of(scope)
        client: tuple[str, int] | None = scope.get("client")
        self._peer = (client[0] if client else None) or None
        self.body = Body(receive, self._headers)

    async def judge(self) -> Accepted | Challenge | Refusal:
        """Return the verdict, which is written down."""
        delivery = self._delivery(b"")
        found = self._known()
        try:
            if found is not None:
                check_address(found.config, delivery)
                delivery = self._delivery(await self._read(found))
            return await self._accept(found, delivery)
        except Refusal as error:
            refusal = error
        webhook = None if found is None else found.webhook
        milliseconds = self._milliseconds()
        return await self._desk.ask(
            lambda tx: webhook_calls.refuse(tx, webhook, delivery, refusal, duration_ms=milliseconds)
        )

    def _delivery(self, body: bytes) -> Delivery:
        return Delivery(body=body, headers=self._headers, peer=self._peer)

    def _known(self) -> Known | None:
        return self._desk.webhooks.get(self._key, self._desk.now())

    async def _read(self, found: Known) -> bytes:
        try:
            return await self.body.read(found.config.max_body_bytes)
        except BodyTooLargeError:
            raise webhook_calls.too_large(found.config) from None

    async def _accept(self, found: Known | None, delivery: Delivery) -> Accepted | Challenge | Refusal:
        """Examine the call and have it accepted; again when the webhook was changed in between."""
        for _ in range(_ATTEMPTS):
            if found is None:
                raise webhook_calls.unknown_key()
            check_address(found.config, delivery)
            examined = webhook_calls.examine(
                found,
                self._key,
                delivery,
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
        caller = self._desk.bearer(self._headers.get("authorization", ""))
        return None if caller is None else caller.execution

    def _milliseconds(self) -> int:
        return round((monotonic_seconds() - self._started) * 1000)


def _headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers by their names; one that comes again is one with all its values (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


@immutable
class _Acceptance(JointWork["Accepted | Challenge | Refusal | ChangedMeanwhile"]):
    """What the engine does for a call."""

    examined: Examined

    @staticmethod
    def together(
        tx: Transaction, works: Sequence[_Acceptance]
    ) -> Sequence[Accepted | Challenge | Refusal | ChangedMeanwhile]:
        return webhook_calls.accept_all(tx, [work.examined for work in works])
