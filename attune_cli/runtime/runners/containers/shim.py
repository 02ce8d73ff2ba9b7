"""The process that holds the streams of a container.

`… ADDRESS CONTAINER REPORT STDIN_BYTES TIMEOUT GRACE NONCE NAME=VALUE…` is a child of the supervisor, which pumps, caps
and masks its pipes as those of any other. It reads its whole input before it does anything, hands it to the engine at
once, starts the container, copies both streams, ends the container when it is told to (TERM) or when the time is over,
writes down what came of it, and removes it (docs/adr/0040).

With a NONCE the container waits at its gate already: the input opens the gate, and the output begins with the nonce,
which is taken off (docs/adr/0047). If the gate says that the action ended well, that is its end, and the runner removes
what is left (docs/adr/0060). What is NAMEd is written down with the rest.

The report is one JSON object, renamed into place before this process ends; see `Report`.
"""

from __future__ import annotations

import os
import select
import time

from attune_cli.runtime.runners.containers.marks import Marked, greeting_of, mark_of
from attune_cli.runtime.runners.containers.wire import EngineError, Frames, Wire, answer_of, socket

# What is imported here is paid by each container: `signal` and `socket` would take as long as all else together.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from json.encoder import encode_basestring_ascii as as_json
    from typing import Any

    Report = dict[str, Any]
else:
    import _signal as signal
    from _json import encode_basestring_ascii as as_json
"""`stage`, `exit_code`, `out_of_memory`, `timed_out`, `error` (the engine's words), `engine_gone`, `removed`, `by_gate`
(the gate told the end), and what was named. The stages: `before` (nothing was begun), `start` (the engine did not start
it), `gate` (it waited, and never began), `running`, `over`."""

_BEGUN = ("gate", "running")
_STDOUT, _STDERR = 1, 2
_READ_BYTES = 256 * 1024
_LAST_WORDS_SECONDS = 5.0
"""How long the end of the streams is waited for when the container is over."""

_KILLED_SECONDS = 10.0
"""How long a container that was killed may take to be gone, until we leave it to others."""

_LONGEST_POLL = 2**31 - 1
"""Milliseconds; a longer time limit is looked at again."""

_LOST = (OSError, ValueError, IndexError)
"""What it means that the engine is gone: no connection, or no whole answer."""


class Shim:
    """One container, from the gate to its removal."""

    def __init__(
        self,
        wire: Wire,
        container: str,
        path: str,
        *,
        timeout_seconds: float | None,
        grace_seconds: float,
        nonce: str,
        about: dict[str, str],
    ) -> None:
        self.report: Report = {**about, "stage": "before", "removed": False}
        self._report_path = path
        self._wire = wire
        self._path = f"/containers/{container}"
        self._container = container
        self._timeout_seconds = timeout_seconds
        self._grace_seconds = grace_seconds
        self._poll = select.poll()
        self._streams = {
            _STDOUT: Marked(greeting_of(nonce), mark_of(nonce)),
            _STDERR: Marked(b"", mark_of(nonce)),
        }
        self._asked_to_stop = False
        self._deadline: float | None = None
        self._kill_at: float | None = None
        self._give_up_at: float | None = None
        self._stream_open = True
        self._exit_code: int | None = None
        self._answer = b""
        self._bell, bell = os.pipe()
        for descriptor in (self._bell, bell):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda _number, _frame: None)

    def run(self, document: bytes | None) -> None:
        """Start it, see it to its end, and write that down. Raises OSError when it cannot be written."""
        try:
            if document is None:
                self.report["error"] = "its parameters did not arrive whole"
            else:
                self._hold(document)
        except EngineError as error:
            self.report["error"] = error.message
        except _LOST as error:
            self.report["error"] = str(error) or type(error).__name__
            self.report["engine_gone"] = True
        if not self.report.get("by_gate"):
            self._inspect()
            _keep(self.report, self._report_path)
            self._remove()
        _keep(self.report, self._report_path)

    def _hold(self, document: bytes) -> None:
        stream, begun = self._wire.attach(self._container)
        with stream:
            if self._was_asked():
                return
            stream.setblocking(False)
            if not _give(stream, document):
                self._signal("SIGKILL")  # before it sees an end of its input
                raise EngineError(0, "the connection to the engine does not take its input at once")
            self._begin()
            if self._timeout_seconds is not None:
                self._deadline = time.monotonic() + self._timeout_seconds
            with self._wire.send("POST", f"{self._path}/wait") as waiting:
                waiting.settimeout(None)
                self._copy(stream, begun, waiting)
        if self._exit_code is not None and self.report["stage"] == "running":
            self.report |= {"stage": "over", "exit_code": self._exit_code}

    def _begin(self) -> None:
        if not self._streams[_STDOUT].is_greeted:
            self.report["stage"] = "gate"
            return
        self.report["stage"] = "start"
        self._wire.ask("POST", f"{self._path}/start")
        self.report["stage"] = "running"

    def _copy(self, stream: socket.socket, begun: bytes, waiting: socket.socket) -> None:
        frames = Frames()
        self._pass_on(frames.feed(begun))
        for source in (stream, waiting, self._bell):
            self._poll.register(source, select.POLLIN)
        while not self._is_over():
            for descriptor, _ in self._poll.poll(self._pause_milliseconds()):
                if descriptor == self._bell:
                    self._was_asked()
                elif descriptor == waiting.fileno():
                    self._take_end(waiting)
                else:
                    self._take_output(stream, frames)
            if self._keep_time():
                return

    def _is_over(self) -> bool:
        """By what the gate says, or by the end of the streams and what the engine says."""
        if all(stream.is_over for stream in self._streams.values()):
            self._exit_code = 0
            self.report["by_gate"] = True
            return True
        return not self._stream_open and self._exit_code is not None

    def _pass_on(self, pieces: list[tuple[int, memoryview]]) -> None:
        """Pass output on to the supervisor, who takes everything."""
        for number, piece in pieces:
            _write(number, self._streams[number].feed(piece))
        if self.report["stage"] == "gate" and self._streams[_STDOUT].is_greeted:
            self.report["stage"] = "running"

    def _take_output(self, stream: socket.socket, frames: Frames) -> None:
        try:
            data = stream.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._pass_on(frames.feed(data))
        else:
            self._poll.unregister(stream)
            self._stream_open = False
            for number, content in self._streams.items():
                _write(number, content.rest())

    def _take_end(self, waiting: socket.socket) -> None:
        """Take in the answer, of which the head comes at once and the rest at the end of the container."""
        data = waiting.recv(_READ_BYTES)
        self._answer += data
        if data:
            return
        self._poll.unregister(waiting)
        answer = answer_of(self._answer)
        if answer is None:
            raise ConnectionResetError("the engine closed the connection")
        self._exit_code = int(answer["StatusCode"])
        self._deadline = self._kill_at = None
        self._give_up_at = time.monotonic() + _LAST_WORDS_SECONDS

    # --- time

    def _pause_milliseconds(self) -> float | None:
        moments = [at for at in (self._deadline, self._kill_at, self._give_up_at) if at is not None]
        return min(_LONGEST_POLL, max(0.0, min(moments) - time.monotonic()) * 1000) if moments else None

    def _keep_time(self) -> bool:
        """Do what is due; tells whether to give up."""
        now = time.monotonic()
        if self._deadline is not None and self._deadline <= now:
            self.report["timed_out"] = True
            self._stop()
        if self._kill_at is not None and self._kill_at <= now:
            self._kill_at = None
            self._give_up_at = now + _KILLED_SECONDS
            self._signal("SIGKILL")
        return self._give_up_at is not None and self._give_up_at <= now

    def _was_asked(self) -> bool:
        """Take in a TERM: the first asks the container to end."""
        try:
            rung = os.read(self._bell, 64)
        except BlockingIOError:
            rung = b""
        if rung and not self._asked_to_stop:
            self._asked_to_stop = True
            self._stop()
        return self._asked_to_stop

    def _stop(self) -> None:
        self._deadline = None
        if self.report["stage"] in _BEGUN and self._kill_at is None:
            self._kill_at = time.monotonic() + self._grace_seconds
            self._signal("SIGTERM")

    def _signal(self, name: str) -> None:
        try:
            self._wire.ask("POST", f"{self._path}/kill?signal={name}")
        except (EngineError, *_LOST):  # what is over need not be ended
            return

    # --- the end

    def _inspect(self) -> None:
        try:
            found = self._wire.ask("GET", f"{self._path}/json")
        except (EngineError, *_LOST):
            return
        state = found["State"]
        self.report["out_of_memory"] = bool(state["OOMKilled"])
        if self.report["stage"] == "over" and state.get("Error"):
            self.report["error"] = state["Error"]

    def _remove(self) -> None:
        try:
            self._wire.ask("DELETE", f"{self._path}?force=1&v=1")
        except EngineError as error:
            self.report["removed"] = error.status == 404  # noqa: PLR2004 - HTTP's "not found"
        except _LOST:
            return
        else:
            self.report["removed"] = True


def _give(stream: socket.socket, document: bytes) -> bool:
    """Hand over an input and its end, in one piece: half of it would be seen as all if this process were killed."""
    try:
        taken = stream.send(document) if document else 0
        if taken == len(document):
            stream.shutdown(socket.SHUT_WR)
    except BlockingIOError:
        return False
    except OSError:
        return True  # an action need not read its input
    return taken == len(document)


def _write(descriptor: int, content: bytes | memoryview) -> None:
    piece = memoryview(content)
    while piece:
        piece = piece[os.write(descriptor, piece) :]


def _read_exactly(count: int) -> bytes | None:
    """Return the whole input, or None when whoever gives it died half-way."""
    content = bytearray()
    while data := os.read(0, _READ_BYTES):
        content += data
    return bytes(content) if len(content) == count else None


def _keep(report: Report, path: str) -> None:
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)  # noqa: PTH103, PTH120 - pathlib would cost more
    draft = f"{path}.new"
    # Not by the module `json`, which is imported only to read what an engine says: at a good end there is no need to.
    fields = (
        f"{as_json(name)}: {as_json(value) if isinstance(value, str) else str(value).lower()}"
        for name, value in report.items()
    )
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    _write(file, f"{{{', '.join(fields)}}}".encode())
    os.close(file)
    os.rename(draft, path)  # noqa: PTH104 - as above


def main(words: list[str]) -> None:
    address, container, path, stdin_bytes, timeout, grace, nonce, *named = words
    shim = Shim(
        Wire(address),
        container,
        path,
        timeout_seconds=float(timeout) if timeout else None,
        grace_seconds=float(grace),
        nonce=nonce,
        about={name: value for name, _, value in (one.partition("=") for one in named)},
    )
    shim.run(_read_exactly(int(stdin_bytes)))
