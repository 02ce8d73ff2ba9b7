"""`attune execution watch` of a workflow: its tree on a terminal, lines in a pipe, records for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from attune_cli.running.attending import Attendant
from attune_cli.running.follow import exit_code_of, sinks
from attune_cli.running.follow_tree import TreeFollower
from attune_cli.running.tree_views import NoView, view_for
from attune_cli.running.viewing import tell_end
from attune_cli.runtime.clock import SystemClock, pause, rfc3339
from attune_cli.runtime.services.logs import STREAMS
from attune_cli.runtime.store import executions

if TYPE_CHECKING:
    from attune_cli.context import Context
    from attune_cli.running.tree_parts import TaskChange
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.services.logs import StreamName
    from attune_cli.runtime.store.database import Store


class TaskRecords(NoView):
    """A record for each change of a task."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def tell(self, change: TaskChange) -> None:
        record = {
            "v": 1,
            "type": "task",
            "seq": change.sequence,
            "ts": rfc3339(change.at),
            "execution": change.workflow,
            "task": change.path,
            "iteration": change.iteration,
            "status": change.status,
            "error": change.reason,
        }
        self._context.out.event(record, None)


class LineRecords:
    """Takes what one part writes to one stream, and prints a record for each line."""

    def __init__(self, context: Context, part: int, name: str, stream: StreamName) -> None:
        self._context = context
        self._told: dict[str, Any] = {
            "v": 1,
            "type": "log",
            "execution": part,
            "task": name,
            "stream": stream,
        }
        self._offset = 0
        self._begun = b""

    def write(self, data: bytes) -> None:
        *whole, self._begun = (self._begun + data).split(b"\n")
        for line in whole:
            self._tell(line)
            self._offset += len(line) + 1

    def end(self) -> None:
        """Tell a last line without an end."""
        if self._begun:
            self._tell(self._begun)
            self._begun = b""

    def _tell(self, line: bytes) -> None:
        record = {**self._told, "offset": self._offset, "line": line.decode("utf-8", "replace")}
        self._context.out.event(record, None)


def watch_workflow(context: Context, store: Store, execution: Execution) -> int:
    """Show a workflow until its end; returns the exit code that tells it."""
    look_after = Attendant(context, store).look_after
    if context.out.is_text:
        targets = sinks(stdout=sys.stdout, stderr=sys.stderr)
        follower = TreeFollower(
            context.home, store, targets, pause, look_after=look_after, view=view_for(context)
        )
        return exit_code_of(follower.follow(execution.id))
    context.out.event({"v": 1, "type": "hello", "stream": "execution", "id": execution.id}, None)
    told = _tell_statuses(context, store, execution, 0)
    ended = record_parts(context, store, execution, STREAMS, view=TaskRecords(context), only=None)
    _tell_statuses(context, store, ended, told)
    tell_end(context, ended)
    return exit_code_of(ended)


def record_parts(
    context: Context,
    store: Store,
    execution: Execution,
    streams: tuple[StreamName, ...],
    *,
    view: NoView,
    only: str | None,
) -> Execution:
    """Print a record for each line that the tasks (or one of them) write, until the end of the workflow."""
    follower = TreeFollower(
        context.home,
        store,
        sinks(stdout=None, stderr=None),
        pause,
        look_after=Attendant(context, store).look_after,
        view=view,
        only=only,
        ends=lambda part, name: {stream: LineRecords(context, part, name, stream) for stream in streams},
    )
    return follower.follow(execution.id)


def _tell_statuses(context: Context, store: Store, execution: Execution, told: int) -> int:
    """Print the changes of the workflow's own status but the first `told`; returns how many there are."""
    with store.read(SystemClock().now()) as tx:
        changes = executions.history(tx, execution.id)
    for change in changes[told:]:
        record = {
            "v": 1,
            "type": "status",
            "seq": None,
            "ts": rfc3339(change.at),
            "execution": execution.id,
            "status": str(change.to_status),
        }
        context.out.event(record, None)
    return len(changes)
