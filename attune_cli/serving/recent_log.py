"""The last lines of the daemon's log, for whoever draws them."""

from __future__ import annotations

import logging
import sys
from collections import deque
from typing import TYPE_CHECKING

from attune_cli.runtime.daemon.log import LINE

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT_LINES = 6


class RecentLog(logging.Handler):
    """Writes to stderr, except from `keep` to `pass_on`: then the last lines stand in `lines` instead."""

    def __init__(self) -> None:
        super().__init__()
        self._stderr = logging.StreamHandler(sys.stderr)
        for handler in (self, self._stderr):
            handler.setFormatter(logging.Formatter(LINE))
        self._changed: Callable[[], None] | None = None
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def keep(self, changed: Callable[[], None]) -> None:
        """Keep lines from now on; `changed` is called for each, on the thread that logs."""
        self._changed = changed

    def pass_on(self) -> None:
        """Write lines from now on."""
        self._changed = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._changed is None:
            self._stderr.handle(record)
            return
        self.lines.extend(self.format(record).splitlines())
        self._changed()
