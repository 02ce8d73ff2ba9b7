"""CPU time of whole commands (getrusage), against a bare interpreter that does nothing."""

from __future__ import annotations

import compileall
import os
import statistics
import sys
import tempfile
from pathlib import Path

import attune_cli
from benchmarks.result import Result

ROUNDS = 25
_COMMANDS = (
    ("attune --version", ["--version"], 1.5),
    ("attune execution list -j", ["execution", "list", "-j"], 9.0),
    ("attune run action core.noop", ["run", "action", "core.noop"], 12.0),
)


def measure() -> list[Result]:
    """Take turns between floor and commands, and compare medians: the machine's speed drifts."""
    compileall.compile_dir(str(Path(attune_cli.__file__).parent), quiet=2)
    attune = str(Path(sys.executable).with_name("attune"))
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ATTUNE_HOME": home}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for _, words, _ in _COMMANDS:
            _cpu_seconds([attune, *words], environment)
        floor: list[float] = []
        times: dict[str, list[float]] = {name: [] for name, _, _ in _COMMANDS}
        for _ in range(ROUNDS):
            floor.append(_cpu_seconds([sys.executable, "-c", "pass"], environment))
            for name, words, _ in _COMMANDS:
                times[name].append(_cpu_seconds([attune, *words], environment))
    base = statistics.median(floor)
    return [
        Result(f"CPU of {name}", statistics.median(times[name]) / base, "at most", promise, "python -c pass")
        for name, _, promise in _COMMANDS
    ]


def _cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return user and system time of one run, its children included."""
    silence = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    pid = os.posix_spawn(command[0], command, environment, file_actions=silence)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise RuntimeError(f"{command} failed with {status}")
    return usage.ru_utime + usage.ru_stime
