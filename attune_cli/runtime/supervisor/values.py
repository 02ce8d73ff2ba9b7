"""What the supervisor is told and what it reports: plain values that could cross a process border."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attune_cli.values import immutable

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.clock import Instant

Why = Literal["exited", "timed_out", "cancelled", "not_started", "log_failed"]
"""How a run came to its end. `log_failed`: its output could not be kept, so it was stopped."""


@immutable(kw_only=True)
class Spawn:
    """One run to start.

    `run` is its durable name, unique within one supervisor. `argv[0]` is resolved already. `environment` is the
    child's whole environment; `ATTUNE_EXEC_ID` and `ATTUNE_HOME` in it mark the run's processes. `folder` is made
    with the first byte of output. `secrets` are masked in both streams.
    """

    run: str
    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    stdin: bytes
    folder: Path
    stdout_cap_bytes: int
    stderr_cap_bytes: int
    timeout_seconds: float | None
    grace_seconds: float
    secrets: tuple[bytes, ...] = ()


@immutable(kw_only=True)
class Stop:
    """End a run: TERM, and KILL after the grace (the run's own when None)."""

    run: str
    grace_seconds: float | None = None


@immutable
class Forget:
    """The ends of these runs are committed; their journal need not keep them."""

    runs: tuple[str, ...]


@immutable(kw_only=True)
class StreamSummary:
    """What became of one stream: bytes and lines kept (without the marker), and bytes dropped.

    A last line without its end counts as a line.
    """

    bytes: int
    lines: int
    dropped_bytes: int


@immutable(kw_only=True)
class RunExit:
    """How a run ended. `exit_code` is None when a signal ended it or it never started; `error` is a sentence."""

    run: str
    why: Why
    exit_code: int | None
    signal: int | None
    error: str | None
    started: Instant
    finished: Instant
    duration_ms: int
    stdout: StreamSummary
    stderr: StreamSummary


@immutable
class Chunk:
    """A piece of output: when it came, on which stream (1 or 2), and where it stands in that stream's file."""

    time: Instant
    stream: int
    offset: int
    length: int
