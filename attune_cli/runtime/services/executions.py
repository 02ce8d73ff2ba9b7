"""What may be asked of executions: look, cancel, run again, prune, count."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from attune_cli.errors import ConflictError, NotFoundError, UsageError
from attune_cli.runtime.model.entities import QUESTION_ID
from attune_cli.runtime.model.ids import is_id
from attune_cli.runtime.services.records import Record, change_record, execution_record
from attune_cli.runtime.store import execution_search, executions, jobs

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.execution_search import Filter, Swept


def find(tx: Transaction, word: str) -> Execution:
    """Return the execution a user's word names: an id, `@last`, `@last:REF`, `@failed`."""
    execution_id = _id_of(tx, word)
    execution = None if execution_id is None else executions.get(tx, execution_id)
    if execution is None:
        raise NotFoundError(f"no execution {word}", hint="attune execution list")
    return execution


def _id_of(tx: Transaction, word: str) -> int | None:
    if word.isascii() and word.isdecimal():
        return int(word) if is_id(word) else None
    name, _, ref = word.partition(":")
    match name:
        case "@last":
            return execution_search.newest(tx, action_ref=ref or None)
        case "@failed":
            return execution_search.newest(
                tx, action_ref=ref or None, statuses=("failed", "abandoned", "timeout")
            )
        case _:
            raise UsageError(
                f"{word!r} is no execution: expected an id, @last, @last:REF or @failed",
                hint="attune execution list",
            )


def show(tx: Transaction, word: str) -> Record:
    """Return one execution with its timeline and its attempts."""
    execution = find(tx, word)
    record = execution_record(execution)
    record["timeline"] = [change_record(change) for change in executions.history(tx, execution.id)]
    record["attempts"] = execution_search.attempts(tx, execution.first_attempt)
    started_with = jobs.get(tx, execution.job)
    record["pending_inquiry"] = None if execution.finished else _pending_inquiry(tx, execution)
    parent = None if execution.task is None else executions.get(tx, execution.parent or 0)
    record["workflow_ref"] = None if parent is None else parent.action_ref
    record["command"] = started_with.get("command") or None
    record["folder"] = started_with.get("folder") if record["command"] else None
    return record


def _pending_inquiry(tx: Transaction, execution: Execution) -> int | None:
    """Return the oldest inquiry that it, or something below it, waits for."""
    from attune_cli.runtime.store import inquiries

    pending = inquiries.pending_below(tx, execution.id)
    return pending[0].id if pending else None


def is_workflow(tx: Transaction, execution_id: int) -> bool:
    """Tell whether an execution runs the tasks of a workflow."""
    execution = executions.get(tx, execution_id)
    return execution is not None and execution.waits and jobs.get(tx, execution.job)["kind"] == "workflow"


def list_executions(tx: Transaction, criteria: Filter) -> list[Record]:
    """Return executions that meet `criteria`, newest first."""
    return [execution_record(execution) for execution in execution_search.search(tx, criteria)]


def cancel(tx: Transaction, word: str, reason: str | None) -> Execution:
    """Leave the intent to cancel an execution, or its newest attempt; raises ConflictError when it is over."""
    execution = executions.last_attempt(tx, find(tx, word))
    if not executions.request_cancel(tx, execution.id, reason):
        raise ConflictError(
            f"execution {execution.id} is over: it is {execution.status}",
            code="finished",
            hint=f"attune execution show {execution.id}",
        )
    return execution


def cancel_ownerless(tx: Transaction, execution: Execution) -> None:
    """Carry out the cancel of an execution that nobody owns: anybody may change it."""
    if execution.host is not None or executions.cancel_ownerless(tx, execution.id):
        return
    from attune_cli.runtime.services import inquiry_settling, workflow_cancelling
    from attune_cli.runtime.store import inquiries, workflows

    waiting = executions.startable(tx, execution.id)
    if waiting is None:
        return
    if workflows.get(tx, execution.id) is not None:
        workflow_cancelling.cancel(tx, waiting)
    elif inquiries.of_execution(tx, execution.id) is not None:
        inquiry_settling.cancel_waiting(tx, waiting)


def result_value(record: Record, stdout: Path) -> object:
    """Return what `-r` prints: the parsed data where there is some, else stdout as text, whole.

    Of what waited for others, which has no stdout, it is what came of it. `stdout` is the log file, which is read
    when the record holds only a part.
    """
    result: dict[str, Any] = record["result"] or {}
    if result.get("data_truncated"):
        from attune_cli.runtime.runners.results import parse_output

        return parse_output(stdout.read_bytes(), result["data_format"])[0]
    if "data" in result:
        return result["data"]
    if QUESTION_ID in result:
        return result["response"]
    if result.get("stdout_cut"):
        return stdout.read_bytes().decode("utf-8", "surrogateescape")
    if "stdout" in result or not result:
        return result.get("stdout", "")
    return {name: value for name, value in result.items() if name != "succeeded"}


def prune(tx: Transaction, criteria: Filter, *, keep: int, limit: int) -> Swept:
    """Delete ended executions that meet `criteria`, except the newest `keep`; tells whose files can go.

    Looks at `limit` at most, so that no transaction holds the file for long; the next part is below the lowest.
    """
    return execution_search.delete_ended(tx, criteria, keep=keep, limit=limit)


def prune_jobs(tx: Transaction) -> int:
    """Delete what no execution was started with any more; returns how many."""
    return jobs.delete_unused(tx)


def remove_runs(runs: Path, execution_ids: list[int]) -> None:
    """Remove the log folders of executions that are deleted; a crash leaves folders that nothing names."""
    for execution_id in execution_ids:
        shutil.rmtree(runs / str(execution_id), ignore_errors=True)


def stats(tx: Transaction, *, by: str, since: int | None) -> list[Record]:
    """Return counts and durations (p50 and p95, in milliseconds) by action, status or day."""
    groups: dict[str, list[tuple[str, int | None]]] = {}
    for group, status, duration_ms in execution_search.durations(tx, by=by, since=since):
        groups.setdefault(group, []).append((status, duration_ms))
    return [_statistics(by, group, rows) for group, rows in sorted(groups.items())]


def _statistics(by: str, group: str, rows: list[tuple[str, int | None]]) -> Record:
    durations = sorted(duration for _, duration in rows if duration is not None)
    bad = sum(status in {"failed", "abandoned", "timeout"} for status, _ in rows)
    return {
        "kind": "statistics",
        by: group,
        "count": len(rows),
        "completed": sum(status == "completed" for status, _ in rows),
        "bad": bad,
        "p50_ms": _percentile(durations, 50),
        "p95_ms": _percentile(durations, 95),
    }


def _percentile(values: list[int], percent: int) -> int | None:
    """Return the nearest-rank percentile of sorted values."""
    return values[max(0, -(-len(values) * percent // 100) - 1)] if values else None
