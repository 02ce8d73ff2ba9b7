"""From an assignment to a command line: interpreter, script, folder and environment (domain.md 3.4)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError, UsageError
from attune_cli.runtime.packs.environments import build_environment
from attune_cli.runtime.packs.interpreters import Interpreters
from attune_cli.runtime.packs.toolchain import Toolchain, toolchain_for
from attune_cli.runtime.runners.launch import ALLOWED
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.config import Home
    from attune_cli.runtime.packs.environments import Environment
    from attune_cli.runtime.services.sensors import Assignment

_CORE = "core"
_PYTHON = "core.python"


@immutable(kw_only=True)
class Launch:
    """All that is needed to start one sensor."""

    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    needs: Environment | None
    """Has to be ready first."""


class SensorLauncher:
    """Works out launches for one home; `environment` is that of this process, of which little is let through."""

    def __init__(self, home: Home, *, environment: Mapping[str, str], allow: tuple[str, ...] = ()) -> None:
        self._home = home
        self._base = {name: environment[name] for name in (*ALLOWED, *allow) if name in environment}
        self._interpreters = Interpreters(
            home.environments / "interpreters.json", search_path=environment.get("PATH")
        )

    def launch(self, assignment: Assignment, *, state_file: Path, api: Mapping[str, str]) -> Launch:
        """Return the launch of a sensor; raises AttuneError or OSError when it cannot start as things are.

        `api` are the variables by which it reaches a server, none where there is no server.
        """
        if assignment.fault is not None:
            raise UsageError(assignment.fault)
        script = self._script(assignment)
        environment = {**self._base, **self._own_variables(assignment, state_file), **api}
        tools = self._toolchain(assignment, environment)
        if not tools.interpreter and not os.access(script, os.X_OK):
            raise UsageError(f"{script} cannot be run: it is not executable", hint=f"chmod +x {script}")
        return Launch(
            argv=tools.command(str(script)),
            cwd=str(assignment.folder),
            environment={**environment, **tools.variables},
            needs=tools.environment,
        )

    def prepare(self, launch: Launch) -> None:
        """Build what a launch needs, or wait for who builds it; raises AttuneError with the installer's words."""
        if launch.needs is not None:
            build_environment(launch.needs)

    def _script(self, assignment: Assignment) -> Path:
        if not assignment.folder.is_dir():
            pack_ref = assignment.definition.pack_ref
            raise NotFoundError(
                f"the files of pack '{pack_ref}' are gone: {assignment.folder}",
                hint=f"attune pack install … --upgrade brings {pack_ref} back",
            )
        script = assignment.folder / "sensors" / assignment.definition.entry_point
        if not script.is_file():
            raise NotFoundError(f"the entry point of {assignment.ref} is missing: {script}")
        return script

    def _own_variables(self, assignment: Assignment, state_file: Path) -> dict[str, str]:
        return {
            "ATTUNE_SENSOR_ID": str(assignment.id),
            "ATTUNE_SENSOR_REF": assignment.ref,
            "ATTUNE_SENSOR_TRIGGERS": json.dumps(assignment.triggers, separators=(",", ":")),
            "ATTUNE_SENSOR_CONFIG": json.dumps(assignment.config, separators=(",", ":")),
            "ATTUNE_SENSOR_STATE": str(state_file),
            "ATTUNE_PACK_REF": assignment.definition.pack_ref,
            "ATTUNE_HOME": str(self._home.path),
            "ATTUNE_ARTIFACTS_DIR": str(self._home.artifacts),
            "ATTUNE_LOG_LEVEL": "info",
        }

    def _toolchain(self, assignment: Assignment, environment: dict[str, str]) -> Toolchain:
        """Return how the sensor's runtime runs files; a runtime without configuration runs the file itself."""
        definition, runtime = assignment.definition, assignment.runtime
        if (definition.pack_ref, definition.runner_type) == (_CORE, _PYTHON):
            # The libraries of core's own sensors are those of this program, so its interpreter runs them.
            return Toolchain((sys.executable, "-P", "-u"), {}, None)
        if runtime is None or not runtime.execution_config:
            return Toolchain((), {}, None)
        return toolchain_for(
            self._home,
            self._interpreters,
            runtime,
            pack_ref=definition.pack_ref,
            pack_folder=assignment.folder,
            constraint=definition.runtime_version,
            variables=environment,
        )


def write_state(path: Path, state: object) -> None:
    """Write the file in which a sensor finds at its start what it kept; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(state, file)


def tethered(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line by which a program ends with this process; see tether.py."""
    if sys.platform != "linux":
        return argv  # elsewhere its closed streams tell it
    tether = str(Path(__file__).with_name("tether.py"))
    return (sys.executable, "-I", "-S", tether, str(os.getpid()), *argv)
