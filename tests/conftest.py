from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script: what the stories start would inherit that, and hear no Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory-backed storage where there is some: file databases without a disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say it loudly when containers were not tested: everything else being green says nothing about them."""
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = [str(one.longrepr[2]) for one in skipped if isinstance(one.longrepr, tuple)]
    left_out = [reason for reason in reasons if "containers are not tested" in reason]
    if left_out:
        reason = left_out[0].removeprefix("Skipped: ")
        terminalreporter.write_line(f"WARNING: {len(left_out)} tests were skipped: {reason}", yellow=True)
