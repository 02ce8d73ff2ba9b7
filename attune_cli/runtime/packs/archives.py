"""Unpacking archives of strangers: bounded in size, and nothing lands outside the folder (domain.md 1.3)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from attune_cli.errors import UsageError
from attune_cli.runtime.packs.files import EXECUTABLE_MODE, FILE_MODE, UNREAD_FOLDERS
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from _typeshed import WriteableBuffer

MEBIBYTE = 1024 * 1024
MAX_TOTAL_BYTES = 100 * MEBIBYTE
MAX_ENTRY_BYTES = 50 * MEBIBYTE
MAX_ENTRIES = 10_000
CHUNK_BYTES = 256 * 1024

_HEADER_BYTES = 4096
"""Room in a tar stream for the headers of one entry, beside its content."""
_MAX_STREAM_BYTES = MAX_TOTAL_BYTES + MAX_ENTRIES * _HEADER_BYTES

ZIP_SUFFIX = ".zip"
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ZIP_SUFFIX)

_OPENERS = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
"""First two bytes of a compressed stream → what reads it."""
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)


@immutable
class _Entry:
    """One entry; `content` is None for a folder, and for everything that is refused."""

    name: str
    content: IO[bytes] | None = None
    is_folder: bool = False
    is_executable: bool = False


def unpack(archive: Path, target: Path) -> Path:
    """Unpack into a new folder and return it; raises UsageError for an archive that is broken or refused."""
    target.mkdir()
    entries = _zip_entries if archive.name.lower().endswith(ZIP_SUFFIX) else _tar_entries
    unpacking = _Unpacking(archive.name, target)
    try:
        if archive.stat().st_size > MAX_TOTAL_BYTES:
            raise unpacking.refused(_TOO_LARGE)
        for entry in entries(archive, unpacking):
            unpacking.take(entry)
    except _BROKEN as error:
        raise UsageError(f"{archive.name} cannot be unpacked: {error}", code="bad_archive") from error
    return target


_TOO_LARGE = f"its content is larger than {MAX_TOTAL_BYTES // MEBIBYTE} MiB"


def _tar_entries(archive: Path, unpacking: _Unpacking) -> Generator[_Entry]:
    """Yield the entries of a tar stream. It is read once, in order, so a lie about sizes costs nothing."""
    with archive.open("rb") as raw:
        opener = _OPENERS.get(raw.peek(2)[:2])
        stream = cast("IO[bytes]", opener(raw) if opener else raw)
        with tarfile.open(fileobj=_Bounded(stream, unpacking), mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                yield _Entry(member.name, content, member.isdir(), bool(member.mode & 0o111))


def _zip_entries(archive: Path, unpacking: _Unpacking) -> Generator[_Entry]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            mode = info.external_attr >> 16
            if info.flag_bits & 1:
                raise unpacking.refused(f"'{info.filename}' is encrypted")
            if info.is_dir() or stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
                yield _Entry(info.filename, is_folder=info.is_dir())
                continue
            with file.open(info) as content:
                yield _Entry(info.filename, content, is_executable=bool(mode & 0o111))


class _Bounded(io.RawIOBase):
    """A stream that refuses to grow: tarfile reads some headers whole, whatever size they claim."""

    def __init__(self, stream: IO[bytes], unpacking: _Unpacking) -> None:
        super().__init__()
        self._stream = stream
        self._unpacking = unpacking
        self._left_bytes = _MAX_STREAM_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise self._unpacking.refused(_TOO_LARGE)
        view[: len(data)] = data
        return len(data)


class _Unpacking:
    """One archive: what it has brought so far, and what it may."""

    def __init__(self, name: str, target: Path) -> None:
        self._name = name
        self._target = target
        self._entries = 0
        self._left_bytes = MAX_TOTAL_BYTES

    def refused(self, reason: str) -> UsageError:
        return UsageError(f"{self._name} is refused: {reason}", code="archive_refused")

    def take(self, entry: _Entry) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise self.refused(f"it holds more than {MAX_ENTRIES:,} entries")
        path = self._inside(entry.name)
        if entry.content is None and not entry.is_folder:
            raise self.refused(f"'{entry.name}' is a link or a device")
        if not UNREAD_FOLDERS.isdisjoint(path.parts):
            return
        target = self._target / path
        if entry.content is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write(entry.name, entry.content, target)
            target.chmod(EXECUTABLE_MODE if entry.is_executable else FILE_MODE)

    def _inside(self, name: str) -> PurePosixPath:
        """Return the entry's path; refuses every name that could mean a place outside."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name[:2]:
            raise self.refused(f"'{name}' leaves the folder")
        return path

    def _write(self, name: str, content: IO[bytes], target: Path) -> None:
        entry_left_bytes = MAX_ENTRY_BYTES
        if target.exists():
            raise self.refused(f"'{name}' is in it twice")
        with target.open("xb") as file:
            while chunk := content.read(CHUNK_BYTES):
                entry_left_bytes -= len(chunk)
                self._left_bytes -= len(chunk)
                if entry_left_bytes < 0:
                    raise self.refused(f"'{name}' is larger than {MAX_ENTRY_BYTES // MEBIBYTE} MiB")
                if self._left_bytes < 0:
                    raise self.refused(_TOO_LARGE)
                file.write(chunk)
