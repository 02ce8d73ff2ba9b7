"""The nouns that have rows: one frozen dataclass each. Only the store makes them from rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.states import Status

REDACTED: dict[str, bool] = {"$attune_secret": True, "redacted": True}
"""What stands where a secret value was (domain.md 7)."""


QUESTION = "__inquiry"
"""The member of an action's data by which its run ends with a question (domain.md 6)."""


QUESTION_ID = "__inquiry_id"
"""The member of a result that names the inquiry whose answer it holds."""


@immutable(kw_only=True)
class Stream:
    """What one output stream left: bytes and lines kept in its file, bytes dropped at the cap."""

    bytes: int = 0
    lines: int = 0
    dropped_bytes: int = 0


@immutable(kw_only=True)
class RunError:
    """Why a run failed: a `type` for programs and a sentence for people."""

    type: str
    message: str


@immutable(kw_only=True)
class Outcome:
    """How a run ended. A failed action is an outcome, never an exception."""

    succeeded: bool
    exit_code: int | None = None
    timed_out: bool = False
    error: RunError | None = None
    result: dict[str, Any] | None = None
    result_sealed: bytes | None = None
    started: Instant | None = None
    finished: Instant | None = None
    stdout: Stream = Stream()
    stderr: Stream = Stream()


@immutable(kw_only=True)
class TaskPlace:
    """The task of a workflow that an execution is a part of."""

    name: str
    iteration: int
    triggered_by: str | None
    max_retries: int


@immutable(kw_only=True)
class Execution:
    """One attempt to run an action. Field names are the columns'; instants are microseconds UTC."""

    id: int
    action_ref: str
    job: int
    status: Status
    host: str | None
    runner_ref: str | None
    parent: int | None
    root: int | None
    original_execution: int | None
    next_attempt: int | None
    attempt: int
    rerun_of: int | None
    parameters: dict[str, Any]
    labels: dict[str, str]
    timeout_seconds: float | None
    due: Instant
    limit_group: str | None
    limit_size: int | None
    idempotency_key: str | None
    cancel_requested: Instant | None
    cancel_reason: str | None
    exit_code: int | None
    timed_out: bool
    error: RunError | None
    result: dict[str, Any] | None
    stdout: Stream
    stderr: Stream
    created: Instant
    started: Instant | None
    finished: Instant | None
    updated: Instant
    enforcement: int | None
    rule_ref: str | None
    trigger_ref: str | None
    depth: int
    waits: bool
    workflow_task: int | None
    item: int
    executor: str | None
    task: TaskPlace | None

    @property
    def first_attempt(self) -> int:
        return self.original_execution or self.id

    @property
    def top(self) -> int:
        return self.root or self.id


@immutable(kw_only=True)
class Host:
    """A process that runs, or ran, an engine; alive as long as its lock is held."""

    id: str
    kind: str
    pid: int
    boot_id: str
    started: Instant


@immutable(kw_only=True)
class StatusChange:
    """One row of an execution's history."""

    from_status: Status | None
    to_status: Status
    host: str | None
    at: Instant
