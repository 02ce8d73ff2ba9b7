from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.errors import AttuneError, UnavailableError
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.store.database import SCHEMA_VERSION, Store, connect, create_schema
from attune_cli.runtime.store.guard import guard_is_whole, install_guard
from attune_cli.runtime.store.migrations import STEPS, migrate
from tests.contract.rows import add_execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlite_utils import Database

NEXT = SCHEMA_VERSION + 1
FIRST_SCHEMA = Path(__file__).parent / "schema_version_1.sql"
"""What schema.sql was in version 1."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "attune.db"
    connection = connect(path)
    create_schema(connection)
    with closing(Store(connection, path=path)) as opened:
        yield opened


def content(connection: sqlite3.Connection) -> list[str]:
    return [*connection.iterdump(), str(version_of(connection))]


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


# --- where the steps lead


def schema_text() -> str:
    return resources.files("attune_cli.runtime.store").joinpath("schema.sql").read_text("utf-8")


def made_from(script: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(script)
    return connection


def guarded(connection: sqlite3.Connection) -> sqlite3.Connection:
    install_guard(connection)
    return connection


def shape(connection: sqlite3.Connection) -> dict[str, Any]:
    """Describe a schema as SQLite understands it: `transform` and ALTER TABLE write other SQL for the same tables."""
    described: dict[str, Any] = {}
    for _, table, kind, _, without_rowid, strict in connection.execute("PRAGMA main.table_list").fetchall():
        if table.startswith("sqlite_"):
            continue
        (sql,) = connection.execute(
            "SELECT coalesce(sql, '') FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
        columns = connection.execute("SELECT * FROM pragma_table_xinfo(?)", (table,)).fetchall()
        described[table] = {
            "kind": (kind, without_rowid, strict, "AUTOINCREMENT" in sql.upper()),
            "columns": {column[1]: column[2:] for column in columns},
            "foreign keys": sorted(
                row[2:] for row in connection.execute("SELECT * FROM pragma_foreign_key_list(?)", (table,))
            ),
            "unique": sorted(
                [
                    column
                    for _, _, column in connection.execute("SELECT * FROM pragma_index_info(?)", (row[1],))
                ]
                for row in connection.execute("SELECT * FROM pragma_index_list(?)", (table,)).fetchall()
                if row[3] == "u"
            ),
        }
    for kind, name, sql in connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
    ):
        described[f"{kind} {name}"] = " ".join(sql.replace('"', "").split())
    return described


def led_from(first: str, steps: Mapping[int, Callable[[Database], None]], version: int) -> dict[str, Any]:
    with closing(made_from(first)) as connection:
        connection.execute("PRAGMA user_version=1")
        migrate(Store(connection), steps=steps, version=version)
        return shape(connection)


def test_the_steps_lead_from_the_first_schema_to_exactly_this_one() -> None:
    assert sorted(STEPS) == list(range(2, SCHEMA_VERSION + 1))
    with closing(guarded(made_from(schema_text()))) as fresh:
        assert led_from(FIRST_SCHEMA.read_text("utf-8"), STEPS, SCHEMA_VERSION) == shape(fresh)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE key ADD COLUMN note TEXT",
        "ALTER TABLE policy RENAME COLUMN label TO title",
        "DROP INDEX execution_parent",
        "CREATE INDEX key_name ON key (name)",
        "CREATE TABLE more (id INTEGER PRIMARY KEY)",
        "DROP TABLE meta; CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) STRICT, WITHOUT ROWID",
        "DROP TABLE meta; CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    ],
)
def test_a_schema_that_a_step_forgot_to_change_is_noticed(change: str) -> None:
    def nothing(_db: Database) -> None:
        return

    with closing(guarded(made_from(f"{schema_text()};\n{change};"))) as wanted:
        assert led_from(schema_text(), {2: nothing}, 2) != shape(wanted)
        done = led_from(schema_text(), {2: lambda db: run_all(db, change)}, 2)
        assert done == shape(wanted)


def run_all(db: Database, statements: str) -> None:
    for statement in statements.split("; "):
        db.execute(statement)


# --- how a step is taken


def test_a_file_of_this_version_is_left_as_it_is(store: Store) -> None:
    before = content(store.connection)
    assert migrate(store) == []
    assert content(store.connection) == before


def test_each_step_is_taken_once_and_in_order(store: Store) -> None:
    seen: list[int] = []

    def step(number: int) -> Callable[[Database], None]:
        def take(_db: Database) -> None:
            assert version_of(store.connection) == number - 1
            seen.append(number)

        return take

    steps = {number: step(number) for number in (NEXT + 1, NEXT)}
    assert migrate(store, steps=steps, version=NEXT + 1) == [NEXT, NEXT + 1]
    assert migrate(store, steps=steps, version=NEXT + 1) == []
    assert seen == [NEXT, NEXT + 1]


def add_pack_with_action(store: Store) -> None:
    store.connection.execute(
        "INSERT INTO pack (id, ref, label, version, digest, manifest, created, updated)"
        " VALUES (1, 'demo', 'Demo', '1.0.0', 'd', '{}', 1, 1)"
    )
    store.connection.execute(
        "INSERT INTO action (ref, pack, label, definition, created, updated)"
        " VALUES ('demo.a', 1, 'A', '{}', 1, 1)"
    )


@pytest.mark.parametrize("table", ["execution", "execution_history", "pack", "job", "notification"])
def test_a_step_that_transforms_keeps_every_row_and_the_guard(store: Store, table: str) -> None:
    execution = add_execution(store.connection, Status.COMPLETED)
    add_pack_with_action(store)
    names = ("execution", "execution_history", "notification", "pack", "action", "job", "meta")
    rows = {name: store.connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in names}

    def step(db: Database) -> None:
        db.execute(f"ALTER TABLE {table} ADD COLUMN extra TEXT")
        db.table(table).transform(defaults={"extra": "none"})
        assert "execution_guard" not in {trigger.name for trigger in db.triggers}

    assert migrate(store, steps={NEXT: step}, version=NEXT) == [NEXT]
    assert {
        name: store.connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in names
    } == rows
    assert guard_is_whole(store.connection)
    assert store.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    with pytest.raises(sqlite3.IntegrityError):
        store.connection.execute("UPDATE execution SET exit_code = 1 WHERE id = ?", (execution,))


def test_a_step_that_fails_half_way_leaves_the_file_unchanged(store: Store) -> None:
    add_execution(store.connection, Status.RUNNING)
    before = content(store.connection)

    def step(db: Database) -> None:
        db.execute("ALTER TABLE key ADD COLUMN note TEXT")
        db.table("pack").transform(rename={"label": "title"})
        db.execute("DELETE FROM execution")
        db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(UnavailableError, match="no such table: nowhere"):
        migrate(store, steps={NEXT: step}, version=NEXT)
    assert content(store.connection) == before
    assert store.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_the_steps_before_one_that_fails_stay_taken(store: Store) -> None:
    def good(db: Database) -> None:
        db.execute("ALTER TABLE key ADD COLUMN note TEXT")

    def bad(_db: Database) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        migrate(store, steps={NEXT: good, NEXT + 1: bad}, version=NEXT + 1)
    assert version_of(store.connection) == NEXT
    assert migrate(store, steps={NEXT + 1: lambda _db: None}, version=NEXT + 1) == [NEXT + 1]
    assert guard_is_whole(store.connection)  # it comes with the last step, whose tables it names


def test_a_step_that_leaves_rows_that_refer_to_nothing_is_refused(store: Store) -> None:
    add_pack_with_action(store)
    before = content(store.connection)
    with pytest.raises(AttuneError, match="refer to nothing"):
        migrate(store, steps={NEXT: lambda db: run_all(db, "DELETE FROM pack")}, version=NEXT)
    assert content(store.connection) == before


def test_whoever_may_not_migrate_is_asked_inside_the_transaction_and_nothing_changes(store: Store) -> None:
    before = content(store.connection)

    def refuse() -> None:
        assert store.connection.in_transaction
        raise UnavailableError("another attune is using it")

    with pytest.raises(UnavailableError, match="another attune"):
        migrate(store, permit=refuse, steps={NEXT: lambda _db: None}, version=NEXT)
    assert content(store.connection) == before


def test_another_process_that_migrates_meanwhile_is_noticed(store: Store) -> None:
    assert store.path is not None
    taken: list[str] = []
    with closing(Store(connect(store.path), path=store.path)) as other:
        steps = {NEXT: lambda _db: taken.append("step")}  # type: ignore[misc] - what append returns is of no use
        assert migrate(other, steps=steps, version=NEXT) == [NEXT]
        assert migrate(store, steps=steps, version=NEXT) == []
    assert taken == ["step"]


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TRIGGER execution_guard",
        "DROP TRIGGER execution_final; CREATE TRIGGER execution_final BEFORE UPDATE ON execution BEGIN SELECT 1; END",
    ],
)
def test_triggers_that_are_missing_or_tampered_with_are_made_again(store: Store, damage: str) -> None:
    store.connection.executescript(damage)
    assert not guard_is_whole(store.connection)
    assert migrate(store) == [SCHEMA_VERSION]
    assert guard_is_whole(store.connection)
    assert migrate(store) == []


def test_a_file_that_no_step_leads_on_from_is_no_database_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "attune.db"
    with closing(Store(connect(path), path=path)) as store:
        store.connection.execute("CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
        before = content(store.connection)
        with pytest.raises(UnavailableError) as refused:
            migrate(store)
        assert refused.value.code == "database_foreign"
        assert content(store.connection) == before


def test_a_newer_file_is_not_touched(store: Store) -> None:
    store.connection.executescript(f"DROP TRIGGER execution_guard; PRAGMA user_version={NEXT}")
    before = content(store.connection)
    assert migrate(store) == []
    assert content(store.connection) == before
