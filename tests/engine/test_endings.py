"""Stories about how executions end: retries, cancels, late facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.actions import Backoff, Retry
from attune_cli.runtime.model.entities import Outcome, RunError, Stream
from attune_cli.runtime.model.facts import Prepared, PrepareFailed, RunEnded
from attune_cli.runtime.store import executions
from tests.engine.stage import BAD, GOOD

if TYPE_CHECKING:
    from tests.engine.stage import Stage


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.host()
    return stage


# --- outcomes


def test_an_outcome_is_kept_whole(stage: Stage) -> None:
    execution = stage.submit()
    outcome = Outcome(
        succeeded=False, exit_code=-1, timed_out=True, error=RunError(type="timeout", message="too slow"),
        result={"n": [1, "ü\0"]}, started=5, finished=7,
        stdout=Stream(bytes=1, lines=2, dropped_bytes=3), stderr=Stream(bytes=4, lines=5, dropped_bytes=6),
    )  # fmt: skip
    stage.end(execution, outcome)
    row = stage.row(execution)
    assert (str(row.status), row.exit_code, row.timed_out, row.error) == ("failed", -1, True, outcome.error)
    assert (row.result, row.started, row.finished) == (outcome.result, 5, 7)
    assert (row.stdout, row.stderr) == (outcome.stdout, outcome.stderr)


def test_the_way_of_a_run_that_was_prepared_is_logged(stage: Stage) -> None:
    stage.runner.prepares = True
    execution = stage.submit()
    stage.prepared(execution)
    stage.end(execution)
    assert stage.path(execution) == ["requested", "scheduled", "running", "completed"]


def test_what_cannot_be_prepared_fails(stage: Stage) -> None:
    stage.runner.prepares = True
    execution = stage.submit()
    stage.prepare_failed(execution)
    assert stage.path(execution) == ["requested", "scheduled", "failed"]
    assert stage.row(execution).error == BAD.error


# --- attempts


@pytest.mark.parametrize(
    ("patterns", "is_tried"),
    [((), True), (("refused",), True), (("never", "^connection .*80$"), True), (("^refused",), False)],
)
def test_only_an_error_that_a_pattern_finds_is_tried_again(
    stage: Stage, patterns: tuple[str, ...], is_tried: bool
) -> None:
    execution = stage.submit(retry=Retry(count=1, on_error=patterns))
    error = RunError(type="exit", message="connection refused by host 80")
    stage.end(execution, Outcome(succeeded=False, exit_code=1, error=error))
    assert (stage.row(execution).next_attempt is not None) is is_tried


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [("constant", [10, 10, 10]), ("linear", [10, 20, 25]), ("exponential", [10, 20, 25])],
)
def test_a_failure_is_tried_again_after_its_delay(stage: Stage, backoff: Backoff, waits: list[float]) -> None:
    retry = Retry(count=3, delay_seconds=10, backoff=backoff, max_delay_seconds=25)
    current = stage.submit(retry=retry, parameters={"n": 1}, labels={"k": "v"})
    first = current
    for attempt, wait in enumerate(waits, start=2):
        stage.end(current, BAD)
        following = stage.row(current).next_attempt
        assert following is not None
        row = stage.row(following)
        assert (row.attempt, row.original_execution, row.due) == (
            attempt, first, stage.clock.now() + wait * SECOND,
        )  # fmt: skip
        assert (row.parameters, row.labels, row.host) == ({"n": 1}, {"k": "v"}, "a")
        stage.advance(wait - 0.001)
        assert stage.status(following) == ["requested"]
        stage.advance(0.001)
        assert stage.status(following) == ["running"]
        current = following
    stage.end(current, BAD)
    assert stage.row(current).next_attempt is None
    assert stage.all_ids() == [first, first + 1, first + 2, first + 3]


def test_a_success_ends_the_chain(stage: Stage) -> None:
    first = stage.submit(retry=Retry(count=5))
    stage.end(first, BAD)
    stage.end(first + 1, GOOD)
    assert stage.status(first, first + 1) == ["failed", "completed"]
    assert stage.all_ids() == [first, first + 1]


def test_an_attempt_gives_its_slot_away_while_the_next_waits(stage: Stage) -> None:
    failing = stage.submit(retry=Retry(count=1, delay_seconds=60), concurrency=1)
    waiting = stage.submit(concurrency=1)
    stage.end(failing, BAD)
    assert stage.status(waiting) == ["running"]
    stage.advance(60)
    assert stage.status(failing + 2) == ["requested"]
    stage.end(waiting)
    assert stage.status(failing + 2) == ["running"]


def test_a_run_out_of_time_is_a_failure_that_may_be_tried_again(stage: Stage) -> None:
    first = stage.submit(retry=Retry(count=1))
    timed_out = Outcome(succeeded=False, timed_out=True, error=RunError(type="timeout", message="too slow"))
    stage.end(first, timed_out)
    assert stage.status(first, first + 1) == ["failed", "running"]


def test_what_cannot_be_prepared_may_be_tried_again(stage: Stage) -> None:
    stage.runner.prepares = True
    first = stage.submit(retry=Retry(count=1))
    stage.prepare_failed(first)
    assert stage.status(first, first + 1) == ["failed", "scheduled"]


def test_a_child_keeps_its_parent_in_every_attempt(stage: Stage) -> None:
    parent = stage.submit()
    child = stage.submit(parent=parent, retry=Retry(count=1))
    stage.end(child, BAD)
    row = stage.row(child + 1)
    assert (row.parent, row.root, str(row.status)) == (parent, parent, "running")


# --- cancel


def test_a_waiting_execution_is_cancelled_at_once(stage: Stage) -> None:
    planned = stage.submit(due=stage.clock.now() + 60 * SECOND)
    assert stage.cancel(planned)
    row = stage.row(planned)
    assert (str(row.status), row.cancel_reason, row.finished) == ("cancelled", "a whim", stage.clock.now())
    assert row.error is not None
    assert row.error.message == "cancelled before it started"
    stage.advance(60)
    assert stage.runs.started == []


def test_an_execution_in_preparation_is_cancelled_at_once_and_never_starts(stage: Stage) -> None:
    stage.runner.prepares = True
    execution = stage.submit()
    stage.cancel(execution)
    assert stage.status(execution) == ["cancelled"]
    stage.prepared(execution)
    assert (stage.status(execution), stage.runs.started) == (["cancelled"], [])


def test_a_cancel_and_the_end_of_the_preparation_in_one_tick_start_nothing(stage: Stage) -> None:
    stage.runner.prepares = True
    execution = stage.submit()
    stage.engines["a"].report(Prepared(execution=execution, ref=f"run-{execution}"))
    stage.cancel(execution)
    assert (stage.status(execution), stage.runs.started) == (["cancelled"], [])


@pytest.mark.parametrize("outcome", [GOOD, BAD])
def test_a_running_execution_is_stopped_and_is_cancelled_however_it_ends(
    stage: Stage, outcome: Outcome
) -> None:
    execution = stage.submit(retry=Retry(count=3))
    stage.cancel(execution)
    assert (stage.status(execution), stage.runs.stopped) == (["canceling"], [f"run-{execution}"])
    stage.cancel(execution)
    assert stage.runs.stopped == [f"run-{execution}"]
    stage.end(execution, outcome)
    assert stage.path(execution) == ["requested", "running", "canceling", "cancelled"]
    assert stage.all_ids() == [execution]


def test_a_failure_after_the_wish_to_cancel_is_not_tried_again(stage: Stage) -> None:
    """The end and the wish arrive together: the end is believed first."""
    execution = stage.submit(retry=Retry(count=3))
    stage.engines["a"].report(RunEnded(execution=execution, ref=f"run-{execution}", outcome=BAD))
    stage.cancel(execution)
    assert stage.status(execution) == ["failed"]
    assert stage.all_ids() == [execution]


def test_cancelling_a_tree_reaches_further_attempts_and_children(stage: Stage) -> None:
    first = stage.submit(retry=Retry(count=3))
    stage.end(first, BAD)
    second = first + 1
    child = stage.submit(parent=second)
    grandchild = stage.submit(parent=child)
    stranger = stage.submit()
    with stage.store.write(stage.clock.now()) as tx:
        executions.request_cancel_tree(tx, first, "all of it")
    stage.tick()
    assert stage.status(first, second, child, grandchild, stranger) == [
        "failed", "canceling", "canceling", "canceling", "running",
    ]  # fmt: skip


def test_cancelling_a_tree_tells_how_many_it_reached(stage: Stage) -> None:
    parent = stage.submit()
    stage.submit(parent=parent)
    with stage.store.write(stage.clock.now()) as tx:
        assert executions.request_cancel_tree(tx, parent, "all of it") == 2


def test_what_is_over_cannot_be_cancelled(stage: Stage) -> None:
    execution = stage.submit()
    stage.end(execution)
    before = stage.row(execution)
    assert not stage.cancel(execution)
    assert stage.row(execution) == before


# --- late and repeated facts


def test_an_end_is_believed_once(stage: Stage) -> None:
    execution = stage.submit(retry=Retry(count=3, delay_seconds=60))
    stage.end(execution, BAD)
    before = stage.row(execution)
    stage.end(execution, GOOD)
    stage.end(execution, BAD)
    assert stage.row(execution) == before
    assert stage.all_ids() == [execution, execution + 1]


def test_an_end_that_is_told_twice_at_once_is_believed_once(stage: Stage) -> None:
    execution = stage.submit(retry=Retry(count=3, delay_seconds=60))
    engine = stage.engines["a"]
    for _ in range(2):
        engine.report(RunEnded(execution=execution, ref=f"run-{execution}", outcome=BAD))
    stage.tick()
    assert stage.all_ids() == [execution, execution + 1]


def test_facts_that_do_not_fit_change_nothing(stage: Stage) -> None:
    running = stage.submit()
    waiting = stage.submit(due=stage.clock.now() + 60 * SECOND)
    for fact in (
        RunEnded(execution=running, ref="another run", outcome=BAD),
        RunEnded(execution=waiting, ref=f"run-{waiting}", outcome=BAD),
        RunEnded(execution=999, ref="run-999", outcome=BAD),
        Prepared(execution=running, ref=f"run-{running}"),
        Prepared(execution=waiting, ref=f"run-{waiting}"),
        PrepareFailed(execution=running, outcome=BAD),
    ):
        stage.report(fact)
    assert stage.status(running, waiting) == ["running", "requested"]
    assert stage.runs.started == [running]


def test_what_another_host_is_told_of_my_run_changes_nothing(stage: Stage) -> None:
    stage.host("b")
    execution = stage.submit("a")
    stage.report(RunEnded(execution=execution, ref=f"run-{execution}", outcome=BAD), host="b")
    assert stage.status(execution) == ["running"]
