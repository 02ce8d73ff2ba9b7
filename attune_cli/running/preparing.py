"""Telling what is made before an execution can start: an environment, or the image of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.store import jobs

if TYPE_CHECKING:
    from attune_cli.context import Context
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Store

_BETWEEN_SECONDS = 2.0
"""How often a line of progress is written at most: it may go to a file."""


class Preparations:
    """Says once that an environment is built, and now and then how far an image is."""

    def __init__(self, context: Context, store: Store) -> None:
        self._context = context
        self._store = store
        self._kinds: dict[int, str] = {}
        self._line = ""
        self._next = 0.0

    def tell(self, execution: Execution) -> None:
        kind = self._kinds.get(execution.id)
        if kind is None:
            with self._store.read(SystemClock().now()) as tx:
                kind = self._kinds[execution.id] = str(jobs.get(tx, execution.job)["kind"])
            if kind != "docker":
                pack = execution.action_ref.partition(".")[0]
                self._context.out.note(f"building the environment of pack {pack}, once …")
        if kind == "docker":
            self._tell_progress(execution.id)

    def _tell_progress(self, execution_id: int) -> None:
        try:
            line = self._context.home.progress(execution_id).read_text(encoding="utf-8")
        except OSError:
            return
        now = monotonic_seconds()
        if line and line != self._line and now >= self._next:
            self._line, self._next = line, now + _BETWEEN_SECONDS
            self._context.out.note(f"{line} …")
