"""Packs that lie here as folders and are not installed: what names something of them is told how to install them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attune_cli.errors import NotFoundError
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.model.refs import pack_of
from attune_cli.runtime.store import packs

if TYPE_CHECKING:
    from collections.abc import Generator

    from attune_cli.context import Context
    from attune_cli.runtime.store.database import Store

_MOST_FOLDERS = 200
"""Folders that are looked into: a home directory may have many."""


@contextmanager
def hinting_at_folders(context: Context, store: Store, ref: str) -> Generator[None]:
    """Let a ref that nothing has be told with the folder that holds its pack, if that is near."""
    try:
        yield
    except NotFoundError as error:
        with store.read(SystemClock().now()) as tx:
            is_installed = packs.get(tx, pack_of(ref)) is not None
        folder = None if is_installed else folder_of(pack_of(ref), context.directory or Path())
        if folder is not None:
            error.hint = f"attune pack install {folder}"
        raise


def folder_of(pack_ref: str, here: Path) -> Path | None:
    """Return the folder of a pack in, around or near a folder."""
    around = [folder for folder in (here, *here.absolute().parents) if _ref_in(folder) == pack_ref]
    below = (folder for place in (here, here / "packs") for folder in _folders_in(place))
    return next((folder for folder in (*around, *below) if _ref_in(folder) == pack_ref), None)


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())[:_MOST_FOLDERS]
    except OSError:
        return []


def _ref_in(folder: Path) -> object:
    from attune_cli.runtime.packs.documents import DocumentError, parse_document
    from attune_cli.runtime.packs.source import MANIFEST_NAMES

    for name in MANIFEST_NAMES:
        try:
            document = parse_document((folder / name).read_bytes())
        except (OSError, DocumentError):
            continue
        value = document.value
        return cast("dict[str, object]", value).get("ref") if isinstance(value, dict) else None
    return None
