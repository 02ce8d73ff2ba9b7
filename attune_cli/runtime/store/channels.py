"""Channels: every statement that reads or writes the table `channel`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class Channel:
    """Somebody outside who wants to hear of changes, and how far that has come."""

    id: int
    name: str
    sealed_url: bytes
    scheme: str
    filter: dict[str, Any]
    """JSON of model.notices.Wish."""
    enabled: bool
    cursor: int
    """The last notification it has dealt with."""
    sent: int
    suppressed: int
    failures: int
    last_error: str | None
    next_attempt: Instant | None
    recent: tuple[Instant, ...]
    """When the last messages went out, as far back as its rate asks."""
    created: Instant
    updated: Instant


_COLUMNS = """id, name, sealed_url, scheme, filter, enabled, cursor, sent, suppressed, failures, last_error,
 next_attempt, recent, created, updated"""


def _channel(row: tuple[Any, ...]) -> Channel:
    return Channel(
        id=row[0], name=row[1], sealed_url=bytes(row[2]), scheme=row[3], filter=json.loads(row[4]),
        enabled=bool(row[5]), cursor=row[6], sent=row[7], suppressed=row[8], failures=row[9], last_error=row[10],
        next_attempt=row[11], recent=tuple(json.loads(row[12])), created=row[13], updated=row[14],
    )  # fmt: skip


def get(tx: Transaction, name: str) -> Channel | None:
    """Return one channel by its name."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM channel WHERE name = ?", (name,)).fetchone()
    return None if row is None else _channel(row)


def all_of(tx: Transaction) -> list[Channel]:
    """Return every channel, by name."""
    return [_channel(row) for row in tx.execute(f"SELECT {_COLUMNS} FROM channel ORDER BY name").fetchall()]


def insert(
    tx: Transaction,
    *,
    name: str,
    sealed_url: bytes,
    scheme: str,
    wish: dict[str, Any],
    enabled: bool,
    cursor: int,
) -> None:
    """Insert a channel that begins behind a sequence."""
    tx.execute(
        """INSERT INTO channel (name, sealed_url, scheme, filter, enabled, cursor, created, updated)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (name, sealed_url, scheme, dump(wish), enabled, cursor, tx.now, tx.now),
    )


def change(
    tx: Transaction, name: str, *, sealed_url: bytes | None, scheme: str | None, wish: dict[str, Any]
) -> None:
    """Give a channel another filter, and another URL where one is given: then it is tried anew."""
    tx.execute(
        """UPDATE channel SET filter = :wish, sealed_url = coalesce(:url, sealed_url),
             scheme = coalesce(:scheme, scheme), failures = iif(:url IS NULL, failures, 0),
             last_error = iif(:url IS NULL, last_error, NULL),
             next_attempt = iif(:url IS NULL, next_attempt, NULL), updated = :now WHERE name = :name""",
        {"wish": dump(wish), "url": sealed_url, "scheme": scheme, "now": tx.now, "name": name},
    )


def set_enabled(tx: Transaction, name: str, *, enabled: bool, cursor: int) -> bool:
    """Enable a channel, which begins behind a sequence then, or disable it; tells whether it changed."""
    return tx.changed(
        """UPDATE channel SET enabled = :enabled, cursor = max(cursor, :cursor), failures = 0, last_error = NULL,
             next_attempt = NULL, updated = :now WHERE name = :name AND enabled <> :enabled""",
        {"enabled": enabled, "cursor": cursor, "now": tx.now, "name": name},
    )


def delete(tx: Transaction, name: str) -> bool:
    """Delete a channel; tells whether there was one."""
    return tx.changed("DELETE FROM channel WHERE name = ?", (name,))


def advance(tx: Transaction, channel: int, cursor: int) -> None:
    """Note that a channel has nothing to do up to a sequence."""
    tx.execute("UPDATE channel SET cursor = max(cursor, ?) WHERE id = ?", (cursor, channel))


def delivered(
    tx: Transaction, channel: int, *, cursor: int, suppressed: int, recent: tuple[Instant, ...]
) -> None:
    """Note that one message went out, which covers everything up to a sequence."""
    tx.execute(
        """UPDATE channel SET cursor = max(cursor, ?), sent = sent + 1, suppressed = suppressed + ?, recent = ?,
             failures = 0, last_error = NULL, next_attempt = NULL WHERE id = ?""",
        (cursor, suppressed, dump(list(recent)), channel),
    )


def failed(tx: Transaction, channel: int, *, error: str, next_attempt: Instant) -> None:
    """Note that a message did not go out, and when it is tried again."""
    tx.execute(
        "UPDATE channel SET failures = failures + 1, last_error = ?, next_attempt = ? WHERE id = ?",
        (error, next_attempt, channel),
    )
