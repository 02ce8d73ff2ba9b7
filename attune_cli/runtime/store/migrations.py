"""From every older version of the file to this one, a step at a time (architecture.md 4).

A step is one transaction with its version: it happens whole or not at all. While it runs there is no trigger, since
`transform` of sqlite-utils drops those of its table and a rename stumbles over the others, and no foreign key acts,
since dropping a table that others refer to would empty those. Both are checked before the commit.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, TypeAlias

from attune_cli.errors import AttuneError, UnavailableError
from attune_cli.runtime.store.database import SCHEMA_VERSION, explain, schema_version
from attune_cli.runtime.store.guard import guard_is_whole, install_guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlite_utils import Database

    from attune_cli.runtime.store.database import Store

    Step: TypeAlias = Callable[[Database], None]


def _run_script(version: int) -> Step:
    """Return the step that `migration_<version>.sql` describes."""

    def step(database: Database) -> None:
        from importlib import resources

        script = resources.files("attune_cli.runtime.store").joinpath(f"migration_{version}.sql")
        for statement in _statements(script.read_text("utf-8")):
            database.conn.execute(statement)

    return step


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would commit the transaction that a step is part of."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


STEPS: Mapping[int, Step] = {version: _run_script(version) for version in (2, 3)}
"""The version a step leads to, and the step. Version 1 was the first that anybody had."""


def _permit() -> None:
    return


def migrate(
    store: Store,
    *,
    permit: Callable[[], None] = _permit,
    steps: Mapping[int, Step] = STEPS,
    version: int = SCHEMA_VERSION,
) -> list[int]:
    """Bring an older file to `version`, and its guard in order; returns the version after each transaction.

    `permit` is called in each transaction, where nobody else can begin to write, and raises what refuses the change.
    Raises UnavailableError; the file is then as it was, or as an earlier step left it.
    """
    taken: list[int] = []
    # Inside a transaction this has no effect.
    store.connection.execute("PRAGMA foreign_keys=OFF")
    try:
        while (reached := _advance(store, permit, steps, version)) is not None:
            taken.append(reached)
    except sqlite3.DatabaseError as error:
        raise explain(error, store.path) from error
    finally:
        store.connection.execute("PRAGMA foreign_keys=ON")
    return taken


def _advance(store: Store, permit: Callable[[], None], steps: Mapping[int, Step], version: int) -> int | None:
    """Take one step, or make the guard again; None when nothing is left to do."""
    connection = store.connection
    with store.write(0):  # at no instant: a migration writes none
        found = schema_version(connection)
        if found > version or (found == version and guard_is_whole(connection)):
            return None
        permit()
        _drop_triggers(connection)
        reached = found
        if found < version:
            reached = found + 1
            _take(connection, steps, reached, store.path)
        if reached == version:  # the guard is this version's: it names tables that came with the last step
            install_guard(connection)
            if not guard_is_whole(connection):
                raise AttuneError(f"the guard could not be made at version {reached}")
        return reached


def _take(connection: sqlite3.Connection, steps: Mapping[int, Step], version: int, path: Path | None) -> None:
    if version not in steps:
        raise UnavailableError(
            f"{path} is no database of attune: it has version {version - 1}, from which nothing leads on",
            code="database_foreign",
            hint="attune db restore FILE brings a backup back",
        )
    from sqlite_utils import Database

    steps[version](Database(connection, recursive_triggers=False, execute_plugins=False))
    connection.execute(f"PRAGMA user_version={version}")
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise AttuneError(f"migration to version {version} left rows of {broken[0]} that refer to nothing")


def _drop_triggers(connection: sqlite3.Connection) -> None:
    """Drop them all: there are none but ours, and an older version's may have other names."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        quoted = str(name).replace('"', '""')
        connection.execute(f'DROP TRIGGER "{quoted}"')
