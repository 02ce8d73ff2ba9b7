"""What the expressions of a workflow see, made from the transaction (domain.md 5.6)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.expressions.scope import Found
from attune_cli.runtime.expressions.workflow_scope import Ended, WorkflowScope
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.model.parameters import secret_pointers
from attune_cli.runtime.model.pointers import format_pointer, put_back
from attune_cli.runtime.model.secret_places import take_out
from attune_cli.runtime.model.workflows.results import View, without_aliases
from attune_cli.runtime.services import pack_config
from attune_cli.runtime.services.readable_keys import read_key
from attune_cli.runtime.store import packs, workflows
from attune_cli.runtime.store.sealing import opened_parameters
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.expressions.scope import Path
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.effort import Effort
    from attune_cli.runtime.model.workflows.states import TaskStatus
    from attune_cli.runtime.orchestration.workflows.plans import Plan
    from attune_cli.runtime.orchestration.workflows.results import Results
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.workflow_tasks import TaskRow
    from attune_cli.runtime.store.workflows import Workflow

_NOTHING = View({})


class Surroundings:
    """Parameters, variables, results, configuration and keys of one workflow within one transaction."""

    def __init__(
        self,
        tx: Transaction,
        execution: Startable,
        workflow: Workflow,
        plan: Plan,
        results: Results,
        sealer: Sealer,
        effort: Effort,
    ) -> None:
        self._tx = tx
        self._effort = effort
        self._workflow = execution.id
        self._definition = plan.definition
        self._results = results
        self._sealer = sealer
        self.parameters = _parameters(execution, sealer)
        self.variables = _opened(workflow.variables, workflow.sealed, sealer)
        self._base = WorkflowScope(
            parameters=self.parameters,
            variables=_NOTHING,
            task=results.named,
            config=_NOTHING,
            key=self._key,
            system={"workflow_start": rfc3339(execution.started or tx.now)},
            now=rfc3339(tx.now),
        )

    def scope(self, item: View | None = None, index: int | None = None) -> StepScope:
        """Return what a task sees, or one of its items."""
        inner = replace(self._base, variables=self._variables_view(), item=item, index=index)
        return StepScope(inner=inner, config=self._config, effort=self._effort)

    def scope_after(self, row: TaskRow, status: TaskStatus) -> StepScope:
        """Return what the transitions of a task see that is over."""
        ended = Ended(
            result=_NOTHING,
            succeeded=status.is_success,
            timed_out=status == "timed_out",
        )
        inner = replace(self._base, variables=self._variables_view(), ended=ended)
        return StepScope(
            inner=inner,
            config=self._config,
            effort=self._effort,
            result=lambda path: self._results.of(row, path),
        )

    def save_variables(self) -> int:
        """Write the variables down, those that may hold secrets sealed; returns their size in bytes."""
        shown = dict(self.variables)
        hidden = take_out(shown, self._secret_variables())
        sealed = self._sealer.seal(hidden) if hidden else None
        workflows.set_variables(self._tx, self._workflow, shown, sealed)
        return len(json.dumps(self.variables, ensure_ascii=False).encode())

    def _variables_view(self) -> View:
        return View(self.variables, frozenset(self._secret_variables()))

    def _secret_variables(self) -> list[str]:
        return [format_pointer([name]) for name in self._definition.secret_vars if name in self.variables]

    def _config(self) -> View:
        pack = packs.get(self._tx, self._definition.pack_ref)
        if pack is None:
            return _NOTHING
        values = pack_config.values(pack, self._sealer)
        schema = PackManifest.from_json(pack.manifest).conf_schema
        return View(values, frozenset(secret_pointers(schema, values)))

    def _key(self, ref: str) -> Found:
        """Return a key of the system, of the workflow's pack or of the workflow."""
        own = self._definition
        return read_key(self._tx, ref, self._sealer, pack_ref=own.pack_ref, action_ref=own.ref)


@immutable(kw_only=True)
class StepScope:
    """A scope that reads what is costly only when it is asked for."""

    inner: WorkflowScope
    config: Callable[[], View]
    effort: Effort
    result: Callable[[Path], Found | None] | None = None

    def find(self, name: str, path: Path, /) -> Found | None:
        if name == "result()" and self.result is not None:
            found = self.result(path)
            if found is None:
                return None
            return Found(found.value, without_aliases(found.value, found.rest), found.secrets)
        if name in {"config", "pack"}:
            return replace(self.inner, config=self.config()).find(name, path)
        return self.inner.find(name, path)

    def key(self, name: str, /) -> Found:
        return self.inner.key(name)

    def call(self, function: str, /) -> Json:
        return self.inner.call(function)

    def spent(self, work: int, /) -> None:
        self.effort.spend(work)


def _parameters(execution: Startable, sealer: Sealer) -> View:
    return View(*opened_parameters(execution, sealer))


def _opened(shown: dict[str, Any], sealed: bytes | None, sealer: Sealer) -> dict[str, Any]:
    if sealed is not None:
        put_back(shown, sealer.unseal(sealed))
    return shown
