"""The process runner: a job becomes a supervised child process. The ref of a run is journal and execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.runners.supervised import SupervisedRunner, first, secrets_of, write_private
from attune_cli.runtime.supervisor import Spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.model.facts import Fact
    from attune_cli.runtime.runners.api import Job
    from attune_cli.runtime.runners.launch import Launcher


class ProcessRunner(SupervisedRunner):
    """Runs jobs of shell, python, node, native, http and pack-defined runtimes, and `run exec`."""

    kind = "process"

    def __init__(
        self, *, home: Home, settings: Settings, launcher: Launcher, report: Callable[[Fact], None]
    ) -> None:
        super().__init__(home=home, settings=settings, report=report)
        self._launcher = launcher

    def needs_preparation(self, job: Job) -> bool:
        return self._launcher.lacks_environment(job.definition)

    def ref(self, job: Job) -> str:
        return f"{self._journal}:{job.execution}"

    def _make(self, job: Job) -> str:
        self._launcher.build_environment(job.definition)
        return self.ref(job)

    def _spawn(self, job: Job, ref: str) -> Spawn:
        launch = self._launcher.launch(job)
        action = job.definition.action
        stdin = launch.stdin
        environment = launch.environment
        if action.parameter_delivery == "file" and not job.definition.command:
            path = self._home.parameter_file(job.execution)
            write_private(path, stdin)
            environment = {**environment, "ATTUNE_PARAMETER_FILE": str(path)}
            stdin = b""
        return Spawn(
            run=ref,
            argv=launch.argv,
            cwd=launch.cwd,
            environment=environment,
            stdin=stdin,
            folder=self._folder(job.execution),
            stdout_cap_bytes=first(action.max_stdout_bytes, self._settings.max_stdout_bytes),
            stderr_cap_bytes=first(action.max_stderr_bytes, self._settings.max_stderr_bytes),
            timeout_seconds=job.timeout_seconds,
            grace_seconds=self._settings.grace_seconds,
            secrets=secrets_of(job, environment),
        )
