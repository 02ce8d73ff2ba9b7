"""One run, from its start until nothing of it is left.

    going ───────────────────────── the leader ends ─→ draining ─→ sweeping ─→ over
      └─ stop, timeout ─→ ending ── grace ─→ killed ──────┘

Draining waits for the end of both streams, but only a short while (after a stop, the rest of its grace) for processes
that still hold them. Sweeping kills and reaps whatever the leader left behind. The leader itself is reaped last.
"""

from __future__ import annotations

import os
import selectors
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.runtime.supervisor import folder, orphans
from attune_cli.runtime.supervisor.family import Family
from attune_cli.runtime.supervisor.launch import launch
from attune_cli.runtime.supervisor.log import Index, Log
from attune_cli.runtime.supervisor.mask import Mask
from attune_cli.runtime.supervisor.pump import Pump
from attune_cli.runtime.supervisor.values import RunExit, StreamSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.clock import Clock, Instant
    from attune_cli.runtime.supervisor.journal import Journal
    from attune_cli.runtime.supervisor.pump import Drain, Feed
    from attune_cli.runtime.supervisor.values import Spawn, Why

LONG_SECONDS = 0.025
"""From when on a run counts as a longer one. Its leader is then named in its folder, in case we die, and watched, in
case others hold its streams when it ends. For a short run both would cost as much as all else we do for it; if we die
so early, its processes are found by their environment."""

DRAIN_SECONDS = 0.5
"""How long those that hold the streams of an ended leader may still write (domain.md 10.3, 22)."""

SWEEP_SECONDS = 2.0
"""How long killed processes are waited for. Only one that the kernel or another user holds takes so long."""

_SWEEP_INTERVAL_SECONDS = 0.002

_NOTHING = StreamSummary(bytes=0, lines=0, dropped_bytes=0)


class Run:
    """Owns the leader, its pipes, its logs and its deadline.

    Everything happens in callbacks of the selector, and in `tick` once `due` (monotonic seconds) has come. `over` is
    called once, at the very end. While `polled`, `check` must be called now and then, because the system does not
    tell of the leader's end.
    """

    def __init__(
        self,
        spawn: Spawn,
        clock: Clock,
        selector: selectors.BaseSelector,
        drain: Drain,
        journal: Journal,
        *,
        over: Callable[[RunExit], None],
    ) -> None:
        """Start the leader. Raises NotStartedError."""
        self.spawn = spawn
        self._clock = clock
        self._selector = selector
        self._journal = journal
        self._over = over
        self._why: Why = "exited"
        self._error: str | None = None
        self._finished: Instant | None = None
        self._duration_ms = 0
        self._grace_until = 0.0
        self._give_up_at: float | None = None
        self._started = clock.now()
        self._began_at = monotonic_seconds()
        self.due: float | None = None
        self._then: Callable[[], None] | None = None
        masks = _mask(spawn), _mask(spawn)
        self._leader = launch(spawn)
        self._family = Family(self._leader.pid, spawn.environment)
        self._index = Index(f"{spawn.folder}/{folder.INDEX}", clock)
        stdout = Log(str(spawn.folder), "stdout", spawn.stdout_cap_bytes, self._index)
        stderr = Log(str(spawn.folder), "stderr", spawn.stderr_cap_bytes, self._index)
        self._stdout = Pump(self._leader.stdout, stdout, masks[0], drain)
        self._stderr = Pump(self._leader.stderr, stderr, masks[1], drain)
        self._feed = self._leader.feed
        self._pidfd: int | None = None
        self.polled = False
        self._failed = False

    def begin(self) -> None:
        """Watch the pipes: a run that is soon over shows by them that it is."""
        for pump in (self._stdout, self._stderr):
            self._watch(pump.pipe, selectors.EVENT_READ, partial(self._output, pump))
        if self._feed is not None:
            self._watch(self._feed.pipe, selectors.EVENT_WRITE, self._input)
        self._wait(LONG_SECONDS, self._settle_in)

    def tick(self) -> None:
        """Do what is due."""
        self.due = None
        if self._then is not None:
            self._then()

    def stop(self, grace_seconds: float | None) -> None:
        """End it as cancelled; a second time, kill it. One that has ended by itself stays so."""
        if self._finished is None and not self._leader.has_ended():
            self._end("cancelled", self.spawn.grace_seconds if grace_seconds is None else grace_seconds)
        elif self._why != "exited":
            self._grace_until = 0.0
            if self._finished is not None:
                self._sweep()

    def check(self) -> None:
        """Notice the end of the leader."""
        if self._finished is not None or not self._leader.has_ended():
            return
        self.polled = False
        self._finished = self._clock.now()
        self._duration_ms = int((monotonic_seconds() - self._began_at) * 1000)
        self._forget_pidfd()
        # What a stopped leader leaves behind had its TERM too, and has the whole grace.
        self._wait(max(DRAIN_SECONDS, self._grace_until - monotonic_seconds()), self._sweep)
        self._settle()

    def fail(self, error: Exception) -> None:
        """Give up a run that could not be served because of a fault of our own."""
        if self._failed:
            self._over(self._exit(None))
            return
        self._failed = True
        self._error = self._error or f"internal error of the supervisor: {error!r}"
        self._why = "log_failed" if self._why == "exited" else self._why
        for pump in self._open_pumps():
            self._close(pump)
        self._forget_pidfd()
        self.polled = self._finished is None
        self._kill()
        if self._finished is not None:
            self._wait(0, self._finish)

    def _settle_in(self) -> None:
        """Do for a longer run what a short one does not need."""
        self._watch_leader()
        self._journal.lead(self.spawn.run, self._leader.pid, orphans.brand())
        if self.spawn.timeout_seconds is not None:
            self.due = self._began_at + self.spawn.timeout_seconds
            self._then = self._time_out

    def _watch_leader(self) -> None:
        if self._pidfd is None:
            try:
                self._pidfd = os.pidfd_open(self._leader.pid)
            except (OSError, AttributeError):
                self.polled = True
            else:
                self._watch(self._pidfd, selectors.EVENT_READ, self.check)

    def _time_out(self) -> None:
        if not self._leader.has_ended():
            self._end("timed_out", self.spawn.grace_seconds)

    def _end(self, why: Why, grace_seconds: float) -> None:
        self._watch_leader()
        if self._why == "exited":
            self._why = why
            if grace_seconds > 0:
                self._wait(grace_seconds, self._kill)
                self._grace_until = monotonic_seconds() + grace_seconds
                self._family.terminate()
                return
        self._kill()

    def _kill(self) -> None:
        self.due = None
        self._grace_until = 0.0
        self._family.kill()

    def _output(self, pump: Pump) -> None:
        # An event may have been fetched before an earlier one of the same turn closed the pipe.
        if pump.open and not self._attempt(pump, pump.move):
            self._close(pump)
            self._settle()

    def _input(self) -> None:
        if self._feed is not None and not self._feed.give():
            self._close_feed(self._feed)

    def _attempt(self, pump: Pump, step: Callable[[], bool | None]) -> bool:
        """Say whether to go on. A log that cannot be written ends the run, but its pipe is read on."""
        try:
            return step() is not False
        except OSError as error:
            self._error = self._error or f"cannot write {pump.log.path}: {error.strerror or error}"
            if self._why == "exited":
                self._end_for_its_log()
            return True

    def _end_for_its_log(self) -> None:
        if self._finished is None:
            self._end("log_failed", self.spawn.grace_seconds)
        else:
            self._why = "log_failed"

    def _settle(self) -> None:
        """Go on when both streams have ended and the leader too, which most often comes a moment later."""
        if self._open_pumps():
            return
        if self._finished is not None:
            self._sweep()
        elif self._leader.has_ended():
            self.check()
        else:
            self._watch_leader()

    def _sweep(self) -> None:
        left = self._family.sweep()
        now = monotonic_seconds()
        if self._give_up_at is None:
            self._give_up_at = now + SWEEP_SECONDS
        if left and now < self._give_up_at:
            self._wait(_SWEEP_INTERVAL_SECONDS, self._sweep)
            return
        if left:
            self._error = self._error or f"these processes could not be killed: {', '.join(map(str, left))}"
        self._finish()

    def _finish(self) -> None:
        # What points back to the run goes, or each run would wait for the garbage collector.
        self.due = self._then = None
        for pump in self._open_pumps():
            self._attempt(pump, pump.finish)
            self._close(pump)
        if self._feed is not None:
            self._close_feed(self._feed)
        with suppress(OSError):
            self._index.close()
        self._family.forget()
        code = self._leader.reap()
        run_exit = self._exit(code)
        self._journal.end(run_exit)
        self._over(run_exit)

    def _exit(self, code: int | None) -> RunExit:
        if code is None:
            self._error = self._error or "its exit status was taken by another part of the program"
        return RunExit(
            run=self.spawn.run,
            why=self._why,
            exit_code=None if code is None or code < 0 else code,
            signal=None if code is None or code >= 0 else -code,
            error=self._error,
            started=self._started,
            finished=self._started if self._finished is None else self._finished,
            duration_ms=self._duration_ms,
            stdout=self._stdout.log.summary(),
            stderr=self._stderr.log.summary(),
        )

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self.due = monotonic_seconds() + seconds
        self._then = then

    def _open_pumps(self) -> list[Pump]:
        return [pump for pump in (self._stdout, self._stderr) if pump.open]

    def _close(self, pump: Pump) -> None:
        self._unwatch(pump.pipe)
        self._attempt(pump, pump.close)

    def _close_feed(self, feed: Feed) -> None:
        self._feed = None
        self._unwatch(feed.pipe)
        feed.close()

    def _forget_pidfd(self) -> None:
        if self._pidfd is not None:
            self._unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _watch(self, descriptor: int, events: int, ready: Callable[[], None]) -> None:
        self._selector.register(descriptor, events, (self, ready))

    def _unwatch(self, descriptor: int) -> None:
        # A run that fails at its start has not registered everything.
        with suppress(KeyError):
            self._selector.unregister(descriptor)


def _mask(spawn: Spawn) -> Mask | None:
    """Return a mask for one stream, or None when there is nothing to mask, which then costs nothing."""
    mask = Mask(spawn.secrets) if spawn.secrets else None
    return mask or None


def not_started(spawn: Spawn, error: str, now: Instant) -> RunExit:
    """Return the end of a run that never began."""
    return RunExit(
        run=spawn.run,
        why="not_started",
        exit_code=None,
        signal=None,
        error=error,
        started=now,
        finished=now,
        duration_ms=0,
        stdout=_NOTHING,
        stderr=_NOTHING,
    )
