"""How a workflow that is waited for is shown: a tree that lives, on a terminal; else a line for each change."""

from __future__ import annotations

import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Protocol

from attune_cli.invocation import moves
from attune_cli.running.live_region import LiveRegion
from attune_cli.runtime.clock import SystemClock, monotonic_seconds

if TYPE_CHECKING:
    from attune_cli.context import Context
    from attune_cli.running.tree_parts import TaskChange
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.store.database import Transaction

_REDRAWN_SECONDS = 0.1
_COUNTED_SECONDS = 1.0
"""How often durations of what runs go on where nothing else changes."""


class TreeView(Protocol):
    """Is told what changes, and may draw."""

    def tell(self, change: TaskChange) -> None: ...

    def make_room(self) -> None:
        """Let somebody else write to the terminal."""
        ...

    def draw(self, tx: Transaction, execution: Execution, *, changed: bool) -> None: ...

    def leave(self, tx: Transaction, execution: Execution) -> None:
        """Show how it all ended, for good."""
        ...


class NoView:
    """Shows nothing: only what the tasks write is wanted."""

    def tell(self, change: TaskChange) -> None: ...

    def make_room(self) -> None: ...

    def draw(self, tx: Transaction, execution: Execution, *, changed: bool) -> None: ...

    def leave(self, tx: Transaction, execution: Execution) -> None: ...


class StatusLines:
    """A line on stderr for each change of a task."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def tell(self, change: TaskChange) -> None:
        if change.status == "waiting":
            return  # for others to come to it: nothing of it has begun
        round_ = f" ({change.iteration})" if change.iteration > 1 else ""
        reason = "" if change.reason is None else f": {change.reason}"
        self._context.out.note(f"task {change.path}{round_} {change.status.replace('_', ' ')}{reason}")

    def make_room(self) -> None:
        """Lines need none."""

    def draw(self, tx: Transaction, execution: Execution, *, changed: bool) -> None:
        """Lines are written as they come."""

    def leave(self, tx: Transaction, execution: Execution) -> None:
        """Whoever waited says how it ended."""


class LiveTree:
    """The tree of an execution, drawn again as it changes."""

    def __init__(self, context: Context) -> None:
        from attune_cli.drawing.marks import marks_here

        self._region = LiveRegion()
        self._marks = marks_here()
        self._color = context.out.wants_color(sys.stderr)
        self._drawn = 0.0
        self._is_stale = True

    def tell(self, change: TaskChange) -> None:
        """The tree shows it."""

    def make_room(self) -> None:
        self._region.erase()
        self._drawn = 0.0

    def draw(self, tx: Transaction, execution: Execution, *, changed: bool) -> None:
        now = monotonic_seconds()
        self._is_stale = self._is_stale or changed
        if now - self._drawn < (_REDRAWN_SECONDS if self._is_stale else _COUNTED_SECONDS):
            return
        self._is_stale = False
        self._draw(tx, execution)
        self._drawn = now

    def leave(self, tx: Transaction, execution: Execution) -> None:
        self._draw(tx, execution)
        self._region.leave()

    def _draw(self, tx: Transaction, execution: Execution) -> None:
        from attune_cli.drawing.tree import SHOWN_ITEMS, TreeDrawing
        from attune_cli.runtime.services import executions
        from attune_cli.runtime.services.workflow_trees import tree

        record = executions.show(tx, str(execution.id))
        drawing = TreeDrawing(
            width=get_terminal_size().columns - 1,
            marks=self._marks,
            now=SystemClock().now(),
            color=self._color,
            one_line_each=True,
        )
        self._region.draw(drawing.lines(record | tree(tx, execution, most_items=SHOWN_ITEMS)))


def view_for(context: Context) -> TreeView:
    """Return what suits stderr."""
    return LiveTree(context) if moves(context, sys.stderr) else StatusLines(context)
