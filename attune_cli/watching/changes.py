"""What a change in the outbox is about, and what it leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attune_cli.runtime.services.records import Record


def subject_of(payload: dict[str, Any]) -> str:
    """Return the ref that tells most of what a change is about."""
    names = ("action_ref", "rule_ref", "trigger_ref", "sensor_ref")
    return next((payload[name] for name in names if payload.get(name)), "-")


def status_of(record: Record) -> str:
    """Return the status a change leads to; what has none was created."""
    return str(record["payload"].get("status") or record["notification_type"].rpartition("_")[2])
