"""The files of a pack folder, and what may not be among them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UNREAD_FOLDERS = frozenset({".git", "__pycache__", ".venv", "node_modules"})
"""Not part of a pack's content: neither copied nor counted in its digest."""

FILE_MODE = 0o644
EXECUTABLE_MODE = 0o755
FOLDER_MODE = 0o755
"""Modes of a pack's files in the home, so that a container's user can read them."""


@dataclass(frozen=True, order=True)
class PackFile:
    """One file or link of a pack; `fault` says why it cannot be part of one."""

    path: str
    """Relative to the pack folder, with slashes."""
    link: str | None = None
    """What a symbolic link says; it stays within the pack."""
    is_executable: bool = False
    fault: str | None = None


def list_files(folder: Path) -> list[PackFile]:
    """Return everything in a pack folder that is not a folder, sorted by path."""
    found: list[PackFile] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(folder / prefix) as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending += [] if entry.name in UNREAD_FOLDERS else [f"{path}/"]
                elif entry.name not in UNREAD_FOLDERS:
                    found.append(_describe(folder, path, entry))
    return sorted(found)


def _describe(folder: Path, path: str, entry: os.DirEntry[str]) -> PackFile:
    shown = path.encode(errors="backslashreplace").decode()
    if shown != path:
        return PackFile(shown, fault="the name is not UTF-8")
    if entry.is_symlink():
        if leaves(folder, path):
            return PackFile(path, fault="the link leaves the pack folder")
        return PackFile(path, link=_relative_link(folder, path))
    if entry.is_file():
        return PackFile(path, is_executable=bool(entry.stat().st_mode & 0o111))
    return PackFile(path, fault="neither a file nor a folder")


def leaves(folder: Path, *parts: str) -> bool:
    """Tell whether a path, with its links followed, points out of the folder."""
    inside = os.path.realpath(folder)
    target = os.path.realpath(os.path.join(inside, *parts))  # noqa: PTH118 - an absolute part replaces the rest
    return os.path.commonpath((inside, target)) != inside


def _relative_link(folder: Path, path: str) -> str:
    """Return the link's text in a form that still holds when the folder is copied."""
    text = str((folder / path).readlink())
    if not os.path.isabs(text):  # noqa: PTH117 - text of a link, not a path of ours
        return text
    inside = os.path.realpath(folder)
    return os.path.relpath(os.path.realpath(text), os.path.dirname(os.path.join(inside, path)))  # noqa: PTH118, PTH120 - as above
