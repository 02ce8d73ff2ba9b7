"""The child process of an http action: one request, its answer as JSON on stdout.

Run as a file by the interpreter of attune itself. stdin holds `{"parameters": …, "request": …}`; a key of
`request` (the action's `http` block) wins over the parameter of that name. The result is that of
core.http_request (domain.md 2.11). Exit code 0 when an answer came; where the action names the statuses it
expects, any other is a failure.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = (
    "url", "method", "headers", "body", "json_body", "query_params", "timeout", "verify_ssl", "auth_type",
    "auth_username", "auth_password", "auth_token", "follow_redirects", "max_redirects", "expected_status",
)  # fmt: skip


def main() -> int:
    given = json.load(sys.stdin.buffer)  # JSON is UTF-8, whatever the locale
    wanted = _wanted(given["parameters"], given["request"])
    answer = _perform(wanted)
    sys.stdout.write(
        json.dumps(answer) + "\n"
    )  # escapes pass through every locale, and may be half a surrogate pair
    if answer["error"] is not None:
        sys.stderr.write(f"{answer['error']}\n")
    return 0 if answer["error"] is None else 1


def _wanted(parameters: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    wanted = {key: parameters[key] for key in _KEYS if parameters.get(key) is not None}
    block = dict(request)
    auth: dict[str, Any] = block.pop("auth", None) or {}
    wanted |= {f"auth_{key}": value for key, value in auth.items() if value is not None}
    return wanted | {key: value for key, value in block.items() if value is not None}


def _perform(wanted: dict[str, Any]) -> dict[str, Any]:
    import httpx

    url = str(wanted.get("url", ""))
    started = time.monotonic()
    try:
        with httpx.Client(
            follow_redirects=bool(wanted.get("follow_redirects", True)),
            max_redirects=int(wanted.get("max_redirects", 10)),
            verify=bool(wanted.get("verify_ssl", True)),
            timeout=float(wanted.get("timeout", 30)),
            auth=_auth(wanted),
        ) as client:
            response = client.request(
                str(wanted.get("method", "GET")).upper(),
                url,
                headers=_headers(wanted, os.environ),
                params=wanted.get("query_params") or None,
                **_content(wanted),
            )
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        text = str(error) or type(error).__name__
        return _answer(url, started, error=f"no answer from {url or 'no URL'}: {text}")
    expected = wanted.get("expected_status")
    problem = None
    if expected and response.status_code not in _statuses(expected):
        problem = f"{url} answered {response.status_code} {response.reason_phrase}".rstrip()
    return _answer(url, started, response=response, error=problem)


def _auth(wanted: dict[str, Any]) -> tuple[str, str] | None:
    if wanted.get("auth_type") != "basic":
        return None
    return str(wanted.get("auth_username", "")), str(wanted.get("auth_password", ""))


def _headers(wanted: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    given: dict[str, Any] = wanted.get("headers") or {}
    headers = {name: str(value) for name, value in given.items()}
    if wanted.get("auth_type") == "bearer":
        headers["Authorization"] = f"Bearer {wanted.get('auth_token', '')}"
    elif wanted.get("auth_type") != "basic" and not any(name.lower() == "authorization" for name in headers):
        headers |= _to_own_webhook(str(wanted.get("url", "")), environment)
    return headers


def _to_own_webhook(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Tell a webhook of the server that runs this which execution calls: it is how a loop of rules is noticed."""
    server, token = environment.get("ATTUNE_API_URL"), environment.get("ATTUNE_API_TOKEN")
    if not server or not token or not url.startswith(f"{server}/api/v1/webhooks/"):
        return {}
    return {"Authorization": f"Bearer {token}"}


def _content(wanted: dict[str, Any]) -> dict[str, Any]:
    if wanted.get("json_body") is not None:
        return {"json": wanted["json_body"]}
    body = wanted.get("body")
    if body is None:
        return {}
    return {"content": body.encode()} if isinstance(body, str) else {"json": body}


def _statuses(expected: object) -> list[int]:
    values = cast("list[object]", expected) if isinstance(expected, list) else [expected]
    return [int(str(value)) for value in values]


def _answer(url: str, started: float, *, response: Any = None, error: str | None) -> dict[str, Any]:  # noqa: ANN401 - httpx is imported late
    answer: dict[str, Any] = {
        "status_code": None,
        "headers": {},
        "body": "",
        "json": None,
        "elapsed_ms": round((time.monotonic() - started) * 1000),
        "url": url,
        "success": error is None and response.is_success,
        "error": error,
    }
    if response is not None:
        answer |= {
            "status_code": response.status_code,
            "headers": dict(response.headers),
            "body": response.text,
            "json": _json(response),
            "url": str(response.url),
        }
    return answer


def _json(response: Any) -> Any:  # noqa: ANN401 - httpx is imported late, and JSON is any value
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        return response.json(parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number


if __name__ == "__main__":
    sys.exit(main())
