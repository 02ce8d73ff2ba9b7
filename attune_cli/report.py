"""A report of an internal error: what a maintainer needs, and no value a user typed."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from typing import TYPE_CHECKING

from attune_cli import __version__
from attune_cli.config import state_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_report(error: Exception, arguments: Sequence[str]) -> str | None:
    """Write it to the user's state folder, else to the temporary one; return its path, or None (a full disk)."""
    text = _report(error, arguments)
    for folder in (state_folder(os.environ), None):
        try:
            return _write(text, folder)
        except OSError:
            continue
    return None


def _write(text: str, folder: Path | None) -> str:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    descriptor, path = tempfile.mkstemp(prefix="attune-report-", suffix=".txt", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


def _report(error: Exception, arguments: Sequence[str]) -> str:
    """Name options without their values, and words without what follows `=`: either may be a secret."""
    words = [word.partition("=")[0] for word in arguments if word.startswith("-") or "=" in word]
    lines = [
        f"attune {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {' '.join([*arguments[:2], *words])}",
        "",
        *traceback.format_exception(error),
    ]
    return "\n".join(lines)
