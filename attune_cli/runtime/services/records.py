"""Records: what people, scripts and clients are shown of a noun; names are the API's (api.md, records)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import rfc3339

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.entities import Execution, StatusChange, Stream
    from attune_cli.runtime.store.keys import Key

Record = dict[str, Any]


def time_or_none(instant: Instant | None) -> str | None:
    return None if instant is None else rfc3339(instant)


def duration_ms(started: Instant | None, finished: Instant | None) -> int | None:
    """Return how long something took; None before it has ended, and for what never started."""
    return None if started is None or finished is None else max(0, (finished - started) // 1000)


def execution_record(execution: Execution) -> Record:
    """Return the full record of an execution; absent values are null, never missing."""
    error = execution.error
    duration = duration_ms(execution.started, execution.finished)
    return {
        "kind": "execution",
        "id": execution.id,
        "action_ref": execution.action_ref,
        "status": str(execution.status),
        "parameters": execution.parameters,
        "config": execution.parameters,
        "result": execution.result,
        "error": None if error is None else {"type": error.type, "message": error.message},
        "exit_code": execution.exit_code,
        "timed_out": execution.timed_out,
        "attempt": execution.attempt,
        "original_execution": execution.original_execution,
        "next_attempt": execution.next_attempt,
        "rerun_of": execution.rerun_of,
        "parent": execution.parent,
        "workflow_task": _workflow_task(execution, duration),
        "root": execution.top,
        "enforcement": execution.enforcement,
        "rule_ref": execution.rule_ref,
        "trigger_ref": execution.trigger_ref,
        "labels": execution.labels,
        "executor": execution.executor,
        "timeout_seconds": execution.timeout_seconds,
        "cancel_reason": execution.cancel_reason,
        "stdout": _stream(execution.stdout),
        "stderr": _stream(execution.stderr),
        "created": time_or_none(execution.created),
        "started_at": time_or_none(execution.started),
        "finished_at": time_or_none(execution.finished),
        "updated": time_or_none(execution.updated),
        "duration_ms": duration,
    }


def _workflow_task(execution: Execution, duration_ms: int | None) -> Record | None:
    """Return what an execution is to the workflow that began it, under the names of the existing platform."""
    task = execution.task
    if task is None:
        return None
    is_next_attempt = execution.attempt > 1 and execution.started is None and execution.finished is None
    return {
        "workflow_execution": execution.parent,
        "task_name": task.name,
        "task_index": execution.item,
        "iteration": task.iteration,
        "triggered_by": task.triggered_by,
        "retry_count": execution.attempt - 1,
        "max_retries": task.max_retries,
        "next_retry_at": rfc3339(execution.due) if is_next_attempt else None,
        "timeout_seconds": execution.timeout_seconds,
        "timed_out": execution.timed_out,
        "started_at": time_or_none(execution.started),
        "completed_at": time_or_none(execution.finished),
        "duration_ms": duration_ms,
    }


def _stream(stream: Stream) -> Record:
    return {
        "bytes": stream.bytes,
        "lines": stream.lines,
        "dropped_bytes": stream.dropped_bytes,
        "truncated": stream.dropped_bytes > 0,
    }


def change_record(change: StatusChange) -> Record:
    """Return one step of an execution's timeline."""
    return {
        "at": rfc3339(change.at),
        "from": None if change.from_status is None else str(change.from_status),
        "to": str(change.to_status),
        "host": change.host,
    }


def key_record(key: Key) -> Record:
    """Return a key without its value."""
    return {
        "kind": "key",
        "id": key.id,
        "ref": key.ref,
        "name": key.name,
        "owner_type": key.owner_type,
        "owner": key.owner or None,
        "scope": "system" if key.owner_type == "system" else f"{key.owner_type}:{key.owner}",
        "encrypted": key.encrypted,
        "created": rfc3339(key.created),
        "updated": rfc3339(key.updated),
        "expires": time_or_none(key.expires),
    }
