"""What nobody runs: how it is told, and the commands that go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.store import executions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attune_cli.context import Context
    from attune_cli.runtime.store.database import Transaction


def tops_nobody_runs(tx: Transaction, context: Context, found: Iterable[int]) -> list[int]:
    """Return the tops of the trees of executions that are not over, and that no process will move on."""
    if read_lease(context.home.path) is not None:
        return []  # the daemon takes what nobody owns
    tops = [executions.get(tx, top) for top in dict.fromkeys(executions.top_of(tx, one) for one in found)]
    last = [executions.last_attempt(tx, top) for top in tops if top is not None]
    return [one.id for one in last if one.finished is None and one.host is None]


def tell_nobody_runs(context: Context, tops: Iterable[int]) -> None:
    """Say which executions wait for somebody to run them, and how."""
    for top in tops:
        context.out.note(
            f"nobody runs execution {top}: attune execution wait {top} goes on with it, or attune up -d"
        )
