"""What the engine asks of a runner: the only way runs are started, stopped and found again.

A runner never blocks its caller and never raises for a run's sake: what happens is reported as a fact.
Life of a run: `prepare` (only when `needs_preparation`) → the engine commits `running` with the run's
ref → `start`, the gate → a `RunEnded` fact. After a crash `attach` tells what became of a ref.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from attune_cli.runtime.model.entities import Stream
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.entities import Outcome
    from attune_cli.runtime.model.jobs import JobDefinition


@immutable(kw_only=True)
class Job:
    """One attempt, with all it is started with; secret values are in the clear, so it is never stored."""

    execution: int
    attempt: int
    action_ref: str
    definition: JobDefinition
    parameters: dict[str, Any]
    timeout_seconds: float | None
    environment: dict[str, str] = field(default_factory=dict[str, str])
    secrets: tuple[str, ...] = ()


@immutable(kw_only=True)
class Seen:
    """A run that an engine which died had begun, as its row tells."""

    execution: int
    ref: str
    definition: JobDefinition
    timeout_seconds: float | None


@immutable
class Ended:
    """The run is over, and this came of it."""

    outcome: Outcome


@immutable
class Lost:
    """What became of the run cannot be known; nothing of it is left but what it wrote."""

    stdout: Stream = Stream()
    stderr: Stream = Stream()


class Standing(Enum):
    """What became of a run whose engine died."""

    RUNNING = "it goes on, and its end will be reported"
    NEVER_RAN = "its gate never opened"


class ServerVariables(Protocol):
    """Gives an execution the variables by which it reaches the daemon's server: none where it cannot."""

    def __call__(self, execution: int, gateway: str | None = None, /) -> dict[str, str]:
        """`gateway` is this machine as a network of containers sees it; None for processes of this machine."""
        ...


def no_server(_execution: int, _gateway: str | None = None, /) -> dict[str, str]:
    """Stand for a host without a server."""
    return {}


class Runner(Protocol):
    """Starts runs of one kind (`kind` is the word in a definition's `runner`)."""

    kind: str

    def needs_preparation(self, job: Job) -> bool:
        """Tell at once whether `prepare` has to be called first."""
        ...

    def ref(self, job: Job) -> str:
        """Return the durable name of the run of a job that needs no preparation."""
        ...

    def prepare(self, job: Job) -> None:
        """Make what the run needs; reports `Prepared` or `PrepareFailed`."""
        ...

    def start(self, job: Job, ref: str) -> None:
        """Open the gate; called after `running` is committed. Reports `RunEnded`, once."""
        ...

    def stop(self, ref: str) -> None:
        """Ask a run to end, and make it end after its grace. A run that is unknown or over is left alone."""
        ...

    def attach(self, seen: Seen) -> Standing | Ended | Lost:
        """Tell what became of a run started by an engine that died; a run that is lost is ended first."""
        ...
