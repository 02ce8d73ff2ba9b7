"""A sensor's log: lines with the time they came, in files that are rotated, so that they never grow beyond a cap."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.supervisor.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from attune_cli.runtime.clock import Clock

CAP_BYTES = 10 * 1024 * 1024
VERSIONS = 4
"""Files of one stream, the one that is written included (domain.md 3.4)."""


class LineLog(Protocol):
    """Where a stream's text goes."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Keep lines, given without their ends."""
        ...

    def close(self) -> None: ...


class RotatedLog:
    """One stream of one sensor. A disk that is full loses lines, never the sensor; how many is told afterwards."""

    def __init__(
        self, path: Path, clock: Clock, *, cap_bytes: int = CAP_BYTES, secrets: Iterable[str] = ()
    ) -> None:
        self._path = path
        self._clock = clock
        self._cap = cap_bytes
        mask = Mask(secret.encode() for secret in secrets)
        self._mask = mask or None
        self._descriptor: int | None = None
        self._size = 0
        self._lost = 0

    def write(self, lines: Sequence[bytes]) -> None:
        if self._lost:
            lines = [f"[attune] {self._lost} lines could not be kept here".encode(), *lines]
        try:
            self._append(self._stamped(lines))
            self._lost = 0
        except OSError:
            self._lost += len(lines)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _stamped(self, lines: Sequence[bytes]) -> bytes:
        stamp = rfc3339(self._clock.now()).encode() + b" "
        text = b"".join(stamp + line + b"\n" for line in lines)
        return text if self._mask is None else self._mask.feed(text) + self._mask.flush()

    def _append(self, data: bytes) -> None:
        if self._descriptor is None:
            self._open()
        if self._size and self._size + len(data) > self._cap:
            self._rotate()
        rest = memoryview(data)
        while rest and self._descriptor is not None:
            written = os.write(self._descriptor, rest)
            self._size += written
            rest = rest[written:]

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(VERSIONS - 2, -1, -1):
            with suppress(FileNotFoundError):
                version(self._path, number).replace(version(self._path, number + 1))
        self._open()


def version(path: Path, number: int) -> Path:
    """Return the name of an older file; 0 is the one that is written."""
    return path.with_name(f"{path.name}.{number}") if number else path
