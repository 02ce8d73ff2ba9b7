"""The supervisor as a process: it serves one engine after another, and outlives each of them (docs/adr/0018).

The main thread speaks to the engine, the supervisor's own thread looks after the runs. Standard library only, and
everything is imported at the start: an upgrade of what lies on the disk does not reach a supervisor that runs.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.supervisor import address
from attune_cli.runtime.supervisor.messages import PROTOCOL, Lines, line, read_spawn, run_exit_fields
from attune_cli.runtime.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from attune_cli.runtime.supervisor.messages import Message
    from attune_cli.runtime.supervisor.values import RunExit

LINGER_SECONDS = 1.0
"""How long it stays with no engine and nothing to do: an engine that is replaced is back sooner."""

_LOG_BYTES = 1024 * 1024
_READ_BYTES = 65536


class SupervisorProcess:
    """Answers engines that call at `listener`, until nobody is there and nothing runs.

    One engine at a time: the next is heard when all that the last one said was done. An end that nobody is there to
    be told of stands in the journal.
    """

    def __init__(self, listener: socket.socket, journal: Path) -> None:
        self._listener = listener
        self._supervisor = Supervisor(journal=journal, clock=SystemClock(), report=self._ended)
        self._engine: _Engine | None = None
        self._ends: deque[RunExit] = deque()
        self._is_leaving = False
        self._is_told_to_leave = False
        self._wake_reader, self._wake_writer = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_reader, selectors.EVENT_READ, self._woken)
        listener.setblocking(False)
        for descriptor in (self._wake_reader, self._wake_writer):
            os.set_blocking(descriptor, False)

    def serve(self) -> None:
        """Return when nobody is connected and nothing runs any more, or all of it was ended by a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_leave)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._supervisor.start()
        self._await_engine()
        while self._engine is not None or self._supervisor.running() or not self._is_leaving:
            # With an engine or a run there is nothing to look at by the clock.
            idle = self._engine is None and not self._supervisor.running()
            ready = self._selector.select(LINGER_SECONDS if idle else None)
            for key, _ in ready:
                key.data()
            self._tell_ends()
            if idle and not ready:
                self._is_leaving = True
        self._listener.close()
        self._supervisor.leave()

    # --- engines

    def _await_engine(self) -> None:
        if not self._is_leaving:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            self._selector.unregister(self._listener)
            self._engine = _Engine(connection, self._selector, self._serve_engine)

    def _serve_engine(self) -> None:
        engine = self._engine
        if engine is None:
            return
        try:
            for message in engine.hear():
                self._obey(engine, message)
            engine.flush()
        except EOFError:
            self._part()
        except (OSError, ValueError, KeyError, TypeError) as error:
            sys.excepthook(type(error), error, error.__traceback__)
            self._part()

    def _part(self) -> None:
        """The engine is gone, or says what cannot be understood."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            self._await_engine()

    def _obey(self, engine: _Engine, message: Message) -> None:
        match message["say"]:
            case "hello":
                self._greet(engine, message["protocol"])
            case "spawn" if engine.is_greeted:
                self._supervisor.spawn(read_spawn(message))
            case "stop" if engine.is_greeted:
                self._supervisor.stop(message["run"], grace_seconds=message["grace_seconds"])
            case "forget" if engine.is_greeted:
                self._supervisor.forget(message["runs"])
            case _:
                pass

    def _greet(self, engine: _Engine, protocol: int) -> None:
        # Ends that came before stand in the journal; those of the runs that are named here will be told.
        self._ends.clear()
        engine.is_greeted = protocol == PROTOCOL
        runs = self._supervisor.running() if engine.is_greeted else []
        engine.send(line("hello", protocol=PROTOCOL, runs=runs))

    # --- ends

    def _ended(self, run_exit: RunExit) -> None:
        """On the supervisor's thread."""
        self._ends.append(run_exit)
        self._wake()

    def _tell_ends(self) -> None:
        while self._ends:
            run_exit = self._ends.popleft()
            if self._engine is not None and self._engine.is_greeted:
                self._engine.send(line("end", **run_exit_fields(run_exit)))
        if self._engine is not None:
            try:
                self._engine.flush()
            except OSError:
                self._part()

    def _wake(self) -> None:
        # A full pipe wakes as well as a longer one.
        with suppress(BlockingIOError):
            os.write(self._wake_writer, b"!")

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_reader, _READ_BYTES)
        if self._is_told_to_leave:
            self._is_told_to_leave = False
            self._end_all()

    def _told_to_leave(self, _number: int, _frame: object) -> None:
        self._is_leaving = self._is_told_to_leave = True
        self._wake()

    def _end_all(self) -> None:
        """End every run with its grace; when told again, at once. The engine finds the ends in the journal."""
        if self._engine is not None:
            self._part()
        else:
            with suppress(KeyError):
                self._selector.unregister(self._listener)
        for run in self._supervisor.running():
            self._supervisor.stop(run)


class _Engine:
    """The connection to an engine. What it is told waits here until it reads: it must never keep us."""

    def __init__(
        self, connection: socket.socket, selector: selectors.BaseSelector, ready: Callable[[], None]
    ) -> None:
        self.is_greeted = False
        self._connection = connection
        self._selector = selector
        self._ready = ready
        self._lines = Lines()
        self._unsent = bytearray()
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, ready)

    def hear(self) -> list[Message]:
        """Return what was said since the last time; raises EOFError when the engine is gone."""
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except ConnectionError:
            raise EOFError from None
        if not data:
            raise EOFError
        return self._lines.feed(data)

    def send(self, data: bytes) -> None:
        self._unsent += data

    def flush(self) -> None:
        """Send what the engine takes now. Raises OSError when it is gone."""
        while self._unsent:
            try:
                sent = self._connection.send(self._unsent)
            except BlockingIOError:
                break
            del self._unsent[:sent]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        self._selector.modify(self._connection, events, self._ready)

    def close(self) -> None:
        self._selector.unregister(self._connection)
        self._connection.close()


def main(folder: Path, name: str) -> NoReturn:
    """Become the supervisor `name` of `folder`: the caller's child ends when engines can be answered.

    Its end is the sign for whoever started it, and makes the supervisor nobody's child.
    """
    try:
        lock = address.hold(folder, name)
        listener = address.listen(folder, name)
        log = _open_log(folder.parent / "supervisor.log")
    except OSError as error:
        sys.exit(f"{error.strerror}: {error.filename or folder}")
    if os.fork():
        os._exit(0)
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
    SupervisorProcess(listener, address.journal_of(folder, name)).serve()
    address.forget(folder, name)
    os.close(lock)
    sys.exit(0)


def _open_log(path: Path) -> int:
    """Open the file for what must not happen; it is begun anew when it is long."""
    with suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_BYTES:
            path.unlink()
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
