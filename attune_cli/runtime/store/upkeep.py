"""Copying, replacing and shrinking the file, while others may have it open."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from attune_cli.errors import UnavailableError
from attune_cli.runtime.store.database import connect, explain

if TYPE_CHECKING:
    from pathlib import Path


def write_copy(connection: sqlite3.Connection, path: Path) -> None:
    """Write the database as it is now to one file, without a log beside it; others may go on writing theirs.

    Raises sqlite3.DatabaseError when the database is damaged, and UnavailableError when `path` cannot be written.
    """
    try:
        with contextlib.closing(connect(path)) as target:
            connection.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise explain(error, path) from error


def replace_content(path: Path, draft: Path, aside: Path) -> None:
    """Put the database `draft` in the place of `path`, whose old content goes to `aside`.

    It is written into the file that is there, by SQLite's own locks: another file under the same name would share
    its log with processes that still have the old one open. Only a file that SQLite refuses is moved away.
    """
    try:
        with contextlib.closing(connect(path)) as present, contextlib.closing(connect(draft)) as source:
            write_copy(present, aside)
            source.backup(present)
    except (sqlite3.DatabaseError, UnavailableError) as error:
        reason = explain(error, path) if isinstance(error, sqlite3.DatabaseError) else error
        if reason.code != "database_corrupt":
            aside.unlink(missing_ok=True)
            raise reason from error
        set_aside(path, aside)
        with contextlib.closing(connect(draft)) as source:
            source.execute("PRAGMA journal_mode=WAL")
        draft.rename(path)


def set_aside(path: Path, aside: Path) -> None:
    """Give the database, or what a lost one left behind, another name."""
    for suffix in ("", "-wal", "-shm", "-turns"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))


def shrink(connection: sqlite3.Connection, *, full: bool) -> None:
    """Give pages that hold nothing back to the file system, and empty the write-ahead log.

    `full` writes the file anew, which also puts in order what lies scattered; it needs as much room again.
    """
    # Each step of an incremental vacuum frees one page, and only a script is stepped to its end.
    connection.executescript("VACUUM" if full else "PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
