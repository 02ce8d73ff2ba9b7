"""Waking an engine: a Unix datagram socket for other processes, a pipe for other threads.

A ring that is missed costs a second, never work: every host looks for the commits of others as well.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import TYPE_CHECKING

from attune_cli.runtime.sockets import short_path

if TYPE_CHECKING:
    from pathlib import Path


class Doorbell:
    """Wakes the engine thread: `ring` from other threads, `ring_host` from other processes."""

    def __init__(self, folder: Path, host_id: str) -> None:
        self._path = folder / f"{host_id}.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        with short_path(folder, self._path.name) as path:
            self._socket.bind(path)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def ring(self) -> None:
        with contextlib.suppress(OSError):  # a full pipe rings already, and a closed one wakes nobody
            os.write(self._wake_write, b"!")

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until somebody rings, at most `timeout_seconds`; tells whether anybody rang."""
        rang = self._poll.poll(max(0.0, timeout_seconds) * 1000)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)
        return bool(rang)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self._socket.close()
        os.close(self._wake_read)
        closing, self._wake_write = self._wake_write, -1  # its number may soon be another file's
        os.close(closing)


def ring_host(folder: Path, host_id: str) -> None:
    """Wake the engine of another process; it polls as well, so a bell that cannot be rung is no fault."""
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    with contextlib.suppress(OSError), short_path(folder, f"{host_id}.sock") as path:
        sender.sendto(b"!", path)
    sender.close()
