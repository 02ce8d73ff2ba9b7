"""Webhooks: how senders sign, name and address what they send, and what a body says (domain.md 3.6). Pure."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import parse_qsl

from attune_cli.runtime.model.definitions import with_tuples
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attune_cli.runtime.clock import Instant

Style = Literal["none", "generic", "github", "gitlab", "slack"]
STYLES: tuple[Style, ...] = ("none", "generic", "github", "gitlab", "slack")
Algorithm = Literal["sha256", "sha512", "sha1"]
ALGORITHMS: tuple[Algorithm, ...] = ("sha256", "sha512", "sha1")

MAX_BODY_BYTES = 1024 * 1024
REPLAY_SECONDS = 300
"""How far the time stamp of a signed request may be from ours, as Slack recommends."""

PROXY_SOCKET = "unix"
"""The name of a trusted proxy that comes through the Unix socket, where there are no addresses."""

DELIVERY_HEADERS: Mapping[Style, str] = {"github": "x-github-delivery", "gitlab": "idempotency-key"}
"""Where each style names a delivery; the others do not."""

SECRET_HEADERS = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-gitlab-token",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-slack-signature",
        "x-webhook-signature",
    }
)
"""Headers that are neither logged nor passed on to rules."""

_MAX_HEADERS = 64
_MAX_HEADER_CHARACTERS = 1024
_WRAPPER = frozenset({"payload", "headers", "source_ip", "user_agent"})
_SECONDS = re.compile(r"[0-9]{1,12}")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE | re.ASCII)
_JSON_TYPE = re.compile(r"application/(?:[\w.-]+\+)?json", re.ASCII)
_CHARSETS = {
    **dict.fromkeys(("utf-8", "utf8"), "utf-8"),
    **dict.fromkeys(("us-ascii", "ascii"), "ascii"),
    **dict.fromkeys(("iso-8859-1", "latin-1", "latin1"), "latin-1"),
    **dict.fromkeys(("windows-1252", "cp1252"), "cp1252"),
}
_FORM_TYPE = "application/x-www-form-urlencoded"
_BYTE_ORDER_MARK = "\ufeff"


@immutable(kw_only=True)
class WebhookConfig:
    """What a webhook asks of its callers. Without `style` it believes everybody who knows its URL."""

    style: Style = "none"
    algorithm: Algorithm = "sha256"
    secret_ref: str | None = None
    """The key that holds the secret; None when it is sealed in the webhook itself."""
    allow: tuple[str, ...] = ()
    """Addresses and networks that may call; empty allows all."""
    trusted_proxies: tuple[str, ...] = ()
    proxy_header: str = "x-forwarded-for"
    rate_count: int | None = None
    rate_seconds: float = 60.0
    max_body_bytes: int = MAX_BODY_BYTES
    delivery_header: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> WebhookConfig:
        return cls(**with_tuples(document, "allow", "trusted_proxies"))


@immutable(kw_only=True)
class Delivery:
    """A request as it came: header names in lower case, `peer` the address of the socket (None: a Unix socket)."""

    body: bytes
    headers: Mapping[str, str]
    peer: str | None

    @property
    def user_agent(self) -> str | None:
        return self.headers.get("user-agent")


class Refusal(Exception):  # noqa: N818 - it is the answer to a caller, no fault of ours
    """A call that is refused: status code of the answer, a sentence, a code for programs."""

    def __init__(self, status: int, message: str, code: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after = retry_after


# --- who signed it


def check_signature(
    config: WebhookConfig, delivery: Delivery, secrets: Sequence[str], now: Instant
) -> bool | None:
    """Tell that a valid secret signed the delivery, None when no signature is asked for; raises Refusal."""
    if config.style == "none":
        return None
    if not secrets:
        raise Refusal(401, "the webhook has no secret to check signatures with", "no_secret")
    if config.style == "gitlab":
        given = delivery.headers.get("x-gitlab-token", "").encode()
        proven = [hmac.compare_digest(secret.encode(), given) for secret in secrets]
    else:
        signed = _slack_text(delivery, now) if config.style == "slack" else delivery.body
        given = _given_signature(config, delivery.headers)
        algorithm = "sha256" if config.style == "slack" else config.algorithm
        proven = [
            hmac.compare_digest(hmac.new(secret.encode(), signed, algorithm).digest(), given)
            for secret in secrets
        ]
    if not any(proven):
        raise Refusal(401, "the signature does not fit the body", "wrong_signature")
    return True


def sign(config: WebhookConfig, body: bytes, secret: str, now: Instant) -> dict[str, str]:
    """Return the headers by which a sender of this style would sign `body`."""
    if config.style == "none":
        return {}
    if config.style == "gitlab":
        return {"x-gitlab-token": secret}
    if config.style == "slack":
        stamp = str(now // 1_000_000)
        digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}
    digest = hmac.new(secret.encode(), body, config.algorithm).hexdigest()
    return {signature_headers(config)[0]: f"{config.algorithm}={digest}"}


def signature_headers(config: WebhookConfig) -> tuple[str, ...]:
    """Return the headers a signature may stand in, the usual one first."""
    match config.style:
        case "slack":
            return ("x-slack-signature",)
        case "github":
            return ("x-hub-signature",) if config.algorithm == "sha1" else ("x-hub-signature-256",)
        case "gitlab":
            return ("x-gitlab-token",)
        case _:
            return ("x-webhook-signature", "x-hub-signature-256", "x-hub-signature")


def _given_signature(config: WebhookConfig, headers: Mapping[str, str]) -> bytes:
    """Read `<algorithm>=<hex>` or bare hex; another algorithm than the one agreed on is refused."""
    text = next((headers[name] for name in signature_headers(config) if name in headers), None)
    if text is None:
        names = " or ".join(signature_headers(config))
        raise Refusal(401, f"no signature: expected the header {names}", "no_signature")
    label, equals, digits = text.strip().rpartition("=")
    expected = "v0" if config.style == "slack" else config.algorithm
    if (equals and label.lower() != expected) or not _HEXADECIMAL.fullmatch(digits) or len(digits) % 2:
        raise Refusal(401, f"the signature is not of the form {expected}=HEX", "wrong_signature")
    return bytes.fromhex(digits)


def _slack_text(delivery: Delivery, now: Instant) -> bytes:
    """Return what Slack signs; a time stamp that is not of now may belong to a recorded request."""
    stamp = delivery.headers.get("x-slack-request-timestamp", "")
    if not _SECONDS.fullmatch(stamp):
        raise Refusal(401, "no time stamp: expected the header x-slack-request-timestamp", "no_signature")
    if abs(int(stamp) - now / 1_000_000) > REPLAY_SECONDS:
        raise Refusal(401, f"the request was signed more than {REPLAY_SECONDS} s ago or ahead", "replayed")
    return f"v0:{stamp}:".encode() + delivery.body


def challenge_of(config: WebhookConfig, payload: object) -> str | None:
    """Return what Slack wants to hear again, before it sends events to a new address; None for anything else."""
    if config.style != "slack" or not isinstance(payload, dict):
        return None
    said = cast("dict[str, object]", payload)
    challenge = said.get("challenge")
    return challenge if said.get("type") == "url_verification" and isinstance(challenge, str) else None


# --- where it came from


def read_network(text: str) -> str:
    """Return an address or network in its usual form; raises ValueError."""
    return str(ipaddress.ip_network(text.strip(), strict=False))


def source_address(config: WebhookConfig, delivery: Delivery) -> str | None:
    """Return the caller's address: the socket's, or what a trusted proxy says of it. None: it cannot be told.

    Of a chain of proxies the last entry that is no trusted proxy counts: those before it, anybody can write.
    """
    if not _is_proxy(config, delivery.peer):
        return _address(delivery.peer)
    for entry in reversed(delivery.headers.get(config.proxy_header.lower(), "").split(",")):
        address = _address(entry)
        if address is None or not _is_proxy(config, address):
            return address
    return None


def check_address(config: WebhookConfig, delivery: Delivery) -> None:
    """Raise Refusal when the caller's address is not allowed, or cannot be told though it matters."""
    if not config.allow:
        return
    address = source_address(config, delivery)
    if address is None:
        raise Refusal(
            403, "the caller's address cannot be told, and this webhook has a list", "address_unknown"
        )
    if not _is_within(address, config.allow):
        raise Refusal(403, f"address {address} is not on this webhook's list", "address_not_allowed")


def _is_proxy(config: WebhookConfig, peer: str | None) -> bool:
    if not config.trusted_proxies:
        return False
    if peer is None:
        return PROXY_SOCKET in config.trusted_proxies
    address = _address(peer)
    networks = [network for network in config.trusted_proxies if network != PROXY_SOCKET]
    return address is not None and _is_within(address, networks)


def _is_within(address: str, networks: Sequence[str]) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(network, strict=False) for network in networks)


@lru_cache(1024)
def _address(text: str | None) -> str | None:
    """Return an address in its usual form, an IPv4 one in IPv6's clothes as what it is; None for anything else."""
    try:
        found = ipaddress.ip_address((text or "").strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


# --- what it says


def read_body(body: bytes, content_type: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a body says, as a JSON value: JSON, a form as an object, other text as a text; raises Refusal.

    A form that is JSON in truth (`curl -d`), or whose only field `payload` is (GitHub), is read as that JSON.
    """
    if not body:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    if _JSON_TYPE.fullmatch(kind):
        return _json(_text(body, "utf-8"))
    if kind.startswith("multipart/"):
        raise Refusal(415, "a multipart body is not read: send JSON, a form or text", "unsupported_body")
    text = _text(body, _charset(content_type))
    if kind.startswith("text/"):
        return text
    try:
        return _json(text)
    except Refusal:
        return _form(text) if kind == _FORM_TYPE else text


class Form(dict[str, Any]):
    """The fields of a form. One called `payload` is no wrapper."""


def _form(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=1000
        )
    except ValueError as error:
        raise Refusal(400, "the form cannot be read", "broken_form") from error
    if [name for name, _ in pairs] == ["payload"]:
        try:
            return _json(pairs[0][1])
        except Refusal:
            pass  # a field of that name with text in it
    fields = Form()
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return _decoder.decode(text)
    except RecursionError as error:
        raise Refusal(400, "the JSON is nested too deeply", "broken_json") from error
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}", "broken_json") from error


def _charset(content_type: str) -> str:
    match = _CHARSET.search(content_type)
    named = "utf-8" if match is None else match[1].lower()
    if named not in _CHARSETS:
        raise Refusal(415, f"text in {named} is not read", "unsupported_body")
    return _CHARSETS[named]


def _text(body: bytes, charset: str) -> str:
    try:
        text = body.decode(charset)
    except (UnicodeError, LookupError) as error:
        raise Refusal(400, f"the body is no {charset} text", "broken_text") from error
    return text.removeprefix(_BYTE_ORDER_MARK) if charset == "utf-8" else text


@immutable(kw_only=True)
class Content:
    """What an event is made of: its payload, and what the config says of the way it came."""

    payload: Any
    headers: dict[str, str]
    source_ip: str | None
    user_agent: str | None


def read_content(config: WebhookConfig, delivery: Delivery) -> Content:
    """Read a delivery. An object with `payload` and nothing but known siblings is unwrapped; raises Refusal."""
    body = read_body(delivery.body, delivery.headers.get("content-type", ""))
    headers, address, program = (
        shown_headers(delivery.headers),
        source_address(config, delivery),
        delivery.user_agent,
    )
    if isinstance(body, Form) or not isinstance(body, dict):
        return Content(payload=body, headers=headers, source_ip=address, user_agent=program)
    wrapper = cast("dict[str, Any]", body)
    if "payload" not in wrapper or not wrapper.keys() <= _WRAPPER:
        return Content(payload=wrapper, headers=headers, source_ip=address, user_agent=program)
    told = wrapper.get("headers")
    if isinstance(told, dict):
        pairs = cast("dict[str, Any]", told)
        headers = shown_headers({name.lower(): str(value) for name, value in pairs.items()})
    return Content(
        payload=wrapper["payload"],
        headers=headers,
        source_ip=_told(wrapper.get("source_ip")) or address,
        user_agent=_told(wrapper.get("user_agent")) or program,
    )


def _told(value: object) -> str | None:
    return value[:_MAX_HEADER_CHARACTERS] if isinstance(value, str) else None


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that may be kept: no secrets, and no more than a few."""
    shown = [name for name in headers if name not in SECRET_HEADERS][:_MAX_HEADERS]
    return {name: headers[name][:_MAX_HEADER_CHARACTERS] for name in shown}


def delivery_name(config: WebhookConfig, delivery: Delivery) -> str | None:
    """Return the sender's name for this delivery: the same one twice is one event."""
    name = delivery.headers.get((config.delivery_header or DELIVERY_HEADERS.get(config.style, "")).lower())
    return name[:_MAX_HEADER_CHARACTERS] if name else None
