"""Following a workflow: its tasks as they change, what they write, and its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from attune_cli.running.asking import LEFT_OPEN
from attune_cli.running.follow import LOOK_SECONDS, WAITING_SECONDS, Follower, LogCopier, read_in
from attune_cli.running.tree_parts import TreeParts, is_of_task
from attune_cli.running.tree_views import NoView
from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.model.workflows.states import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.running.follow import Sink
    from attune_cli.running.tree_parts import TaskChange
    from attune_cli.running.tree_views import TreeView
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.services.logs import StreamName


class PartEnd(Protocol):
    """Takes what one part writes to one stream."""

    def write(self, data: bytes) -> None: ...

    def end(self) -> None:
        """Be told that there is no more."""
        ...


class PartSink:
    """Passes on whole lines of one part, with its name before each, so that parts that write at once stay apart."""

    def __init__(self, sink: Sink, name: str, view: TreeView) -> None:
        self._sink = sink
        self._prefix = f"{name} | ".encode()
        self._view = view
        self._begun = b""

    def write(self, data: bytes) -> None:
        *whole, self._begun = (self._begun + data).split(b"\n")
        if whole:
            self._view.make_room()
            self._sink.write(b"".join(self._prefix + line + b"\n" for line in whole))

    def end(self) -> None:
        """Pass on a last line without an end."""
        if self._begun:
            self.write(b"\n")


@dataclass
class TreeFollower(Follower):
    """A follower of an execution that waits for others; `view` shows how these come along."""

    view: TreeView = field(default_factory=NoView)
    only: str | None = None
    """Copy only what this task writes."""
    ends: Callable[[int, str], dict[StreamName, PartEnd]] | None = None
    """Makes what takes the streams of a part, by its id and name; else `targets` get its lines."""

    def __post_init__(self) -> None:
        self._copiers: dict[int, tuple[LogCopier, list[PartEnd]]] = {}
        self._followed: set[int] = set()

    def follow(self, execution_id: int) -> Execution:
        """Return the execution once it ended, or as it stands when waiting was over."""
        view = self.view
        started = monotonic_seconds()
        parts = TreeParts(execution_id)
        version = -1
        try:
            while True:
                seen = self.store.data_version()
                with self.store.read(SystemClock().now()) as tx:
                    execution = read_in(tx, execution_id)
                    changes = parts.look(tx) if seen != version else []
                    self._meet(parts, view)
                    statuses = parts.statuses(tx, list(self._copiers))
                    version = seen
                    live = {one for one, status in statuses.items() if not status.is_terminal}
                    copied = self._tell(changes, parts, live)
                    copied = self._copy(live, list(self._copiers)) or copied
                    if execution.status.is_terminal:
                        self._copy(set(), list(self._copiers))
                        view.leave(tx, execution)
                    else:
                        view.draw(tx, execution, changed=bool(changes) or copied)
                if execution.next_attempt is not None:
                    self.retried(execution)
                    return self.follow(execution.next_attempt)
                if execution.status.is_terminal:
                    for sink in self.targets.values():
                        sink.check()
                    return execution
                if self.give_up_seconds is not None and monotonic_seconds() - started > self.give_up_seconds:
                    return execution
                if not copied and not changes:
                    self.look_after([execution])
                    self.wait(LOOK_SECONDS if self._copiers else WAITING_SECONDS)
        except LEFT_OPEN:
            with self.store.read(SystemClock().now()) as tx:
                view.leave(tx, read_in(tx, execution_id))
            raise
        finally:
            view.make_room()

    def _meet(self, parts: TreeParts, view: TreeView) -> None:
        """Begin to copy what was begun since the last look."""
        if not self.targets and self.ends is None:
            return
        for part in parts.names.keys() - self._followed:
            self._followed.add(part)
            name = parts.names[part]
            if not is_of_task(name, self.only):
                continue
            ends: dict[StreamName, PartEnd] = (
                {stream: PartSink(sink, name, view) for stream, sink in self.targets.items()}
                if self.ends is None
                else self.ends(part, name)
            )
            self._copiers[part] = (LogCopier(self.home, part, ends), list(ends.values()))

    def _tell(self, changes: Sequence[TaskChange], parts: TreeParts, live: set[int]) -> bool:
        """Tell of changes, with what a task wrote before its end: so its log stands between its first line and last."""
        copied = False
        for change in changes:
            if change.status not in OPEN:
                own = [one for one in self._copiers if is_of_task(parts.names[one], change.path)]
                copied = self._copy(live, own) or copied
            self.view.tell(change)
        return copied

    def _copy(self, live: set[int], some: Sequence[int]) -> bool:
        """Copy what is new of some parts, and the rest of those that are over."""
        copied = False
        for part in sorted(some):
            copier, ends = self._copiers[part]
            if part in live:
                copied = copier.copy() or copied
                continue
            copier.copy_rest()
            for end in ends:
                end.end()
            del self._copiers[part]
            copied = True
        return copied
