"""Telling a service manager how the daemon is: the protocol of sd_notify(3), which is one datagram for each word."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_MICROSECONDS = 1_000_000


def tell_service_manager(state: str) -> None:
    """Send e.g. `READY=1`; does nothing where no service manager listens."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(state.encode(), address)


def watchdog_seconds() -> float | None:
    """Return how often the service manager wants to hear that the daemon lives: half of its patience."""
    asked = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not asked.isdecimal() or meant != str(os.getpid()):
        return None
    return int(asked) / _MICROSECONDS / 2
