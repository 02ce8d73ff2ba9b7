"""Stories about hosts that died: the table of what survives, case by case (simulation.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.store import hosts
from tests.engine.stage import BAD, GOOD

if TYPE_CHECKING:
    from tests.engine.stage import Stage

HEIRS = [("daemon", "b"), ("inline", None)]
"""A daemon inherits what is not over; what an inline host settles becomes ownerless."""


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.host("a")
    return stage


@pytest.mark.parametrize(("kind", "heir"), HEIRS)
def test_what_was_only_requested_is_inherited(stage: Stage, kind: str, heir: str | None) -> None:
    execution = stage.ask("a").id
    stage.dies("a")
    stage.host("b", kind=kind, dead=("a",))
    assert stage.row(execution).host == heir
    assert stage.path(execution) == (["requested", "running"] if heir else ["requested"])


@pytest.mark.parametrize(("kind", "heir"), HEIRS)
def test_what_was_being_prepared_returns_and_the_attempt_does_not_count(
    stage: Stage, kind: str, heir: str | None
) -> None:
    stage.runner.prepares = True
    execution = stage.submit()
    stage.dies("a")
    stage.host("b", kind=kind, dead=("a",))
    row = stage.row(execution)
    assert (row.attempt, row.host) == (1, heir)
    assert stage.path(execution) == ["requested", "scheduled", "requested"] + (["scheduled"] if heir else [])


@pytest.mark.parametrize(("kind", "heir"), HEIRS)
def test_a_run_whose_gate_never_opened_is_started_in_the_same_row(
    stage: Stage, kind: str, heir: str | None
) -> None:
    execution = stage.submit()
    stage.runs.alive.clear()
    stage.runs.started.clear()
    stage.dies("a")
    stage.host("b", kind=kind, dead=("a",))
    row = stage.row(execution)
    assert (row.attempt, row.host) == (1, heir)
    assert stage.path(execution) == ["requested", "running", "requested"] + (["running"] if heir else [])
    assert row.runner_ref == (f"run-{execution}" if heir else None)
    assert stage.runs.started == ([execution] if heir else [])


def test_a_run_that_goes_on_is_adopted_by_the_next_daemon(stage: Stage) -> None:
    execution = stage.submit()
    stage.dies("a")
    stage.host("b", kind="daemon", dead=("a",))
    assert (stage.row(execution).host, stage.path(execution)) == ("b", ["requested", "running"])
    stage.end(execution, host="b")
    assert stage.status(execution) == ["completed"]
    assert stage.runs.started == [execution]


def test_a_run_that_goes_on_waits_for_a_daemon_and_keeps_its_slot(stage: Stage) -> None:
    execution = stage.submit()
    stage.dies("a")
    stage.host("b", dead=("a",))
    assert (stage.row(execution).host, stage.status(execution)) == ("a", ["running"])
    with stage.store.read(stage.clock.now()) as tx:
        assert [host.id for host in hosts.all_hosts(tx)] == ["a", "b"]


def test_an_adopted_run_that_was_being_stopped_is_stopped_again(stage: Stage) -> None:
    execution = stage.submit()
    stage.cancel(execution)
    stage.runs.stopped.clear()
    stage.dies("a")
    stage.host("b", kind="daemon", dead=("a",))
    assert (stage.status(execution), stage.runs.stopped) == (["canceling"], [f"run-{execution}"])


@pytest.mark.parametrize("kind", ["daemon", "inline"])
@pytest.mark.parametrize(("outcome", "status"), [(GOOD, "completed"), (BAD, "failed")])
def test_an_end_that_was_not_committed_is_read_and_committed_once(
    stage: Stage, kind: str, outcome: object, status: str
) -> None:
    execution = stage.submit()
    stage.dies("a")
    stage.runs.alive.clear()
    stage.runs.ended[f"run-{execution}"] = outcome  # pyright: ignore[reportArgumentType] - one of two outcomes
    stage.host("b", kind=kind, dead=("a",))
    assert stage.path(execution) == ["requested", "running", status]
    stage.host("c", kind=kind, dead=("b",))
    assert stage.path(execution) == ["requested", "running", status]
    assert stage.runs.started == [execution]


@pytest.mark.parametrize(("kind", "heir"), HEIRS)
def test_a_lost_run_is_abandoned_and_an_allowed_retry_waits_for_the_heir(
    stage: Stage, kind: str, heir: str | None
) -> None:
    final = stage.submit()
    retried = stage.submit(retry=Retry(count=1, delay_seconds=60))
    stage.dies("a", with_its_runs=True)
    stage.host("b", kind=kind, dead=("a",))
    assert stage.status(final, retried) == ["abandoned", "abandoned"]
    error = stage.row(final).error
    assert error is not None
    assert (error.type, error.message) == (
        "abandoned",
        "the engine that ran it died, and its end is not known",
    )
    following = stage.row(retried).next_attempt
    assert following is not None
    row = stage.row(following)
    assert (str(row.status), row.host, row.attempt) == ("requested", heir, 2)
    stage.advance(60)
    assert stage.status(following) == (["running"] if heir else ["requested"])


@pytest.mark.parametrize("kind", ["daemon", "inline"])
def test_a_lost_run_that_was_being_stopped_is_cancelled(stage: Stage, kind: str) -> None:
    execution = stage.submit(retry=Retry(count=3))
    stage.cancel(execution)
    stage.dies("a", with_its_runs=True)
    stage.host("b", kind=kind, dead=("a",))
    assert stage.path(execution)[-2:] == ["canceling", "cancelled"]
    assert stage.all_ids() == [execution]


def test_a_lost_run_that_somebody_wished_to_cancel_is_not_tried_again(stage: Stage) -> None:
    execution = stage.submit(retry=Retry(count=3))
    stage.dies("a", with_its_runs=True)
    stage.cancel(execution)
    stage.host("b", dead=("a",))
    assert stage.status(execution) == ["abandoned"]
    assert stage.all_ids() == [execution]


@pytest.mark.parametrize("kind", ["daemon", pytest.param("inline")])
def test_a_wish_to_cancel_what_a_dead_host_had_not_started_is_carried_out(stage: Stage, kind: str) -> None:
    stage.runner.prepares = True
    scheduled = stage.submit()
    requested = stage.ask("a").id
    stage.dies("a")
    for execution in (scheduled, requested):
        stage.cancel(execution)
    stage.host("b", kind=kind, dead=("a",))
    assert stage.status(scheduled, requested) == ["cancelled", "cancelled"]


def test_dead_hosts_are_forgotten_when_nothing_of_theirs_is_left(stage: Stage) -> None:
    stage.submit()
    stage.dies("a", with_its_runs=True)
    stage.host("b", dead=("a",))
    with stage.store.read(stage.clock.now()) as tx:
        assert [host.id for host in hosts.all_hosts(tx)] == ["b"]


def test_a_host_that_leaves_makes_what_it_had_not_started_ownerless(stage: Stage) -> None:
    running = stage.submit(concurrency=1)
    waiting = stage.submit(concurrency=1)
    stage.end(running)
    stage.end(waiting)
    later = stage.submit(due=stage.clock.now() + 10**9)
    stage.engines["a"].leave()
    row = stage.row(later)
    assert (str(row.status), row.host) == ("requested", None)
    with stage.store.read(stage.clock.now()) as tx:
        assert hosts.all_hosts(tx) == []


def test_what_two_commands_settle_at_once_is_settled_once(stage: Stage) -> None:
    """Both have inspected; the second finds that the rows moved on."""
    from attune_cli.runtime.engine.jobs import JobReader
    from attune_cli.runtime.engine.recovery import inspect, settle

    execution = stage.submit(retry=Retry(count=1, delay_seconds=60))
    stage.dies("a", with_its_runs=True)
    found = []
    for _ in range(2):
        with stage.store.read(stage.clock.now()) as tx:
            found.append(inspect(tx, ["a"], JobReader(), {"process": stage.runner}, boot_id="boot"))
    for inspected in found:
        with stage.store.write(stage.clock.now()) as tx:
            settle(tx, inspected, ["a"], heir=None, ask=lambda *_: False)
    assert stage.status(execution) == ["abandoned"]
    assert stage.all_ids() == [execution, execution + 1]
