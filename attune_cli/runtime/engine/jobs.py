"""From a row to a job: the pinned definition decoded once, the secret values unsealed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.errors import AttuneError
from attune_cli.runtime.engine.endings import end
from attune_cli.runtime.engine.limits import DEFINITIONS_KEPT
from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.model.pointers import put_back
from attune_cli.runtime.model.variables import words_of
from attune_cli.runtime.runners.api import Job
from attune_cli.runtime.store import inquiries, jobs

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer


class JobReader:
    """Reads jobs for one engine; definitions never change, so each is decoded once."""

    def __init__(self, sealer: Sealer | None = None) -> None:
        self._sealer = sealer
        self._definitions: dict[tuple[int, int], JobDefinition] = {}
        """By number and checksum."""

    def definition(self, tx: Transaction, execution: Startable) -> JobDefinition:
        key = (execution.job, jobs.checksum(tx, execution.job))
        found = self._definitions.get(key)
        if found is None:
            if len(self._definitions) >= DEFINITIONS_KEPT:
                self._definitions.clear()
            found = JobDefinition.from_json(jobs.get(tx, execution.job))
            self._definitions[key] = found
        return found

    def read_or_end(self, tx: Transaction, execution: Startable) -> Job | None:
        """Return the job of one attempt; when it cannot be read (a lost key), end the execution instead."""
        try:
            return self._read(tx, execution)
        except AttuneError as error:
            failure = RunError(type=error.code, message=error.message)
            end(tx, execution, Outcome(succeeded=False, error=failure), Retry())
            return None

    def _answers(self, tx: Transaction, root: int, sealer: Sealer) -> list[str]:
        """Return what was told in confidence to the tree that a run is in: whoever learns of it must not print it."""
        answers = [sealer.unseal(sealed) for sealed in inquiries.sealed_in_tree(tx, root)]
        return [word for hidden in answers for value in hidden.values() for word in words_of(value)]

    def _read(self, tx: Transaction, execution: Startable) -> Job:
        parameters: dict[str, Any] = json.loads(execution.parameters)
        environment: dict[str, str] = {}
        secrets: list[str] = []
        if execution.sealed is not None and self._sealer is not None:
            sealed = self._sealer.unseal(execution.sealed)
            environment = sealed["environment"]
            put_back(parameters, sealed["parameters"])
            secrets = sealed["secrets"]
        if execution.root is not None and self._sealer is not None:
            secrets += self._answers(tx, execution.root, self._sealer)
        return Job(
            execution=execution.id,
            attempt=execution.attempt,
            action_ref=execution.action_ref,
            definition=self.definition(tx, execution),
            parameters=parameters,
            timeout_seconds=execution.timeout_seconds,
            environment=environment,
            secrets=tuple(secrets),
        )
