"""Unix sockets in a home, however deep it lies."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextlib.contextmanager
def short_path(folder: Path, name: str) -> Generator[str]:
    """Name a socket through its folder's descriptor: a socket's path may have only about 100 bytes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}" if os.path.isdir("/proc/self/fd") else str(folder / name)  # noqa: PTH112 - a kernel folder
    finally:
        os.close(descriptor)
