"""What attune needs of the machine it runs on."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attune_cli
from attune_cli.errors import AttuneError
from attune_cli.runtime.model.quantities import format_size
from attune_cli.runtime.runners.containers.address import engine_address
from attune_cli.runtime.services.checks import Check, CheckStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attune_cli.runtime.packs.interpreters import Interpreters

_LITTLE_BYTES = 1024 * 1024 * 1024
_TOO_LITTLE_BYTES = 100 * 1024 * 1024
_DOCKER_SECONDS = 3.0
_NAMED = 3
"""How many actions a message names."""

_PR_GET_CHILD_SUBREAPER = 37  # prctl(2)

_INTERPRETERS: dict[str, tuple[str, CheckStatus, str]] = {
    "bash": ("/bin/bash", "error", "shell actions, those of the core pack too, need it"),
    "python3": ("python3", "warning", "only Python actions need it"),
    "node": ("node", "warning", "only Node.js actions need it"),
}
"""Name of the check → the program as the core pack's runtime names it, the verdict without it, and why."""


def check_interpreter(name: str, interpreters: Interpreters) -> Check:
    program, without, why = _INTERPRETERS[name]
    command: dict[str, Any] = {"binary": program, "args": ["--version"], "pattern": r"(\d+\.\d+\.\d+)"}
    found = interpreters.resolve(program, [command])
    if found is None:
        return Check(name, without, f"no {program} that works: {why}", f"install {name}")
    return Check(name, "ok", f"{found.path} {found.version or ''}".rstrip())


def check_uv(environment: Mapping[str, str]) -> Check:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv", path=environment.get("PATH"))
    if found:
        return Check("uv", "ok", f"{found} builds the environments of Python packs")
    return Check(
        "uv", "warning", "no uv: pip builds the environments of Python packs, slower", "pip install uv"
    )


def check_git(environment: Mapping[str, str]) -> Check:
    found = shutil.which("git", path=environment.get("PATH"))
    if found:
        return Check("git", "ok", found)
    return Check("git", "warning", "no git: packs cannot be installed from git URLs", "install git")


def check_docker(environment: Mapping[str, str], needed_by: Sequence[str]) -> Check:
    """Ask the Docker engine for its version, where runs look for it; `needed_by` are the actions that need one."""
    from attune_cli.runtime.runners.containers.faults import unreachable
    from attune_cli.runtime.runners.containers.limits import HINT, explained, unheld_limits
    from attune_cli.runtime.runners.containers.wire import EngineError, Wire

    address = "DOCKER_HOST"
    try:
        address = engine_address(environment)
        wire = Wire(address, patience_seconds=_DOCKER_SECONDS)
        version = wire.ask("GET", "/version")["Version"]
        unheld = unheld_limits(wire.ask("GET", "/info"))
    except (AttuneError, EngineError, OSError, ValueError, LookupError, TypeError) as error:
        fault = error if isinstance(error, AttuneError) else unreachable(address, error)
        return Check("docker", "warning", f"{fault.message}: {_needed(needed_by)}", fault.hint)
    if unheld:
        message = f"{explained(unheld)}: {version} at {address}, without cgroup v2"
        return Check("docker", "warning", message, HINT)
    return Check("docker", "ok", f"Docker engine {version} at {address}")


def _needed(actions: Sequence[str]) -> str:
    if not actions:
        return "only actions in containers need one"
    more = f" and {len(actions) - _NAMED} more" if len(actions) > _NAMED else ""
    return f"{', '.join(actions[:_NAMED])}{more} need{'s' if len(actions) == 1 else ''} one"


def check_disk(folder: Path) -> Check:
    """Look at the room where the home is, or would be."""
    present = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(present).free
    message = f"{format_size(free)} are free at {present}"
    if free < _TOO_LITTLE_BYTES:
        return Check("disk", "error", message, "attune execution prune --older-than 7d")
    if free < _LITTLE_BYTES:
        return Check("disk", "warning", message, "attune execution prune --older-than 30d")
    return Check("disk", "ok", message)


# --- this program


def check_command(environment: Mapping[str, str]) -> Check:
    """Look whether `attune` means this one: another package, attune-ai, brings a command of the same name."""
    own = Path(sys.prefix) / "bin" / "attune"
    found = shutil.which("attune", path=environment.get("PATH"))
    if found is None:
        return Check("command", "warning", "no attune on PATH", f"export PATH={own.parent}:$PATH")
    if not _is_ours(Path(found)):
        message = f"{found} is another program called attune, and PATH has it first"
        return Check("command", "warning", message, f"export PATH={own.parent}:$PATH")
    if Path(found).resolve() != own.resolve():
        return Check("command", "warning", f"{found} is another installation of attune", f"{own} is this one")
    return Check("command", "ok", f"{found} is this attune")


def _is_ours(path: Path) -> bool:
    """Tell by the import in its script, whoever wrote that: pip, uv or pipx."""
    try:
        with path.open("rb") as file:
            return b"attune_cli" in file.read(4096)
    except OSError:
        return False


def check_bytecode() -> Check:
    """Without compiled modules every start compiles all of them, which takes five times as long."""
    compiled = Path(cache_from_source(attune_cli.__file__))
    if compiled.exists():
        return Check("bytecode", "ok", "modules are compiled")
    folder = compiled.parent if compiled.parent.is_dir() else compiled.parent.parent
    if not sys.dont_write_bytecode and os.access(folder, os.W_OK):
        return Check("bytecode", "ok", "modules are compiled when they are first used")
    command = f"{sys.executable} -m compileall -q {Path(attune_cli.__file__).parent}"
    return Check("bytecode", "warning", "modules are compiled anew at every start", command)


def check_processes() -> Check:
    """Look for what the kernel has to offer so that everything an action started ends with it."""
    missing: list[str] = []
    if not Path(f"/proc/self/task/{threading.get_native_id()}/children").exists():
        missing.append("/proc/PID/task/TID/children")
    if not _has_subreapers():
        missing.append("child subreapers")
    if missing:
        message = f"this kernel has no {' and no '.join(missing)}: what leaves its process group may outlive its action"
        return Check("processes", "warning", message)
    return Check("processes", "ok", "all that an action starts can be found and ended")


def _has_subreapers() -> bool:
    import ctypes

    try:
        value = ctypes.c_int(0)
        answer = ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0)
    except (OSError, AttributeError):
        return False
    return bool(answer == 0)
