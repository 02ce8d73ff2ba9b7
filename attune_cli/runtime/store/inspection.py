"""Looking at the file itself: whether it is whole, how large it is, and what a person asks of it in SQL. Reads only."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

from attune_cli.runtime.model.actions import CONTAINER_RUNNER
from attune_cli.runtime.store.database import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from attune_cli.runtime.clock import Instant

NOUNS = (
    *("pack", "action", "runtime", "trigger", "sensor", "rule", "workflow", "queue", "permission_set"),
    *("policy", "key", "execution", "notification", "host"),
)
_MOST_FAULTS = 100
_HEADER = b"SQLite format 3\x00"


def connect_read_only(path: Path, *, timeout_seconds: float = 30.0) -> sqlite3.Connection:
    """Open a file that will not be changed; raises sqlite3.DatabaseError.

    Where even the lock files beside it cannot be used, it is read as if nobody wrote it.
    """
    name = f"file:{quote(str(path))}"
    try:
        connection = connect(f"{name}?mode=ro", timeout_seconds=timeout_seconds, uri=True)
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection = connect(f"{name}?immutable=1", uri=True)
    connection.execute("PRAGMA query_only=ON")
    return connection


def connect_to_backup(path: Path) -> sqlite3.Connection:
    """Open a file that nobody uses, and leave nothing beside it; raises sqlite3.DatabaseError."""
    if path.with_name(f"{path.name}-wal").exists():
        return connect_read_only(path)
    return connect(f"file:{quote(str(path))}?immutable=1", uri=True)


def has_header(path: Path) -> bool:
    """Tell whether a file begins as SQLite files do (https://sqlite.org/fileformat.html, 1.3)."""
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def integrity_faults(connection: sqlite3.Connection, *, quick: bool = False) -> list[str]:
    """Return what SQLite finds damaged, [] for a whole file. `quick` leaves out whether indexes agree with tables."""
    check = "quick_check" if quick else "integrity_check"
    try:
        rows = connection.execute(f"PRAGMA {check}({_MOST_FAULTS})").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [line for (text,) in rows if text != "ok" for line in str(text).splitlines()]


def foreign_key_faults(connection: sqlite3.Connection) -> list[str]:
    """Return rows that refer to nothing."""
    try:
        rows = connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST_FAULTS)
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [f"row {rowid} of {table} refers to no {parent}" for table, rowid, parent, _ in rows]


def pages(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Return bytes in a page, pages, and pages that hold nothing."""
    size, count, free = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return size, count, free


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the rows of each noun."""
    return {noun: int(connection.execute(f'SELECT count(*) FROM "{noun}"').fetchone()[0]) for noun in NOUNS}


def unknown_executions(connection: sqlite3.Connection, ids: Sequence[int]) -> list[int]:
    """Return those of `ids` that no execution has."""
    rows = connection.execute(
        "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM execution) ORDER BY value",
        (json.dumps(ids),),
    ).fetchall()
    return [int(row[0]) for row in rows]


def executions_that_differ(connection: sqlite3.Connection, other: Path, ids: Sequence[int]) -> list[int]:
    """Return those of `ids` that do not name the same execution here and in the database `other`."""
    connection.execute("ATTACH ? AS other", (f"file:{quote(str(other))}?mode=ro",))
    rows = connection.execute(
        """SELECT value FROM json_each(?) WHERE NOT EXISTS (
             SELECT 1 FROM main.execution AS here JOIN other.execution AS there USING (id, action_ref, created)
             WHERE id = value) ORDER BY value""",
        (json.dumps(ids),),
    ).fetchall()
    return [int(row[0]) for row in rows]


def newest_instant(connection: sqlite3.Connection) -> Instant | None:
    """Return when the newest change was made, by the clock of its time."""
    row = connection.execute(
        """SELECT max(at) FROM (
             SELECT created AS at FROM (SELECT created FROM notification ORDER BY sequence DESC LIMIT 1)
             UNION ALL SELECT created FROM (SELECT created FROM execution ORDER BY id DESC LIMIT 1))"""
    ).fetchone()
    return row[0]


def is_ours(connection: sqlite3.Connection) -> bool:
    """Tell whether the file has the tables by which a database of attune is known."""
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return found >= {"meta", "host", "execution", "notification"}


_READING_PRAGMAS = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"}
    | {"foreign_key_check", "integrity_check", "quick_check"}
)


def allow_reading_only(connection: sqlite3.Connection) -> None:
    """Refuse what a read-only connection would still do: attach (which makes files), or change how it reads."""

    def judge(action: int, name: str | None, value: str | None, *_: object) -> int:
        sets = action == sqlite3.SQLITE_PRAGMA and value is not None and name not in _READING_PRAGMAS
        return sqlite3.SQLITE_DENY if sets or action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK

    connection.set_authorizer(judge)


def query(
    connection: sqlite3.Connection, statement: str, values: Mapping[str, object]
) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return the columns and rows of a statement; raises sqlite3.Error, also for one that would write."""
    # Between steps Python sees a Ctrl-C, and ends the statement with SQLITE_INTERRUPT.
    connection.set_progress_handler(lambda: None, 100_000)
    cursor = connection.execute(statement, dict(values))
    return [column[0] for column in cursor.description or ()], cursor.fetchall()


def container_actions(connection: sqlite3.Connection) -> list[str]:
    """Return the refs of the actions that run in containers."""
    rows = connection.execute(
        "SELECT ref FROM action WHERE json_extract(definition, '$.runner_type') = ? ORDER BY ref",
        (CONTAINER_RUNNER,),
    )
    return [ref for (ref,) in rows]
