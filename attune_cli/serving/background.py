"""Starting a daemon that outlives this command, and ending one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.config import Configuration, find_project
from attune_cli.errors import (
    AttuneError,
    ConflictError,
    Detail,
    PendingError,
    TimedOutError,
    UnavailableError,
)
from attune_cli.runtime.clock import SystemClock, monotonic_seconds, pause
from attune_cli.runtime.engine.doorbell import ring_host
from attune_cli.runtime.engine.lease import LOCK_NAME, read_lease
from attune_cli.runtime.host import open_store
from attune_cli.runtime.store import execution_search, executions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.engine.lease import Daemon

_SILENT = ("--log-format", "none", "-o", "json")
_LOOK_SECONDS = 0.05
_END_SECONDS = 30.0
"""How long a daemon may take to end after it was told to."""


def start(context: Context, options: Sequence[str], *, wait_seconds: float) -> Daemon:
    """Start a daemon and wait until it is ready. Raises what kept it from starting, as it said it itself."""
    other = read_lease(context.home.path)
    if other is not None:
        raise ConflictError(
            f"a daemon runs already for {context.home.path} (process {other.pid})",
            code="daemon_running",
            hint="attune status",
        )
    process = subprocess.Popen(
        [sys.executable, "-m", "attune_cli", *place_words(context), "serve", *_SILENT, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
    )
    give_up = monotonic_seconds() + wait_seconds
    while True:
        daemon = read_lease(context.home.path)
        if daemon is not None and daemon.is_ready and daemon.pid == process.pid:
            _let_go(process)
            return daemon
        if process.poll() is not None:
            raise _failure(process, context)
        if monotonic_seconds() >= give_up:
            _let_go(process)
            raise TimedOutError(
                f"the daemon (process {process.pid}) is not ready after {wait_seconds:g} s",
                code="not_ready",
                hint="attune engine logs",
            )
        pause(_LOOK_SECONDS)


def place_words(context: Context) -> list[str]:
    """Return the options by which another process finds the same home and the same settings from anywhere."""
    project = find_project(context.directory, os.environ)
    return [*(("-C", str(project)) if project else ()), "--home", str(context.home.path)]


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Let it outlive us; if we should outlive it, it is reaped."""
    if process.stderr is not None:
        process.stderr.close()
    threading.Thread(target=process.wait, name="attune-reaper", daemon=True).start()


def _failure(process: subprocess.Popen[bytes], context: Context) -> AttuneError:
    """Return the error a daemon ended with, from the JSON document it wrote to stderr."""
    told = process.communicate()[1]
    for line in reversed(told.splitlines()):
        with suppress(ValueError, KeyError, TypeError):
            error = json.loads(line)["error"]
            return _error_with_code(process.returncode)(
                str(error["message"]),
                code=error.get("code"),
                hint=error.get("hint"),
                details=[Detail(**detail) for detail in error.get("details", ())],
            )
    tail = told.decode(errors="replace").strip().splitlines()
    reason = tail[-1] if tail else f"exit code {process.returncode}"
    return UnavailableError(
        f"the daemon could not start: {reason}", code="daemon_failed", hint=f"less {context.home.daemon_log}"
    )


def _error_with_code(exit_code: int) -> type[AttuneError]:
    kinds = (one for one in AttuneError.__subclasses__() if one.exit_code == exit_code)
    return next(kinds, UnavailableError)


def end(context: Context, daemon: Daemon, *, drain_seconds: float, cancel_running: bool, force: bool) -> int:
    """End a daemon; returns how many runs go on without it. Raises PendingError when it did not drain in time."""
    if force:
        _signal(daemon, signal.SIGKILL)
        _await_end(context, daemon)
        return _still_running(context, daemon)
    if drain_seconds or cancel_running:
        _signal(daemon, signal.SIGUSR1)
    if cancel_running:
        _cancel_all(context, daemon)
        drain_seconds = drain_seconds or context.settings.grace_seconds + _END_SECONDS
    if drain_seconds and not drained(context, daemon, drain_seconds):
        runs = runs_go_on(_still_running(context, daemon))
        raise PendingError(
            f"{runs} on after {drain_seconds:g} s; the daemon starts nothing more",
            code="still_running",
            hint="attune down --cancel-running",
        )
    _signal(daemon, signal.SIGTERM)
    _await_end(context, daemon)
    return _still_running(context, daemon)


def runs_go_on(number: int) -> str:
    """Return the beginning of a sentence about so many runs."""
    return "1 run goes" if number == 1 else f"{number} runs go"


def tell_to_drain(daemon: Daemon) -> None:
    _signal(daemon, signal.SIGUSR1)


def tell_to_reload(context: Context, daemon: Daemon) -> Daemon:
    """Let a daemon read its settings again; returns it once it is ready with them.

    Raises UsageError when they are at fault: then it is not even asked.
    """
    Configuration.load(directory=context.directory, environment=os.environ)
    _signal(daemon, signal.SIGHUP)

    def renewed() -> bool:
        now = read_lease(context.home.path)
        return now is None or (now.host != daemon.host and now.is_ready)

    if not _await(renewed, _END_SECONDS):
        raise UnavailableError("the daemon kept its settings", code="not_reloaded", hint="attune engine logs")
    now = read_lease(context.home.path)
    if now is None:
        raise UnavailableError("the daemon ended", code="no_engine", hint="attune engine logs")
    return now


def drained(context: Context, daemon: Daemon, seconds: float) -> bool:
    """Wait until nothing runs that the daemon started, at most so long; tells whether it came to that."""
    return _await(lambda: _still_running(context, daemon) == 0, seconds)


def _still_running(context: Context, daemon: Daemon) -> int:
    """Count what a daemon has started and what is not over, whether it goes on or has ended meanwhile."""
    now = read_lease(context.home.path)
    host = now.host if now is not None and now.pid == daemon.pid else daemon.host
    store = open_store(context.home, context.settings)
    try:
        with store.read(SystemClock().now()) as tx:
            return execution_search.count_started_by(tx, host)
    finally:
        store.close()


def _cancel_all(context: Context, daemon: Daemon) -> None:
    store = open_store(context.home, context.settings)
    try:
        with store.write(SystemClock().now()) as tx:
            for one in executions.owned_live(tx, [daemon.host]):
                if one.status.holds_slot:
                    executions.request_cancel(tx, one.id, "the daemon was told to end")
    finally:
        store.close()
    ring_host(context.home.hosts, daemon.host)


def _signal(daemon: Daemon, number: signal.Signals) -> None:
    """Send a signal; raises UnavailableError when its process number is one of another container's."""
    if not _holds_a_lease(daemon.pid):
        raise UnavailableError(
            f"the daemon (process {daemon.pid} where it runs) is out of reach: it runs in another container,"
            " or as another user",
            code="out_of_reach",
            hint="end it from there",
        )
    with suppress(ProcessLookupError):
        os.kill(daemon.pid, number)


def _holds_a_lease(pid: int) -> bool:
    """Tell whether that process can be seen to have the lease's file open; where nothing can be seen it is believed."""
    if not Path("/proc/self/fd").is_dir():
        return True
    try:
        return any(link.readlink().name == LOCK_NAME for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def _await_end(context: Context, daemon: Daemon) -> None:
    def is_gone() -> bool:
        now = read_lease(context.home.path)
        return now is None or now.pid != daemon.pid

    if not _await(is_gone, _END_SECONDS):
        raise UnavailableError(
            f"the daemon (process {daemon.pid}) does not end", code="does_not_end", hint="attune down --force"
        )


def _await(condition: Callable[[], bool], seconds: float) -> bool:
    give_up = monotonic_seconds() + seconds
    while not condition():
        if monotonic_seconds() >= give_up:
            return False
        pause(_LOOK_SECONDS)
    return True
