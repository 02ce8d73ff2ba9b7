"""What a channel is told: which changes it wants, in which words, and what becomes of too many."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import SECOND, rfc3339
from attune_cli.runtime.model.notices import Notice, Wish, level_of, names_of
from attune_cli.runtime.services.channels import EVERY_CHANNEL
from attune_cli.runtime.store import definitions, executions, notifications
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.notices import Level
    from attune_cli.runtime.store.channels import Channel
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.notifications import Notification

_LOUDNESS: Sequence[Level] = ("info", "success", "warning", "failure")
_SUMMED_LINES = 15
_BODY_CHARACTERS = 2000


@immutable(kw_only=True)
class Heard:
    """A change that a channel wants to hear of."""

    sequence: int
    name: str
    subject: str
    notice: Notice


@immutable(kw_only=True)
class Scan:
    """A part of the outbox that was looked through: up to `sequence`, the end when `is_whole`."""

    heard: Sequence[Heard]
    sequence: int
    is_whole: bool


def scan(tx: Transaction, channel: Channel, after: int, *, limit: int = 1000) -> Scan:
    """Look through the changes after a sequence, at most `limit`, for what a channel wants to hear of."""
    wish = Wish.from_json(channel.filter)
    found = notifications.since(tx, after, limit=limit)
    heard = [one for one in (_hear(tx, channel.name, wish, change) for change in found) if one is not None]
    return Scan(heard=heard, sequence=found[-1].sequence if found else after, is_whole=len(found) < limit)


def _hear(tx: Transaction, channel: str, wish: Wish, change: Notification) -> Heard | None:
    payload: dict[str, Any] = json.loads(change.payload)
    names = _names(tx, change, payload)
    wanted = [name for name in names if name in wish.on]
    if not (wanted and wish.subjects.include(payload)):
        if not _is_named_by_rule(tx, channel, change, payload):
            return None
        wanted = list(names)
    return Heard(
        sequence=change.sequence,
        name=wanted[0],
        subject=str(payload.get("action_ref") or payload.get("rule_ref") or payload.get("trigger_ref") or ""),
        notice=_compose(tx, change, payload, names),
    )


def _names(tx: Transaction, change: Notification, payload: dict[str, Any]) -> tuple[str, ...]:
    """Return what a change is called. An attempt that another one follows has not ended anything."""
    status = payload.get("status")
    if change.notification_type != "execution_status_changed" or status not in ("failed", "abandoned"):
        return names_of(change.notification_type, status)
    execution = executions.get(tx, change.entity_id)
    if execution is not None and execution.next_attempt is not None:
        return ()
    timed_out = execution is not None and execution.timed_out
    return names_of(change.notification_type, status, timed_out=timed_out)


def _is_named_by_rule(tx: Transaction, channel: str, change: Notification, payload: dict[str, Any]) -> bool:
    if change.notification_type != "enforcement_created":
        return False
    rule = definitions.get(tx, "rule", payload["rule_ref"])
    return rule is not None and not {channel, EVERY_CHANNEL}.isdisjoint(rule.definition.get("notify", ()))


# --- words


def _compose(tx: Transaction, change: Notification, payload: dict[str, Any], names: Sequence[str]) -> Notice:
    kind, number = change.entity_type, change.entity_id
    lines: list[str] = []
    if kind == "execution":
        title, lines = _of_execution(tx, number, payload, names)
    elif kind == "event":
        title = f"event {number} of {payload.get('trigger_ref')}"
    elif kind == "enforcement":
        title = f"rule {payload.get('rule_ref')} fired"
        lines = [f"event {payload.get('event')} of {payload.get('trigger_ref')}"]
    elif kind == "sensor":
        title = f"sensor {payload.get('sensor_ref')} failed"
        lines = [str(payload.get("error") or "")]
    elif kind == "inquiry":
        return _of_inquiry(tx, change, names)
    else:
        title = f"{kind} {number} {change.notification_type.removeprefix(f'{kind}_')}"
    lines.append(f"attune {kind} show {payload['sensor_ref'] if kind == 'sensor' else number}")
    body = "\n".join(line for line in lines if line)
    return Notice(title=title, body=body[:_BODY_CHARACTERS], level=level_of(names))


def _of_execution(
    tx: Transaction, number: int, payload: dict[str, Any], names: Sequence[str]
) -> tuple[str, list[str]]:
    execution = executions.get(tx, number)
    happened = "timed out" if "execution.timed_out" in names else str(payload.get("status"))
    lines: list[str] = []
    if execution is not None and execution.error is not None and "execution.finished" in names:
        lines.append(execution.error.message)
    if payload.get("rule_ref"):
        lines.append(f"because of rule {payload['rule_ref']}")
    return f"{payload['action_ref']} {happened}", lines


_OF_INQUIRIES = {
    "inquiry_created": "{ref} asks",
    "inquiry_reminder": "{ref} still waits for an answer",
    "inquiry_responded": "{ref} has its answer",
    "inquiry_timeout": "nobody answered {ref} in time",
    "inquiry_cancelled": "the question of {ref} was withdrawn",
}


def _of_inquiry(tx: Transaction, change: Notification, names: Sequence[str]) -> Notice:
    """Say what is asked and how to answer, or what became of it; never what was answered."""
    from attune_cli.runtime.store import inquiries

    number = change.entity_id
    payload: dict[str, Any] = json.loads(change.payload)
    title = _OF_INQUIRIES.get(change.notification_type, "{ref}").format(ref=payload.get("action_ref"))
    inquiry = inquiries.get(tx, number)
    lines: list[str] = []
    if inquiry is not None:
        # What is cut has to be the prompt, which may be long, not how to answer it.
        lines.append(inquiry.prompt[: _BODY_CHARACTERS // 2])
        lines += [f"for {inquiry.assigned_to}"] if inquiry.assigned_to else []
        lines += [f"until {rfc3339(inquiry.timeout_at)}"] if inquiry.timeout_at and inquiry.is_pending else []
        lines += [f"answered by {inquiry.responded_by}"] if inquiry.responded_by else []
    is_open = inquiry is not None and inquiry.is_pending
    lines.append(f"attune inquiry {'respond' if is_open else 'show'} {number}")
    return Notice(title=title, body="\n".join(lines)[:_BODY_CHARACTERS], level=level_of(names))


@immutable(kw_only=True)
class Sum:
    """What was too much to be told one by one."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    levels: Counter[Level] = field(default_factory=Counter)

    def add(self, heard: Heard) -> None:
        self.counts[heard.name, heard.subject] += 1
        self.levels[heard.notice.level] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    def notice(self) -> Notice:
        """Return the message that stands for them all."""
        most = self.counts.most_common(_SUMMED_LINES)
        lines = [f"{count} × {name} {subject}".rstrip() for (name, subject), count in most]
        rest = self.total - sum(count for _, count in most)
        return Notice(
            title=f"{self.total} more changes",
            body="\n".join([*lines, *([f"{rest} others"] if rest else ()), "attune execution list"]),
            level=max(self.levels, key=_LOUDNESS.index),
        )


# --- how often


def recent_of(channel: Channel, now: Instant) -> tuple[Instant, ...]:
    """Return when the messages went out that still count against the rate."""
    window = round(Wish.from_json(channel.filter).rate.window_seconds * SECOND)
    return tuple(instant for instant in channel.recent if now - window < instant <= now)


def room_of(channel: Channel, now: Instant) -> int:
    """Return how many messages may go out now."""
    return Wish.from_json(channel.filter).rate.messages - len(recent_of(channel, now))


def next_room(channel: Channel, now: Instant) -> Instant:
    """Return when a message may go out again, at the latest."""
    window = round(Wish.from_json(channel.filter).rate.window_seconds * SECOND)
    return min(recent_of(channel, now), default=now) + window
