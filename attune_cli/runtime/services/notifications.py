"""The outbox as people and clients read it: changes in order from any sequence, and what is gone already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.store import notifications
from attune_cli.runtime.store.identity import home_id
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.notifications import Notification

_INSTANTS = ("created", "updated", "started_at", "resolved_at", "responded_at", "timeout_at")
"""The keys of payloads that hold instants (domain.md 8)."""


@immutable(kw_only=True)
class Extent:
    """What the outbox holds. A client that comes back with another `epoch` has seen another database."""

    epoch: str
    oldest: int
    newest: int


def extent(tx: Transaction) -> Extent:
    """Return the first and the last sequence, and which database they are of."""
    epoch = home_id(tx.connection) or ""
    return Extent(epoch=epoch, oldest=notifications.oldest(tx), newest=notifications.newest(tx))


def payload_of(notification: Notification) -> dict[str, Any]:
    """Return the payload as clients get it: times as RFC 3339."""
    payload: dict[str, Any] = json.loads(notification.payload)
    for name in _INSTANTS:
        if isinstance(payload.get(name), int):
            payload[name] = rfc3339(payload[name])
    return payload


def notification_record(notification: Notification) -> Record:
    """Return one record of a stream (api.md, WebSocket): what happened to what, and when."""
    return {
        "v": 1,
        "type": "notification",
        "seq": notification.sequence,
        "ts": rfc3339(notification.created),
        "notification_type": notification.notification_type,
        "entity_type": notification.entity_type,
        "entity_id": notification.entity_id,
        "payload": payload_of(notification),
    }
