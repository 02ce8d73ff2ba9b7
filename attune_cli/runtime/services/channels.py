"""Channels to the world outside: adding, changing, looking at them. A URL is sealed, and never shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attune_cli.errors import ConflictError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.notices import NAMES, Rate, Wish
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.services import keys
from attune_cli.runtime.store import channels, definitions, notifications, packs
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.channels import Channel
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

EVERY_CHANNEL = "all"
"""What a rule names that wants to tell every channel; no channel may be called so."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEY_PREFIX = "key://"
_MOST_MESSAGES = 1000


@immutable(kw_only=True)
class NewChannel:
    """A channel as it is to be. `url` None: its wish names the key that holds the URL."""

    name: str
    url: str | None
    scheme: str
    wish: Wish
    enabled: bool = True


def read_on(words: Iterable[str]) -> tuple[str, ...]:
    """Return the names of changes that are asked for; raises UsageError with every one that does not exist."""
    asked = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    unknown = [word for word in asked if word not in NAMES]
    if unknown:
        raise UsageError(
            f"nothing that happens is called {', '.join(map(repr, unknown))}",
            code="unknown_name",
            details=[Detail(word, did_you_mean(word, NAMES) or "no such change") for word in unknown],
            hint=f"one of {', '.join(NAMES)}",
        )
    return asked


def read_rate(text: str) -> Rate:
    """Read `10/1m`; raises UsageError."""
    count, slash, span = text.partition("/")
    try:
        messages, seconds = int(count), parse_duration(span if slash else "")
    except ValueError:
        messages, seconds = 0, 0.0
    if not (1 <= messages <= _MOST_MESSAGES and seconds > 0):
        raise UsageError(f"{text!r} is no rate: expected e.g. 10/1m, at most 10 messages in a minute")
    return Rate(messages=messages, window_seconds=seconds)


def check(tx: Transaction, new: NewChannel, *, replace: bool = False) -> None:
    """Raise with all its faults what may not be added; reads only."""
    _check_name(tx, new, replace=replace)
    check_subjects(tx, new.wish)


def _check_name(tx: Transaction, new: NewChannel, *, replace: bool) -> None:
    if not _NAME.fullmatch(new.name) or new.name == EVERY_CHANNEL:
        raise UsageError(
            f"{new.name!r} is no name for a channel: lowercase letters, digits, '_' and '-', and not 'all'",
            code="invalid_name",
        )
    if channels.get(tx, new.name) is not None and not replace:
        raise ConflictError(
            f"there is a channel '{new.name}' already",
            code="exists",
            hint=f"attune notify add {new.name} … --replace, or attune notify remove {new.name}",
        )


def check_subjects(tx: Transaction, wish: Wish) -> None:
    """Every pack, rule, action and trigger named has to be there; `pack.*` means all of a pack."""
    faults: list[Detail] = []
    known_packs = [one.ref for one in packs.all_packs(tx)]
    faults += _unknown("packs", wish.subjects.packs, known_packs)
    faults += _unknown("rules", wish.subjects.rules, definitions.refs(tx, "rule"))
    faults += _unknown("actions", wish.subjects.actions, definitions.refs(tx, "action"))
    faults += _unknown("triggers", wish.subjects.triggers, definitions.refs(tx, "trigger"))
    if faults:
        raise NotFoundError("not everything named exists", details=faults)


def _unknown(subject: str, refs: Iterable[str], known: Sequence[str]) -> list[Detail]:
    families = {f"{ref.partition('.')[0]}.*" for ref in known}
    missing = [ref for ref in refs if ref not in known and ref not in families]
    suggestions = {ref: did_you_mean(ref, known) for ref in missing}
    return [
        Detail(subject, f"{ref} does not exist" + (f"; {near}" if near else ""))
        for ref, near in suggestions.items()
    ]


def put(tx: Transaction, new: NewChannel, *, sealer: Sealer, replace: bool = False) -> Record:
    """Insert a channel, which hears of what happens from now on; or change one, which goes on where it is.

    Whether what it names is there, `check` has told.
    """
    _check_name(tx, new, replace=replace)
    sealed = sealer.seal(new.url)
    if channels.get(tx, new.name) is None:
        channels.insert(
            tx,
            name=new.name,
            sealed_url=sealed,
            scheme=new.scheme,
            wish=new.wish.to_json(),
            enabled=new.enabled,
            cursor=notifications.newest(tx),
        )
    else:
        channels.change(tx, new.name, sealed_url=sealed, scheme=new.scheme, wish=new.wish.to_json())
        set_enabled(tx, [new.name], enabled=new.enabled)
    return channel_record(find(tx, new.name))


def url_of(tx: Transaction, channel: Channel, sealer: Sealer) -> str:
    """Return where a channel leads, in the clear; raises NotFoundError when its key is gone."""
    url: str | None = sealer.unseal(channel.sealed_url)
    return url if url is not None else url_in_key(tx, Wish.from_json(channel.filter).key or "", sealer)


def url_in_key(tx: Transaction, ref: str, sealer: Sealer) -> str:
    """Return the URL that a key holds; raises NotFoundError, and UsageError when it holds something else."""
    value = keys.value_of(tx, ref, sealer)
    if not isinstance(value, str):
        raise UsageError(f"key '{ref}' holds no text, so it is no URL", code="invalid_url")
    return value.strip()


def key_in(word: str) -> str | None:
    """Return the ref of the key that `key://REF` names; None for any other word."""
    return word.removeprefix(_KEY_PREFIX) if word.startswith(_KEY_PREFIX) else None


def find(tx: Transaction, name: str) -> Channel:
    """Return a channel; raises NotFoundError."""
    return find_all(tx, [name])[0]


def find_all(tx: Transaction, names: Sequence[str]) -> list[Channel]:
    """Return the channels named; raises NotFoundError with every one that is missing."""
    found = {name: channels.get(tx, name) for name in names}
    missing = [name for name, channel in found.items() if channel is None]
    if missing:
        known = [channel.name for channel in channels.all_of(tx)]
        raise NotFoundError(
            f"no channel '{missing[0]}'" if len(missing) == 1 else f"{len(missing)} channels do not exist",
            details=[Detail(name, "no such channel") for name in missing] if len(missing) > 1 else (),
            hint=did_you_mean(missing[0], known) or "attune notify list",
        )
    return [channel for channel in found.values() if channel is not None]


def list_channels(tx: Transaction) -> list[Record]:
    """Return the records of all channels, by name."""
    return [channel_record(channel) for channel in channels.all_of(tx)]


def set_enabled(tx: Transaction, names: Sequence[str], *, enabled: bool) -> Record:
    """Enable or disable channels, all of those named or none; an enabled one hears of what happens from now on."""
    find_all(tx, names)
    newest = notifications.newest(tx) if enabled else 0
    changed = [name for name in names if channels.set_enabled(tx, name, enabled=enabled, cursor=newest)]
    return {"changed": changed, "unchanged": [name for name in names if name not in changed]}


def remove(tx: Transaction, names: Sequence[str], *, if_exists: bool = False) -> list[str]:
    """Delete channels, all or (when one does not exist) none; returns the names that are gone."""
    if not if_exists:
        find_all(tx, names)
    return [name for name in dict.fromkeys(names) if channels.delete(tx, name)]


def channel_record(channel: Channel) -> Record:
    """Return what may be shown of a channel: all but where it leads."""
    wish = Wish.from_json(channel.filter)
    state = "disabled" if not channel.enabled else "failing" if channel.failures else "ok"
    return {
        "kind": "channel",
        "id": channel.id,
        "name": channel.name,
        "url": f"key://{wish.key}" if wish.key else f"{channel.scheme}://********",
        "on": list(wish.on),
        "packs": list(wish.subjects.packs),
        "rules": list(wish.subjects.rules),
        "actions": list(wish.subjects.actions),
        "triggers": list(wish.subjects.triggers),
        "rate": {"messages": wish.rate.messages, "window_seconds": wish.rate.window_seconds},
        "enabled": channel.enabled,
        "state": state,
        "sent": channel.sent,
        "suppressed": channel.suppressed,
        "failures": channel.failures,
        "last_error": channel.last_error,
        "next_attempt": None if channel.next_attempt is None else rfc3339(channel.next_attempt),
        "seq": channel.cursor,
        "created": rfc3339(channel.created),
        "updated": rfc3339(channel.updated),
    }
