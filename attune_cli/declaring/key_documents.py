"""Keys as documents: where they belong, and the value only of those that are kept readable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.services import keys as services
from attune_cli.runtime.services.records import key_record
from attune_cli.runtime.store import keys
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from attune_cli.declaring.rule_documents import Document
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer


@immutable(kw_only=True)
class DeclaredKey:
    """A key that is to be there. A `value` is kept readable; without one it has to be there already."""

    ref: str
    scope: str | None
    name: str | None
    value: Any = None


@immutable
class KeyKind:
    identified_by: str = "ref"

    def decode(self, fields: Fields) -> DeclaredKey:
        declared = DeclaredKey(
            ref=fields.text("ref"),
            scope=fields.text("scope") or None,
            name=fields.text("name") or None,
            value=fields.json("value"),
        )
        fields.finish()
        return declared

    def current(self, tx: Transaction, ref: str) -> Document | None:
        key = keys.get(tx, ref)
        if key is None:
            return None
        scope = key_record(key)["scope"]
        written: Document = {
            "ref": ref,
            "scope": None if scope == "system" else scope,
            "name": None if key.name == ref.rpartition(".")[2] else key.name,
            "value": None if key.encrypted else keys.read_value(key, _NO_SEALER),
        }
        return {name: value for name, value in written.items() if value is not None}

    def keep(self, tx: Transaction, declared: DeclaredKey, sealer: Sealer) -> None:
        place = services.place_of(tx, declared.ref, scope=declared.scope or "system", name=declared.name)
        present = place.present
        if declared.value is None:
            return  # what has no value yet was told and stood in for
        if present is None or present.encrypted or keys.read_value(present, sealer) != declared.value:
            services.set_key(
                tx,
                declared.ref,
                declared.value,
                sealer=sealer,
                scope=declared.scope,
                name=declared.name,
                plain=True,
            )

    def verify(self, tx: Transaction, declared: object) -> None:
        """Keeping it has said so."""

    def needs(self, declared: DeclaredKey) -> Iterable[str]:
        owner_type, _, owner = (declared.scope or "").partition(":")
        return (owner,) if owner_type in ("pack", "action", "sensor") else ()

    def keys_of(self, declared: DeclaredKey) -> Mapping[str, str]:
        return {declared.ref: self.identified_by} if declared.value is None else {}

    def refs(self, tx: Transaction, *, everything: bool) -> list[str]:
        del everything
        return [key.ref for key in keys.list_keys(tx, owner_type=None, owner=None, prefix="")]

    def remove(self, tx: Transaction, ref: str) -> None:
        keys.delete(tx, ref)


_NO_SEALER: Any = None
"""A readable value needs none."""
