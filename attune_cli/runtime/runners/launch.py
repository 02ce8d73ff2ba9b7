"""From a job to a command line: interpreter, script, folder, environment and parameter document (domain.md 2.3, 2.4).

What depends on the definition alone is worked out once and kept; a run adds its id and its parameters.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError, UsageError
from attune_cli.runtime.model.actions import HTTP_RUNNER
from attune_cli.runtime.model.refs import looks_like_file
from attune_cli.runtime.model.templates import render
from attune_cli.runtime.packs.interpreters import Interpreters
from attune_cli.runtime.packs.toolchain import Toolchain, toolchain_for
from attune_cli.runtime.runners.documents import context_variables, inline_shell_script, parameter_document
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attune_cli.config import Home
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.packs.environments import Environment
    from attune_cli.runtime.runners.api import Job

ALLOWED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Variables of this process that a child may see; the others may hold what is none of its business."""

_PLANS_KEPT = 1000
"""As many as the definitions that an engine keeps; each plan keeps its definition."""

_INLINE_SHELL = 'eval "$(</dev/stdin)"'


@immutable
class Launch:
    """All that is needed to start one process."""

    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    stdin: bytes


@immutable
class _Plan:
    """What all runs of one definition share."""

    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    needs: Environment | None = None
    """The environment that has to be ready first."""
    inline_shell: str | None = None
    is_http: bool = False


def _reaching_attune(environment: Mapping[str, str]) -> dict[str, str]:
    """Let actions find the command `attune` even where whoever runs this named it by its path, as services do."""
    path = environment.get("PATH", os.defpath)
    beside = Path(sys.executable).with_name("attune")
    if shutil.which("attune", path=path) is None and beside.exists():
        path = f"{path}{os.pathsep}{beside.parent}"
    return {**environment, "PATH": path}


class Launcher:
    """Works out launches for one home; `environment` is that of this process, of which little is let through."""

    def __init__(
        self,
        home: Home,
        *,
        environment: Mapping[str, str],
        allow: tuple[str, ...] = (),
        api: Callable[[int], dict[str, str]] | None = None,
    ) -> None:
        """Work for one home; `api` gives an execution the variables by which it reaches the daemon's server."""
        self._home = home
        self._api = api
        self._environment = _reaching_attune(environment)
        self._allow = (*ALLOWED, *allow)
        self._interpreters = Interpreters(
            home.environments / "interpreters.json", search_path=environment.get("PATH")
        )
        self._plans: dict[int, tuple[JobDefinition, _Plan]] = {}

    def launch(self, job: Job) -> Launch:
        """Return the launch of a job; raises AttuneError or OSError when it can never start."""
        plan = self._plan(job.definition)
        environment = {
            **plan.environment,
            "ATTUNE_EXEC_ID": str(job.execution),
            **context_variables(job.parameters),
        }
        if self._api is not None:
            environment.update(self._api(job.execution))
        environment.update(job.environment)
        return Launch(plan.argv, plan.cwd, environment, self._stdin(plan, job, environment))

    def _stdin(self, plan: _Plan, job: Job, environment: dict[str, str]) -> bytes:
        if job.definition.command and not job.parameters:
            return b""
        if plan.inline_shell is not None:
            return inline_shell_script(plan.inline_shell, job.parameters, environment)
        if plan.is_http:
            request = render(job.definition.action.http, {"parameters": job.parameters, **job.parameters})
            return parameter_document({"parameters": job.parameters, "request": request}, "json")
        return parameter_document(job.parameters, job.definition.action.parameter_format)

    # --- plans

    def _plan(self, definition: JobDefinition) -> _Plan:
        found = self._plans.get(id(definition))
        if found is None or found[0] is not definition:
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.clear()
            found = (definition, self._make_plan(definition))
            self._plans[id(definition)] = found
        return found[1]

    def _make_plan(self, definition: JobDefinition) -> _Plan:
        action = definition.action
        environment = self._base_environment(definition)
        if definition.command:
            return _Plan(self._found(definition.command), str(definition.folder), environment)
        folder = self.pack_folder(definition)
        if action.runner_type == HTTP_RUNNER:
            child = str(Path(__file__).with_name("http_request.py"))
            return _Plan((sys.executable, "-I", child), str(folder), environment, is_http=True)
        script = folder / "actions" / action.entry_point
        if script.is_file():
            return self._script_plan(definition, folder, script, environment)
        return self._inline_plan(definition, folder, environment)

    def _script_plan(
        self, definition: JobDefinition, folder: Path, script: Path, environment: dict[str, str]
    ) -> _Plan:
        tools = self._toolchain(definition, folder, environment)
        if not tools.interpreter and not os.access(script, os.X_OK):
            raise UsageError(f"{script} cannot be run: it is not executable", hint=f"chmod +x {script}")
        argv = tools.command(str(script))
        return _Plan(argv, str(folder), {**environment, **tools.variables}, needs=tools.environment)

    def _inline_plan(self, definition: JobDefinition, folder: Path, environment: dict[str, str]) -> _Plan:
        action = definition.action
        code = action.entry_point
        if looks_like_file(code):
            raise UsageError(f"the entry point of {action.ref} is missing: {folder / 'actions' / code}")
        tools = self._toolchain(definition, folder, environment)
        environment = {**environment, **tools.variables}
        match action.runner_type:
            case "core.shell":
                argv = (*tools.interpreter, "-c", _INLINE_SHELL, action.ref)
                return _Plan(argv, str(folder), environment, inline_shell=code, needs=tools.environment)
            case "core.python":
                argv = (*tools.interpreter, "-c", code)
                return _Plan(argv, str(folder), environment, needs=tools.environment)
            case _:
                raise UsageError(
                    f"the entry point of {action.ref} is no file in {folder / 'actions'}, and runtime"
                    f" {action.runner_type} takes no inline code"
                )

    def _toolchain(self, definition: JobDefinition, folder: Path, environment: dict[str, str]) -> Toolchain:
        """Return how the action's runtime runs files; a runtime without configuration runs the file itself."""
        runtime = definition.runtime
        if runtime is None or not runtime.execution_config:
            return Toolchain((), {}, None)
        return toolchain_for(
            self._home,
            self._interpreters,
            runtime,
            pack_ref=definition.action.pack_ref,
            pack_folder=folder,
            constraint=definition.action.runtime_version,
            variables=environment,
        )

    def pack_folder(self, definition: JobDefinition) -> Path:
        """Return where the files of a job's pack lie; raises when they are gone."""
        if definition.folder is not None:
            folder = Path(definition.folder)
        else:
            folder = self._home.packs / definition.action.pack_ref / str(definition.pack_digest)
        if not folder.is_dir():
            raise UsageError(
                f"the files of pack '{definition.action.pack_ref}' are gone: {folder}",
                hint=f"attune pack install … --upgrade brings {definition.action.pack_ref} back",
            )
        return folder

    def _base_environment(self, definition: JobDefinition) -> dict[str, str]:
        """Return the variables of domain.md 2.4 that are the same for every run, over an allow-list of ours."""
        names = self._environment if definition.caller_environment else self._allow
        environment = {name: self._environment[name] for name in names if name in self._environment}
        environment.pop("ATTUNE_PARENT", None)
        action = definition.action
        return environment | {
            "ATTUNE_ACTION": action.ref,
            "ATTUNE_PACK_REF": action.pack_ref,
            "ATTUNE_HOME": str(self._home.path),
            "ATTUNE_ARTIFACTS_DIR": str(self._home.artifacts),
            "ATTUNE_RUNTIME_ENVS_DIR": str(self._home.environments),
            "ATTUNE_PARAMETER_DELIVERY": action.parameter_delivery,
            "ATTUNE_PARAMETER_FORMAT": action.parameter_format,
        }

    # --- environments

    def lacks_environment(self, definition: JobDefinition) -> bool:
        """Tell whether the job's environment has to be built first; what cannot be told is told at the start."""
        try:
            needs = self._plan(definition).needs
        except (AttuneError, OSError):
            return False
        return needs is not None and not needs.is_ready

    def build_environment(self, definition: JobDefinition) -> None:
        """Build the job's environment, or wait for who builds it; raises AttuneError with the installer's words."""
        needs = self._plan(definition).needs
        if needs is not None:
            from attune_cli.runtime.packs.environments import build_environment

            build_environment(needs)

    def _found(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """Resolve the program of a command line by PATH."""
        program = shutil.which(command[0], path=self._environment.get("PATH"))
        if program is None:
            raise UsageError(f"no program '{command[0]}' is found", hint=f"which {command[0]}")
        return (program, *command[1:])
