"""What may be asked of workflows that go on: to pause, and to go on again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import ConflictError
from attune_cli.runtime.services.executions import find
from attune_cli.runtime.store import executions, workflows

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction


def pause(tx: Transaction, word: str, reason: str | None = None) -> list[int]:
    """Begin nothing more in a workflow and in those below it; returns those that were not paused yet.

    What runs goes on. Raises ConflictError where there is nothing to pause.
    """
    found = [one for one in _going_on(tx, word, "pause") if workflows.pause(tx, one, reason)]
    if not found:
        raise ConflictError(
            f"execution {find(tx, word).id} is paused already", hint=f"attune execution resume {word}"
        )
    return found


def resume(tx: Transaction, word: str) -> list[int]:
    """Let a workflow and those below it go on; returns those that were paused. Raises ConflictError for none."""
    found = [one for one in _going_on(tx, word, "resume") if workflows.resume(tx, one)]
    if not found:
        raise ConflictError(
            f"execution {find(tx, word).id} is not paused", hint=f"attune execution show {word}"
        )
    return found


def _going_on(tx: Transaction, word: str, verb: str) -> list[int]:
    execution = executions.last_attempt(tx, find(tx, word))
    found = workflows.live_below(tx, execution.id)
    if not found:
        what = "is over" if execution.status.is_terminal else "is no workflow that goes on"
        raise ConflictError(
            f"execution {execution.id} {what}: there is nothing to {verb}",
            hint=f"attune execution show {execution.id}",
        )
    return found
