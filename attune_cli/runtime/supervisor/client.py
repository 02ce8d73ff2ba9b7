"""The way to a supervisor that is a process: an engine uses it as it would use a `Supervisor` of its own."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from socket import SHUT_RDWR, SO_SNDTIMEO, SOL_SOCKET
from typing import TYPE_CHECKING

from attune_cli.errors import UnavailableError
from attune_cli.runtime.clock import monotonic_seconds, pause
from attune_cli.runtime.supervisor import address
from attune_cli.runtime.supervisor.messages import PROTOCOL, Lines, line, read_run_exit, spawn_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from attune_cli.runtime.supervisor.messages import Message
    from attune_cli.runtime.supervisor.values import RunExit, Spawn

_PATIENCE_SECONDS = 15.0
"""How long a supervisor may take to begin, to answer, or to read what it is told."""

_LEAVING_SECONDS = 2.0
"""How long one that hears nobody any more is given to be gone."""

_LOOK_SECONDS = 0.01
_READ_BYTES = 65536

_PROGRAM = str(Path(__file__).parent / "__main__.py")
_LANGUAGE = ("LANG", "LC_ALL", "LC_CTYPE")
"""What decides how file names are read: the same on both sides, or one would not find the other's files."""


class SupervisorClient:
    """Finds the supervisor process of a home, or starts one.

    Reports come on a thread of their own from `listen` on, and are those of the runs that `knows` knows. `lost` is
    called, from any thread, when the supervisor dies; then only `detach` is of use.
    """

    def __init__(self, *, folder: Path, report: Callable[[RunExit], None], lost: Callable[[], None]) -> None:
        self.name = ""
        """The name of the supervisor, and so of its journal; known after `start`."""
        self._folder = folder
        self._report = report
        self._lost = lost
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._connection: socket.socket | None = None
        self._lines = Lines()
        self._heard: list[Message] = []
        self._ear: threading.Thread | None = None
        self._is_detached = False

    # --- its life, on one thread

    def start(self) -> None:
        """Find the supervisor that lives and ask what goes on in it, or start one. Raises UnavailableError."""
        for name in address.recorded(self._folder):
            if not address.is_alive(self._folder, name):
                continue
            if self._connection is None:
                self._greet(name)
            if self.name != name and not self._leaves(name):
                self._watch(name)
        if self._connection is None:
            name = os.urandom(8).hex()
            self._begin(name)
            self._greet(name)
        if self._connection is None:
            raise self._failure("it does not answer")

    def listen(self) -> None:
        """Begin to pass on reports."""
        self._ear = threading.Thread(target=self._listen, name="attune-supervisor-reports", daemon=True)
        self._ear.start()

    def detach(self) -> None:
        """Leave the supervisor to itself: what runs goes on."""
        self._is_detached = True
        if self._connection is not None:
            self._hang_up()
            if self._ear is None:
                self._connection.close()

    # --- runs, from any thread

    def spawn(self, spawn: Spawn) -> None:
        """Start a run; one that is known goes on as it is."""
        with self._lock:
            if spawn.run not in self._known:
                self._known.add(spawn.run)
                self._send(spawn_line(spawn))

    def stop(self, run: str, *, grace_seconds: float | None = None) -> None:
        """End a run by TERM, and by KILL after the grace; a second stop kills at once. Ignores unknown runs."""
        with self._lock:
            self._send(line("stop", run=run, grace_seconds=grace_seconds))

    def knows(self, run: str) -> bool:
        """Say whether a run goes on: its end will be reported."""
        return run in self._known

    def running(self) -> list[str]:
        """Return the runs whose end is not yet reported."""
        with self._lock:
            return list(self._known)

    def forget(self, runs: Sequence[str]) -> None:
        """Say that the reported ends of `runs` are committed."""
        with self._lock:
            self._send(line("forget", runs=list(runs)))

    # --- finding one

    def _begin(self, name: str) -> None:
        """Start a supervisor; it can be greeted when this returns."""
        environment = {word: os.environ[word] for word in _LANGUAGE if word in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _PROGRAM, str(self._folder), name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        try:
            told = process.communicate(timeout=_PATIENCE_SECONDS)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise self._failure("it takes too long") from None
        if process.returncode:
            reason = told.decode(errors="replace").strip().splitlines() or [f"code {process.returncode}"]
            raise self._failure(reason[-1])

    def _greet(self, name: str) -> None:
        """Say hello; keeps the connection when it is answered in words that we know."""
        try:
            connection = address.connect(self._folder, name, timeout_seconds=_PATIENCE_SECONDS)
        except OSError:
            return
        try:
            hello = self._hello(connection)
        except TimeoutError:
            connection.close()
            raise self._failure("it does not answer") from None
        except (OSError, EOFError, ValueError):
            hello = {}
        if hello.get("protocol") == PROTOCOL:
            self._known = set(hello["runs"])
            self.name, self._connection = name, connection
            # Sending has a limit, listening has none.
            connection.settimeout(None)
            connection.setsockopt(SOL_SOCKET, SO_SNDTIMEO, struct.pack("ll", int(_PATIENCE_SECONDS), 0))
        else:
            connection.close()

    def _hello(self, connection: socket.socket) -> Message:
        """Return the supervisor's answer; what it says after that waits to be listened to."""
        self._lines = Lines()
        connection.sendall(line("hello", protocol=PROTOCOL))
        while data := connection.recv(_READ_BYTES):
            messages = self._lines.feed(data)
            if messages:
                self._heard = messages[1:]
                return messages[0]
        raise EOFError

    def _leaves(self, name: str) -> bool:
        """Wait a moment for the end of a supervisor that does not hear us."""
        give_up = monotonic_seconds() + _LEAVING_SECONDS
        while address.is_alive(self._folder, name):
            if monotonic_seconds() >= give_up:
                return False
            pause(_LOOK_SECONDS)
        return True

    def _watch(self, name: str) -> None:
        """Look at what a supervisor of another version has left, when it has left: then its journal tells all."""

        def wait() -> None:
            address.await_end(self._folder, name)
            self._tell_lost()

        threading.Thread(target=wait, name=f"attune-supervisor-{name}", daemon=True).start()

    def _failure(self, reason: str) -> UnavailableError:
        return UnavailableError(
            f"the supervisor, which runs the daemon's processes, cannot be had: {reason}",
            code="no_supervisor",
            hint="attune doctor",
        )

    # --- speaking

    def _send(self, data: bytes) -> None:
        """Send while the lock is held. What a supervisor that died does not read is settled by the next engine."""
        if self._connection is None:
            return
        try:
            self._connection.sendall(data)
        except OSError:
            self._hang_up()

    def _hang_up(self) -> None:
        """Let the thread that listens find the end of the connection."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(SHUT_RDWR)

    def _listen(self) -> None:
        connection = self._connection
        if connection is None:
            return
        with connection, suppress(OSError):
            self._take_in(self._heard)
            while data := connection.recv(_READ_BYTES):
                self._take_in(self._lines.feed(data))
        self._tell_lost()

    def _take_in(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message["say"] == "end":
                self._ended(read_run_exit(message))

    def _ended(self, run_exit: RunExit) -> None:
        with self._lock:
            self._known.discard(run_exit.run)
        self._report(run_exit)

    def _tell_lost(self) -> None:
        if not self._is_detached:
            self._lost()
