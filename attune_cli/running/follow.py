"""Following an execution in a terminal or a pipe: its output as it grows, its attempts, its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol, TextIO

from attune_cli.errors import NotFoundError, UnavailableError
from attune_cli.output import is_terminal, visible
from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.services.live_logs import LiveLogs
from attune_cli.runtime.store import executions

if TYPE_CHECKING:
    import codecs
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from attune_cli.config import Home
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.services.logs import Piece, StreamName
    from attune_cli.runtime.store.database import Store, Transaction

LOOK_SECONDS = 0.03
"""How often a growing log is looked at: short enough to feel live, long enough to cost nothing."""

WAITING_SECONDS = 0.2
"""How often what has not started is looked at: hundreds that wait for a slot must not take the processor from it."""

EXIT_CODES = {"completed": 0, "failed": 1, "abandoned": 1, "timeout": 124, "cancelled": 130}


def exit_code_of(execution: Execution) -> int:
    """Return the exit code that tells how an execution ended (cli.md 3.4)."""
    return 124 if execution.timed_out else EXIT_CODES[execution.status]


class Sink:
    """One of our own streams as the target of a log: bytes to a pipe, safe text to a terminal.

    A reader that goes away stops the copying, never the run. So does a full disk behind `>`, which `check` tells.
    """

    def __init__(self, stream: TextIO, prefix: str = "") -> None:
        self._stream = stream
        self._terminal = is_terminal(stream)
        self._prefix = prefix
        self._at_line_start = True
        self._decoder: codecs.IncrementalDecoder | None = None
        self._open = True
        self._fault: OSError | None = None

    def write(self, data: bytes) -> None:
        if not self._open:
            return
        try:
            self._write(data)
        except (BrokenPipeError, ValueError):
            self._open = False
        except OSError as error:
            self._open = False
            self._fault = error

    def check(self) -> None:
        """Raise UnavailableError when something could not be written though somebody reads."""
        if self._fault is not None:
            raise UnavailableError(f"the output cannot be written: {self._fault.strerror}") from self._fault

    def _write(self, data: bytes) -> None:
        if self._prefix:
            data = self._prefixed(data)
        buffer: BinaryIO | None = getattr(self._stream, "buffer", None)
        if buffer is None or self._terminal:
            self._stream.write(visible(self._decode(data)))
        else:
            self._stream.flush()
            buffer.write(data)
        self._stream.flush()

    def _decode(self, data: bytes) -> str:
        """Decode what may end inside a character."""
        if self._decoder is None:
            import codecs

            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return self._decoder.decode(data)

    def _prefixed(self, data: bytes) -> bytes:
        prefix = self._prefix.encode()
        lines = data.splitlines(keepends=True)
        written = b"".join(
            (prefix if index or self._at_line_start else b"") + line for index, line in enumerate(lines)
        )
        self._at_line_start = data.endswith(b"\n")
        return written


class Writer(Protocol):
    """Whatever takes the output of a run."""

    def write(self, data: bytes) -> None: ...


@dataclass
class LogCopier:
    """Copies the streams of one execution from where it stopped last."""

    home: Home
    execution_id: int
    sinks: Mapping[StreamName, Writer]

    def __post_init__(self) -> None:
        self._logs = LiveLogs(self.home, self.execution_id, self.sinks)

    def copy(self) -> bool:
        """Copy what is new, in the order it came; tells whether there was anything."""
        return self._write(self._logs.look())

    def copy_rest(self) -> None:
        self._write(self._logs.rest())

    def _write(self, pieces: Iterable[Piece]) -> bool:
        found = False
        for piece in pieces:
            found = True
            self.sinks[piece.stream].write(piece.data)
        return found


def sinks(*, stdout: TextIO | None, stderr: TextIO | None, prefix: str = "") -> dict[StreamName, Sink]:
    """Return where the two streams of a run go; None: nowhere."""
    found: dict[StreamName, Sink] = {}
    if stdout is not None:
        found["stdout"] = Sink(stdout, prefix)
    if stderr is not None:
        found["stderr"] = Sink(stderr, prefix)
    return found


@dataclass
class Follower:
    """Waits for the end of an execution, its further attempts included, and copies its output meanwhile."""

    home: Home
    store: Store
    targets: dict[StreamName, Sink]
    wait: Callable[[float], object]
    """Waits at most the given seconds, less when something may have changed."""
    retried: Callable[[Execution], None] = lambda _execution: None
    """Told of each failed attempt that is followed by another."""
    preparing: Callable[[Execution], None] = lambda _execution: None
    """Told now and then while something is made before an execution can start."""
    look_after: Callable[[Sequence[Execution]], None] = lambda _executions: None
    """Called now and then with what is followed, so that nothing is waited for in vain."""
    give_up_seconds: float | None = None

    def follow(self, execution_id: int) -> Execution:
        """Return the last attempt once it ended, or as it stands when waiting was over."""
        started = monotonic_seconds()
        copier = LogCopier(self.home, execution_id, self.targets)
        while True:
            execution = read(self.store, execution_id)
            if execution.status.is_terminal:
                copier.copy_rest()
                if execution.next_attempt is None:
                    for sink in self.targets.values():
                        sink.check()
                    return execution
                self.retried(execution)
                execution_id = execution.next_attempt
                copier = LogCopier(self.home, execution_id, self.targets)
                continue
            if execution.status is Status.SCHEDULED:
                self.preparing(execution)
            copied = copier.copy()
            if self.give_up_seconds is not None and monotonic_seconds() - started > self.give_up_seconds:
                return execution
            if not copied:
                self.look_after([execution])
                self.wait(LOOK_SECONDS if execution.status.holds_slot else WAITING_SECONDS)


def read(store: Store, execution_id: int) -> Execution:
    """Return an execution that was there a moment ago; raises NotFoundError when it was pruned since."""
    with store.read(SystemClock().now()) as tx:
        return read_in(tx, execution_id)


def read_in(tx: Transaction, execution_id: int) -> Execution:
    """Return the same in a transaction that is open."""
    execution = executions.get(tx, execution_id)
    if execution is None:
        raise NotFoundError(
            f"execution {execution_id} was deleted while it was waited for", hint="attune execution list"
        )
    return execution
