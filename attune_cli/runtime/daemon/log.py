"""The daemon's own log: JSON lines in a file that is rotated, and on stderr as text or JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Literal

from attune_cli.runtime.clock import SECOND, rfc3339

if TYPE_CHECKING:
    from pathlib import Path

LogFormat = Literal["text", "json"]

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
"""The form of text."""

_FILE_BYTES = 10 * 1024 * 1024
_OLD_FILES = 3
_PRIVATE = 0o600


class _Lines(logging.Formatter):
    """One JSON object for each record: `time level part message`, and `error` with what was raised."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": rfc3339(int(record.created * SECOND)),
            "level": record.levelname.lower(),
            "part": record.name.removeprefix("attune."),
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


class _PrivateFile(RotatingFileHandler):
    def _open(self):  # type: ignore[no-untyped-def] # noqa: ANN202 - the class above says what it returns
        stream = super()._open()
        os.fchmod(stream.fileno(), _PRIVATE)
        return stream


def open_log(path: Path, *, stderr: LogFormat | None) -> None:
    """Send what `attune.*` loggers say to the file at `path`, and to stderr in this form."""
    root = logging.getLogger("attune")
    root.setLevel(logging.INFO)
    root.propagate = False
    file = _PrivateFile(path, maxBytes=_FILE_BYTES, backupCount=_OLD_FILES, encoding="utf-8", delay=True)
    file.setFormatter(_Lines())
    root.addHandler(file)
    if stderr is not None:
        shown = logging.StreamHandler(sys.stderr)
        text = logging.Formatter(LINE)
        shown.setFormatter(_Lines() if stderr == "json" else text)
        root.addHandler(shown)
    threading.excepthook = _log_thread


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    """Say that a thread ended by an exception: what it says on stderr may reach nobody."""
    name = "a thread" if ended.thread is None else f"the thread {ended.thread.name}"
    if ended.exc_value is not None:
        logging.getLogger("attune.daemon").error("%s ended", name, exc_info=ended.exc_value)
