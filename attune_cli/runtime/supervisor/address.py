"""Where a supervisor that is a process is found: the files of its home's `hosts/` that bear its name.

`NAME.supervisor`   a lock that it holds as long as it lives; the kernel frees it however it dies
`NAME.socket`       where an engine speaks to it
`NAME.journal`      what it has begun and what came of it
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from attune_cli.runtime.sockets import short_path

if TYPE_CHECKING:
    from pathlib import Path

_LOCK = ".supervisor"
_SOCKET = ".socket"
_JOURNAL = ".journal"

_BACKLOG = 8


def journal_of(folder: Path, name: str) -> Path:
    return folder / f"{name}{_JOURNAL}"


def is_alive(folder: Path, name: str) -> bool:
    """Tell whether the supervisor of that name lives."""
    try:
        descriptor = os.open(folder / f"{name}{_LOCK}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def await_end(folder: Path, name: str) -> None:
    """Return when the supervisor of that name is no more. Costs nothing until then."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder / f"{name}{_LOCK}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


def recorded(folder: Path) -> list[str]:
    """Return the names of the supervisors that live, and of those that died and left files behind."""
    return sorted({path.stem for ending in (_LOCK, _SOCKET) for path in folder.glob(f"*{ending}")})


def hold(folder: Path, name: str) -> int:
    """Take the lock of a supervisor that begins; the descriptor holds it. Raises OSError."""
    path = folder / f"{name}{_LOCK}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # only a probe can be in the way, and for a moment
    return descriptor


def listen(folder: Path, name: str) -> socket.socket:
    """Return the socket where engines are awaited. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(folder, f"{name}{_SOCKET}") as path:
        listener.bind(path)
    listener.listen(_BACKLOG)
    return listener


def connect(folder: Path, name: str, *, timeout_seconds: float) -> socket.socket:
    """Return a connection to a supervisor. Raises OSError when nobody listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_seconds)
    try:
        with short_path(folder, f"{name}{_SOCKET}") as path:
            connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def forget(folder: Path, name: str) -> None:
    """Remove lock and socket of a supervisor that is dead, or is just about to die."""
    for ending in (_SOCKET, _LOCK):
        (folder / f"{name}{ending}").unlink(missing_ok=True)
