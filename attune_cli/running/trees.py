"""Behind `attune execution show --tree` and `--timeline`: the whole of what an execution began."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from attune_cli.drawing.marks import marks_here
from attune_cli.drawing.timeline import Timeline
from attune_cli.drawing.tree import SHOWN_ITEMS, TreeDrawing
from attune_cli.reading.words import read_words
from attune_cli.running.ownerless import tell_nobody_runs, tops_nobody_runs
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.services import executions
from attune_cli.runtime.services.workflow_trees import tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction

_WITHOUT_TERMINAL = (100, 24)


def show_trees(context: Context, words: Sequence[str], *, timeline: bool) -> None:
    """Print the tree of each execution, or a timeline of its tasks; documents hold every item and attempt."""
    most_items = SHOWN_ITEMS if context.out.is_text and not timeline else None
    store = open_store_for_reading(context.home, context.settings)
    now = SystemClock().now()
    with store.read(now) as tx:
        records = [_record(tx, word, most_items) for word in read_words(words)]
        ownerless = tops_nobody_runs(tx, context, [record["id"] for record in records])
    if not context.out.is_text:
        if len(records) == 1:
            context.out.record(records[0])
        else:
            context.out.records(records, ())
        tell_nobody_runs(context, ownerless)
        return
    width = shutil.get_terminal_size(_WITHOUT_TERMINAL).columns
    color = context.out.wants_color(sys.stdout)
    drawing = Timeline if timeline else TreeDrawing
    for record in records:
        told = record | {"ownerless": record["root"] in ownerless}
        context.out.lines(drawing(width=width, marks=marks_here(), now=now, color=color).lines(told))
    tell_nobody_runs(context, ownerless)


def _record(tx: Transaction, word: str, most_items: int | None) -> Record:
    execution = executions.find(tx, word)
    return executions.show(tx, str(execution.id)) | tree(tx, execution, most_items=most_items)
