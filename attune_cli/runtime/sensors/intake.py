"""Hands what a sensor tells to the engine, and comes back when that is committed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.sensors.bridge import commit
from attune_cli.runtime.sensors.lines import EventLine, Refusal, StateLine
from attune_cli.runtime.services import events as taking
from attune_cli.runtime.services.sensors import keep_state
from attune_cli.runtime.store import events, sensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.parts import Platform
    from attune_cli.runtime.sensors.lines import Entry
    from attune_cli.runtime.services.sensors import Assignment
    from attune_cli.runtime.store.database import Transaction

MOST_PENDING = 10_000
"""So many events may wait to be judged before sensors have to wait: a flood is held in their pipes, not in the file."""

_PAUSE_SECONDS = 0.1


class EngineIntake:
    """Takes in what one sensor tells."""

    def __init__(
        self, platform: Platform, assignment: Assignment, *, most_pending: int = MOST_PENDING
    ) -> None:
        self._platform = platform
        self._assignment = assignment
        self._most_pending = most_pending

    async def take(self, entries: Sequence[Entry | Refusal]) -> Sequence[Refusal]:
        while True:
            refused = await commit(self._platform, lambda tx: self._take(tx, entries))
            if refused is not None:
                return refused
            await asyncio.sleep(_PAUSE_SECONDS)

    def _take(self, tx: Transaction, entries: Sequence[Entry | Refusal]) -> list[Refusal] | None:
        """Return what could not be taken; None when there is no room for events now, and nothing was done."""
        has_events = any(isinstance(entry, EventLine) for entry in entries)
        if has_events and events.backlog(tx, limit=self._most_pending) >= self._most_pending:
            return None
        refused: list[Refusal] = []
        taken = 0
        for entry in entries:
            refusal = entry if isinstance(entry, Refusal) else self._take_one(tx, entry)
            if refusal is not None:
                refused.append(refusal)
            elif isinstance(entry, EventLine):
                taken += 1
        sensors.count(tx, self._assignment.ref, events=taken, refused=len(refused))
        return refused

    def _take_one(self, tx: Transaction, entry: Entry) -> Refusal | None:
        try:
            with tx.savepoint():
                if isinstance(entry, StateLine):
                    keep_state(tx, self._assignment.ref, entry.name, entry.value)
                else:
                    taking.take_in(tx, new_event(tx, self._assignment, entry))
        except AttuneError as error:
            if not tx.alive:
                raise
            return Refusal(entry.number, told(error))
        return None


def new_event(tx: Transaction, assignment: Assignment, line: EventLine) -> taking.NewEvent:
    """Return the event that a line tells of. Raises for a rule that does not exist."""
    rule_ref = None
    if line.instance is not None:
        rule_ref = taking.rule_of_instance(tx, line.instance)
        if rule_ref is None:
            raise AttuneError(f"trigger_instance_id {line.instance!r} names no rule")
    return taking.NewEvent(
        trigger_ref=line.trigger_ref,
        payload=line.payload,
        source="sensor",
        source_ref=assignment.ref,
        rule_ref=rule_ref,
        dedup_key=line.dedup_key,
        may_tell=assignment.trigger_refs,
    )


def told(error: AttuneError) -> str:
    """Return an error in one line."""
    details = "; ".join(f"{detail.path}: {detail.message}" for detail in error.details)
    return f"{error.message} ({details})" if details else error.message
