"""The lock that says a host lives. The kernel frees it when the process dies, however it dies: no heartbeats."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from attune_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def _lock_path(folder: Path, host_id: str) -> Path:
    return folder / f"{host_id}.lock"


class HostLock:
    """Held from before a host's row is committed until its process ends."""

    def __init__(self, folder: Path, host_id: str) -> None:
        self._path = _lock_path(folder, host_id)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnavailableError(
                f"nothing can be run in the home {folder.parent}: {error.strerror}",
                code="home_unusable",
                hint="attune --home DIR … uses another home",
            ) from error
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # only a probe can be in the way, and for a moment

    def release(self) -> None:
        """Give the lock up; call it only after the host's row is gone."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_alive(folder: Path, host_id: str) -> bool:
    """Tell whether the process of a host still holds its lock."""
    try:
        descriptor = os.open(_lock_path(folder, host_id), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def dead_hosts(folder: Path, recorded: Iterable[str]) -> list[str]:
    """Return those of the recorded hosts whose process is gone."""
    return [host_id for host_id in recorded if not is_alive(folder, host_id)]
