"""Timers in the reactor: a row for each enabled rule on a core timer, and events of those that are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.engine.limits import TIMERS_PER_TICK
from attune_cli.runtime.model.automations import RuleDefinition
from attune_cli.runtime.model.schedules import firing
from attune_cli.runtime.model.schedules.payloads import SENSOR_REF, payload
from attune_cli.runtime.model.schedules.policy import TimerPolicy, read_timer_policy
from attune_cli.runtime.model.schedules.reading import read_schedule
from attune_cli.runtime.model.schedules.schedule import TIMER_TRIGGERS, from_json, to_json
from attune_cli.runtime.store import definitions, events, rule_index, timers
from attune_cli.runtime.store.identity import COPIED
from attune_cli.runtime.store.meta import value

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.schedules.schedule import Schedule
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row
    from attune_cli.runtime.store.timers import TimerRow

_TRIGGERS = sorted(TIMER_TRIGGERS)


def renew(tx: Transaction) -> bool:
    """Bring the timers in line with the rules, a bounded part of them; tells whether something is left."""
    wanted = rule_index.enabled_triggers(tx, _TRIGGERS)
    timers.delete_unwanted(tx, wanted)
    refs = timers.refs_to_renew(tx, wanted, limit=TIMERS_PER_TICK)
    for ref in refs:
        row = definitions.get(tx, "rule", ref)
        if row is None:
            continue
        try:
            with tx.savepoint():
                _renew_one(tx, row)
        except Exception as error:
            if not tx.alive:
                raise
            _write_down_faulty(tx, row, f"it cannot be read: {type(error).__name__}: {error}")
    return len(refs) == TIMERS_PER_TICK


def _renew_one(tx: Transaction, row: Row) -> None:
    """Begin a rule's timer, or leave one that goes on as it does: only what is planned otherwise begins anew."""
    rule = RuleDefinition.from_json(row.definition)
    schedule, faults = read_schedule(rule.trigger_ref, rule.trigger_params)
    policy, policy_faults = read_timer_policy(rule.timer)
    told = [
        *(f"trigger_params.{fault.path}: {fault.message}" for fault in faults),
        *(f"timer.{fault.path}: {fault.message}" for fault in policy_faults),
    ]
    if schedule is None or told:
        _write_down_faulty(tx, row, "; ".join(told))
        return
    known = timers.get(tx, row.id)
    if (
        known is not None
        and known.state != "faulty"
        and (known.schedule, known.policy) == (to_json(schedule), policy.to_json())
    ):
        timers.confirm(tx, row.id, row.updated)
        return
    begin_anew(tx, row.id, row.updated, schedule, policy, since=_enabled_since(tx, row, rule.trigger_ref))


def _enabled_since(tx: Transaction, row: Row, trigger_ref: str) -> Instant:
    """Return from when on a rule's timer counts: what fell due since, while no daemon ran, was missed.

    What fell due before this database was copied was the original's.
    """
    trigger = definitions.get(tx, "trigger", trigger_ref)
    copied = int(value(tx.connection, COPIED) or 0)
    return min(tx.now, max(row.updated, row.updated if trigger is None else trigger.updated, copied))


def begin_anew(
    tx: Transaction,
    rule: int,
    rule_updated: Instant,
    schedule: Schedule,
    policy: TimerPolicy,
    *,
    since: Instant,
) -> None:
    """Count a timer from an instant on."""
    timer = firing.Timer(id=rule, schedule=schedule, policy=policy, anchor=since)
    beginning = firing.begin(timer, since)
    timers.put(
        tx,
        rule,
        rule_updated=rule_updated,
        schedule=to_json(schedule),
        policy=policy.to_json(),
        state="faulty" if beginning.state == "refused" else beginning.state,
        error=None if beginning.fault is None else f"{beginning.fault.path} {beginning.fault.message}",
        anchor=since,
        planned=beginning.next.planned,
        due=beginning.next.due,
    )


def _write_down_faulty(tx: Transaction, row: Row, error: str) -> None:
    timers.put(
        tx,
        row.id,
        rule_updated=row.updated,
        schedule={},
        policy={},
        state="faulty",
        error=error,
        anchor=tx.now,
        planned=None,
        due=None,
    )


def fire_due(tx: Transaction) -> bool:
    """Make the events of the timers that are due, a bounded part of them; tells whether something is left."""
    rows = timers.due(tx, limit=TIMERS_PER_TICK)
    for row in rows:
        try:
            with tx.savepoint():
                _fire(tx, row)
        except Exception as error:
            if not tx.alive:
                raise
            timers.fail(tx, row.rule, f"it cannot go on: {type(error).__name__}: {error}")
    return len(rows) == TIMERS_PER_TICK


def _fire(tx: Transaction, row: TimerRow) -> None:
    if row.planned is None:
        return
    schedule = from_json(row.schedule)
    found = firing.due(_timer(row, schedule), tx.now, planned=row.planned, last=row.last_planned)
    following = [*found.fire[1:], found.next.planned]
    fired = 0
    for instant, after in zip(found.fire, following, strict=False):
        told = payload(
            schedule, scheduled=instant, fired=tx.now, count=row.fired + fired + 1, next_fire=after
        )
        fired += tell(tx, row, instant, told)
    timers.advance(
        tx,
        row.rule,
        state="active" if found.next.due is not None else "expired",
        planned=found.next.planned,
        due=found.next.due,
        last_planned=found.last,
        fired=fired,
        missed=found.missed,
    )


def tell(tx: Transaction, row: TimerRow, instant: Instant, told: dict[str, object]) -> bool:
    """Insert the event of one planned instant, once; tells whether it was new."""
    key = f"timer:{row.rule}:{rfc3339(instant)}"
    if events.by_dedup_key(tx, row.trigger_ref, key) is not None:
        return False
    events.insert(
        tx,
        trigger_ref=row.trigger_ref,
        payload=told,
        config={},
        source="timer",
        source_ref=SENSOR_REF,
        rule_ref=row.rule_ref,
        dedup_key=key,
    )
    return True


def follow_the_clock(tx: Transaction) -> None:
    """Begin the timers anew that were planned by a clock which was too far ahead of today's to wait for it."""
    for row in timers.from_the_future(tx, later_than=tx.now):
        timer = _timer(row, from_json(row.schedule))
        if firing.clock_went_back(timer, tx.now, last=row.last_planned):
            begin_anew(tx, row.rule, row.rule_updated, timer.schedule, timer.policy, since=tx.now)


def _timer(row: TimerRow, schedule: Schedule) -> firing.Timer:
    return firing.Timer(
        id=row.rule, schedule=schedule, policy=TimerPolicy.from_json(row.policy), anchor=row.anchor
    )
