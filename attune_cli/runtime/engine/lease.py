"""One daemon for each home: a lock the kernel frees, and a note beside it that says who holds it and where to ask."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING

from attune_cli.errors import ConflictError
from attune_cli.values import immutable

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.clock import Instant


LOCK_NAME = "daemon.lock"
"""A daemon has this file open, in its home."""


@immutable(kw_only=True)
class Daemon:
    """What a running daemon says of itself. `url` is None when it serves no HTTP."""

    pid: int
    host: str
    """The id of its engine's host; another one after the engine was started anew."""
    version: str
    started: Instant
    url: str | None = None
    is_ready: bool = False
    is_draining: bool = False


class Lease:
    """Held by a daemon from its start to the end of its process. Raises ConflictError when another holds it."""

    def __init__(self, folder: Path) -> None:
        self._note = _note_path(folder)
        self._descriptor = os.open(_lock_path(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            other = read_lease(folder)
            raise ConflictError(
                f"a daemon runs already for {folder}" + (f" (process {other.pid})" if other else ""),
                code="daemon_running",
                hint="attune status",
            ) from None

    def tell(self, daemon: Daemon) -> None:
        """Write down who holds the lease; readers see the old note or the new one, whole."""
        draft = self._note.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(vars(daemon), file)
        draft.replace(self._note)

    def release(self) -> None:
        self._note.unlink(missing_ok=True)
        os.close(self._descriptor)


def read_lease(folder: Path) -> Daemon | None:
    """Return the daemon that runs for a home, or None."""
    if not _is_held(folder):
        return None
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Daemon(**json.loads(_note_path(folder).read_text("utf-8")))
    return None


def _is_held(folder: Path) -> bool:
    try:
        descriptor = os.open(_lock_path(folder), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock_path(folder: Path) -> Path:
    return folder / LOCK_NAME


def _note_path(folder: Path) -> Path:
    return folder / "daemon.json"
