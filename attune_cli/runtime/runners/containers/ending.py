"""From what the shim wrote down to how a run ended: the container's own exit code, and whose fault a failure is."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.entities import RunError
from attune_cli.runtime.runners.supervised import End

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.errors import AttuneError
    from attune_cli.runtime.supervisor import RunExit

REPORT = "container.json"
"""The shim's report, in the folder of the run."""

_SIGNALS = frozenset(map(int, (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGKILL,
                               signal.SIGSEGV, signal.SIGPIPE, signal.SIGTERM)))  # fmt: skip
"""Those that end programs. An engine tells a signal as 128 and its number, as shells do."""

_SIGNALLED = 128
_NO_PROGRAM = (1, 126, 127)
"""Of these only the first line of stderr tells whether there was a program."""

_NOT_FOR_THIS_MACHINE = "it is made for another kind of machine, or is a script that does not begin with #!"
_INIT_FAILED = (b"[FATAL tini", b"[FATAL attune]", b"ERROR (catatonit")
"""The words of the engine's init (Podman's is catatonit), and of our gate, when there is no such program."""


_GATE_LOST = (
    "the container that was waiting for this run was gone before it began; nothing of it was executed"
)


def read_report(folder: Path) -> dict[str, Any]:
    """Return the shim's report; an empty one when it wrote none."""
    try:
        return json.loads((folder / REPORT).read_bytes())
    except (OSError, ValueError):
        return {}


def end_of(run: RunExit, folder: Path) -> End:
    """Return how the container ended, of which `run` is only the shim."""
    report = read_report(folder)
    about = {name: report[name] for name in ("image", "image_id", "warning") if report.get(name)}
    error = _error(report, folder)
    why = run.why
    if why == "exited" and report.get("timed_out"):
        why = "timed_out"
    elif why == "exited" and error is not None and "exit_code" not in report:
        why = "not_started"
    code = report.get("exit_code")
    number = code - _SIGNALLED if code is not None and code - _SIGNALLED in _SIGNALS else None
    changed = replace(run, why=why, exit_code=None if number else code, signal=number)
    return End(run=changed, error=error if why in {"exited", "not_started"} else None, about=about)


def _error(report: dict[str, Any], folder: Path) -> RunError | None:
    stage = report.get("stage")
    if stage == "over":
        return _failed(report, folder)
    if stage is None:
        return RunError(type="lost", message="the process that held the container's streams was killed")
    if report.get("engine_gone"):
        where = "while the container ran" if stage == "running" else "before the container was started"
        return RunError(type="engine_gone", message=f"the Docker engine went away {where}: {report['error']}")
    if stage == "start":
        fault = _refusal(report)
        return RunError(type=fault.code, message=fault.message)
    if stage == "gate":
        return RunError(type="gate_lost", message=_GATE_LOST)
    message = report.get("error") or "the container does not end, although it was killed"
    return RunError(type="container", message=message)


def _failed(report: dict[str, Any], folder: Path) -> RunError | None:
    """Say what the output of a container that ended badly cannot say."""
    if report.get("out_of_memory") and report["exit_code"]:
        return RunError(type="out_of_memory", message="the container ran out of memory, and was killed")
    return _no_program(folder) if report["exit_code"] in _NO_PROGRAM else None


def _refusal(report: dict[str, Any]) -> AttuneError:
    from attune_cli.runtime.runners.containers.faults import refusal

    return refusal(500, str(report.get("error")))


def _no_program(folder: Path) -> RunError | None:
    """Say that the command is none, when it was the container's init that failed to execute it."""
    try:
        with (folder / "stderr").open("rb") as file:
            line = file.readline().decode("utf-8", "replace").strip()
    except OSError:
        return None
    if not line.encode().startswith(_INIT_FAILED):
        return None
    why = re.sub(r"^.*?[\])]:? ", "", line)
    if why.endswith("Exec format error"):
        why = f"{why} ({_NOT_FOR_THIS_MACHINE})"
    return RunError(type="not_started", message=f"cannot start it in the container: {why}")
