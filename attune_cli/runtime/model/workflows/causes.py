"""Why a workflow failed, in words: its cause first, said once however deep it lies, then what else went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.workflows.states import TASKS_NAMED, listed
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKFLOW_FAILED = "workflow_failed"
"""Type of the error of a workflow that failed for its tasks; of any other it says itself why."""

_FAILED = "Workflow failed: "
_LINE_CHARACTERS = 500
_PATH_PARTS = 6
"""Of a longer path only the ends are named: a workflow that calls itself fails twenty deep."""
_TRACEBACK = "Traceback (most recent call last):"


@immutable(kw_only=True)
class Cause:
    """A failure where it began."""

    path: tuple[str, ...]
    """The tasks that lead down to it, sub-workflow by sub-workflow; one of several items as `name[3]`."""
    message: str
    execution: int | None = None
    """What ran and failed; None where nothing could be started."""
    earlier: Cause | None = None
    """A failure that was handled, and whose handling led to this one."""


def path_of(cause: Cause) -> str:
    """Return the place of a failure: `release/check[1]`."""
    path = cause.path
    if len(path) > _PATH_PARTS:
        path = (path[0], f"… {len(path) - 2} more …", path[-1])
    return "/".join(path)


def reason_of(cause: Cause) -> str:
    """Return the line of an error that tells most, whole where it is not a page long, and where to read the rest."""
    lines = [line.strip() for line in cause.message.splitlines() if line.strip()] or [cause.message]
    line = lines[-1] if lines[0] == _TRACEBACK else lines[0]
    if len(lines) == 1 and len(line) <= _LINE_CHARACTERS:
        return line
    where = "" if cause.execution is None else f" (attune execution show {cause.execution})"
    return f"{line[:_LINE_CHARACTERS]} …{where}"


def failure(cause: Cause | None, also: Sequence[str], others: Sequence[str]) -> str:
    """Say why a workflow failed: its first failure that led nowhere, the tasks that failed too, and the rest."""
    reasons: list[str] = []
    if cause is not None:
        after = ""
        if cause.earlier is not None:
            after = f", after task '{path_of(cause.earlier)}' failed: {reason_of(cause.earlier)}"
        reasons.append(f"task '{path_of(cause)}': {reason_of(cause)}{after}")
    if also:
        reasons.append(f"{listed(tuple(dict.fromkeys(also)))} failed too")
    return f"{_FAILED}{'; '.join([*reasons, *others[:TASKS_NAMED]])}"


def cause_in(message: str) -> str:
    """Return what is wrong, of an error that may be a workflow's."""
    return message.removeprefix(_FAILED)
