"""Whether the daemon is well: for load balancers and service managers; nobody has to have a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli import __version__
from attune_cli.errors import AttuneError
from attune_cli.runtime.server.answers import json_response
from attune_cli.runtime.server.desk import desk_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_UNAVAILABLE = 503


async def alive(_request: Request) -> Response:
    """The server answers."""
    return json_response({"status": "ok"})


async def ready(request: Request) -> Response:
    """The engine commits."""
    is_ready = await _engine_commits(request)
    return json_response({"status": "ok" if is_ready else "unavailable"}, 200 if is_ready else _UNAVAILABLE)


async def detailed(request: Request) -> Response:
    is_ready = await _engine_commits(request)
    document = {
        "status": "ok" if is_ready else "unavailable",
        "database": "connected" if is_ready else "unavailable",
        "version": __version__,
    }
    return json_response(document, 200 if is_ready else _UNAVAILABLE)


async def _engine_commits(request: Request) -> bool:
    try:
        await desk_of(request).ask(lambda _tx: None)
    except AttuneError:
        return False
    return True
