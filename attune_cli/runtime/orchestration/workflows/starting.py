"""From a task to the executions that do it: what it is done with, its input, its retries and time limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import AttuneError, UsageError
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.engine.limits import DEFINITIONS_KEPT, WORKFLOW_NESTING
from attune_cli.runtime.expressions.json_values import copied
from attune_cli.runtime.expressions.templates import Filled, TemplateError
from attune_cli.runtime.model import secret_places
from attune_cli.runtime.model.inquiries import parameters_of
from attune_cli.runtime.model.pointers import parse_pointer, put_back
from attune_cli.runtime.model.workflows.results import View
from attune_cli.runtime.services.submission import (
    FAULTY_PARAMETERS,
    Submission,
    pin,
    submit,
    submit_faulty,
)
from attune_cli.runtime.store import rule_index, workflow_tasks, workflows
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.actions import Retry
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.model.workflows.task import Task
    from attune_cli.runtime.orchestration.workflows.case import Case
    from attune_cli.runtime.orchestration.workflows.plans import ReadyTask
    from attune_cli.runtime.orchestration.workflows.scopes import StepScope
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.workflow_tasks import TaskRow

_LISTS_KEPT = 16
"""Lists of items that are kept decoded: tasks that take them one after another ask for them in each tick."""


@immutable
class Items:
    """What a task is done with, its secret values in their places."""

    values: list[Any]
    secrets: dict[int, frozenset[str]]
    """Item → JSON pointers into it."""

    def units(self, task: Task) -> int:
        """Return how many executions they make."""
        size = task.batch_size or 1
        return -(-len(self.values) // size)

    def unit(self, task: Task, index: int) -> View:
        """Return what one execution is given: an item, or a batch of them."""
        if task.batch_size is None:
            return View(self.values[index], self.secrets.get(index, frozenset()))
        first = index * task.batch_size
        batch = self.values[first : first + task.batch_size]
        secrets = {
            f"/{place}{pointer}"
            for place in range(len(batch))
            for pointer in self.secrets.get(first + place, frozenset())
        }
        return View(batch, frozenset(secrets))


class Starter:
    """Starts what tasks need, for one engine. What actions are started with is read again when any has changed."""

    def __init__(self, settings: Settings, sealer: Sealer) -> None:
        self._settings = settings
        self._sealer = sealer
        self._version = -1
        self._jobs: dict[tuple[str, Retry | None], JobDefinition] = {}
        self._items: dict[tuple[int, Instant], Items] = {}
        """By number and birth of the row: a transaction that is taken back gives its numbers to others."""

    # --- what a task is done with

    def pin_items(self, case: Case, row: TaskRow, ready: ReadyTask) -> Items | None:
        """Fill in `with_items` and write down what comes of it; None where a task is done once. Raises AttuneError."""
        if ready.items is None:
            return None
        filled = ready.items.fill(case.surroundings.scope())
        if not isinstance(filled.value, list):
            found = "null" if filled.value is None else _type_of(filled.value)
            raise UsageError(f"with_items: expected a list, got {found}", code="with_items")
        values = cast("list[Any]", filled.value)
        if len(values) > self._settings.max_items:
            raise UsageError(
                f"with_items has {len(values)} items, more than max_items allows ({self._settings.max_items})",
                code="too_many_items",
            )
        secrets = _by_item(len(values), filled.secrets)
        pointers = [f"/items/{index}{pointer}" for index, inner in secrets.items() for pointer in inner]
        document: dict[str, Any] = {"items": copied(values) if pointers else values}
        hidden = secret_places.take_out(document, pointers)
        sealed = self._sealer.seal(hidden) if hidden else None
        workflow_tasks.set_items(case.tx, row.id, document["items"], sealed)
        return self._keep(row, Items(values, secrets))

    def with_origin(self, case: Case, row: TaskRow, items: Items | None) -> TaskRow:
        """Return a task that begins again, on its own where the earlier run of it was done with other items."""
        if row.origin is None:
            return row
        before = workflow_tasks.by_id(case.tx, row.origin)
        if items is not None and before is not None and self.items(case.tx, before).values == items.values:
            return row
        workflow_tasks.forget_origin(case.tx, row.id)
        return replace(row, origin=None)

    def items(self, tx: Transaction, row: TaskRow) -> Items:
        """Return what was written down for a task."""
        known = self._items.get((row.id, row.created))
        if known is not None:
            return known
        values, sealed = workflow_tasks.items(tx, row.id)
        secrets: dict[int, frozenset[str]] = {}
        if sealed is not None:
            document = {"items": values}
            hidden: dict[str, Any] = self._sealer.unseal(sealed)
            put_back(document, hidden)
            inner = frozenset(pointer.removeprefix("/items") for pointer in hidden)
            secrets = _by_item(len(values), inner)
        return self._keep(row, Items(values, secrets))

    def _keep(self, row: TaskRow, items: Items) -> Items:
        while len(self._items) >= _LISTS_KEPT:
            del self._items[next(iter(self._items))]
        self._items[row.id, row.created] = items
        return items

    # --- one execution

    def job(self, case: Case, task: Task) -> JobDefinition:
        """Return what the action of a task is started with, with the task's retries; raises AttuneError."""
        version = rule_index.version(case.tx)
        if version != self._version or len(self._jobs) >= DEFINITIONS_KEPT:
            self._jobs.clear()
            self._version = version
        key = (task.action or "", task.retry)
        found = self._jobs.get(key)
        if found is None:
            job = pin(case.tx, key[0])
            if task.retry is not None and job.kind != "inquiry":
                job = replace(job, action=replace(job.action, retry=task.retry))
            found = self._jobs[key] = job
        if found.kind == "workflow":
            above = workflows.nesting(case.tx, case.id, WORKFLOW_NESTING + 1)
            if above >= WORKFLOW_NESTING:
                raise UsageError(
                    f"workflows may be nested {WORKFLOW_NESTING} deep, and this one is",
                    code="nested_too_deep",
                )
        return found

    def start(
        self,
        case: Case,
        row: TaskRow,
        ready: ReadyTask,
        *,
        unit: View | None = None,
        index: int = 0,
        delay_seconds: float = 0.0,
    ) -> None:
        """Make the execution of a task, or of one item of it. Raises AttuneError where there can be none.

        Parameters that the action refuses make one that has failed.
        """
        tx, host = case.tx, case.execution.host
        job = self.job(case, ready.task)
        scope = case.surroundings.scope(unit, index if unit is not None else None)
        base = Submission(
            action_ref=job.action.ref,
            pinned=job,
            parent=case.id,
            workflow_task=row.id,
            item=index,
            timeout_seconds=ready.task.timeout_seconds,
            due=tx.now + round(delay_seconds * SECOND) if delay_seconds else 0,
        )
        try:
            filled = self._parameters(case, ready, job, scope)
            submission = replace(base, parameters=filled.value, pinned=self._permitted(ready, job, scope))
        except TemplateError as error:
            if unit is None:
                raise
            submit_faulty(tx, base, error=error, sealer=self._sealer, host=host)
            return
        self._check_secrets(ready, job, filled)
        try:
            submit(tx, submission, settings=self._settings, sealer=self._sealer, host=host)
        except AttuneError as error:
            if error.code not in FAULTY_PARAMETERS:
                raise
            submit_faulty(tx, submission, error=error, sealer=self._sealer, host=host)

    def _parameters(self, case: Case, ready: ReadyTask, job: JobDefinition, scope: StepScope) -> Filled:
        if ready.task.input:
            return ready.input.fill(scope)
        # Without an input of its own a task hands on what the workflow was given.
        given = case.surroundings.parameters
        handed = {
            name: value
            for name, value in cast("dict[str, Any]", given.value).items()
            if name in job.action.parameters and name in case.graph.parameters
        }
        secrets = {pointer for pointer in given.secrets if parse_pointer(pointer)[0] in handed}
        return Filled(handed, (), frozenset(secrets))

    def _permitted(self, ready: ReadyTask, job: JobDefinition, scope: StepScope) -> JobDefinition:
        """Return the job with the permissions that the task gives it instead of the action's own."""
        if ready.permission_set_refs is None:
            return job
        filled = ready.permission_set_refs.fill(scope)
        if filled.secrets:
            raise UsageError(f"permission_set_refs: {secret_places.EXPOSED}", code="secret_exposed")
        value = filled.value
        if value is None:
            return job
        refs = [value] if isinstance(value, str) else value
        if not isinstance(refs, list) or not all(isinstance(ref, str) for ref in cast("list[object]", refs)):
            raise TemplateError("permission_set_refs: expected a ref or a list of refs", code="template")
        return replace(job, action=replace(job.action, permission_set_refs=tuple(cast("list[str]", refs))))

    def _check_secrets(self, ready: ReadyTask, job: JobDefinition, filled: Filled) -> None:
        values = cast("dict[str, Any]", filled.value)
        schema = parameters_of(job.action, values)
        exposed = secret_places.exposed(schema, filled.secrets)
        if exposed:
            names = ", ".join(f"input.{name}" for name in exposed)
            raise UsageError(f"{names}: {secret_places.EXPOSED}", code="secret_exposed")
        foreign = secret_places.keys_named_by_others(schema, ready.task.input, values, filled.secrets)
        if foreign:
            raise UsageError(
                f"input.{', input.'.join(foreign)}: what a workflow is given may not name a key; it may itself",
                code="foreign_key",
            )


def _type_of(value: object) -> str:
    """Return what a value is, without saying which: it may be secret."""
    if isinstance(value, str):
        return "a string"
    if isinstance(value, bool):
        return "a boolean"
    return "an object" if isinstance(value, dict) else "a number"


def _by_item(count: int, secrets: frozenset[str]) -> dict[int, frozenset[str]]:
    """Return the secrets of a list by item; where the list itself is one, all of each item."""
    if "" in secrets:
        return dict.fromkeys(range(count), frozenset({""}))
    found: dict[int, set[str]] = {}
    for pointer in secrets:
        index, _, rest = pointer[1:].partition("/")
        found.setdefault(int(index), set()).add(f"/{rest}" if rest else "")
    return {index: frozenset(inner) for index, inner in found.items()}
