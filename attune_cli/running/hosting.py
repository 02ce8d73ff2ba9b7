"""Being the host of a run, or watching the host that another process is."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any

from attune_cli.errors import PendingError
from attune_cli.running.asking import LEFT_OPEN, Asking, on_inquiry_of
from attune_cli.running.attending import Attendant
from attune_cli.running.ending import how_it_ended, present
from attune_cli.running.follow import LOOK_SECONDS, Follower, sinks
from attune_cli.running.leaving import AsHost
from attune_cli.running.preparing import Preparations
from attune_cli.runtime.clock import SystemClock, pause
from attune_cli.runtime.engine.doorbell import ring_host
from attune_cli.runtime.host import connect_again
from attune_cli.runtime.inline_host import InlineHost
from attune_cli.runtime.services.executions import is_workflow, show
from attune_cli.runtime.services.submission import submit
from attune_cli.runtime.store import executions
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager

    from attune_cli.context import Context
    from attune_cli.running.follow import Sink
    from attune_cli.running.leaving import Leaving
    from attune_cli.running.options import RunOptions
    from attune_cli.running.tree_views import TreeView
    from attune_cli.runtime.engine.lease import Daemon
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.services.logs import StreamName
    from attune_cli.runtime.services.submission import Submission, Submitted
    from attune_cli.runtime.store.database import Store

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@immutable
class Work:
    """What a command has in hand while it runs something."""

    context: Context
    store: Store
    name: str
    options: RunOptions
    views: list[TreeView] = field(default_factory=list["TreeView"])
    """What is drawn on the terminal, below the lines."""

    def make_room(self) -> None:
        """Take away what is drawn, so that something may be said on the terminal."""
        for view in self.views:
            view.make_room()

    def targets(self) -> dict[StreamName, Sink]:
        """Where the output goes live: to our streams as text; to stderr when stdout holds a document."""
        context, options = self.context, self.options
        if options.no_logs or context.quiet:
            return {}
        stdout = sys.stdout if context.out.is_text else sys.stderr
        prefix = f"{self.name} | " if options.log_prefix else ""
        # The result is printed at the end, whole: before it the same bytes would only be in the way.
        return sinks(stdout=None if options.result else stdout, stderr=sys.stderr, prefix=prefix)

    def tell_retry(self, execution: Execution) -> None:
        self.context.out.note(
            f"attempt {execution.attempt} (execution {execution.id}) {how_it_ended(execution)}; trying again"
        )

    def tell_submitted(self, submitted: Submitted) -> None:
        if submitted.reused:
            self.context.out.note(f"execution {submitted.id} reused: it was started with the same key")
        if submitted.skipped:
            self.context.out.note(f"skipped: execution {submitted.id} runs already")

    def follow(
        self,
        store: Store,
        execution_id: int,
        wait: Callable[[float], object],
        attendant: Attendant,
        *,
        failing: Callable[[], object] = lambda: None,
        leaving: Leaving | None = None,
    ) -> Execution:
        """Follow an execution to its end, or until --wait-timeout; asks here what it asks, where it may.

        `failing` raises when there is nothing to be waited for any more; `leaving` is how to go away from a question.
        """
        asking = Asking(
            self.context, store, mode=on_inquiry_of(self.context, self.options.on_inquiry),
            name=self.options.person, give_up_seconds=self.options.wait_timeout_seconds, unwanted=failing,
            make_room=self.make_room, leaving=leaving,
        )  # fmt: skip

        def look_after(waiting: Sequence[Execution]) -> None:
            attendant.look_after(waiting)
            asking.look_after(waiting)

        kind, more = self._follower(store, execution_id)
        follower = kind(
            self.context.home,
            store,
            self.targets(),
            wait,
            retried=self.tell_retry,
            preparing=Preparations(self.context, store).tell,
            look_after=look_after,
            give_up_seconds=self.options.wait_timeout_seconds,
            **more,
        )
        try:
            execution = follower.follow(execution_id)
            asking.check()
        except LEFT_OPEN:
            if not self.context.out.is_text:
                with store.read(SystemClock().now()) as tx:
                    record = show(tx, str(execution_id))
                self.context.out.record(record)
            raise
        return execution

    def _follower(self, store: Store, execution_id: int) -> tuple[type[Follower], dict[str, Any]]:
        """Return what follows an execution, and what it needs besides: a workflow's tasks are shown."""
        with store.read(SystemClock().now()) as tx:
            if not is_workflow(tx, execution_id):
                return Follower, {}
        from attune_cli.running.follow_tree import TreeFollower
        from attune_cli.running.tree_views import view_for

        view = view_for(self.context)
        self.views.append(view)
        return TreeFollower, {"view": view}


def run_here(work: Work, submission: Submission) -> int:
    """Submit and run in this process; its end ends the run."""
    context = work.context
    with InlineHost(context.home, context.settings, work.store) as host:
        started: list[int] = []
        # Before there is a run: a signal that comes while it starts is to cancel it as well.
        with cancelled_by_signals(host, started, context, make_room=work.make_room) as received:
            submitted = host.request(
                lambda tx: submit(tx, submission, settings=context.settings, sealer=host.sealer, host=host.id)
            ).result()
            work.tell_submitted(submitted)
            if submitted.skipped:
                return 0
            started.append(submitted.id)
            if received:
                host.cancel_tree(submitted.id, signal.Signals(received[0]).name)
            execution = _follow_in(host, work, submitted.id, received)
    return present(context, execution, work.options, received)


def _follow_in(host: InlineHost, work: Work, execution_id: int, received: Sequence[int]) -> Execution:
    """Follow an execution that `host` runs, or runs when its own host dies, with a connection of our own."""

    def take(orphan: int) -> None:
        host.request(lambda tx: executions.take_tree(tx, orphan, host.id)).result()

    reading = connect_again(work.context.home, work.context.settings)
    try:
        attendant = Attendant(work.context, reading, adopt=take, own_host=host.id)
        leaving = AsHost(host, reading, work.context, received, make_room=work.make_room)
        return work.follow(reading, execution_id, host.wait, attendant, failing=host.check, leaving=leaving)
    finally:
        reading.close()


def cancelled_by_signals(
    host: InlineHost,
    execution_ids: list[int],
    context: Context,
    *,
    make_room: Callable[[], None] = lambda: None,
) -> AbstractContextManager[list[int]]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into a cancel, a second one into an end at once."""

    def tell() -> None:
        make_room()
        context.out.note("stopping; once more to kill it at once")

    def cancel(reason: str) -> None:
        for execution_id in execution_ids:
            host.cancel_tree(execution_id, reason)

    return _signals(cancel, host.hurry, tell)


@contextmanager
def _signals(
    first: Callable[[str], None], second: Callable[[], None], tell: Callable[[], None]
) -> Generator[list[int]]:
    """Call `first` with the name of the first signal, and `second` before a further one ends the command."""
    received: list[int] = []

    def take(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            second()
            raise KeyboardInterrupt
        first(signal.Signals(number).name)
        if number == signal.SIGINT:
            tell()

    before = {number: signal.signal(number, take) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- apart from this process


def run_apart(work: Work, submission: Submission) -> int:
    """Run where this command's end does not matter: in a host of its own, which this command only watches."""
    context = work.context
    with work.store.write(SystemClock().now()) as tx:
        sealer = Sealer(context.home.secret_key)
        submitted = submit(tx, submission, settings=context.settings, sealer=sealer, host=None)
    work.tell_submitted(submitted)
    return watch(work, submitted.id)


def run_in_daemon(work: Work, submission: Submission, daemon: Daemon) -> int:
    """Let the daemon run it, and follow it as if it ran here: Ctrl-C cancels it."""
    context = work.context
    with work.store.write(SystemClock().now()) as tx:
        sealer = Sealer(context.home.secret_key)
        submitted = submit(tx, submission, settings=context.settings, sealer=sealer, host=None)
    ring_host(context.home.hosts, daemon.host)
    work.tell_submitted(submitted)
    if submitted.skipped:
        return 0

    def cancel(reason: str) -> None:
        with work.store.write(SystemClock().now()) as tx:
            executions.request_cancel_tree(tx, submitted.id, reason)
        ring_host(context.home.hosts, daemon.host)

    def tell() -> None:
        work.make_room()
        context.out.note("stopping; once more not to wait")

    def leave() -> None:
        work.make_room()
        context.out.note(f"execution {submitted.id} goes on: attune execution wait {submitted.id}")

    attendant = Attendant(context, work.store, adopt=lambda orphan: start_background_host(context, orphan))
    with _signals(cancel, leave, tell) as received:
        execution = work.follow(work.store, submitted.id, _pause_shortly, attendant)
    return present(context, execution, work.options, received)


def _pause_shortly(seconds: float) -> None:
    """The daemon was rung for this run: it begins at once."""
    pause(min(seconds, LOOK_SECONDS))


def start_background_host(context: Context, execution_id: int) -> None:
    """Start a process that becomes the host of one tree and ends with it."""
    wait = ("execution", "wait", str(execution_id), "-qq")
    process = subprocess.Popen(
        [sys.executable, "-m", "attune_cli", "--home", str(context.home.path), *wait],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process.returncode = 0  # it outlives us, and Popen would warn of that


def watch(work: Work, execution_id: int) -> int:
    """Follow an execution that another process runs; raises PendingError when waiting is over first."""

    def start(orphan: int) -> None:
        start_background_host(work.context, orphan)

    try:
        attendant = Attendant(work.context, work.store, adopt=start)
        execution = work.follow(work.store, execution_id, pause, attendant)
    except KeyboardInterrupt:
        work.context.out.note(f"execution {execution_id} goes on: attune execution wait {execution_id}")
        raise
    if not execution.status.is_terminal:
        raise PendingError(
            f"execution {execution.id} is still going on: it is {execution.status}",
            hint=f"attune execution wait {execution.id}",
        )
    return present(work.context, execution, work.options, [])
