"""Keys that documents name and nobody has set yet: each told once, and stood in for until the transaction is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attune_cli.declaring.kinds import KINDS
from attune_cli.errors import did_you_mean
from attune_cli.runtime.services.keys import set_key
from attune_cli.runtime.store import keys
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.declaring.reading import Declaration
    from attune_cli.runtime.store.database import Transaction

Missing = Literal["error", "warning", "expected"]
"""What a key without a value is: a fault, something to warn of where nothing is changed, or nothing to speak of."""

_STAND_IN = "stand-in://"
"""Text, because secrets are; with a scheme, because some are URLs."""


class DeclaringSealer(Sealer):
    """Unseals stand-ins as well. While it `pretends`, it makes no key: all will be undone."""

    def __init__(self, path: Path, *, pretends: bool) -> None:
        super().__init__(path)
        self.pretends = pretends

    def seal(self, value: object) -> bytes:
        return b"" if self.pretends else super().seal(value)

    def unseal(self, sealed: bytes) -> Any:  # noqa: ANN401 - any JSON value
        return super().unseal(sealed) if sealed else _STAND_IN


def stand_in(tx: Transaction, one: Declaration, sealer: DeclaringSealer, *, missing: Missing) -> None:
    """Let the keys that a document needs be there, so that what else names them says nothing; raises AttuneError."""
    for ref, field in KINDS[one.kind].keys_of(one.value).items():
        if keys.get(tx, ref) is not None:
            continue
        known = [key.ref for key in keys.list_keys(tx, owner_type=None, owner=None, prefix="")]
        scope, name = (
            (one.value.scope, one.value.name) if one.kind == "key" else (None, ref.replace(".", "-"))
        )
        sealer.pretends = True
        set_key(tx, ref, _STAND_IN, sealer=sealer, scope=scope, name=name)
        if missing != "expected":
            note = one.fields.error if missing == "error" else one.fields.warn
            hint = did_you_mean(ref, known) or f"attune key set {ref}"
            note(f"key '{ref}' has no value yet", field, suggestion=hint)
