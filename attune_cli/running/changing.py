"""Changing executions from a command line: cancel, run again, prune."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.errors import UsageError
from attune_cli.listing.executions import ListOptions, read_statuses
from attune_cli.output import Column
from attune_cli.reading.parameters import ParameterReader
from attune_cli.reading.words import read_words
from attune_cli.running.options import seconds_of
from attune_cli.running.start import run_submission
from attune_cli.running.viewing import wait_for
from attune_cli.runtime.clock import SECOND, SystemClock
from attune_cli.runtime.engine.presence import is_alive
from attune_cli.runtime.host import open_store, wake
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.reactions.sweeping import is_more_left, sweep
from attune_cli.runtime.services import executions, keys
from attune_cli.runtime.services.records import execution_record
from attune_cli.runtime.services.reruns import rerun
from attune_cli.runtime.services.submission import definition_of
from attune_cli.runtime.store import events
from attune_cli.runtime.store.execution_search import Filter, count
from attune_cli.runtime.store.executions import get
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.runtime.store.upkeep import shrink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.context import Context
    from attune_cli.running.options import RunOptions
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Store

_PRUNED_AT_ONCE = 500
_SWEPT = ("notifications", "events", "verdicts", "enforcements")
"""What goes with the executions, as records name it."""

_LIVE = ("requested", "scheduled", "running", "canceling")

COLUMNS = (Column("ID", "id", kind="number"), Column("ACTION", "action_ref"), Column("STATUS", "status"))


def cancel_executions(
    context: Context,
    words: Sequence[str],
    *,
    action: str | None,
    status: Sequence[str] | None,
    reason: str | None,
    wait: bool,
) -> int:
    """Leave the intent to cancel, wake the owners, and print the executions as they then are."""
    store = open_store(context.home, context.settings)
    meant = read_words(words) or _meant_by_filter(context, store, action, status)
    if context.dry_run:
        context.out.note(f"would cancel {', '.join(meant) or 'nothing'}")
        return 0
    found: list[Execution] = []
    with store.write(SystemClock().now()) as tx:
        for word in meant:
            execution = executions.cancel(tx, word, reason)
            executions.cancel_ownerless(tx, execution)
            found.append(get(tx, execution.id) or execution)
    for execution in found:
        wake(context.home, execution.host)
        if execution.host is not None and not is_alive(context.home.hosts, execution.host):
            context.out.warning(
                f"execution {execution.id} goes on without the daemon that began it;"
                " the next one cancels it: attune up -d"
            )
    if wait:
        wait_for(context, store, found, any_one=False, give_up_seconds=None)
        return 0
    context.out.records([execution_record(_as_cancelled(execution)) for execution in found], COLUMNS)
    return 0


def _as_cancelled(execution: Execution) -> Execution:
    """Return an execution as its owner will see it: until that has looked, its status is the one before."""
    return execution if execution.status.is_terminal else replace(execution, status=Status.CANCELING)


def _meant_by_filter(
    context: Context, store: Store, action: str | None, status: Sequence[str] | None
) -> list[str]:
    if action is None and not status:
        raise UsageError(
            "nothing to cancel: name executions, or --action or --status",
            hint="attune execution list -s running",
        )
    from attune_cli.context import confirm

    statuses, _ = read_statuses(status)
    criteria = ListOptions(action=action, status=statuses or _LIVE).criteria(limit=None)
    with store.read(SystemClock().now()) as tx:
        live = [
            str(row["id"]) for row in executions.list_executions(tx, criteria) if row["finished_at"] is None
        ]
    if live:
        confirm(context, f"Cancel {len(live)} executions?")
    return live


def retry_executions(context: Context, word: str, options: RunOptions) -> int:
    """Run executions again, one after another; returns their exit code when they agree, else 1."""
    store = open_store(context.home, context.settings)
    codes = {_retry(context, store, one, options) for one in read_words([word])} - {0}
    return 0 if not codes else codes.pop() if len(codes) == 1 else 1


def _retry(context: Context, store: Store, word: str, options: RunOptions) -> int:
    with store.read(SystemClock().now()) as tx:
        reader = ParameterReader(definition_of(tx, executions.find(tx, word)).action.parameters)
        reader.read_items(options.items)
        if reader.faults:
            raise UsageError("parameters cannot be read", code="invalid_params", details=reader.faults)
        sealer = Sealer(context.home.secret_key)
        submission = rerun(
            tx,
            word,
            reader.values,
            sealer,
            timeout_seconds=options.timeout_seconds,
            from_failed=options.from_failed,
        )
    return run_submission(context, store, submission, options)


def prune_executions(
    context: Context,
    *,
    older_than: str,
    status: Sequence[str] | None,
    action: str | None,
    keep: int,
    confirm: Callable[[Context, str], None],
) -> None:
    """Delete ended executions and their logs in small transactions, and give the space back.

    Events and notifications as old go as well, unless only some executions are meant.
    """
    seconds = seconds_of("--older-than", older_than) or 0
    store = open_store(context.home, context.settings)
    before = SystemClock().now() - round(seconds * SECOND)
    statuses, timed_out = read_statuses(status)
    criteria = Filter(
        action_ref=action, statuses=statuses, timed_out=timed_out, finished_until=before, limit=None
    )
    is_for_all = action is None and not status
    with store.read(SystemClock().now()) as tx:
        candidates = count(tx, criteria)
        old_events = events.count(tx, events.EventFilter(until=before)) if is_for_all else 0
    told = f"up to {candidates} executions" + (f" and {old_events} events" if old_events else "")
    if context.dry_run:
        record = {"kind": "pruned", "executions": candidates}
        context.out.outcome(record | dict.fromkeys(_SWEPT), [])
        context.out.note(f"would delete {told}")
        return
    if candidates or old_events:
        confirm(context, f"Delete {told}, with their logs and what rules made of them?")
    deleted = _delete(context, store, criteria, keep)
    swept = _sweep(store, before) if is_for_all else Counter[str]()
    with store.write(SystemClock().now()) as tx:
        executions.prune_jobs(tx)
        keys.sweep(tx)
    shrink(store.connection, full=False)
    record = {"kind": "pruned", "executions": deleted}
    context.out.outcome(record | {name: swept[name] for name in _SWEPT}, [])
    context.out.note(
        f"deleted {deleted} executions, {swept['events']} events and {swept['notifications']} notifications"
    )


def _delete(context: Context, store: Store, criteria: Filter, keep: int) -> int:
    deleted = 0
    while True:
        with store.write(SystemClock().now()) as tx:
            swept = executions.prune(tx, criteria, keep=keep, limit=_PRUNED_AT_ONCE)
        executions.remove_runs(context.home.runs, swept.gone)
        deleted += len(swept.gone)
        if swept.lowest is None:
            return deleted
        criteria = replace(criteria, after=swept.lowest)


def _sweep(store: Store, before: int) -> Counter[str]:
    """Delete notifications, and events with what rules made of them."""
    deleted: Counter[str] = Counter()
    while True:
        with store.write(SystemClock().now()) as tx:
            swept = sweep(tx, before)
        deleted.update(swept)
        if not is_more_left(swept):
            return deleted
