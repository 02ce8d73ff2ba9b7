"""Who may start now: requested executions in sequence order, under slots and limit groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.engine.effects import Effect, Prepare, Start
from attune_cli.runtime.engine.endings import end
from attune_cli.runtime.engine.limits import STARTS_PER_TICK
from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.store import admissions, executions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.runtime.engine.jobs import JobReader
    from attune_cli.runtime.runners.api import Runner
    from attune_cli.runtime.store.admissions import Glance
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable


def admit(
    tx: Transaction,
    seen: Glance,
    *,
    host: str,
    ownerless_too: bool,
    slots: int,
    jobs: JobReader,
    runners: Mapping[str, Runner],
) -> list[Effect]:
    """Start what may start. The slots held by every host count, so hosts share them."""
    effects: list[Effect] = []
    if seen.nested:
        for execution in admissions.admissible_nested(
            tx, host, ownerless_too=ownerless_too, limit=STARTS_PER_TICK
        ):
            if not group_is_full(tx, execution):
                effects += _start(tx, execution, host, jobs, runners)
    # A cancel may have freed a slot after the glance.
    held = admissions.count_slots_held(tx) if seen.cancels else seen.slots_held
    free = min(slots - held, STARTS_PER_TICK)
    stand_behind = True
    while free > 0 and stand_behind:
        found = admissions.admissible(tx, host, ownerless_too=ownerless_too, limit=free)
        # Some may be of a group that is full by now, or end at once: then those behind them have their turn.
        stand_behind = len(found) == free
        for execution in found:
            if not group_is_full(tx, execution):
                started = _start(tx, execution, host, jobs, runners)
                free -= len(started)
                effects += started
    return effects


def group_is_full(tx: Transaction, execution: Startable) -> bool:
    """An earlier one of the same tick may have taken the group's last place."""
    if execution.limit_group is None or execution.limit_size is None:
        return False
    return admissions.count_group(tx, execution.limit_group) >= execution.limit_size


def _start(
    tx: Transaction, execution: Startable, host: str, jobs: JobReader, runners: Mapping[str, Runner]
) -> list[Effect]:
    job = jobs.read_or_end(tx, execution)
    if job is None:
        return []
    runner = runners.get(job.definition.kind)
    if runner is None:
        message = f"this host has no runner for actions of kind '{job.definition.kind}'"
        outcome = Outcome(succeeded=False, error=RunError(type="no_runner", message=message))
        end(tx, execution, outcome, Retry())
        return []
    if runner.needs_preparation(job):
        return [Prepare(job)] if executions.schedule(tx, execution, host) else []
    ref = runner.ref(job)
    return [Start(job, ref)] if executions.run(tx, execution, host, ref) else []
