"""Packs that are linked, read again when their files changed: what is edited in place counts at once."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import Instant, SystemClock
from attune_cli.runtime.host import open_store, open_store_for_reading
from attune_cli.runtime.store import packs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from attune_cli.context import Context
    from attune_cli.runtime.store.database import Store, Transaction

_DEFINING = (".yaml", ".yml")
_COARSE: Instant = 20_000
"""Files are stamped by a clock that may be some milliseconds behind; at worst a pack is read once too often."""

_LEVELS = 3
"""The pack's folder, the folders of its kinds, and those below them: deeper lie no definitions."""


def refresh_for_run(context: Context, store: Store, action_ref: str) -> None:
    """Read the linked pack of an action again if it changed; raises with every fault, and keeps what was known."""
    for ref, link in _changed(store):
        if action_ref.startswith(f"{ref}."):
            _read_again(context, store, link)


@contextmanager
def definitions_read(context: Context) -> Generator[Transaction]:
    """Yield a view of what packs define, the linked ones as their folders say now."""
    _refresh_all(context)
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        yield tx


def _refresh_all(context: Context) -> None:
    """Read all linked packs again that changed; a faulty one is warned of, and stays as it was known."""
    if not context.home.database.exists():
        return
    store = open_store(context.home, context.settings)
    for _ref, link in _changed(store):
        try:
            _read_again(context, store, link)
        except AttuneError as error:
            context.out.warning(error.message)
            for detail in error.details:
                context.out.warning(f"{detail.path}: {detail.message}")


def _changed(store: Store) -> list[tuple[str, str]]:
    """Return ref and folder of the linked packs in which something was written since they were read."""
    with store.read(SystemClock().now()) as tx:
        linked = packs.linked(tx)
    return [
        (ref, link)
        for ref, link, read in linked
        if any(when > read - _COARSE for when in _instants(link, _LEVELS))
    ]


def _instants(folder: str, levels: int) -> Iterator[Instant]:
    """Yield when the folders and the definitions in them were last written; nothing of what cannot be read."""
    with suppress(OSError):
        yield os.stat(folder).st_mtime_ns // 1000  # noqa: PTH116 - text in, text out
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__")) or entry.name == "node_modules":
                    continue
                if entry.is_dir():
                    if levels > 1:
                        yield from _instants(entry.path, levels - 1)
                elif entry.name.endswith(_DEFINING):
                    yield entry.stat().st_mtime_ns // 1000


def _read_again(context: Context, store: Store, link: str) -> None:
    from attune_cli.runtime.packs.source import read_pack
    from attune_cli.runtime.packs.staging import staged
    from attune_cli.runtime.services import installation
    from attune_cli.runtime.store.sealing import Sealer

    now = SystemClock().now()  # before the reading: what is written meanwhile is newer
    with staged(link, context.home, link=True) as pack:
        with store.read(now) as tx:
            known = installation.installed(tx)
        found = read_pack(pack.folder, shown_as=os.path.join(link, ""), installed=known)  # noqa: PTH118 - a prefix
        sealer = Sealer(context.home.secret_key)
        with store.write(now) as tx:
            installation.install(tx, pack, found, home=context.home, sealer=sealer, upgrade=True)
        # A faulty pack is read again by each command until it is mended: its faults are enough.
        for finding in found.findings:
            context.out.warning(str(finding))
    context.out.note(f"{found.manifest.ref} was read again from {Path(link)}")
