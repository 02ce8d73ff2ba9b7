"""Text that people change in their editor; what is wrong with it stands above it when it is opened again."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import CancelledError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_COMPLAINT = "#!"
"""Begins the lines above a text that say what is wrong with it; they are taken away again."""


def editor() -> str:
    """Return the command line of the editor that people chose."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"


def edited(text: str, complaints: Sequence[str] = ()) -> str:
    """Return what the editor leaves of a YAML text; raises CancelledError when the editor ends badly."""
    above = "".join(f"{_COMPLAINT} {line}\n" for line in complaints)
    with tempfile.NamedTemporaryFile("w+", suffix=".yaml", encoding="utf-8") as file:
        file.write(above + text)
        file.flush()
        program = editor()
        try:
            with _interrupts_left_to_it():
                code = subprocess.run([*shlex.split(program), file.name], check=False).returncode
        except (OSError, ValueError) as error:
            raise CancelledError(f"{program} cannot be started; nothing changed", code="declined") from error
        if code != 0:
            raise CancelledError(f"{program} ended badly; nothing changed", code="declined")
        lines = Path(file.name).read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_COMPLAINT))


@contextmanager
def _interrupts_left_to_it() -> Generator[None]:
    """Ctrl-C in an editor means something to the editor, not to whoever opened it."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
