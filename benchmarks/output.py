"""A flood of output through a cap of 10 MiB: speed against `cat >/dev/null`, and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.result import Result

GIBIBYTE = 1024**3
FLOOD_BYTES = 5 * GIBIBYTE
_PRODUCER = ("head", "-c", str(FLOOD_BYTES), "/dev/zero")


def measure() -> list[Result]:
    floor = _seconds_into_cat()
    seconds, grown = _seconds_into_attune()
    return [
        Result(
            "drain of 5 GiB, speed", floor / seconds, "at least", 0.5, "the same producer | cat >/dev/null"
        ),
        Result(
            "drain of 5 GiB, memory grown (MiB)", grown / 1024**2, "at most", 20, "a run that writes nothing"
        ),
    ]


def _seconds_into_cat() -> float:
    started = time.perf_counter()
    with subprocess.Popen(_PRODUCER, stdout=subprocess.PIPE) as producer:
        subprocess.run(["cat"], stdin=producer.stdout, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _seconds_into_attune() -> tuple[float, int]:
    attune = str(Path(sys.executable).with_name("attune"))
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ATTUNE_HOME": home}
        quiet = _peak_bytes([attune, "run", "exec", "-qq", "--", "true"], environment)
        started = time.perf_counter()
        flooded = _peak_bytes([attune, "run", "exec", "-qq", "--", *_PRODUCER], environment)
        seconds = time.perf_counter() - started
    return seconds, flooded - quiet


def _peak_bytes(command: list[str], environment: dict[str, str]) -> int:
    """Return the largest resident size of the command itself: /proc tells it until it is reaped."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident_bytes(process.pid))
        time.sleep(0.01)
    if process.returncode != 0:
        raise RuntimeError(f"{command} failed with {process.returncode}")
    return peak


def _resident_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
