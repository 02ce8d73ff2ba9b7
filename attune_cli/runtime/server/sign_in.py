"""`/auth`: sensors renew their tokens, and callers ask who they are. There are no accounts yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import DeniedError
from attune_cli.runtime.server.answers import anybody, one, read_object, text_field, unauthorized
from attune_cli.runtime.server.desk import desk_of
from attune_cli.runtime.services.tokens import SENSOR_SECONDS, issue_sensor_token

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def refresh(request: Request) -> Response:
    """Give a sensor a token for another day, for one that is still valid: in the header, or as `refresh_token`."""
    desk = desk_of(request)
    given = text_field(await read_object(request), "refresh_token")
    caller = desk.caller(request) if given is None else desk.caller_of(given)
    if caller is None:
        return unauthorized()
    if caller.kind != "sensor":
        raise DeniedError(f"the token of {caller.kind} {caller.name} is not renewed", code="forbidden")
    token = issue_sensor_token(desk.platform.sealer, caller.name, desk.now())
    return one(
        {
            "access_token": token,
            "refresh_token": token,
            "token_type": "Bearer",
            "expires_in": SENSOR_SECONDS,
        }
    )


async def me(request: Request) -> Response:
    caller = anybody(request)
    login = f"{caller.kind}:{caller.name}".rstrip(":")
    return one({"id": 0, "login": login, "assigned_permission_set_refs": []})
