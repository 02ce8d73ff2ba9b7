"""What may be asked of timers: a view of the rules on core timers, and what is to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import ConflictError, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.automations import RuleDefinition
from attune_cli.runtime.model.schedules.firing import Timer, begin
from attune_cli.runtime.model.schedules.occurrences import upcoming
from attune_cli.runtime.model.schedules.payloads import payload
from attune_cli.runtime.model.schedules.policy import read_timer_policy
from attune_cli.runtime.model.schedules.reading import read_schedule
from attune_cli.runtime.model.schedules.schedule import TIMER_TRIGGERS
from attune_cli.runtime.services.events import NewEvent
from attune_cli.runtime.store import definitions, timers
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.errors import Detail
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.schedules.policy import TimerPolicy
    from attune_cli.runtime.model.schedules.schedule import Schedule
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row
    from attune_cli.runtime.store.timers import TimerRow


@immutable
class RuleTimer:
    """A rule on a core timer, what it says of its schedule, and what the daemon has made of it."""

    row: Row
    rule: RuleDefinition
    schedule: Schedule | None
    policy: TimerPolicy
    faults: Sequence[Detail]
    kept: TimerRow | None

    @property
    def anchor(self) -> Instant:
        return self.row.updated if self.kept is None else self.kept.anchor


def find_timer(tx: Transaction, ref: str) -> RuleTimer:
    """Return the timer of a rule; raises NotFoundError for an unknown rule or one on another trigger."""
    row = definitions.get(tx, "rule", ref)
    if row is not None and row.definition["trigger_ref"] in TIMER_TRIGGERS:
        return _timer(tx, row)
    known = [one.ref for one in _rows(tx)]
    if row is not None:
        message = f"rule '{ref}' is on trigger '{row.definition['trigger_ref']}', which is no timer"
        raise NotFoundError(message, hint="attune timer list")
    raise NotFoundError(f"no timer '{ref}'", hint=did_you_mean(ref, known) or "attune timer list")


def list_timers(tx: Transaction, *, pack_ref: str | None = None, upcoming_count: int = 1) -> list[Record]:
    """Return a record for each rule on a core timer, by ref, with its next instants."""
    return [
        timer_record(tx, _timer(tx, row), upcoming_count=upcoming_count)
        for row in _rows(tx)
        if pack_ref is None or row.definition["pack_ref"] == pack_ref
    ]


def timer_record(tx: Transaction, timer: RuleTimer, *, upcoming_count: int = 1) -> Record:
    """Return what a timer does; absent values are null, never missing."""
    kept, schedule = timer.kept, timer.schedule
    state, error = _state(timer, tx.now)
    next_ones = _next_instants(timer, tx.now, upcoming_count) if state == "active" else ()
    return {
        "kind": "timer",
        "ref": timer.row.ref,
        "trigger_ref": timer.rule.trigger_ref,
        "action_ref": timer.rule.action_ref,
        "enabled": timer.row.enabled,
        "state": state,
        "error": error,
        "schedule": None if schedule is None else schedule.describe(),
        "policy": timer.policy.to_json(),
        "next_fire_at": rfc3339(next_ones[0]) if next_ones else None,
        "upcoming": [rfc3339(instant) for instant in next_ones],
        "last_fired_at": None if kept is None or kept.last_fired is None else rfc3339(kept.last_fired),
        "fired": 0 if kept is None else kept.fired,
        "missed": 0 if kept is None else kept.missed,
    }


def next_instants(
    trigger_ref: str, params: dict[str, Any], *, now: Instant, limit: int
) -> tuple[Instant, ...]:
    """Return the next instants of a schedule that nobody has stored; raises UsageError with all its faults."""
    schedule, faults = read_schedule(trigger_ref, params)
    if schedule is None:
        raise UsageError("the schedule is faulty", code="invalid_schedule", details=faults)
    return upcoming(schedule, now, anchor=now, limit=limit)


def instants_of(timer: RuleTimer, *, now: Instant, limit: int) -> tuple[Instant, ...]:
    """Return the next instants of a rule's timer as if it were enabled; raises ConflictError for a faulty one."""
    _check(timer)
    return _next_instants(timer, now, limit)


def firing_of(tx: Transaction, timer: RuleTimer) -> NewEvent:
    """Return the event that a timer's firing at this moment is; raises ConflictError for a faulty one."""
    schedule = _check(timer)
    if not timer.row.enabled:
        raise ConflictError(
            f"rule '{timer.row.ref}' is disabled",
            code="disabled",
            hint=f"attune rule enable {timer.row.ref}",
        )
    following = _next_instants(timer, tx.now, 1)
    told = payload(
        schedule,
        scheduled=tx.now,
        fired=tx.now,
        count=1 if timer.kept is None else timer.kept.fired + 1,
        next_fire=following[0] if following else None,
    )
    return NewEvent(trigger_ref=timer.rule.trigger_ref, payload=told, rule_ref=timer.row.ref)


def _rows(tx: Transaction) -> list[Row]:
    return [row for row in definitions.all_of(tx, "rule") if row.definition["trigger_ref"] in TIMER_TRIGGERS]


def _timer(tx: Transaction, row: Row) -> RuleTimer:
    rule = RuleDefinition.from_json(row.definition)
    schedule, faults = read_schedule(rule.trigger_ref, rule.trigger_params)
    policy, policy_faults = read_timer_policy(rule.timer)
    return RuleTimer(row, rule, schedule, policy, [*faults, *policy_faults], timers.get(tx, row.id))


def _state(timer: RuleTimer, now: Instant) -> tuple[str, str | None]:
    """Return the state, also of a timer that no daemon has seen yet."""
    if timer.faults or timer.schedule is None:
        return "faulty", "; ".join(f"{fault.path}: {fault.message}" for fault in timer.faults)
    if not timer.row.enabled:
        return "disabled", None
    if timer.kept is not None:
        return timer.kept.state, timer.kept.error
    beginning = begin(_planned(timer, timer.schedule), min(now, timer.row.updated))
    fault = beginning.fault
    return beginning.state, None if fault is None else f"{fault.path} {fault.message}"


def _next_instants(timer: RuleTimer, now: Instant, limit: int) -> tuple[Instant, ...]:
    """Return the next instants; the first is the one that is planned already, where a daemon has planned it."""
    if timer.schedule is None:
        return ()
    kept = timer.kept
    if kept is not None and kept.due is not None and kept.planned is not None:
        later = upcoming(timer.schedule, max(now, kept.planned), anchor=timer.anchor, limit=limit)
        return (max(kept.due, now), *later)[:limit]
    plan = begin(_planned(timer, timer.schedule), now).next
    if plan.planned is None or plan.due is None:
        return ()
    return (plan.due, *upcoming(timer.schedule, plan.planned, anchor=timer.anchor, limit=limit - 1))


def _planned(timer: RuleTimer, schedule: Schedule) -> Timer:
    return Timer(id=timer.row.id, schedule=schedule, policy=timer.policy, anchor=timer.anchor)


def _check(timer: RuleTimer) -> Schedule:
    if timer.schedule is None or timer.faults:
        raise ConflictError(
            f"the timer of rule '{timer.row.ref}' is faulty", code="faulty_timer", details=timer.faults
        )
    return timer.schedule
