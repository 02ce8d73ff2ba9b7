"""What can be told of a change: its names, and who wants to hear of it. Pure.

A name is what somebody asks for (`execution.failed`); a change of the outbox has one name or several, because who asks
for `execution.finished` hears of the failed ones too.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from attune_cli.runtime.model.refs import pack_of
from attune_cli.runtime.model.states import TERMINAL, Status
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Level = Literal["info", "success", "warning", "failure"]

_BY_TYPE: Mapping[str, str] = {
    "execution_created": "execution.created",
    "event_created": "event.created",
    "enforcement_created": "rule.fired",
    "inquiry_created": "inquiry.created",
    "inquiry_responded": "inquiry.responded",
    "inquiry_timeout": "inquiry.timeout",
    "inquiry_cancelled": "inquiry.cancelled",
    "inquiry_reminder": "inquiry.reminder",
}
_BY_STATUS: Mapping[str, str] = {
    "running": "execution.running",
    "completed": "execution.completed",
    "failed": "execution.failed",
    "cancelled": "execution.cancelled",
    "abandoned": "execution.abandoned",
}
_SENSOR_STATUSES: Mapping[str, str] = {"failed": "sensor.failed", "waiting": "sensor.failed"}

NAMES = (
    *(name for name in _BY_TYPE.values() if name.startswith("execution")),
    *_BY_STATUS.values(),
    "execution.timed_out",
    "execution.finished",
    "event.created",
    "rule.fired",
    *(name for name in _BY_TYPE.values() if name.startswith("inquiry")),
    "sensor.failed",
)
"""Everything that can be asked for."""

KINDS = ("execution", "event", "enforcement", "inquiry", "rule", "timer", "sensor")
"""What `attune watch --kinds` may name: `rule` are the enforcements, `timer` the events that timers make."""

_LEVELS: Mapping[str, Level] = {
    "execution.failed": "failure",
    "execution.abandoned": "failure",
    "sensor.failed": "failure",
    "execution.completed": "success",
    "execution.cancelled": "warning",
    "execution.timed_out": "failure",
    "inquiry.created": "warning",
    "inquiry.reminder": "warning",
    "inquiry.timeout": "warning",
}


def names_of(notification_type: str, status: str | None, *, timed_out: bool = False) -> tuple[str, ...]:
    """Return the names of one change, the most telling first; none for what cannot be asked for."""
    if notification_type == "sensor_status_changed":
        name = _SENSOR_STATUSES.get(status or "")
        return () if name is None else (name,)
    if notification_type != "execution_status_changed":
        name = _BY_TYPE.get(notification_type)
        return () if name is None else (name,)
    names = [name for name in (_BY_STATUS.get(status or ""),) if name is not None]
    if timed_out or status == Status.TIMEOUT:
        names.insert(0, "execution.timed_out")
    if status in TERMINAL:
        names.append("execution.finished")
    return tuple(names)


def level_of(names: Collection[str]) -> Level:
    """Return how loud a change is."""
    levels: list[Level] = [_LEVELS[name] for name in names if name in _LEVELS]
    return levels[0] if levels else "info"


def kinds_of(entity_type: str, source: str | None) -> tuple[str, ...]:
    """Return the kinds under which a change can be watched."""
    if entity_type == "enforcement":
        return ("enforcement", "rule")
    if entity_type == "event" and source == "timer":
        return ("event", "timer")
    return (entity_type,)


@immutable(kw_only=True)
class Subjects:
    """Which packs, rules, actions and triggers somebody wants to hear of; of none named: of all."""

    packs: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()

    def include(self, payload: Mapping[str, Any]) -> bool:
        """Tell whether a change is of them all. One without an action is of no action that is named."""
        return (
            _any_of(self.rules, payload.get("rule_ref"))
            and _any_of(self.actions, payload.get("action_ref"))
            and _any_of(self.triggers, payload.get("trigger_ref"))
            and (not self.packs or not _packs(payload).isdisjoint(self.packs))
        )


def _any_of(wanted: tuple[str, ...], ref: str | None) -> bool:
    """Compare with refs and with `pack.*`."""
    if not wanted:
        return True
    return ref is not None and (ref in wanted or f"{pack_of(ref)}.*" in wanted)


def _packs(payload: Mapping[str, Any]) -> set[str]:
    refs = (payload.get(name) for name in ("action_ref", "rule_ref", "trigger_ref", "sensor_ref"))
    return {pack_of(ref) for ref in refs if ref is not None}


@immutable(kw_only=True)
class Rate:
    """At most so many messages within any such span; what is more is summed up in one of them."""

    messages: int = 10
    window_seconds: float = 60.0


@immutable(kw_only=True)
class Wish:
    """What a channel wants to hear of. Without `on` it hears only of rules that name it."""

    on: tuple[str, ...] = ()
    subjects: Subjects = Subjects()
    rate: Rate = Rate()
    key: str | None = None
    """The key that holds its URL, when it is not kept with the channel."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Wish:
        subjects = {name: tuple(refs) for name, refs in document.get("subjects", {}).items()}
        return cls(
            on=tuple(document.get("on", ())),
            subjects=Subjects(**subjects),
            rate=Rate(**document.get("rate", {})),
            key=document.get("key"),
        )


@immutable(kw_only=True)
class Notice:
    """One message: a line, some more lines, and how loud it is."""

    title: str
    body: str
    level: Level = "info"
