"""The supervisor: one thread that starts runs, serves their pipes and deadlines, and reports their ends."""

from __future__ import annotations

import os
import selectors
import sys
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.runtime.supervisor import orphans
from attune_cli.runtime.supervisor.family import reap_orphans
from attune_cli.runtime.supervisor.journal import Journal
from attune_cli.runtime.supervisor.launch import NotStartedError
from attune_cli.runtime.supervisor.pump import Drain
from attune_cli.runtime.supervisor.run import Run, not_started
from attune_cli.runtime.supervisor.values import Forget, RunExit, Spawn, Stop
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from attune_cli.runtime.clock import Clock

_POLL_SECONDS = 0.05
"""How often the end of a leader is looked for, where the system does not tell it."""

_PATROL_SECONDS = 1.0
"""How often orphans of runs that go on are reaped. None can exist without a run, so an idle loop sleeps."""

_CLOSE_SECONDS = 10.0
"""After this long a process that does not even obey KILL is left behind."""

_WAKE_BYTES = 4096


@immutable
class _Close:
    """Kill what still runs, and end the loop."""


_Command = Spawn | Stop | Forget | _Close


class Supervisor:
    """Runs processes for an engine. Commands may come from any thread and return at once.

    `report` is called on the loop's thread, once for each spawned run, after its end stands in the journal.
    """

    def __init__(self, *, journal: Path, clock: Clock, report: Callable[[RunExit], None]) -> None:
        self._journal = Journal(journal)
        self._clock = clock
        self._report = report
        self._lock = threading.Lock()
        self._commands: deque[_Command] = deque()
        self._known: set[str] = set()
        self._closed = False
        self._runs: dict[str, Run] = {}
        self._close_until: float | None = None
        self._patrol_at = 0.0
        self._drain = Drain()
        self._wake_reader, self._wake_writer = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_reader, selectors.EVENT_READ, (None, self._woken))
        for descriptor in (self._wake_reader, self._wake_writer):
            os.set_blocking(descriptor, False)
        self._thread = threading.Thread(target=self._loop, name="attune-supervisor", daemon=True)

    def start(self) -> None:
        """Start the loop's thread. Commands given earlier have waited for it."""
        self._thread.start()

    def spawn(self, spawn: Spawn) -> None:
        """Start a run; one that is known goes on as it is. Raises RuntimeError after `close`."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the supervisor is closed")
            if spawn.run not in self._known:
                self._known.add(spawn.run)
                self._submit(spawn)

    def stop(self, run: str, *, grace_seconds: float | None = None) -> None:
        """End a run by TERM, and by KILL after the grace; a second stop kills at once. Ignores unknown runs."""
        with self._lock:
            if not self._closed:
                self._submit(Stop(run=run, grace_seconds=grace_seconds))

    def knows(self, run: str) -> bool:
        """Say whether a run was spawned and its end is not yet reported."""
        return run in self._known

    def running(self) -> list[str]:
        """Return the runs that were spawned and whose end is not yet reported."""
        with self._lock:
            return list(self._known)

    def forget(self, runs: Sequence[str]) -> None:
        """Say that the reported ends of `runs` are committed."""
        with self._lock:
            if not self._closed:
                self._submit(Forget(tuple(runs)))

    def close(self) -> None:
        """Kill what still runs (reported as cancelled), reap everything, and end the thread."""
        with self._lock:
            is_first, self._closed = not self._closed, True
            if is_first:
                self._submit(_Close())
        if self._thread.ident is not None:
            self._thread.join()
        elif is_first:
            self._dispose()

    def leave(self) -> None:
        """Close, and remove the journal unless somebody may yet come for an end in it."""
        self.close()
        self._journal.remove_if_needless()

    def _submit(self, command: _Command) -> None:
        self._commands.append(command)
        # A full pipe wakes as well as a longer one.
        with suppress(BlockingIOError):
            os.write(self._wake_writer, b"\0")

    def _woken(self) -> None:
        os.read(self._wake_reader, _WAKE_BYTES)

    def _loop(self) -> None:
        orphans.adopt()
        try:
            while not self._over():
                for key, _ in self._selector.select(self._pause_seconds()):
                    self._serve(*key.data)
                self._obey()
                self._tick(monotonic_seconds())
        finally:
            orphans.release()
            self._dispose()

    def _over(self) -> bool:
        if self._close_until is None:
            return False
        return not self._runs or monotonic_seconds() >= self._close_until

    def _pause_seconds(self) -> float | None:
        if not self._runs:
            return None
        now = monotonic_seconds()
        moments = [run.due for run in self._runs.values() if run.due is not None]
        moments.append(self._patrol_at)
        if any(run.polled for run in self._runs.values()):
            moments.append(now + _POLL_SECONDS)
        return max(0.0, min(moments) - now)

    def _tick(self, now: float) -> None:
        for run in tuple(self._runs.values()):
            if run.due is not None and run.due <= now:
                self._serve(run, run.tick)
            if run.polled:
                self._serve(run, run.check)
        if self._runs and now >= self._patrol_at:
            self._patrol_at = now + _PATROL_SECONDS
            self._serve(None, reap_orphans)

    def _serve(self, run: Run | None, step: Callable[[], None]) -> None:
        """One run's failure is its own; the loop goes on."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other runs need the loop
            if run is None:
                self._show()
            else:
                run.fail(error)

    def _show(self) -> None:
        """Let the program show the present exception as it shows those that end a thread."""
        threading.excepthook(threading.ExceptHookArgs([*sys.exc_info(), self._thread]))

    def _obey(self) -> None:
        while self._commands:
            match self._commands.popleft():
                case Spawn() as spawn:
                    self._begin(spawn)
                case Stop(run=name, grace_seconds=grace_seconds):
                    self._stop(name, grace_seconds)
                case Forget(runs=runs):
                    self._journal.forget(runs)
                case _Close():
                    self._close_until = monotonic_seconds() + _CLOSE_SECONDS
                    for name in tuple(self._runs):
                        self._stop(name, 0)

    def _stop(self, name: str, grace_seconds: float | None) -> None:
        run = self._runs.get(name)
        if run is not None:
            self._serve(run, partial(run.stop, grace_seconds))

    def _begin(self, spawn: Spawn) -> None:
        now = self._clock.now()
        try:
            self._journal.begin(spawn.run)
        except OSError as error:
            fault = f"that it begins cannot be written down: {error.strerror}"
            self._deliver(not_started(spawn, fault, now))
            return
        try:
            run = Run(spawn, self._clock, self._selector, self._drain, self._journal, over=self._deliver)
        except Exception as error:  # noqa: BLE001  # a fault of our own too is this run's alone
            reason = str(error) if isinstance(error, NotStartedError) else f"internal error: {error!r}"
            run_exit = not_started(spawn, reason, now)
            self._journal.end(run_exit)
            self._deliver(run_exit)
        else:
            self._runs[spawn.run] = run
            self._serve(run, run.begin)

    def _deliver(self, run_exit: RunExit) -> None:
        self._runs.pop(run_exit.run, None)
        with self._lock:
            self._known.discard(run_exit.run)
        try:
            self._report(run_exit)
        except Exception:  # noqa: BLE001  # a fault of the listener must not end the loop
            self._show()

    def _dispose(self) -> None:
        self._selector.close()
        self._drain.close()
        self._journal.close()
        with self._lock:  # whoever told us to close may not have rung yet
            os.close(self._wake_reader)
            os.close(self._wake_writer)
