"""Changes that --dry-run only rehearses: all is checked as ever, and nothing is kept."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Generator

    from attune_cli.context import Context
    from attune_cli.runtime.store.database import Store, Transaction


class _RehearsedError(Exception):
    """The way out of a transaction that must not commit."""


@contextmanager
def rehearsed(context: Context, store: Store) -> Generator[Transaction]:
    """Yield a transaction; with --dry-run it is rolled back at its end."""
    try:
        with store.write(SystemClock().now()) as tx:
            yield tx
            if context.dry_run:
                raise _RehearsedError  # noqa: TRY301 - the raise is what rolls back
    except _RehearsedError:
        pass
