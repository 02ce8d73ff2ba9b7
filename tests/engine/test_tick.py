"""Stories about the tick itself: requests, the one commit, what is told of it, and the guard."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from attune_cli.errors import ConflictError, UnavailableError
from attune_cli.runtime.engine import limits
from attune_cli.runtime.model.facts import RunEnded
from attune_cli.runtime.services import executions as services
from attune_cli.runtime.store import executions, notifications
from attune_cli.runtime.store.database import Store, connect, create_schema
from attune_cli.runtime.store.execution_search import Filter
from tests.engine.stage import GOOD, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.store.database import Transaction


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.host()
    return stage


# --- requests


def _mark(tx: Transaction, name: str) -> str:
    tx.execute("INSERT INTO meta (name, value) VALUES (?, 'x')", (name,))
    return name


def _marks(stage: Stage) -> list[str]:
    rows = stage.store.connection.execute("SELECT name FROM meta WHERE value = 'x' ORDER BY name")
    return [name for (name,) in rows]


def test_a_request_is_answered_after_its_commit(stage: Stage) -> None:
    reply = stage.engines["a"].request(lambda tx: _mark(tx, "one"))
    assert _marks(stage) == []
    stage.tick()
    assert (reply.result(), _marks(stage)) == ("one", ["one"])


def test_a_request_that_fails_answers_its_caller_alone(stage: Stage) -> None:
    engine = stage.engines["a"]

    def fail(tx: Transaction) -> str:
        _mark(tx, "bad")
        raise ConflictError("not now")

    replies = [
        engine.request(lambda tx: _mark(tx, "first")),
        engine.request(fail),
        engine.request(lambda tx: _mark(tx, "last")),
    ]
    stage.tick()
    assert (replies[0].result(), replies[2].result()) == ("first", "last")
    with pytest.raises(ConflictError, match="not now"):
        replies[1].result()
    assert _marks(stage) == ["first", "last"]


def test_a_request_that_breaks_answers_its_caller_alone(stage: Stage) -> None:
    engine = stage.engines["a"]
    good = engine.request(lambda tx: _mark(tx, "first"))
    bad = engine.request(lambda tx: _mark(tx, "first"))
    stage.tick()
    assert good.result() == "first"
    with pytest.raises(sqlite3.IntegrityError):
        bad.result()


def test_more_requests_than_a_tick_serves_are_served_in_order(stage: Stage) -> None:
    count = limits.REQUESTS_PER_TICK + 7
    served: list[int] = []
    engine = stage.engines["a"]
    for number in range(count):
        engine.request(lambda _tx, number=number: served.append(number))
    engine.tick()
    assert len(served) == limits.REQUESTS_PER_TICK
    assert engine.has_news
    stage.tick()
    assert served == list(range(count))


# --- one commit


def test_nothing_is_started_and_nobody_answered_when_the_commit_fails(tmp_path: Path) -> None:
    broken = {"now": False}

    def probe(point: str) -> None:
        if broken["now"] and point == "before commit":
            raise UnavailableError("the disk is full")

    stage = Stage(tmp_path, slots=3)
    connection = connect(":memory:")
    create_schema(connection)
    stage.store = Store(connection, probe=probe)
    stage.host()
    running = stage.submit()
    waiting = stage.ask().id
    engine = stage.engines["a"]
    broken["now"] = True
    reply = engine.request(lambda tx: _mark(tx, "one"))
    engine.report(RunEnded(execution=running, ref=f"run-{running}", outcome=GOOD))
    with pytest.raises(UnavailableError):
        engine.tick()
    with pytest.raises(UnavailableError):
        reply.result()
    assert (stage.status(running, waiting), stage.runs.started) == (["running", "requested"], [running])
    broken["now"] = False
    stage.tick()
    assert stage.status(running, waiting) == ["completed", "running"]
    assert _marks(stage) == []


def test_a_tick_commits_once_whatever_happens_in_it(tmp_path: Path) -> None:
    points: list[str] = []
    stage = Stage(tmp_path, slots=3)
    connection = connect(":memory:")
    create_schema(connection)
    stage.store = Store(connection, probe=points.append)
    stage.host()
    ids = [stage.submit() for _ in range(3)]
    for _ in range(3):
        stage.ask()
    for execution in ids:
        stage.engines["a"].report(RunEnded(execution=execution, ref=f"run-{execution}", outcome=GOOD))
    stage.engines["a"].request(lambda tx: _mark(tx, "one"))
    points.clear()
    stage.engines["a"].tick()
    assert points.count("after commit") == 1
    assert len(stage.runs.started) == 6


# --- what is told


def test_every_change_is_in_the_history_and_in_the_outbox_in_order(stage: Stage) -> None:
    execution = stage.submit()
    stage.advance(5)
    stage.cancel(execution)
    stage.advance(5)
    stage.end(execution)
    with stage.store.read(stage.clock.now()) as tx:
        history = executions.history(tx, execution)
        news = notifications.since(tx, 0)
    assert [(change.from_status, change.to_status, change.host) for change in history] == [
        (None, "requested", "a"),
        ("requested", "running", "a"),
        ("running", "canceling", "a"),
        ("canceling", "cancelled", "a"),
    ]
    assert [change.at for change in history] == sorted(change.at for change in history)
    payloads = [json.loads(one.payload) for one in news]
    assert [one.notification_type for one in news] == ["execution_created"] + ["execution_status_changed"] * 3
    assert [payload["status"] for payload in payloads] == ["requested", "running", "canceling", "cancelled"]
    assert [payload.get("old_status") for payload in payloads] == [None, "requested", "running", "canceling"]
    assert {payload["id"] for payload in payloads} == {execution}
    assert [one.created for one in news] == [change.at for change in history]


def test_the_outbox_is_read_from_any_sequence(stage: Stage) -> None:
    stage.end(stage.submit())
    with stage.store.read(stage.clock.now()) as tx:
        everything = notifications.since(tx, 0)
        assert notifications.since(tx, everything[1].sequence) == everything[2:]
        assert notifications.since(tx, 0, limit=2) == everything[:2]
        assert notifications.newest(tx) == everything[-1].sequence


# --- the guard


@pytest.mark.parametrize("status", ["completed", "canceling", "scheduling", "nonsense"])
def test_raw_sql_cannot_take_an_illegal_step(stage: Stage, status: str) -> None:
    stage.engines.clear()
    execution = stage.submit()
    with pytest.raises(sqlite3.IntegrityError, match="illegal change of status"):
        stage.store.connection.execute("UPDATE execution SET status = ? WHERE id = ?", (status, execution))
    assert stage.status(execution) == ["requested"]


def test_raw_sql_cannot_bring_an_ended_execution_back(stage: Stage) -> None:
    execution = stage.submit()
    stage.end(execution)
    for change in ("status = 'running'", "result = '{}'", "host = 'b'"):
        with pytest.raises(sqlite3.IntegrityError, match="an ended execution does not change"):
            stage.store.connection.execute(f"UPDATE execution SET {change} WHERE id = ?", (execution,))


def test_a_job_that_takes_the_number_of_a_deleted_one_is_not_taken_for_it(stage: Stage) -> None:
    first = stage.submit(action_ref="demo.old")
    stage.end(first)
    with stage.store.write(stage.clock.now()) as tx:
        services.prune(tx, Filter(), keep=0, limit=10)
        services.prune_jobs(tx)
    second = stage.submit(action_ref="demo.new")
    assert stage.row(second).job == 1
    assert stage.runs.jobs[second].definition.action.ref == "demo.new"
