"""Keys: what may be asked of stored values. A value leaves only through `value_of` (domain.md 7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import ConflictError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.services import actions, packs
from attune_cli.runtime.services.records import key_record
from attune_cli.runtime.store import keys
from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.keys import Key, OwnerType
    from attune_cli.runtime.store.sealing import Sealer

Record = dict[str, Any]

_REF = re.compile(r"[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_][a-z0-9_-]*)*")
_NAME = re.compile(r"[^\s.=]+")
_OWNERS: dict[str, Callable[[Transaction, str], object]] = {"pack": packs.find, "action": actions.find}


@immutable
class Scope:
    """Who sees a key: every action (`system`), those of a pack, or one action."""

    owner_type: OwnerType
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.owner_type}:{self.owner}" if self.owner else self.owner_type


def read_scope(tx: Transaction, text: str) -> Scope:
    """Read `system`, `pack:REF` or `action:REF`; raises UsageError, and NotFoundError for an unknown owner."""
    owner_type, _, owner = text.partition(":")
    if text == "system":
        return Scope("system")
    if owner_type not in _OWNERS or not owner:
        raise UsageError(
            f"{text!r} is no scope: expected system, pack:REF or action:REF",
            hint=did_you_mean(owner_type, ["system", *_OWNERS]),
        )
    _OWNERS[owner_type](tx, owner)
    return Scope(cast("OwnerType", owner_type), owner)


@immutable
class Place:
    """Where a value would be kept: scope, the name under which actions see it, and the key it would replace."""

    scope: Scope
    name: str
    present: Key | None


def place_of(tx: Transaction, ref: str, *, scope: str | None, name: str | None) -> Place:
    """Return where a value for `ref` goes; a key that is there keeps scope and name.

    Raises UsageError for what is no ref or name, NotFoundError for an unknown owner, and ConflictError where another
    key is in the way.
    """
    _check_words(ref, name)
    asked = None if scope is None else read_scope(tx, scope)
    present = keys.get(tx, ref)
    if present is not None:
        place = Place(Scope(present.owner_type, present.owner), present.name, present)
        if (asked or place.scope, name or place.name) != (place.scope, place.name):
            raise ConflictError(
                f"key '{ref}' has scope {place.scope} and name {place.name}, which do not change",
                code="key_placed",
                hint=f"attune key delete {ref}, and set it again",
            )
        return place
    place = Place(asked or Scope("system"), name or ref.rpartition(".")[2], None)
    _check_free(tx, place)
    return place


def _check_words(ref: str, name: str | None) -> None:
    if not _REF.fullmatch(ref):
        lowercase = ref.lower() if _REF.fullmatch(ref.lower()) else None
        raise UsageError(
            f"{ref!r} is no key's ref: lowercase letters, digits, '_' and '-', in parts joined by dots",
            hint=f"did you mean {lowercase}?" if lowercase else None,
        )
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a key: no blanks, dots or '='")


def _check_free(tx: Transaction, place: Place) -> None:
    """One owner has each name once: actions ask by name."""
    owned = keys.list_keys(tx, owner_type=place.scope.owner_type, owner=place.scope.owner, prefix="")
    other = next((key for key in owned if key.name == place.name), None)
    if other is not None:
        raise ConflictError(
            f"scope {place.scope} has a key named {place.name} already: '{other.ref}'",
            code="key_name_taken",
            hint="--name gives it another name",
        )


def set_key(
    tx: Transaction,
    ref: str,
    value: object,
    *,
    sealer: Sealer,
    scope: str | None = None,
    name: str | None = None,
    plain: bool = False,
    ttl_seconds: float | None = None,
) -> Record:
    """Keep a JSON value, sealed unless `plain`, for ever unless a time is given, and return the key's record.

    Raises as `place_of` does.
    """
    place = place_of(tx, ref, scope=scope, name=name)
    keys.upsert(
        tx,
        ref=ref,
        owner_type=place.scope.owner_type,
        owner=place.scope.owner,
        name=place.name,
        encrypted=not plain,
        value=dump(value).encode() if plain else sealer.seal(value),
        expires=None if ttl_seconds is None else tx.now + round(ttl_seconds * SECOND),
    )
    return key_record(find(tx, ref))


def find(tx: Transaction, ref: str) -> Key:
    """Return a key; raises NotFoundError."""
    return find_all(tx, [ref])[0]


def find_all(tx: Transaction, refs: Sequence[str]) -> list[Key]:
    """Return the keys named; raises NotFoundError with every one that is missing."""
    found = {ref: keys.get(tx, ref) for ref in refs}
    missing = [ref for ref, key in found.items() if key is None]
    if missing:
        known = [key.ref for key in keys.list_keys(tx, owner_type=None, owner=None, prefix="")]
        raise NotFoundError(
            f"no key '{missing[0]}'" if len(missing) == 1 else f"{len(missing)} keys do not exist",
            details=[Detail(ref, "no such key") for ref in missing] if len(missing) > 1 else (),
            hint=did_you_mean(missing[0], known) or "attune key list",
        )
    return [key for key in found.values() if key is not None]


def value_of(tx: Transaction, ref: str, sealer: Sealer) -> Any:  # noqa: ANN401 - a key holds any JSON value
    """Return a key's value in the clear; raises NotFoundError, or UnavailableError without the right secret.key."""
    return keys.read_value(find(tx, ref), sealer)


def show_keys(tx: Transaction, refs: Sequence[str], *, reveal_with: Sealer | None = None) -> list[Record]:
    """Return the records of keys, with their values only when there is something to `reveal_with`."""
    return [
        {
            **key_record(key),
            "value": dict(REDACTED) if reveal_with is None else keys.read_value(key, reveal_with),
        }
        for key in find_all(tx, refs)
    ]


def list_keys(tx: Transaction, *, scope: str | None, prefix: str, after: str = "") -> list[Record]:
    """Return keys by ref, without values: of one scope, whose refs begin with `prefix`, those behind `after`."""
    asked = None if scope is None else read_scope(tx, scope)
    found = keys.list_keys(
        tx,
        owner_type=asked.owner_type if asked else None,
        owner=asked.owner if asked else None,
        prefix=prefix,
    )
    return [key_record(key) for key in found if key.ref > after]


def delete_keys(tx: Transaction, refs: Sequence[str], *, if_exists: bool = False) -> list[str]:
    """Delete keys, all or (when one does not exist) none; returns the refs that are gone."""
    if not if_exists:
        find_all(tx, refs)
    return [ref for ref in dict.fromkeys(refs) if keys.delete(tx, ref)]


def sweep(tx: Transaction) -> int:
    """Delete the keys that have expired; returns how many are gone."""
    return keys.delete_expired(tx)


def count_expired(tx: Transaction) -> int:
    """Return how many keys have expired and are not deleted yet."""
    return keys.count_expired(tx)
