"""Webhooks and the calls that came: every statement on the tables `webhook` and `webhook_call`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.webhooks import WebhookConfig
from attune_cli.runtime.store.executions import dump
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction

KEPT_ACCEPTED = 10_000
KEPT_REFUSED = 1_000
"""Calls kept for each trigger: a flood of refused ones must not push out what was accepted."""

_CALLS_BETWEEN_SWEEPS = 1000
_CALLS_BETWEEN_SWEEPS_OF_REFUSED = 100
"""A sweep walks over all that is kept of a trigger: seldom, while nothing is refused."""


@immutable(kw_only=True)
class Webhook:
    """The address of a trigger. `previous_key` is taken until `previous_until`; `sealed` holds the secrets."""

    id: int
    trigger_ref: str
    key: str
    previous_key: str | None
    previous_until: Instant | None
    enabled: bool
    config: WebhookConfig
    sealed: bytes | None
    created: Instant
    updated: Instant


@immutable(kw_only=True)
class Call:
    """One request and its verdict. `event` is what it made, or made earlier; None when it was refused."""

    id: int = 0
    trigger_ref: str | None
    event: int | None
    status_code: int
    error: str | None
    source_address: str | None
    user_agent: str | None
    delivery: str | None
    headers: dict[str, str]
    size_bytes: int
    duration_ms: int
    signature_verified: bool | None
    created: Instant = 0


_COLUMNS = "id, trigger_ref, key, previous_key, previous_until, enabled, config, sealed, created, updated"
_CALL_COLUMNS = """id, trigger_ref, event, status_code, error, source_address, user_agent, delivery, headers,
 size_bytes, duration_ms, signature_verified, created"""


def _webhook(row: tuple[Any, ...]) -> Webhook:
    return Webhook(
        id=row[0], trigger_ref=row[1], key=row[2], previous_key=row[3], previous_until=row[4],
        enabled=bool(row[5]), config=WebhookConfig.from_json(json.loads(row[6])), sealed=row[7], created=row[8],
        updated=row[9],
    )  # fmt: skip


def get(tx: Transaction, trigger_ref: str) -> Webhook | None:
    """Return the webhook of a trigger."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM webhook WHERE trigger_ref = ?", (trigger_ref,)).fetchone()
    return None if row is None else _webhook(row)


def by_key(tx: Transaction, key: str) -> Webhook | None:
    """Return the webhook that takes requests under a key now."""
    row = tx.execute(
        f"""SELECT {_COLUMNS} FROM webhook
            WHERE enabled AND (key = :key OR (previous_key = :key AND previous_until > :now))""",
        {"key": key, "now": tx.now},
    ).fetchone()
    return None if row is None else _webhook(row)


def all_webhooks(tx: Transaction) -> list[Webhook]:
    """Return every webhook, by the ref of its trigger."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM webhook ORDER BY trigger_ref").fetchall()
    return [_webhook(row) for row in rows]


def insert(
    tx: Transaction, *, trigger_ref: str, key: str, config: WebhookConfig, sealed: bytes | None
) -> None:
    """Make the webhook of a trigger."""
    tx.execute(
        "INSERT INTO webhook (trigger_ref, key, config, sealed, created, updated) VALUES (?, ?, ?, ?, ?, ?)",
        (trigger_ref, key, dump(config.to_json()), sealed, tx.now, tx.now),
    )


def update(tx: Transaction, webhook: Webhook) -> None:
    """Write the webhook of a trigger as it is now to be."""
    tx.execute(
        """UPDATE webhook SET key = ?, previous_key = ?, previous_until = ?, enabled = ?, config = ?, sealed = ?,
             updated = ? WHERE id = ?""",
        (
            webhook.key, webhook.previous_key, webhook.previous_until, webhook.enabled,
            dump(webhook.config.to_json()), webhook.sealed, tx.now, webhook.id,
        ),
    )  # fmt: skip


# --- calls


def log_all(tx: Transaction, calls: Sequence[Call]) -> None:
    """Write down calls, and now and then forget the oldest."""
    tx.insert_rows(
        """webhook_call (trigger_ref, event, status_code, error, source_address, user_agent, delivery, headers,
             size_bytes, duration_ms, signature_verified, created)""",
        [
            (
                call.trigger_ref, call.event, call.status_code, call.error, call.source_address, call.user_agent,
                call.delivery, dump(call.headers), call.size_bytes, call.duration_ms, call.signature_verified, tx.now,
            )
            for call in calls
        ],
    )  # fmt: skip
    newest = tx.last_id()
    if newest % _CALLS_BETWEEN_SWEEPS < len(calls):
        for trigger_ref in {call.trigger_ref for call in calls}:
            _forget(tx, trigger_ref, "event IS NOT NULL", KEPT_ACCEPTED)
            _forget(tx, trigger_ref, "event IS NULL", KEPT_REFUSED)
    elif newest % _CALLS_BETWEEN_SWEEPS_OF_REFUSED < len(calls):
        for trigger_ref in {call.trigger_ref for call in calls if call.event is None}:
            _forget(tx, trigger_ref, "event IS NULL", KEPT_REFUSED)


def _forget(tx: Transaction, trigger_ref: str | None, which: str, kept: int) -> None:
    tx.execute(
        f"""DELETE FROM webhook_call WHERE trigger_ref IS :trigger AND {which} AND id <= (
              SELECT id FROM webhook_call WHERE trigger_ref IS :trigger AND {which}
              ORDER BY id DESC LIMIT 1 OFFSET :kept)""",
        {"trigger": trigger_ref, "kept": kept},
    )


def calls(tx: Transaction, trigger_ref: str, *, since: Instant | None, limit: int) -> list[Call]:
    """Return the calls of a trigger's webhook, newest first."""
    rows = tx.execute(
        f"""SELECT {_CALL_COLUMNS} FROM webhook_call WHERE trigger_ref = ? AND created >= ?
            ORDER BY id DESC LIMIT ?""",
        (trigger_ref, since or 0, limit),
    ).fetchall()
    return [
        Call(
            id=row[0], trigger_ref=row[1], event=row[2], status_code=row[3], error=row[4], source_address=row[5],
            user_agent=row[6], delivery=row[7], headers=json.loads(row[8]), size_bytes=row[9], duration_ms=row[10],
            signature_verified=None if row[11] is None else bool(row[11]), created=row[12],
        )
        for row in rows
    ]  # fmt: skip


def last_call(tx: Transaction, trigger_ref: str) -> Instant | None:
    """Return when a trigger's webhook was called last."""
    row = tx.execute(
        "SELECT created FROM webhook_call WHERE trigger_ref = ? ORDER BY id DESC LIMIT 1", (trigger_ref,)
    ).fetchone()
    return None if row is None else int(row[0])


def accepted_before(tx: Transaction, trigger_ref: str, number: int) -> Instant | None:
    """Return when the `number`th last call was accepted; None when there were fewer."""
    row = tx.execute(
        """SELECT created FROM webhook_call WHERE trigger_ref = ? AND event IS NOT NULL
           ORDER BY id DESC LIMIT 1 OFFSET ?""",
        (trigger_ref, number - 1),
    ).fetchone()
    return None if row is None else int(row[0])


def delete_before(tx: Transaction, instant: Instant, *, limit: int) -> int:
    """Delete calls that came before an instant, oldest first, at most `limit`; returns how many."""
    return tx.execute(
        """DELETE FROM webhook_call WHERE id IN (
             SELECT id FROM (SELECT id, created FROM webhook_call ORDER BY id LIMIT ?) WHERE created < ?)""",
        (limit, instant),
    ).rowcount
