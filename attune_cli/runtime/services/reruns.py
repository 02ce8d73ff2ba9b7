"""Running an execution again: the submission that would repeat it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.pointers import put_back
from attune_cli.runtime.services.executions import find
from attune_cli.runtime.services.submission import Submission, definition_of
from attune_cli.runtime.store import definitions, executions

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer


def rerun(
    tx: Transaction,
    word: str,
    overrides: dict[str, Any],
    sealer: Sealer,
    *,
    timeout_seconds: float | None = None,
    from_failed: bool = False,
) -> Submission:
    """Return a submission that runs an execution again: its parameters, some replaced, and today's action.

    With `from_failed` a workflow goes on where it failed; raises ConflictError where there is no such place.
    """
    execution = find(tx, word)
    if from_failed:
        from attune_cli.runtime.services.workflow_resuming import check_failed

        check_failed(tx, execution.id)
    row = executions.startable(tx, execution.id)
    parameters: dict[str, Any] = dict(execution.parameters)
    environment: dict[str, str] = {}
    if row is not None and row.sealed is not None:
        sealed = sealer.unseal(row.sealed)
        environment = sealed["environment"]
        put_back(parameters, sealed["parameters"])
    parameters.update(overrides)
    stored = definitions.get(tx, "action", execution.action_ref) is not None
    return Submission(
        action_ref=execution.action_ref,
        parameters=parameters,
        definition=None if stored else definition_of(tx, execution),
        labels=execution.labels,
        environment=environment,
        timeout_seconds=execution.timeout_seconds if timeout_seconds is None else timeout_seconds,
        rerun_of=execution.id,
        from_failed=from_failed,
    )
