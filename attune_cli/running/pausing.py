"""Pausing workflows, and letting them go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.output import Column
from attune_cli.running.ownerless import tell_nobody_runs, tops_nobody_runs
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store, wake
from attune_cli.runtime.services import executions, workflows
from attune_cli.runtime.services.records import execution_record

if TYPE_CHECKING:
    from attune_cli.context import Context

_COLUMNS = (Column("ID", "id", kind="number"), Column("ACTION", "action_ref"), Column("STATUS", "status"))


def pause_workflow(context: Context, word: str, reason: str | None) -> None:
    """Let a workflow begin nothing more; raises ConflictError where there is nothing to pause."""
    store = open_store(context.home, context.settings)
    with store.write(SystemClock().now()) as tx:
        execution = executions.find(tx, word)
        if not context.dry_run:
            workflows.pause(tx, str(execution.id), reason)
    if context.dry_run:
        context.out.note(f"would pause execution {execution.id}")
        return
    context.out.records([execution_record(execution)], _COLUMNS)
    context.out.note(f"execution {execution.id} is paused: what runs goes on, nothing more begins")
    context.out.hint(f"attune execution resume {execution.id}")


def resume_workflow(context: Context, word: str) -> None:
    """Let a workflow go on, and wake who owns it; raises ConflictError where nothing is paused."""
    store = open_store(context.home, context.settings)
    with store.write(SystemClock().now()) as tx:
        execution = executions.find(tx, word)
        ownerless = tops_nobody_runs(tx, context, [execution.id])
        if not context.dry_run:
            workflows.resume(tx, str(execution.id))
    if context.dry_run:
        context.out.note(f"would resume execution {execution.id}")
        return
    wake(context.home, execution.host)
    context.out.records([execution_record(execution)], _COLUMNS)
    context.out.note(f"execution {execution.id} goes on")
    tell_nobody_runs(context, ownerless)
