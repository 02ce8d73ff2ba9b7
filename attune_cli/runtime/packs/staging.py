"""Getting a pack from where it is into the home: copied whole, then moved into place by one rename (domain.md 1.3).

A source is a folder, an archive, the URL of one, or a git repository. Its content is staged inside `home/packs`,
checked by the caller, and placed in `packs/<ref>/<digest>/`; what is not placed is removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import Detail, NotFoundError, UsageError
from attune_cli.runtime.packs.archives import ARCHIVE_SUFFIXES, unpack
from attune_cli.runtime.packs.downloads import download, is_archive_url, shown
from attune_cli.runtime.packs.files import EXECUTABLE_MODE, FILE_MODE, FOLDER_MODE, list_files
from attune_cli.runtime.packs.repositories import fetch, is_repository, without_password
from attune_cli.runtime.packs.source import MANIFEST_NAMES
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from attune_cli.config import Home
    from attune_cli.runtime.packs.files import PackFile

DIGEST_CHARACTERS = 16


@immutable
class StagedPack:
    """A pack's content, ready to be read."""

    folder: Path
    digest: str
    """Names the folder it gets in the home."""
    source: str
    """Where it came from, as the user wrote it, without a password."""
    link: Path | None = None
    """The folder itself, when the pack is developed in place."""


@contextmanager
def staged(
    source: str,
    home: Home,
    *,
    ref: str | None = None,
    link: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Generator[StagedPack]:
    """Stage a pack from a folder, an archive or its URL, or a git URL (`ref`, or `URL#ref`: branch, tag or commit).

    Raises NotFoundError, or UsageError for what cannot be a pack.
    """
    if link:
        folder = _pack_root(_existing_folder(source))
        yield StagedPack(folder, content_digest(folder), str(folder), folder)
        return
    location, hash_sign, written_ref = source.partition("#")
    if hash_sign and is_repository(location):
        source, ref = location, ref or written_ref
    with _temporary_folder(home, "staging") as temporary:
        fetched = _fetched(source, ref, temporary, report)
        root = _pack_root(fetched)
        content = temporary / "content" / root.resolve().name  # what a pack without a good ref is called
        content.parent.mkdir()
        copy_content(root, content)
        yield StagedPack(content, content_digest(content), _written(source, ref))


@contextmanager
def scratch_copy(folder: Path, home: Home) -> Generator[Path]:
    """Yield a copy of a pack's content that may be written to."""
    with _temporary_folder(home, "testing") as temporary:
        copy_content(folder, temporary / folder.name)
        yield temporary / folder.name


@contextmanager
def _temporary_folder(home: Home, purpose: str) -> Generator[Path]:
    """Yield a folder beside the packs, so that a rename brings its content there; removes what a crash left."""
    home.packs.mkdir(parents=True, exist_ok=True)
    for leftover in home.packs.glob(".*-*-*"):
        pid = leftover.name.split("-")[1]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(leftover, ignore_errors=True)
    prefix = f".{purpose}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=home.packs) as temporary:
        yield Path(temporary)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _fetched(source: str, ref: str | None, temporary: Path, report: Callable[[str], None]) -> Path:
    """Return a folder with the source's content."""
    if is_archive_url(source):
        if ref is not None:
            raise UsageError(
                f"--ref names a version of a git repository, and '{shown(source)}' is an archive"
            )
        report(f"fetching {shown(source)}")
        return unpack(download(source, temporary), temporary / "archive")
    if is_repository(source):
        report(f"fetching {without_password(source)}")
        return fetch(source, ref, temporary / "repository")
    if ref is not None and (Path(source) / ".git").exists():
        return fetch(str(Path(source).resolve()), ref, temporary / "repository")
    if ref is not None:
        raise UsageError(f"--ref names a version of a git repository, and '{source}' is none")
    if Path(source).is_file() and source.lower().endswith(ARCHIVE_SUFFIXES):
        report(f"unpacking {source}")
        return unpack(Path(source), temporary / "archive")
    return _existing_folder(source)


def _existing_folder(source: str) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.exists():
        raise UsageError(
            f"'{source}' is neither a pack folder nor an archive (.tar, .tar.gz, .tgz, .zip)",
            hint="attune pack install --help",
        )
    raise NotFoundError(f"no pack at '{source}'", hint="attune pack install FOLDER, ARCHIVE or URL")


def _pack_root(folder: Path) -> Path:
    """Return the folder of the manifest: this one, or the only one below it that has one (domain.md 1.3)."""
    if _has_manifest(folder):
        return folder
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and _has_manifest(path)]
    if len(below) == 1 and not below[0].is_symlink():
        return below[0]
    found = f"found {len(below)} in the folders below" if below else "and no folder below has one"
    raise UsageError(f"no pack.yaml in {folder.name}, {found}", hint="attune pack new REF makes a pack")


def _has_manifest(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MANIFEST_NAMES)


def _written(source: str, ref: str | None) -> str:
    if is_archive_url(source):
        return shown(source)
    if is_repository(source):
        return without_password(source) + (f"#{ref}" if ref else "")
    place = str(Path(source).expanduser().resolve())
    return f"file://{place}#{ref}" if ref else place


def place(pack: StagedPack, home: Home, pack_ref: str) -> Path:
    """Move staged content to its place in the home, by one rename, and return it. Linked packs stay.

    Called in a write transaction, so that no other installation does the same at the same time.
    """
    if pack.link is not None:
        return pack.link
    final = home.packs / pack_ref / pack.digest
    _make_folder(final.parent)
    if final.is_dir() and content_digest(final) == pack.digest:
        return final  # from an earlier install, or from one at the same time
    shutil.rmtree(final, ignore_errors=True)  # somebody changed it; what was installed comes back
    pack.folder.rename(final)
    return final


def copy_content(folder: Path, target: Path) -> None:
    """Copy a pack's files with the modes that a container's user can read; what may not be copied raises."""
    files = list_files(folder)
    _refuse_faults(files)
    _make_folder(target)
    for file in files:
        copy = target / file.path
        for parent in reversed(copy.relative_to(target).parents):
            _make_folder(target / parent)
        if file.link is not None:
            copy.symlink_to(file.link)
            continue
        shutil.copyfile(folder / file.path, copy)
        copy.chmod(EXECUTABLE_MODE if file.is_executable else FILE_MODE)


def _make_folder(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(FOLDER_MODE)  # the umask would take rights away


def _refuse_faults(files: list[PackFile]) -> None:
    faults = [file for file in files if file.fault]
    if faults:
        raise UsageError(
            "the pack holds what cannot be installed",
            details=[Detail(file.path, str(file.fault)) for file in faults],
            hint="attune pack validate PATH",
        )


def content_digest(folder: Path) -> str:
    """Return the digest of a pack's content: paths, what is executable, links, and bytes, in path order."""
    digest = hashlib.sha256()
    for file in list_files(folder):
        kind = b"link" if file.link is not None else b"run" if file.is_executable else b"file"
        content = os.fsencode(file.link) if file.link is not None else _file_digest(folder / file.path)
        for part in (os.fsencode(file.path), kind, content):
            digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()[:DIGEST_CHARACTERS]


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def forget_content(home: Home, pack_ref: str, *, keep: frozenset[str] = frozenset()) -> None:
    """Delete a pack's placed content, but for the digests that something still runs."""
    folder = home.packs / pack_ref
    if not folder.is_dir():
        return
    for content in folder.iterdir():
        if content.name not in keep:
            shutil.rmtree(content, ignore_errors=True)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
