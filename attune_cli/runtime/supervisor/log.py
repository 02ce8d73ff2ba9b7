"""The files that keep a run's output: never longer than their cap, and with an index of what came when."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from attune_cli.runtime.supervisor.values import StreamSummary

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Clock

INDEX_CAP_BYTES = 256 * 1024

MARKER_ROOM_BYTES = 128
"""How much of the cap is set aside for the marker (domain.md 2.6)."""

ROOM_BYTES = 1024 * 1024
"""How much of a log is given back when it has filled the disk: the database needs some to say so."""

STREAM_NUMBERS = {"stdout": 1, "stderr": 2}


class AppendFile:
    """A file that comes into being with its first byte and only grows."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        self._descriptor: int | None = None

    def append(self, data: bytes) -> None:
        """Write all of it. Raises OSError; `size` then says how far it came."""
        if self._descriptor is None and data:
            self._descriptor = _create(self.path)
        rest = memoryview(data)
        while rest and self._descriptor is not None:
            written = os.write(self._descriptor, rest)
            self.size += written
            rest = rest[written:]

    def cut(self, count: int) -> bytes:
        """Take the last bytes away, and return them. Raises OSError."""
        if self._descriptor is None:
            return b""
        start = max(0, self.size - count)
        with open(self.path, "rb") as file:  # noqa: PTH123 - text in, text out
            file.seek(start)
            gone = file.read(self.size - start)
        os.ftruncate(self._descriptor, start)
        self.size = start
        return gone

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _create(path: str) -> int:
    """Make a file, and its folder when it is the first there. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)  # noqa: PTH103, PTH120 - text in, text out
        return os.open(path, flags, 0o600)


class Index:
    """One line a chunk of output, `time stream offset length`, until the index is full."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._file = AppendFile(path)
        self._clock = clock
        self._full = False

    def add(self, stream: int, offset: int, length: int) -> None:
        if self._full:
            return
        line = b"%d %d %d %d\n" % (self._clock.now(), stream, offset, length)
        self._full = self._file.size + len(line) > INDEX_CAP_BYTES
        if not self._full:
            self._file.append(line)

    def close(self) -> None:
        self._file.close()


class Log:
    """One stream's file. What is beyond the cap is counted, and a marker in the text says that it is missing."""

    def __init__(self, folder: str, name: Literal["stdout", "stderr"], cap_bytes: int, index: Index) -> None:
        self.full = False
        self._file = AppendFile(f"{folder}/{name}")
        self._index = index
        self._stream = STREAM_NUMBERS[name]
        self._cap = cap_bytes
        # A cap too small for the usual room is halved, and the marker cut to what is left.
        self._limit = max(cap_bytes - MARKER_ROOM_BYTES, cap_bytes // 2)
        self._marker = f"\n[OUTPUT TRUNCATED: {name} exceeded size limit]\n".encode()
        self._received = 0
        self._kept = 0
        self._line_ends = 0
        self._last = b"\n"

    @property
    def path(self) -> str:
        return self._file.path

    def append(self, data: bytes) -> None:
        """Keep what fits. Raises OSError when it cannot be written; from then on nothing more is kept."""
        self._received += len(data)
        if self.full or not data:
            return
        kept = data[: self._limit - self._kept]
        try:
            self._keep(kept)
            if len(kept) < len(data):
                self.full = True
                self._mark()
        except OSError as error:
            self.full = True
            if error.errno == errno.ENOSPC:
                self._give_room_back()
            raise

    def drop(self, count: int) -> None:
        """Count bytes that were not kept."""
        self._received += count

    def summary(self) -> StreamSummary:
        return StreamSummary(
            bytes=self._kept,
            lines=self._line_ends + (self._last != b"\n"),
            dropped_bytes=self._received - self._kept,
        )

    def close(self) -> None:
        self._file.close()

    def _keep(self, data: bytes) -> None:
        try:
            self._write(data)
        finally:
            written = data[: self._file.size - self._kept]
            self._kept += len(written)
            self._line_ends += written.count(b"\n")
            self._last = written[-1:] or self._last

    def _give_room_back(self) -> None:
        """Cut the end off, at most half."""
        with suppress(OSError):
            gone = self._file.cut(min(ROOM_BYTES, self._file.size // 2))
            self._kept -= len(gone)
            self._line_ends -= gone.count(b"\n")
            self._last = b""  # whether the last line is whole is not known: it counts as one

    def _mark(self) -> None:
        marker = self._marker if self._last == b"\n" else b"\n" + self._marker
        self._write(marker[: self._cap - self._kept])

    def _write(self, data: bytes) -> None:
        """The index follows the data, so that no reader finds a chunk that is not there."""
        offset = self._file.size
        self._file.append(data)
        if data:
            self._index.add(self._stream, offset, len(data))
