"""A daemon that has nothing to do: its memory (proportional set size) and its processor time, supervisor included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Generator

SECONDS = 60.0
_SETTLING_SECONDS = 5.0
_MEBIBYTE_IN_KIB = 1024
_MOST_MEBIBYTES = 80
_MOST_PERCENT = 0.5
_ATTUNE = str(Path(sys.executable).with_name("attune"))


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder, daemon(Path(folder) / "home") as processes:
        time.sleep(_SETTLING_SECONDS)
        before = processor_seconds(processes)
        time.sleep(SECONDS)
        percent = (processor_seconds(processes) - before) / SECONDS * 100
        mebibytes = memory_mebibytes(processes)
    against = "daemon and supervisor with all parts"
    return [
        Result("memory of an idle daemon, MiB", mebibytes, "at most", _MOST_MEBIBYTES, against),
        Result("CPU of an idle daemon, % of a core", percent, "at most", _MOST_PERCENT, against),
    ]


@contextmanager
def daemon(home: Path, *options: str) -> Generator[list[int]]:
    """Run a daemon for as long as the block lasts; gives the process numbers of it and its supervisor."""
    environment = {**os.environ, "ATTUNE_HOME": str(home)}
    started = subprocess.run(
        [_ATTUNE, "up", "-d", "--port", "0", "-j", *options], env=environment, capture_output=True, check=True
    )
    try:
        yield [json.loads(started.stdout)["pid"], *_with_word(str(home / "hosts"))]
    finally:
        subprocess.run(
            [_ATTUNE, "down", "--cancel-running"], env=environment, capture_output=True, check=True
        )


def memory_mebibytes(processes: list[int]) -> float:
    """Return the proportional set size: what is shared with others counts by its share (proc(5), smaps_rollup)."""
    return sum(_pss_kib(process) for process in processes) / _MEBIBYTE_IN_KIB


def processor_seconds(processes: list[int]) -> float:
    """Return the time that all threads have run, to the nanosecond (Documentation/scheduler/sched-stats.rst)."""
    files = [file for process in processes for file in Path(f"/proc/{process}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def _pss_kib(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _with_word(word: str) -> list[int]:
    """Return the processes that have this word as an argument."""
    found: list[int] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words:
            found.append(int(file.parent.name))
    return found
