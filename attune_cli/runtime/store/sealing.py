"""Secret values at rest: AES-256-GCM under the home's key. Layout: nonce (12 bytes) ‖ ciphertext ‖ tag."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from attune_cli.errors import UnavailableError
from attune_cli.runtime.model.pointers import put_back

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.store.executions import Startable

_KEY_BYTES = 32
_NONCE_BYTES = 12
_HINT = "bring back the secret.key that belongs to this database"


def opened_parameters(execution: Startable, sealer: Sealer) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the parameters of an execution with the secret ones in their places, and the pointers to these."""
    values: dict[str, Any] = json.loads(execution.parameters)
    hidden: dict[str, Any] = {} if execution.sealed is None else sealer.unseal(execution.sealed)["parameters"]
    put_back(values, hidden)
    return values, frozenset(hidden)


class Sealer:
    """Seals JSON values with the key in one file (0600), which is made at the first seal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: bytes | None = None
        self._derived: dict[str, bytes] = {}

    def seal(self, value: object) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        document = json.dumps(value, separators=(",", ":")).encode()
        return nonce + AESGCM(self._read_or_make_key()).encrypt(nonce, document, None)

    def unseal(self, sealed: bytes) -> Any:  # noqa: ANN401 - whatever was sealed, any JSON value
        """Return what was sealed; raises UnavailableError when the key is missing or another."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._read_key()
        try:
            document = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:  # the latter when it is shorter than a nonce
            raise UnavailableError(
                f"a secret value cannot be read: {self._path} is not the key it was sealed with",
                code="wrong_key",
                hint=_HINT,
            ) from error
        return json.loads(document)

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes that only who has the key can make, other ones for each purpose."""
        import hmac

        if purpose not in self._derived:
            self._derived[purpose] = hmac.digest(self._read_or_make_key(), purpose.encode(), "sha256")
        return self._derived[purpose]

    def _read_key(self) -> bytes:
        if self._key is None:
            try:
                key = self._path.read_bytes()
            except OSError as error:
                raise self._no_key(f"it cannot be opened: {error.strerror}") from error
            if len(key) != _KEY_BYTES:
                raise self._no_key(f"it has {len(key)} bytes, not {_KEY_BYTES}")
            self._key = key
        return self._key

    def _no_key(self, reason: str) -> UnavailableError:
        return UnavailableError(
            f"secret values cannot be read or written with {self._path}: {reason}", code="no_key", hint=_HINT
        )

    def _read_or_make_key(self) -> bytes:
        try:
            if not self._path.exists():
                self._make_key()
        except OSError as error:
            raise self._no_key(f"it cannot be made: {error.strerror}") from error
        return self._read_key()

    def _make_key(self) -> None:
        """Make the key once, whole or not at all: written beside, then linked, so that two makers agree."""
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, os.urandom(_KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(fresh, self._path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
