"""Tokens: who may ask the daemon's server for what (api.md, conventions).

The administrator's lies in a file that only the home's owner can read. Those of executions and sensors are JSON web
tokens (RFC 7519, HS256) under a key derived from `secret.key`: nothing has to be stored to check them.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from typing import TYPE_CHECKING, Any, Literal, cast

from attune_cli.errors import UnavailableError
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.states import TERMINAL
from attune_cli.runtime.store import definitions, executions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

SENSOR_SECONDS = 24 * 3600
_PURPOSE = "tokens"
_MAX_CHARACTERS = 2048
_OTHERS = 0o077


@immutable
class Caller:
    """Who asks: `name` is an execution's id or a sensor's ref."""

    kind: Literal["administrator", "execution", "sensor"]
    name: str = ""

    @property
    def execution(self) -> int | None:
        return int(self.name) if self.kind == "execution" else None


# --- the administrator's


def administrator_token(path: Path) -> str:
    """Return the token in a file, made when there is none; raises UnavailableError when others can read it."""
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & _OTHERS:
            raise UnavailableError(
                f"{path} can be read by others: whoever has it may do everything",
                code="token_exposed",
                hint=f"rm {path} lets the next start make another",
            )
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"{path} cannot be used: {error}", code="no_token") from error
    if len(token) < 32:  # noqa: PLR2004 - shorter than what can be guessed
        raise UnavailableError(
            f"{path} holds no token", code="no_token", hint=f"rm {path} lets the next start make another"
        )
    return token


def _make(path: Path) -> None:
    """Make the file whole or not at all: written beside, then linked, so that two makers agree."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, f"attune_at_{secrets.token_urlsafe(32)}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


# --- those of executions and sensors


def issue_execution_token(sealer: Sealer, execution: int) -> str:
    """Return a token that is valid as long as the execution goes on."""
    return _signed(sealer, {"sub": str(execution), "token_type": "execution"})


def issue_sensor_token(sealer: Sealer, sensor_ref: str, now: Instant) -> str:
    """Return a token with which a sensor fires its own triggers for a day."""
    issued = now // SECOND
    claims = {"sub": sensor_ref, "token_type": "sensor", "iat": issued, "exp": issued + SENSOR_SECONDS}
    return _signed(sealer, claims)


def caller_of(tx: Transaction, token: str, *, administrator: str, sealer: Sealer) -> Caller | None:
    """Return whose token it is; None when it is nobody's, over, or of what has ended or is disabled."""
    if hmac.compare_digest(token.encode(), administrator.encode()):
        return Caller("administrator")
    claims = _claims(sealer, token)
    if claims is None or ("exp" in claims and claims["exp"] * SECOND <= tx.now):
        return None
    match claims["token_type"]:
        case "sensor" if "exp" in claims and _may_run(tx, claims["sub"]):
            return Caller("sensor", claims["sub"])
        case "execution" if _goes_on(tx, int(claims["sub"])):
            return Caller("execution", claims["sub"])
        case _:
            return None


def _may_run(tx: Transaction, sensor_ref: str) -> bool:
    sensor = definitions.get(tx, "sensor", sensor_ref)
    return sensor is not None and sensor.enabled


def _goes_on(tx: Transaction, execution_id: int) -> bool:
    execution = executions.startable(tx, execution_id)
    return execution is not None and execution.status not in TERMINAL


def triggers_of(tx: Transaction, caller: Caller) -> tuple[str, ...] | None:
    """Return the triggers a caller may fire; None means all."""
    if caller.kind != "sensor":
        return None
    sensor = definitions.get(tx, "sensor", caller.name)
    return () if sensor is None else tuple(sensor.definition["trigger_types"])


_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()


def _signed(sealer: Sealer, claims: dict[str, Any]) -> str:
    text = f"{_HEADER}.{_encoded(json.dumps(claims, separators=(',', ':')).encode())}"
    return f"{text}.{_encoded(_signature(sealer, text))}"


def _claims(sealer: Sealer, token: str) -> dict[str, Any] | None:
    """Return what a token says when we have signed it; only our own header is taken, so nothing else is believed."""
    text, _, signature = token.rpartition(".")
    if len(token) > _MAX_CHARACTERS or not token.isascii() or not text.startswith(f"{_HEADER}."):
        return None
    if not hmac.compare_digest(signature, _encoded(_signature(sealer, text))):
        return None
    claims = text.removeprefix(f"{_HEADER}.")
    return cast("dict[str, Any]", json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))))


def _signature(sealer: Sealer, text: str) -> bytes:
    return hmac.digest(sealer.derive(_PURPOSE), text.encode(), "sha256")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
