"""Every route of the server (api.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from attune_cli.errors import AttuneError
from attune_cli.runtime.model.webhooks import Refusal
from attune_cli.runtime.server import (
    answers,
    events,
    health,
    inquiries,
    sign_in,
    streams,
    webhook_requests,
    webhooks,
    websocket,
)
from attune_cli.runtime.server.bodies import BodyTooLargeError, UnreadBodies
from attune_cli.runtime.services.webhooks import PATH

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from attune_cli.runtime.server.desk import Desk

API = "/api/v1"

ROUTES = (
    Route(f"{PATH}{{key}}", webhook_requests.taken_before, methods=["POST"]),
    Route("/health", health.alive),
    Route("/health/live", health.alive),
    Route("/health/ready", health.ready),
    Route("/health/detailed", health.detailed),
    Route("/auth/refresh", sign_in.refresh, methods=["POST"]),
    Route("/auth/me", sign_in.me),
    Route(f"{API}/triggers/{{ref}}/webhooks/enable", webhooks.enable, methods=["POST"]),
    Route(f"{API}/triggers/{{ref}}/webhooks/disable", webhooks.disable, methods=["POST"]),
    Route(f"{API}/triggers/{{ref}}/webhooks/regenerate", webhooks.regenerate, methods=["POST"]),
    Route(f"{API}/events", events.create, methods=["POST"]),
    Route(f"{API}/events", events.list_events),
    Route(f"{API}/events/{{id}}", events.show),
    Route(f"{API}/inquiries", inquiries.create, methods=["POST"]),
    Route(f"{API}/inquiries", inquiries.list_inquiries),
    Route(f"{API}/inquiries/status/{{status}}", inquiries.list_by_status),
    Route(f"{API}/inquiries/{{id}}", inquiries.show),
    Route(f"{API}/inquiries/{{id}}/respond", inquiries.respond, methods=["POST"]),
    Route(f"{API}/executions/{{id}}/inquiries", inquiries.list_of_execution),
    Route(f"{API}/executions/stream", streams.executions_stream),
    Route(f"{API}/executions/{{id}}/logs/{{stream}}", streams.log_bytes),
    Route(f"{API}/executions/{{id}}/logs/{{stream}}/stream", streams.log_stream),
    WebSocketRoute("/ws", websocket.connect),
)


def application(desk: Desk) -> ASGIApp:
    """Return the ASGI application of one server."""
    app = Starlette(
        routes=list(ROUTES),
        middleware=[Middleware(UnreadBodies)],
        exception_handlers={
            AttuneError: answers.on_error,
            Refusal: answers.on_refusal,
            BodyTooLargeError: answers.on_too_large,
            HTTPException: answers.on_http_error,
            Exception: answers.on_bug,
        },
    )
    app.state.desk = desk
    return webhook_requests.WebhookRequests(app, desk)
