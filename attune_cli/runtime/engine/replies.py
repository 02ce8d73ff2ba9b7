"""What a caller waits for while its request is done by the engine thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from attune_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


class Reply(Generic[Answer]):
    """One answer, given once. (concurrent.futures has the same, and imports logging at every start.)"""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._answers: list[Answer] = []
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._listener: Callable[[], None] | None = None

    def give(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._tell()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._tell()

    def when_ready(self, listener: Callable[[], None]) -> None:
        """Call `listener` once the answer is there, on whatever thread gives it: it must return at once."""
        with self._lock:
            if not self._ready.is_set():
                self._listener = listener
                return
        listener()

    def _tell(self) -> None:
        with self._lock:
            self._ready.set()
            listener = self._listener
        if listener is not None:
            listener()

    def result(self, timeout_seconds: float | None = None) -> Answer:
        """Wait for the answer; raises what the request raised, and UnavailableError when it does not come in time."""
        if not self._ready.wait(timeout_seconds):
            raise UnavailableError("the engine does not answer", code="engine_silent", hint="attune status")
        if self._error is not None:
            raise self._error
        return self._answers[0]
