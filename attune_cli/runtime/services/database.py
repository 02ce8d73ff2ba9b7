"""What may be asked of the database file itself: look, check, copy, bring back, shrink, query.

Most of it has to work when the file is damaged or too new to be opened for anything else.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, UnavailableError, UsageError
from attune_cli.runtime.services.checks import Check
from attune_cli.runtime.store import inspection, upkeep
from attune_cli.runtime.store.database import (
    SCHEMA_VERSION,
    Store,
    Transaction,
    check_version,
    connect,
    explain,
    schema_version,
)
from attune_cli.runtime.store.identity import home_id, renew
from attune_cli.runtime.store.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from attune_cli.config import Home
    from attune_cli.runtime.clock import Instant

Record = dict[str, Any]

_SHOWN_FAULTS = 5


@contextlib.contextmanager
def looking_at(path: Path) -> Generator[sqlite3.Connection]:
    """Read a database file as it is; what SQLite says is explained. Raises NotFoundError where there is none."""
    if not path.is_file():
        raise NotFoundError(
            f"no database {path}", code="no_database", hint="attune run action core.echo message=hi makes one"
        )
    try:
        with contextlib.closing(inspection.connect_read_only(path)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error


# --- looking


def describe(home: Home, now: Instant) -> Record:
    """Return versions, sizes in bytes, pages, and how many there are of each noun."""
    with looking_at(home.database) as connection:
        page_bytes, pages, free_pages = inspection.pages(connection)
        return {
            "kind": "database",
            "path": str(home.database),
            "home_id": home_id(Transaction(connection, now)),
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
    names = _distinct(columns)
    return names, [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _refused(error: sqlite3.Error | UnicodeEncodeError, path: Path) -> UsageError | UnavailableError:
    """Tell a statement that cannot be answered from a database that cannot be read."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest says more of the same
    if code in {sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY}:
        return UsageError("the statement would do more than read", code="read_only_query")
    if isinstance(error, sqlite3.DatabaseError) and code != sqlite3.SQLITE_ERROR:
        return explain(error, path)
    hint = "-P NAME=VALUE gives a value" if "did not supply a value" in str(error) else None
    return UsageError(f"the statement cannot be answered: {error}", code="bad_query", hint=hint)


def _distinct(columns: list[str]) -> list[str]:
    """Number the columns that have the name of an earlier one."""
    names: list[str] = []
    for column in columns:
        same = sum(name == column or name.startswith(f"{column}_") for name in names)
        names.append(f"{column}_{same + 1}" if column in names else column)
    return names


def _plain(value: object) -> object:
    """Bytes have no JSON; they are shown as SQL writes them."""
    return f"X'{value.hex()}'" if isinstance(value, bytes) else value


# --- checking


def check(home: Home) -> list[Check]:
    """Look for damage in file, references, guard and folders."""
    path = home.database
    if path.is_file() and path.stat().st_size and not inspection.has_header(path):
        return [_damaged("file", f"{path} is not a database")]
    try:
        with looking_at(path) as connection:
            return [
                _integrity(connection),
                _references(connection),
                _version(connection, path),
                _runs(connection, home),
            ]
    except UnavailableError as error:
        return [_damaged("file", error.message)]


def _damaged(name: str, message: str) -> Check:
    return Check(name, "error", message, "attune db restore FILE brings a backup back")


def _faults(name: str, faults: list[str], fine: str) -> Check:
    if not faults:
        return Check(name, "ok", fine)
    more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
    return _damaged(name, "; ".join(faults[:_SHOWN_FAULTS]) + more)


def _integrity(connection: sqlite3.Connection) -> Check:
    return _faults("integrity", inspection.integrity_faults(connection), "every page is whole")


def _references(connection: sqlite3.Connection) -> Check:
    return _faults(
        "references", inspection.foreign_key_faults(connection), "every row refers to rows that are there"
    )


def _version(connection: sqlite3.Connection, path: Path) -> Check:
    try:
        version = check_version(connection, path)
    except UnavailableError as error:
        return Check(
            "guard" if error.code == "database_guard" else "version", "error", error.message, error.hint
        )
    if version == 0:
        return _damaged("version", f"{path} is no database of attune")
    if version < SCHEMA_VERSION:
        return Check("version", "warning", f"version {version} of {SCHEMA_VERSION}", "attune db migrate")
    return Check("guard", "ok", f"version {version}, with the triggers that guard it")


def _runs(connection: sqlite3.Connection, home: Home) -> Check:
    """Look for folders of executions that are gone. They are listed first: a run has its row before its folder."""
    names = [entry.name for entry in home.runs.iterdir()] if home.runs.is_dir() else []
    ids = [int(name) for name in names if name.isdecimal()]
    try:
        orphans = inspection.unknown_executions(connection, ids)
    except sqlite3.DatabaseError as error:
        return _damaged("runs", str(error))
    if not orphans:
        return Check("runs", "ok", f"{len(ids)} folders, each of an execution")
    shown = " ".join(str(home.runs / str(one)) for one in orphans[:_SHOWN_FAULTS])
    return Check("runs", "warning", f"{len(orphans)} folders of executions that are gone", f"rm -r {shown}")


# --- copying


def back_up(home: Home, target: Path) -> int:
    """Write a copy to `target`, which appears when it is whole; returns its size in bytes."""
    draft = target.with_name(f".{target.name}.new")
    try:
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        with looking_at(home.database) as connection:
            upkeep.write_copy(connection, draft)
        with looking_at(draft) as copy:
            faults = inspection.integrity_faults(copy, quick=True)
        if faults:
            raise UnavailableError(
                f"the database {home.database} is damaged: {faults[0]}",
                code="database_corrupt",
                hint="attune db check",
            )
        draft.replace(target)
    except OSError as error:
        raise UnavailableError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return target.stat().st_size


def restore(home: Home, source: Path, now: Instant, *, permit: Callable[[], None]) -> Record:
    """Bring a backup back as a database of its own: new id, older versions migrated, unfinished runs abandoned.

    `permit` is called when all is prepared, and raises what refuses the change. The old content is kept aside.
    """
    draft = home.database.with_name("attune.db.restoring")
    draft.unlink(missing_ok=True)
    try:
        with looking_at(source) as connection:
            _check_ours(connection, source)
            upkeep.write_copy(connection, draft)
        ended = _make_own(draft, now)
        permit()
        aside = _free_name(home.database)
        upkeep.replace_content(home.database, draft, aside)
    finally:
        draft.unlink(missing_ok=True)
    return {
        "kind": "restore",
        "path": str(home.database),
        "source": str(source),
        "kept": str(aside),
        "abandoned": ended,
    }


def _check_ours(connection: sqlite3.Connection, source: Path) -> None:
    faults = inspection.integrity_faults(connection)
    if faults:
        raise UsageError(f"the backup {source} is damaged: {faults[0]}", code="backup_damaged")
    version = schema_version(connection)
    if version > SCHEMA_VERSION:
        raise UnavailableError(
            f"the backup {source} was written by a newer attune (its version {version}, ours {SCHEMA_VERSION})",
            code="database_newer",
            hint="upgrade attune",
        )
    if version == 0 or not inspection.is_ours(connection):
        raise UsageError(f"{source} is no backup of an attune database", code="backup_foreign")


def _make_own(draft: Path, now: Instant) -> int:
    with contextlib.closing(Store(connect(draft), path=draft)) as store:
        migrate(store)
        with store.write(now) as tx:
            return renew(tx, "its database was restored from a backup")


def _free_name(database: Path) -> Path:
    """Return the first name `attune.db.old-N` that nothing has."""
    number = 1
    while (path := database.with_name(f"{database.name}.old-{number}")).exists():
        number += 1
    return path


# --- shrinking


def vacuum(home: Home, *, full: bool) -> Record:
    """Give room back to the file system; returns sizes before and after, in bytes."""
    before = home.database.stat().st_size + log_bytes(home) if home.database.exists() else 0
    with looking_at(home.database):
        pass
    try:
        with contextlib.closing(connect(home.database)) as connection:
            upkeep.shrink(connection, full=full)
    except sqlite3.DatabaseError as error:
        raise explain(error, home.database) from error
    after = home.database.stat().st_size + log_bytes(home)
    return {"kind": "vacuum", "path": str(home.database), "bytes_before": before, "bytes_after": after}
