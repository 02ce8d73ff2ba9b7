"""Copies of the database: making them while it is in use, and bringing one back."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, UnavailableError, UsageError
from attune_cli.runtime.services.database import explained, looking_at, run_folders
from attune_cli.runtime.store import inspection, upkeep
from attune_cli.runtime.store.database import SCHEMA_VERSION, Store, connect, schema_version
from attune_cli.runtime.store.identity import renew
from attune_cli.runtime.store.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from attune_cli.config import Home
    from attune_cli.runtime.clock import Instant

Record = dict[str, Any]


# --- making one


def back_up(home: Home, target: Path) -> int:
    """Write a copy to `target`, which appears when it is whole; returns its size in bytes."""
    draft = target.with_name(f".{target.name}.new")
    try:
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        with looking_at(home.database) as connection:
            upkeep.write_copy(connection, draft)
        _refuse_damage(home.database, draft)
        draft.replace(target)
    except OSError as error:
        raise UnavailableError(f"{target} cannot be written: {error.strerror}", code="not_written") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return target.stat().st_size


def _refuse_damage(database: Path, copy: Path) -> None:
    """A copy is as damaged as its original, and would be of no use when it is needed."""
    with explained(database), contextlib.closing(inspection.connect_to_backup(copy)) as connection:
        faults = inspection.integrity_faults(connection, quick=True)
    if faults:
        raise UnavailableError(
            f"the database {database} is damaged: {faults[0]}",
            code="database_corrupt",
            hint="attune db check says what is damaged",
        )


def stream_backup(home: Home, output: BinaryIO) -> None:
    """Write a copy to a stream."""
    with tempfile.TemporaryDirectory(prefix="attune-backup-") as folder:
        copy = Path(folder) / "attune.db"
        back_up(home, copy)
        with copy.open("rb") as file:
            shutil.copyfileobj(file, output)


# --- bringing one back


def check_backup(source: Path) -> None:
    """Raise UsageError for what is no whole database of attune, UnavailableError for that of a newer one."""
    if not source.is_file():
        raise NotFoundError(f"no file {str(source)!r}", code="no_backup")
    if not inspection.has_header(source):
        raise UsageError(f"{source} is no database", code="backup_foreign")
    with explained(source), contextlib.closing(inspection.connect_to_backup(source)) as connection:
        faults = inspection.integrity_faults(connection)
        if faults:
            raise UsageError(f"the backup {source} is damaged: {faults[0]}", code="backup_damaged")
        version = schema_version(connection)
        if version == 0 or not inspection.is_ours(connection):
            raise UsageError(f"{source} is no database of attune", code="backup_foreign")
    if version > SCHEMA_VERSION:
        raise UnavailableError(
            f"the backup {source} was written by a newer attune (its version {version}, ours {SCHEMA_VERSION})",
            code="database_newer",
            hint="upgrade attune",
        )


def give_room(home: Home) -> None:
    """Put aside what a lost database left behind, so that another can be begun in its place."""
    upkeep.set_aside(home.database, _free_name(home.path, home.database.name))


def restore(home: Home, source: Path, now: Instant, *, permit: Callable[[], None]) -> Record:
    """Bring back a backup that was checked, as a database of its own: a new id, older versions migrated.

    What it holds as unfinished becomes abandoned. What was there before is kept aside: the old content of the
    database, and the folders of runs that the backup does not know. `permit` raises what refuses all this.
    """
    draft = home.database.with_name(f"{home.database.name}.draft")
    aside = _free_name(home.path, home.database.name)
    try:
        abandoned = _prepare(source, draft, now)
        strangers = _strange_runs(home, draft)
        permit()
        upkeep.replace_content(home.database, draft, aside)
    finally:
        for leftover in home.path.glob(f"{draft.name}*"):
            leftover.unlink()
    return {
        "kind": "restore",
        "path": str(home.database),
        "source": str(source),
        "kept": str(aside),
        "kept_runs": _set_aside(home, strangers),
        "abandoned": abandoned,
    }


def _prepare(source: Path, draft: Path, now: Instant) -> int:
    """Make a copy that is nobody else's; returns how many executions were ended in it."""
    draft.unlink(missing_ok=True)  # of a restore that was killed
    with explained(source), contextlib.closing(inspection.connect_to_backup(source)) as connection:
        upkeep.write_copy(connection, draft)
    with contextlib.closing(Store(connect(draft), path=draft)) as store:
        migrate(store)
        with store.write(now) as tx:
            return renew(tx, "its database was restored from a backup")


def _strange_runs(home: Home, draft: Path) -> list[int]:
    """Return the runs whose folder is not that of the backup's execution of the same id."""
    folders = run_folders(home)
    try:
        with looking_at(home.database) as connection:
            return inspection.executions_that_differ(connection, draft, folders)
    except UnavailableError:  # damaged: then the backup is taken for one of this home
        with contextlib.closing(inspection.connect_to_backup(draft)) as connection:
            return inspection.unknown_executions(connection, folders)


def _set_aside(home: Home, runs: list[int]) -> str | None:
    """Move folders of runs away; the backup's next executions may have their ids."""
    if not runs:
        return None
    aside = _free_name(home.path, home.runs.name)
    aside.mkdir(mode=0o700)
    for run in runs:
        (home.runs / str(run)).rename(aside / str(run))
    return str(aside)


def _free_name(folder: Path, name: str) -> Path:
    """Return the first `NAME.old-N` that nothing has, no log of a database either."""
    number = 1
    while any(folder.glob(f"{name}.old-{number}*")):
        number += 1
    return folder / f"{name}.old-{number}"
