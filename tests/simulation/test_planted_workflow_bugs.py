"""A simulation that never fails proves nothing: each bug planted here in how workflows go on has to be found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.engine import recovery
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.orchestration.workflows import ending, following
from attune_cli.runtime.services import workflow_cancelling
from attune_cli.runtime.store import executions, workflow_children, workflow_tasks, workflows
from attune_cli.runtime.store.workflow_children import Child
from tests.simulation import workflow_history
from tests.simulation.test_workflows import swarm

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.store.database import Store, Transaction
    from tests.simulation.workflow_history import WorkflowHistory

    Plant = Callable[[pytest.MonkeyPatch], None]


def an_end_wakes_nobody(patch: pytest.MonkeyPatch) -> None:
    real = workflow_history.define

    def define(store: Store) -> None:
        real(store)
        store.connection.execute("DROP TRIGGER workflow_woken")

    patch.setattr(workflow_history, "define", define)


def a_workflow_ends_before_its_tasks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(workflow_tasks, "is_running", lambda _tx, _one: False)


def a_cancelled_workflow_forgets_what_runs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(workflow_children, "any_live", lambda _tx, _one: False)


def items_are_counted_by_what_has_ended(patch: pytest.MonkeyPatch) -> None:
    query = "SELECT count(*) FROM execution WHERE finished IS NOT NULL AND workflow_task = "
    patch.setattr(workflow_children, "next_item", lambda tx, task: _first(tx, f"{query}{task}"))


def the_first_attempt_counts(patch: pytest.MonkeyPatch) -> None:
    def ended(tx: Transaction, task: int) -> list[Child]:
        found = tx.execute(
            "SELECT status, timed_out FROM execution WHERE workflow_task = ? AND attempt = 1", (task,)
        ).fetchall()
        return [Child(Status(status), bool(timed_out)) for status, timed_out in found]

    patch.setattr(workflow_children, "ended", ended)


def a_join_begins_with_the_first_that_arrives(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(following, "join_is_met", lambda *_: True)


def a_task_begins_for_each_that_leads_to_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(following.Following, "_there", lambda *_, **__: None)


def every_failure_counts_as_handled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(workflow_tasks, "failed", lambda _tx, _one: [])


def what_waits_is_forgotten_when_its_host_dies(patch: pytest.MonkeyPatch) -> None:
    real = executions.owned_live
    patch.setattr(
        recovery.executions, "owned_live", lambda tx, hosts: [row for row in real(tx, hosts) if not row.waits]
    )


def an_abandoned_run_hangs_its_task(patch: pytest.MonkeyPatch) -> None:
    query = """SELECT count(*) FROM execution WHERE workflow_task = {task}
        AND (finished IS NULL OR (status = 'abandoned' AND next_attempt IS NULL))"""
    patch.setattr(workflow_children, "count_live", lambda tx, task: _first(tx, query.format(task=task)))


def cancelling_a_workflow_leaves_those_within_it_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(workflow_cancelling, "cancel_children", lambda *_, **__: None)
    patch.setattr(ending, "cancel_children", lambda *_, **__: None)


def only_what_is_owned_goes_on(patch: pytest.MonkeyPatch) -> None:
    real = workflows.due
    patch.setattr(
        workflows,
        "due",
        lambda tx, host, **rest: [one for one in real(tx, host, **rest) if one.host == "host-1"],
    )


def _first(tx: Transaction, query: str) -> int:
    return int(tx.execute(query).fetchone()[0])


PLANTED: tuple[Plant, ...] = (
    an_end_wakes_nobody,
    a_workflow_ends_before_its_tasks,
    a_cancelled_workflow_forgets_what_runs,
    items_are_counted_by_what_has_ended,
    the_first_attempt_counts,
    a_join_begins_with_the_first_that_arrives,
    a_task_begins_for_each_that_leads_to_it,
    every_failure_counts_as_handled,
    what_waits_is_forgotten_when_its_host_dies,
    an_abandoned_run_hangs_its_task,
    cancelling_a_workflow_leaves_those_within_it_alone,
    only_what_is_owned_goes_on,
)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(_goes_wrong(swarm(seed)) for seed in range(40))


def _goes_wrong(history: WorkflowHistory) -> bool:
    try:
        return history.play() != []
    except Exception:  # noqa: BLE001 - a statement that the database refuses has found it as well
        return True
