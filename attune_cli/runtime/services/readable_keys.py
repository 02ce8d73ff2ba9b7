"""Keys as expressions read them (domain.md 7): the system's, those of a pack, and those of an action or a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.expressions.scope import Found, found_key
from attune_cli.runtime.store import keys

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer


def read_key(tx: Transaction, ref: str, sealer: Sealer, *, pack_ref: str, action_ref: str) -> Found:
    """Return what a key holds for an expression of that pack and action; raises LookupError for others' keys."""
    key = keys.get(tx, ref)
    visible = {("system", ""), ("pack", pack_ref), ("action", action_ref)}
    if key is None or (key.owner_type, key.owner) not in visible:
        raise LookupError(ref)
    return found_key(keys.read_value(key, sealer), is_secret=key.encrypted)
