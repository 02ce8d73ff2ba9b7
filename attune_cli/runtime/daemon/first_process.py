"""Process 1 of a container gets the orphans of all others, and nobody but it can reap them."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_SIGNALLED = 128


def stand_aside() -> None:
    """Return at once, but in a child when this is process 1, which then only reaps and ends as the child does.

    To be called before there are threads, locks or sockets.
    """
    if os.getpid() != 1:
        return
    child = os.fork()
    if not child:
        return
    for number in _PASSED_ON:
        signal.signal(number, partial(_pass_on, child))
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else _SIGNALLED - code)


def _pass_on(child: int, number: int, _frame: FrameType | None) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)
