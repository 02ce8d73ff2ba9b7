"""The forms of requests and answers: envelopes, pages, errors, bodies of bounded size (api.md, conventions)."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from attune_cli.errors import ConflictError, DeniedError, NotFoundError, UnavailableError, UsageError
from attune_cli.runtime.model.ids import is_id
from attune_cli.runtime.model.json_values import unfit
from attune_cli.runtime.server.bodies import Body
from attune_cli.runtime.server.desk import desk_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection, Request

    from attune_cli.errors import AttuneError
    from attune_cli.runtime.model.webhooks import Refusal
    from attune_cli.runtime.services.tokens import Caller

MAX_BODY_BYTES = 2 * 1024 * 1024
"""An event's payload with all that may stand around it."""

MAX_PAGE = 1000
_LAST_OFFSET = 2**63 - 1
"""What SQLite can hold; no list is so long."""

_STATUSES = (
    (UsageError, 400),
    (DeniedError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (UnavailableError, 503),
)
_STATUS_OF_CODE = {
    "invalid_payload": 422,
    "payload_too_large": 413,
    "invalid_webhook": 422,
    "unknown_stream": 422,
}

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
log = logging.getLogger("attune.server")


def json_bytes(document: object) -> bytes:
    return _encoder.encode(document).encode("utf-8", "backslashreplace")


def json_response(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json_bytes(document), status, headers=headers, media_type="application/json")


def one(data: object, *, status: int = 200, message: str | None = None) -> Response:
    """Answer with one object in its envelope."""
    return json_response({"data": data} | ({} if message is None else {"message": message}), status)


def error_response(
    status: int,
    message: str,
    code: str,
    *,
    details: list[Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    document = {"error": message, "code": code} | ({"details": details} if details else {})
    return json_response(document, status, headers)


# --- errors


def unauthorized() -> Response:
    return error_response(
        401, "no token, or one that is not valid", "unauthorized", headers={"WWW-Authenticate": "Bearer"}
    )


async def on_error(_request: Request, fault: Exception) -> Response:
    """Answer with an error in the words a command would have used."""
    error = cast("AttuneError", fault)
    status = next((number for kind, number in _STATUSES if isinstance(error, kind)), 500)
    status = _STATUS_OF_CODE.get(error.code, status)
    if error.code == "not_administered":
        return unauthorized()
    details = [{"path": one.path, "message": one.message} for one in error.details]
    headers = {"Retry-After": "1"} if status == 503 else None  # noqa: PLR2004 - HTTP's not available
    return error_response(status, error.message, error.code, details=details, headers=headers)


async def on_http_error(_request: Request, error: Exception) -> Response:
    fault = cast("HTTPException", error)
    code = {404: "not_found", 405: "method_not_allowed"}.get(fault.status_code, "bad_request")
    return error_response(fault.status_code, fault.detail, code, headers=fault.headers)


async def on_refusal(_request: Request, error: Exception) -> Response:
    return refusal_response(cast("Refusal", error))


def refusal_response(refusal: Refusal) -> Response:
    headers = None if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return error_response(refusal.status, refusal.message, refusal.code, headers=headers)


async def on_too_large(_request: Request, _error: Exception) -> Response:
    return error_response(413, f"the body is larger than {MAX_BODY_BYTES} bytes", "too_large")


async def on_bug(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(500, "internal error; the daemon's log has more", "internal")


# --- who asks


def administrator(connection: HTTPConnection) -> Caller:
    """Return the administrator who asks; raises for anybody else."""
    caller = anybody(connection)
    if caller.kind != "administrator":
        raise DeniedError(f"the token of {caller.kind} {caller.name} does not reach so far", code="forbidden")
    return caller


def anybody(connection: HTTPConnection) -> Caller:
    """Return who asks; raises when no valid token says so."""
    caller = desk_of(connection).caller(connection)
    if caller is None:
        raise DeniedError("no token", code="not_administered")
    return caller


# --- bodies and queries


async def read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object; no body at all is an empty one. Raises UsageError."""
    body = await Body(request.receive, request.headers).read(MAX_BODY_BYTES)
    if not body.strip():
        return {}
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is not JSON: {error}", code="broken_json") from error
    if not isinstance(document, dict):
        raise UsageError("the body is no JSON object", code="broken_json")
    return cast("dict[str, Any]", document)


def text_field(document: dict[str, Any], *names: str, required: bool = False) -> str | None:
    """Return the first of these fields that is there, which has to be text; raises UsageError."""
    value = next((document[name] for name in names if document.get(name) is not None), None)
    if value is None and required:
        raise UsageError(f"{names[0]} is missing", code="missing_field")
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{names[0]} is no text", code="invalid_field")
    if value is not None and (fault := unfit(value)) is not None:
        raise UsageError(f"{names[0]} {fault}", code="invalid_field")
    return value


def number_in(request: HTTPConnection, name: str) -> int | None:
    """Return a whole number from the query; raises UsageError for anything else."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return None
    if not is_id(text):
        raise UsageError(f"{name}: expected a whole number, got {text!r}", code="invalid_query")
    return int(text)


def id_in(request: HTTPConnection, noun: str) -> int:
    """Return the id in the path; what is none belongs to nothing."""
    text = str(request.path_params["id"])
    if not is_id(text):
        raise NotFoundError(f"no {noun} {text}")
    return int(text)


@immutable(kw_only=True)
class Page:
    """A part of a list: `size` rows from `offset`."""

    size: int
    offset: int

    def answer(self, items: list[Any], total: int) -> Response:
        number = self.offset // self.size + 1
        pages = -(-total // self.size)
        pagination = {
            "page": number,
            "page_size": self.size,
            "total_items": total,
            "total_pages": pages,
            "has_previous": self.offset > 0,
            "has_next": self.offset + len(items) < total,
        }
        return json_response({"items": items, "pagination": pagination})


def page_of(request: HTTPConnection, *, size: int = 50) -> Page:
    """Read `page` with `page_size`, `per_page` or `limit`, or `offset` with `limit`; sizes are clamped."""
    asked = next(
        (number for name in ("page_size", "per_page", "limit") if (number := number_in(request, name))), size
    )
    size = min(asked, MAX_PAGE)
    offset = number_in(request, "offset")
    number = max(1, number_in(request, "page") or 1)
    return Page(size=size, offset=min((number - 1) * size, _LAST_OFFSET) if offset is None else offset)
