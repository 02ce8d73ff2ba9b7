"""`attune execution logs` of a workflow: what its tasks wrote, each line with the task's name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, did_you_mean
from attune_cli.running.follow import LOOK_SECONDS, Sink, sinks
from attune_cli.running.follow_tree import PartSink, TreeFollower
from attune_cli.running.tree_parts import TreeParts, is_of_task
from attune_cli.running.tree_views import NoView
from attune_cli.running.viewing import line_record, tell_end
from attune_cli.runtime.clock import SystemClock, pause, rfc3339
from attune_cli.runtime.services.logs import in_order, lines, tail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attune_cli.context import Context
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.services.logs import Piece, StreamName
    from attune_cli.runtime.store.database import Store


def show_workflow_logs(
    context: Context,
    store: Store,
    execution: Execution,
    streams: tuple[StreamName, ...],
    *,
    task: str | None,
    last: int | None,
    timestamps: bool,
) -> None:
    """Print what the tasks wrote so far, one part after another in the order in which they began."""
    for part, name in _parts(store, execution, task):
        pieces: Iterable[Piece] = in_order(context.home, part, streams)
        if last is not None:
            pieces = tail(pieces, last)
        if context.out.is_text and not timestamps:
            _copy(pieces, name, streams)
            continue
        for line in lines(pieces):
            text = line.data.removesuffix(b"\n").decode("utf-8", "replace")
            at = "-" if line.time is None else rfc3339(line.time)
            context.out.event(part_line_record(part, name, line), f"{at} {name} | {text}")


def part_line_record(execution: int, task: str, line: Piece) -> dict[str, Any]:
    """Return the record of a line, with the task that it is from."""
    return {**line_record(execution, line), "task": task}


def _copy(pieces: Iterable[Piece], name: str, streams: tuple[StreamName, ...]) -> None:
    targets = _targets(streams)
    ends = {stream: PartSink(sink, name, NoView()) for stream, sink in targets.items()}
    for piece in pieces:
        ends[piece.stream].write(piece.data)
    for end in ends.values():
        end.end()
    for sink in targets.values():
        sink.check()


def follow_workflow_logs(
    context: Context,
    store: Store,
    execution: Execution,
    streams: tuple[StreamName, ...],
    *,
    task: str | None,
) -> None:
    """Print what the tasks write, as it comes, until the workflow ends."""
    if task is not None:
        _parts(store, execution, task)
    if not context.out.is_text:
        from attune_cli.watching.workflows import record_parts

        context.out.event({"v": 1, "type": "hello", "stream": "logs", "id": execution.id}, None)
        tell_end(context, record_parts(context, store, execution, streams, view=NoView(), only=task))
        return
    from attune_cli.running.attending import Attendant

    follower = TreeFollower(
        context.home,
        store,
        _targets(streams),
        lambda _seconds: pause(LOOK_SECONDS),
        look_after=Attendant(context, store).look_after,
        view=NoView(),
        only=task,
    )
    follower.follow(execution.id)


def _targets(streams: tuple[StreamName, ...]) -> dict[StreamName, Sink]:
    return (
        {streams[0]: Sink(sys.stdout)} if len(streams) == 1 else sinks(stdout=sys.stdout, stderr=sys.stderr)
    )


def _parts(store: Store, execution: Execution, task: str | None) -> list[tuple[int, str]]:
    """Return the executions meant, with their names; raises NotFoundError when there is no such task."""
    parts = TreeParts(execution.id)
    with store.read(SystemClock().now()) as tx:
        changes = parts.look(tx)
    known = dict.fromkeys(change.path for change in changes)
    if task is not None and task not in known:
        raise NotFoundError(
            f"execution {execution.id} has no task '{task}'",
            code="no_task",
            hint=did_you_mean(task, known) or f"attune execution show {execution.id} --tree",
        )
    return [(part, name) for part, name in sorted(parts.names.items()) if is_of_task(name, task)]
