from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import pairwise, product
from typing import TYPE_CHECKING

import pytest

from attune_cli.errors import UnavailableError
from attune_cli.runtime.model.states import TERMINAL, TRANSITIONS, Status
from attune_cli.runtime.store.database import check_version, connect, create_schema, memory_store
from attune_cli.runtime.store.guard import guard_is_whole, guard_statements, install_guard
from tests.contract.rows import add_execution, path_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRIGGERS = [statement.split()[2] for statement in guard_statements()]
REACHABLE = [status for status in Status if path_to(status) is not None]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(memory_store()) as store:
        yield store.connection


def test_every_status_but_the_one_that_is_never_written_can_be_reached() -> None:
    assert set(Status) - set(REACHABLE) == {Status.SCHEDULING}


@pytest.mark.parametrize(("old", "new"), [pair for pair in product(REACHABLE, Status) if pair[0] != pair[1]])
def test_the_database_takes_exactly_the_steps_of_the_table(
    connection: sqlite3.Connection, old: Status, new: Status
) -> None:
    execution = add_execution(connection, old)
    if (old, new) in TRANSITIONS:
        connection.execute("UPDATE execution SET status = ? WHERE id = ?", (new, execution))
        found = new
    else:
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE execution SET status = ? WHERE id = ?", (new, execution))
        found = old
    assert connection.execute("SELECT status FROM execution").fetchall() == [(found,)]


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.REQUESTED])
def test_an_execution_begins_as_requested(connection: sqlite3.Connection, status: Status) -> None:
    add_execution(connection)
    with pytest.raises(sqlite3.IntegrityError, match="begins as requested"):
        connection.execute(
            "INSERT INTO execution (action_ref, job, status, due, created, updated) VALUES ('a.b', 1, ?, 1, 1, 1)",
            (status,),
        )


@pytest.mark.parametrize("status", sorted(TERMINAL & set(REACHABLE)))
def test_nothing_of_an_ended_execution_changes(connection: sqlite3.Connection, status: Status) -> None:
    execution = add_execution(connection, status)
    with pytest.raises(sqlite3.IntegrityError, match="ended execution"):
        connection.execute("UPDATE execution SET exit_code = 3 WHERE id = ?", (execution,))


def test_each_change_is_logged_and_announced_in_its_own_statement(connection: sqlite3.Connection) -> None:
    execution = add_execution(connection, Status.CANCELLED, host="h")
    steps = [Status.REQUESTED, *(path_to(Status.CANCELLED) or [])]
    history = connection.execute("SELECT from_status, to_status, host, at FROM execution_history ORDER BY id")
    assert history.fetchall() == [
        (None if number == 0 else steps[number - 1], status, "h", 1 if number == 0 else 2)
        for number, status in enumerate(steps)
    ]
    rows = connection.execute(
        "SELECT notification_type, entity_id, payload FROM notification ORDER BY sequence"
    )
    told = [(kind, entity, json.loads(payload)) for kind, entity, payload in rows]
    assert [(kind, payload["status"], payload.get("old_status")) for kind, _, payload in told] == [
        ("execution_created", "requested", None),
        *(("execution_status_changed", new, old) for old, new in pairwise(steps)),
    ]
    assert {entity for _, entity, _ in told} == {execution}


def test_a_rolled_back_change_is_neither_logged_nor_announced(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    add_execution(connection, Status.RUNNING)
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM execution_history").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM notification").fetchone() == (0,)


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_database_without_one_of_the_triggers_is_refused(tmp_path: Path, name: str) -> None:
    with closing(connect(tmp_path / "attune.db")) as connection:
        create_schema(connection)
        assert check_version(connection, tmp_path / "attune.db") > 0
        connection.execute(f"DROP TRIGGER {name}")
        with pytest.raises(UnavailableError) as refused:
            check_version(connection, tmp_path / "attune.db")
    assert (refused.value.code, refused.value.exit_code) == ("database_guard", 6)
    assert "attune db migrate" in str(refused.value.hint)


def test_a_trigger_that_was_weakened_is_noticed_and_made_again(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TRIGGER execution_final")
    connection.execute("CREATE TRIGGER execution_final BEFORE UPDATE ON execution BEGIN SELECT 1; END")
    assert not guard_is_whole(connection)
    install_guard(connection)
    assert guard_is_whole(connection)
    execution = add_execution(connection, Status.COMPLETED)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE execution SET exit_code = 3 WHERE id = ?", (execution,))
