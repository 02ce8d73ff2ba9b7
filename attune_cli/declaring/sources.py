"""Which files a path means: documents, and packs that are linked where they lie."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.config import find_project
from attune_cli.errors import NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.packs.documents import MAX_BYTES
from attune_cli.runtime.packs.source import MANIFEST_NAMES, SUFFIXES
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from attune_cli.context import Context

FOLDERS = {
    "triggers": "trigger",
    "webhooks": "webhook",
    "rules": "rule",
    "keys": "key",
    "sensors": "sensor",
    "channels": "channel",
}
"""A folder of documents → the kind of those that do not say theirs."""

PACKS = "packs"
STDIN = "-"

_REF = re.compile(rb"^ref:", re.MULTILINE)


@immutable
class File:
    """One file of documents, as it is called in messages; `kind` is that of documents that do not say theirs."""

    path: str
    content: bytes
    kind: str | None = None


@immutable
class Sources:
    """All that was named, each once."""

    files: tuple[File, ...]
    packs: tuple[Path, ...]
    overlooked: tuple[str, ...] = ()
    """What looks as if it were meant, and is not read; a sentence each."""


def find_sources(context: Context, paths: Sequence[str], *, recursive: bool) -> Sources:
    """Read what paths mean, or the whole project when none is given. Raises NotFoundError for what is not there."""
    if not paths:
        return _of_project(context)
    files: dict[str, str | None] = {}
    packs: dict[Path, None] = {}
    for path in paths:
        if path == STDIN:
            files[STDIN] = None
        elif not os.path.exists(path):  # noqa: PTH110 - False for a name no file can have
            raise NotFoundError(f"no file or folder {path!r}", hint="attune apply --help")
        elif Path(path).is_dir():
            _look_into(Path(path), files, packs, recursive=recursive)
        else:
            files[path] = FOLDERS.get(Path(path).absolute().parent.name)
    found = tuple(File(path, _read(path), kind) for path, kind in files.items())
    return Sources(found, tuple(packs))


def _of_project(context: Context) -> Sources:
    project = find_project(context.directory, os.environ)
    if project is None:
        raise NotFoundError(
            "this is no project: no attune.toml here or above", hint="attune init, or attune apply PATH"
        )
    return sources_of_project(project)


def sources_of_project(project: Path) -> Sources:
    """Read all documents of the project in a folder, and find its packs."""
    root = Path(os.path.relpath(project))
    files: dict[str, str | None] = {}
    packs: dict[Path, None] = {}
    _look_into(root, files, packs, recursive=False)
    found = tuple(File(path, _read(path), kind) for path, kind in files.items())
    return Sources(found, tuple(packs), tuple(_overlooked(root)))


def _overlooked(root: Path) -> Iterator[str]:
    """Yield what lies in a project as documents do, but where or how nothing reads it."""
    for path in _entries(root):
        if path.is_dir():
            near = did_you_mean(path.name, (*FOLDERS, PACKS))
            if (
                path.name not in {*FOLDERS, PACKS}
                and near
                and any(_is_document(one) for one in _entries(path))
            ):
                yield f"{path} is no folder that is read; {near}"
        elif _is_document(path) and not _says_its_kind(path):
            yield f"{path} is not read: no `kind` says what it declares"


def _is_document(path: Path) -> bool:
    """Tell a YAML file that names something by a ref of ours from other people's."""
    return path.suffix in SUFFIXES and path.is_file() and _REF.search(_read(str(path))) is not None


def _look_into(
    folder: Path, files: dict[str, str | None], packs: dict[Path, None], *, recursive: bool
) -> None:
    """Take the documents of a folder and of those below it that are called after a kind; of a pack the pack."""
    if _is_pack(folder):
        packs[folder] = None
        return
    kind = FOLDERS.get(folder.absolute().name)
    for path in _entries(folder):
        if path.is_dir():
            if recursive or kind or path.name in FOLDERS:
                _look_into(path, files, packs, recursive=recursive)
            elif path.name == PACKS:
                packs.update(dict.fromkeys(inner for inner in _entries(path) if _is_pack(inner)))
        elif path.suffix in SUFFIXES and (kind or recursive or _says_its_kind(path)):
            files[str(path)] = kind


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from error


def _is_pack(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MANIFEST_NAMES)


def _says_its_kind(path: Path) -> bool:
    """Tell documents from other people's YAML (a compose file, a pipeline) in the same folder."""
    return any(line.startswith(b"kind:") for line in _read(str(path)).splitlines())


def _read(path: str) -> bytes:
    """Read a file, but not more of it than is looked at: it may have no end."""
    if path == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a name as it was typed
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
