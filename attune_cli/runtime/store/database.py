"""The one SQLite file: opening, creating, transactions. Every write is `BEGIN IMMEDIATE … COMMIT`."""

from __future__ import annotations

import contextlib
import sqlite3
from itertools import chain
from typing import TYPE_CHECKING, TypeGuard

from attune_cli.errors import UnavailableError
from attune_cli.runtime.store.guard import guard_is_whole, install_guard
from attune_cli.runtime.store.turns import Turns
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from attune_cli.runtime.clock import Instant

SCHEMA_VERSION = 3

_WAL_LIMIT_BYTES = 16 * 1024 * 1024
_FILE_FAULTS = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR}
    | {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB}
)
_COMMITS_BETWEEN_LOOKS = 100
_CHECKPOINT_PATIENCE_MS = 500
_ROWS_IN_A_STATEMENT = 64
"""A power of two; a statement takes at least 999 values."""

_CORRUPT = ("malformed", "not a database", "disk image")


@immutable
class Transaction:
    """One transaction, or one consistent read. `now` is the instant all that happens in it happens at."""

    connection: sqlite3.Connection
    now: Instant

    def execute(self, statement: str, values: tuple[object, ...] | dict[str, object] = ()) -> sqlite3.Cursor:
        return self.connection.execute(statement, values)

    def insert_rows(self, into: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert rows into `table (columns)`, in order, by a few statements of sizes that come again.

        Each statement gives Python's lock away, and what is new has to be compiled.
        """
        begin = 0
        while begin < len(rows):
            size = min(_ROWS_IN_A_STATEMENT, 1 << ((len(rows) - begin).bit_length() - 1))
            part = rows[begin : begin + size]
            places = ", ".join([f"({', '.join('?' * len(part[0]))})"] * size)
            self.execute(f"INSERT INTO {into} VALUES {places}", tuple(chain.from_iterable(part)))
            begin += size

    def last_id(self) -> int:
        """Return the id of the row that was inserted last."""
        return int(self.connection.execute("SELECT last_insert_rowid()").fetchone()[0])

    def changed(self, statement: str, values: tuple[object, ...] | dict[str, object] = ()) -> bool:
        """Execute and tell whether at least one row was changed (the compare-and-set of every status)."""
        return self.connection.execute(statement, values).rowcount > 0

    @contextlib.contextmanager
    def savepoint(self) -> Generator[None]:
        """Take back what was done inside when it fails, and nothing else; the error goes on.

        A full disk or a damaged file takes the whole transaction back: `alive` is False then.
        """
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self.alive:
                self.execute("ROLLBACK TO part")
                self.execute("RELEASE part")
            raise
        self.execute("RELEASE part")

    @property
    def alive(self) -> bool:
        return self.connection.in_transaction


def _no_probe(_point: str) -> None:
    return


class Store:
    """One connection to one database file. Not shared between threads."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        path: Path | None = None,
        timeout_seconds: float = 30.0,
        probe: Callable[[str], None] = _no_probe,
    ) -> None:
        self.connection = connection
        self.path = path
        self._probe = probe
        self._timeout_seconds = timeout_seconds
        self._commits = 0
        self._turns = None if path is None else Turns(path.with_name(f"{path.name}-turns"))

    @contextlib.contextmanager
    def write(self, now: Instant) -> Generator[Transaction]:
        """One write transaction: everything in it, or nothing. `probe` is told of each point a crash could hit."""
        self._probe("before begin")
        self._take_turn()
        try:
            yield Transaction(self.connection, now)
            self._probe("before commit")
            with self._explained():
                self.connection.execute("COMMIT")
            self._keep_log_short()
        except BaseException as error:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            if _is_of_the_file(error):
                raise explain(error, self.path) from error
            raise
        finally:
            if self._turns is not None:
                self._turns.give_back()
        self._probe("after commit")

    def _keep_log_short(self) -> None:
        """Empty a write-ahead log that has grown: SQLite's own checkpoints give way to readers that never stop."""
        self._commits += 1
        if self.path is None or self._commits % _COMMITS_BETWEEN_LOOKS:
            return
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size > _WAL_LIMIT_BYTES:
            # Readers are waited for, but not long: what fails now is tried again soon.
            self.connection.execute(f"PRAGMA busy_timeout={_CHECKPOINT_PATIENCE_MS}")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self.connection.execute(f"PRAGMA busy_timeout={round(self._timeout_seconds * 1000)}")

    def _take_turn(self) -> None:
        """Begin to write when those before us have written."""
        try:
            if self._turns is not None and not self._turns.take(self._timeout_seconds):
                raise explain(sqlite3.OperationalError("database is locked"), self.path)
        except OSError as error:
            message = f"unable to open its queue: {error.strerror}"
            raise explain(sqlite3.OperationalError(message), self.path) from error
        try:
            with self._explained():
                self.connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            if self._turns is not None:
                self._turns.give_back()
            raise

    @contextlib.contextmanager
    def read(self, now: Instant) -> Generator[Transaction]:
        """One consistent view. Read all rows before leaving: an open cursor would hold checkpoints back."""
        with self._explained():
            self.connection.execute("BEGIN DEFERRED")
        try:
            yield Transaction(self.connection, now)
        except sqlite3.DatabaseError as error:
            raise explain(error, self.path) from error
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def data_version(self) -> int:
        """Return a number that changes when another connection has committed."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        self.connection.close()

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise explain(error, self.path) from error


def check_not_lost(path: Path) -> None:
    """Raise UnavailableError where a database was: SQLite would take the log of a lost one for that of the next."""
    left = [name for suffix in ("-turns", "-wal") if path.with_name(name := f"{path.name}{suffix}").exists()]
    if left and not path.exists():  # asked last: another command may just have made both
        raise UnavailableError(
            f"the database {path} is gone, though its {left[0]} is still there",
            code="database_gone",
            hint="put it back, or bring a backup back: attune db restore FILE",
        )


def _is_of_the_file(error: BaseException) -> TypeGuard[sqlite3.DatabaseError]:
    """Tell what happened to the file from a faulty statement, and from a change that the guard refuses."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, sqlite3.DatabaseError) and code in _FILE_FAULTS


def explain(error: sqlite3.DatabaseError, path: Path | None) -> UnavailableError:
    """Say in the user's words what SQLite said, and which command helps."""
    text = str(error)
    if any(word in text for word in _CORRUPT):
        return UnavailableError(
            f"the database {path} is damaged: {text}",
            code="database_corrupt",
            hint="attune db check says what is damaged; attune db restore FILE brings a backup back",
        )
    if "readonly" in text or "unable to open" in text:
        return UnavailableError(
            f"the database {path} cannot be written: {text}",
            code="home_read_only",
            hint="attune --home DIR … uses another home",
        )
    if "locked" in text:
        return UnavailableError(
            f"the database {path} has been busy for too long", code="database_busy", hint="try again"
        )
    if "full" in text:
        return UnavailableError(
            f"the disk that holds {path} is full",
            code="disk_full",
            hint="attune execution prune --older-than 30d",
        )
    return UnavailableError(
        f"the database {path} cannot be used: {text}", code="database_error", hint="attune db check"
    )


def connect(path: Path | str, *, timeout_seconds: float = 30.0, uri: bool = False) -> sqlite3.Connection:
    """Open a connection with the settings every connection of ours has (architecture.md 4)."""
    connection = sqlite3.connect(
        path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False, uri=uri
    )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT_BYTES}")
    return connection


def create_schema(connection: sqlite3.Connection) -> None:
    """Make an empty database of this version: schema, guard and version in one transaction."""
    from importlib import resources

    schema = resources.files("attune_cli.runtime.store").joinpath("schema.sql").read_text("utf-8")
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript("BEGIN IMMEDIATE;\n" + schema)
    install_guard(connection)
    connection.execute("INSERT INTO meta (name, value) VALUES ('home_id', lower(hex(randomblob(16))))")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the version the file was written with; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the file's version; refuses a file of a newer attune, and a guard that was tampered with."""
    try:
        version = schema_version(connection)
        if version > SCHEMA_VERSION:
            raise UnavailableError(
                f"the database {path} was written by a newer attune (its version {version}, ours {SCHEMA_VERSION})",
                code="database_newer",
                hint="upgrade attune, or use another home: attune --home DIR …",
            )
        if version == SCHEMA_VERSION and not guard_is_whole(connection):
            raise UnavailableError(
                f"the database {path} lacks the triggers that guard its executions",
                code="database_guard",
                hint="attune db migrate makes them again",
            )
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error
    return version


def memory_store(*, probe: Callable[[str], None] = _no_probe) -> Store:
    """Return an empty store that lives as long as its connection, for reading commands in an empty home."""
    connection = connect(":memory:")
    create_schema(connection)
    return Store(connection, probe=probe)
