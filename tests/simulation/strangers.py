"""A stranger: another connection to the file of a history, which acts where no transaction is open."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from attune_cli.runtime.store.database import Store, connect, create_schema

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def with_stranger(path: Path) -> Generator[tuple[Store, Store]]:
    """Yield the store of a history and that of its stranger, on a file that need not survive and goes at the end."""
    connection = connect(path)
    create_schema(connection)
    other = connect(path)
    for one in (connection, other):
        one.execute("PRAGMA synchronous=OFF")
    yield Store(connection), Store(other)
    other.close()
    connection.close()
    path.unlink()
