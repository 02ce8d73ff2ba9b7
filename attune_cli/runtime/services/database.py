"""What may be asked of the database file itself: look, check, shrink, query (backups: services/backups.py).

Most of it has to work when the file is damaged or too new to be opened for anything else.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from attune_cli.errors import CancelledError, NotFoundError, UnavailableError, UsageError
from attune_cli.runtime.services.checks import Check
from attune_cli.runtime.store import inspection, packs, upkeep
from attune_cli.runtime.store.database import (
    SCHEMA_VERSION,
    Store,
    Transaction,
    check_not_lost,
    check_version,
    connect,
    explain,
    schema_version,
)
from attune_cli.runtime.store.guard import guard_is_whole
from attune_cli.runtime.store.identity import home_id

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from attune_cli.config import Home
    from attune_cli.errors import AttuneError

Record = dict[str, Any]

_SHOWN = 5


@contextlib.contextmanager
def looking_at(path: Path) -> Generator[sqlite3.Connection]:
    """Read a database file as it is; what SQLite says is explained. Raises NotFoundError where there is none."""
    if not path.is_file():
        check_not_lost(path)
        raise NotFoundError(
            f"no database {path}", code="no_database", hint="attune run action core.echo message=hi makes one"
        )
    with explained(path), contextlib.closing(inspection.connect_read_only(path)) as connection:
        yield connection


@contextlib.contextmanager
def explained(path: Path) -> Generator[None]:
    """Say in the user's words what SQLite says of the file `path`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error


# --- looking


def describe(home: Home) -> Record:
    """Return versions, sizes in bytes, pages, and how many there are of each noun."""
    with looking_at(home.database) as connection:
        page_bytes, pages, free_pages = inspection.pages(connection)
        return {
            "kind": "database",
            "path": str(home.database),
            "home_id": home_id(connection),
            "schema_version": schema_version(connection),
            "newest_schema_version": SCHEMA_VERSION,
            "file_bytes": home.database.stat().st_size,
            "log_bytes": log_bytes(home),
            "page_bytes": page_bytes,
            "pages": pages,
            "free_pages": free_pages,
            "counts": inspection.counts(connection),
        }


def log_bytes(home: Home) -> int:
    """Return the size of the write-ahead log."""
    log = home.database.with_name(f"{home.database.name}-wal")
    return log.stat().st_size if log.exists() else 0


def query(home: Home, statement: str, values: Mapping[str, object]) -> tuple[list[str], list[Record]]:
    """Return the names of the columns and a record for each row; raises UsageError for what SQLite refuses."""
    with looking_at(home.database) as connection:
        inspection.allow_reading_only(connection)
        try:
            columns, rows = inspection.query(connection, statement, values)
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise _refused(error, home.database) from error
    if not columns:
        raise UsageError("there is no statement to answer", code="bad_query")
    names = _distinct(columns)
    return names, [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _refused(error: sqlite3.Error | UnicodeEncodeError, path: Path) -> AttuneError:
    """Tell a statement that cannot be answered from a database that cannot be read."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest says more of the same
    if code in {sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY}:
        return UsageError("the statement would do more than read", code="read_only_query")
    if code == sqlite3.SQLITE_INTERRUPT:
        return CancelledError("interrupted")
    if isinstance(error, sqlite3.DatabaseError) and code != sqlite3.SQLITE_ERROR:
        return explain(error, path)
    hint = "-P NAME=VALUE gives a value" if "did not supply a value" in str(error) else None
    return UsageError(f"the statement cannot be answered: {error}", code="bad_query", hint=hint)


def _distinct(columns: list[str]) -> list[str]:
    """Number the columns that have the name of an earlier one."""
    names: list[str] = []
    for column in columns:
        name, number = column, 2
        while name in names:
            name, number = f"{column}_{number}", number + 1
        names.append(name)
    return names


def _plain(value: object) -> object:
    """Bytes have no JSON; they are shown as SQL writes them."""
    return f"X'{value.hex()}'" if isinstance(value, bytes) else value


# --- checking


def check(home: Home) -> list[Check]:
    """Look for damage in file, references, guard and folders; raises NotFoundError where there is no file."""
    path = home.database
    try:
        with looking_at(path) as connection:
            integrity = check_integrity(connection)
            if integrity.status != "ok" or not inspection.is_ours(connection):
                return [integrity, check_version_and_guard(connection, path)]
            return [
                integrity,
                _references(connection),
                check_version_and_guard(connection, path),
                _packs(connection, home),
                _runs(connection, home),
            ]
    except UnavailableError as error:
        return [damaged("file", error.message)]


def damaged(name: str, message: str) -> Check:
    return Check(name, "error", message, "attune db restore FILE brings a backup back")


def _found(name: str, faults: list[str], fine: str) -> Check:
    if not faults:
        return Check(name, "ok", fine)
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return damaged(name, "; ".join(faults[:_SHOWN]) + more)


def check_integrity(connection: sqlite3.Connection, *, quick: bool = False) -> Check:
    return _found(
        "integrity", inspection.integrity_faults(connection, quick=quick), "every page of it is whole"
    )


def _references(connection: sqlite3.Connection) -> Check:
    return _found("references", inspection.foreign_key_faults(connection), "all that rows refer to is there")


def check_version_and_guard(connection: sqlite3.Connection, path: Path) -> Check:
    """Look whether this attune can use the file, and whether its triggers are whole."""
    try:
        version = check_version(connection, path)
    except UnavailableError as error:
        return Check(
            "guard" if error.code == "database_guard" else "version", "error", error.message, error.hint
        )
    if not inspection.is_ours(connection):
        return damaged("version", f"{path} is no database of attune")
    if version < SCHEMA_VERSION:
        return Check(
            "version", "warning", f"version {version}, this attune has {SCHEMA_VERSION}", "attune db migrate"
        )
    return Check("guard", "ok", f"version {version}, guarded by its triggers")


def _packs(connection: sqlite3.Connection, home: Home) -> Check:
    """Look for packs whose files are gone: a restored database may name some that were replaced since."""
    present = packs.all_packs(Transaction(connection, 0))
    missing = [
        pack for pack in present if pack.link is None and not (home.packs / pack.ref / pack.digest).is_dir()
    ]
    if not missing:
        return Check("packs", "ok", f"the files of every pack are there ({len(present)})")
    refs = ", ".join(pack.ref for pack in missing)
    return Check("packs", "error", f"the files of {refs} are gone", "attune pack install SOURCE --upgrade")


def _runs(connection: sqlite3.Connection, home: Home) -> Check:
    """Look for folders of executions that are gone. They are listed first: a run has its row before its folder."""
    ids = run_folders(home)
    orphans = inspection.unknown_executions(connection, ids)
    if not orphans:
        return Check("runs", "ok", f"every folder of a run has its execution ({len(ids)})")
    shown = " ".join(str(home.runs / str(one)) for one in orphans[:_SHOWN])
    return Check("runs", "warning", f"{len(orphans)} folders of executions that are gone", f"rm -r {shown}")


def run_folders(home: Home) -> list[int]:
    """Return the ids of the executions that have a folder."""
    names = [entry.name for entry in home.runs.iterdir()] if home.runs.is_dir() else []
    return [int(name) for name in names if name.isdecimal()]


# --- changing


def vacuum(home: Home, *, full: bool) -> Record:
    """Give room back to the file system; returns sizes before and after, in bytes."""
    before = describe(home)
    with explained(home.database), contextlib.closing(connect(home.database)) as connection:
        upkeep.shrink(connection, full=full)
    return {
        "kind": "vacuum",
        "path": str(home.database),
        "bytes_before": before["file_bytes"] + before["log_bytes"],
        "bytes_after": home.database.stat().st_size + log_bytes(home),
    }


def migration(home: Home) -> Record:
    """Return what a migration would do; raises UnavailableError for the database of a newer attune."""
    with looking_at(home.database) as connection:
        found = schema_version(connection)
        if found > SCHEMA_VERSION:
            check_version(connection, home.database)
        guarded = found == SCHEMA_VERSION and guard_is_whole(connection)
    return {
        "kind": "migration",
        "path": str(home.database),
        "from": found,
        "to": SCHEMA_VERSION,
        "guarded": guarded,
        "needed": not guarded,
    }


@contextlib.contextmanager
def opened_as_it_is(home: Home) -> Generator[Store]:
    """Open the database for writing without settling, migrating or checking anything."""
    with explained(home.database), contextlib.closing(connect(home.database)) as connection:
        yield Store(connection, path=home.database)
