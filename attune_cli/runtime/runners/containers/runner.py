"""The docker runner: a job becomes a container, whose streams a supervised shim holds.

Create is prepare, start is the gate: the ref, committed with `running`, is the supervisor's journal and the container's
id. The journal tells whether the shim was ever begun, and only a shim starts a container: without it, it never ran.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError, DeniedError, UnavailableError
from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.runtime.model.containers import policy_of, read_options, refusals
from attune_cli.runtime.runners.containers import specification
from attune_cli.runtime.runners.containers.dependencies import Installer, dependencies_of
from attune_cli.runtime.runners.containers.ending import REPORT, end_of, read_report
from attune_cli.runtime.runners.containers.engine import ContainerEngine
from attune_cli.runtime.runners.containers.images import Images
from attune_cli.runtime.runners.containers.programs import program_of, runtime_of
from attune_cli.runtime.runners.supervised import SupervisedRunner, first, reason, write_private
from attune_cli.runtime.supervisor import Spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.model.containers import ContainerOptions
    from attune_cli.runtime.model.facts import Fact
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.runners.api import Job, Seen
    from attune_cli.runtime.runners.containers.dependencies import Dependencies
    from attune_cli.runtime.runners.containers.engine import Found, Image
    from attune_cli.runtime.runners.containers.programs import Program
    from attune_cli.runtime.runners.supervised import End
    from attune_cli.runtime.supervisor import RunExit

_SHIM = str(Path(__file__).with_name("__main__.py"))

_MARGIN_SECONDS = 15.0
"""How much longer than a container its shim may take to end: it waits for the engine."""

_START_SECONDS = 120.0
"""How long an engine may take to start a container; the container's own time begins after that."""

_LEAVING_SECONDS = 20.0


class DockerRunner(SupervisedRunner):
    """Runs jobs whose action asks for a container."""

    kind = "docker"

    def __init__(
        self,
        *,
        home: Home,
        settings: Settings,
        environment: Mapping[str, str],
        host: str,
        home_id: str,
        pack_folder: Callable[[JobDefinition], Path],
        orphans: Callable[[Sequence[Found]], list[str]],
        report: Callable[[Fact], None],
        api: Callable[[int], dict[str, str]] = lambda _execution: {},
        credentials: Callable[[str], dict[str, str] | None] = lambda _registry: None,
    ) -> None:
        """Work for the host `host`; `orphans` tells which containers of this home are nobody's."""
        super().__init__(home=home, settings=settings, report=report)
        self._engine = ContainerEngine(environment)
        self._images = Images(self._engine, credentials=credentials)
        self._policy = policy_of(settings)
        self._installer = Installer(home, self._engine, self._policy, environment)
        self._host = host
        self._home_id = home_id
        self._pack_folder = pack_folder
        self._orphans = orphans
        self._api = api
        self._waiting: dict[str, bytes] = {}
        """The input of what is created and not begun, by ref."""
        self._debts: set[str] = set()
        """Containers that could not be removed."""
        self._closed = False
        self._swept = False
        self._sweeping = threading.Lock()
        self._removals: list[threading.Thread] = []

    def needs_preparation(self, job: Job) -> bool:
        del job
        return True

    def ref(self, job: Job) -> str:
        raise NotImplementedError(f"the container of execution {job.execution} is not created yet")

    # --- create

    def _make(self, job: Job) -> str:
        self.sweep()
        self._home.containers.mkdir(mode=0o700, exist_ok=True)
        options = self._options(job.definition)
        folder = None if job.definition.command else self._pack_folder(job.definition)
        labels = specification.labels_of(job, self._home_id, self._host)
        with self._telling(job.execution) as tell:
            image = self._images.of(options, options.pull or self._policy.pull, folder, progress=tell)
            needed = self._dependencies(job, options, folder, image)
            if needed is not None:
                self._installer.install(needed, labels, progress=tell)
        api = self._api(job.execution) if options.network != "none" else {}
        environment = specification.environment_of(job, folder, api, needed)
        program = program_of(job, options, folder, environment)
        file = self._deliver(job, options, image, program) if specification.by_file(job) else None
        container = self._engine.create(
            **specification.specification(
                options,
                self._policy,
                image=image,
                program=program,
                environment=environment,
                folder=folder,
                parameter_file=file,
                needed=needed,
                labels=labels,
            )
        )
        ref = f"{self._journal}:{container}"
        if self._closed:  # nobody will begin it
            self._engine.remove(container)
            raise UnavailableError("this host has ended", code="host_ended")
        self._waiting[ref] = b"" if file else program.stdin
        return ref

    def _options(self, definition: JobDefinition) -> ContainerOptions:
        options, faults = read_options(definition.action.container)
        refused = faults or refusals(options, self._policy)
        if refused:  # the settings are others than when it was asked for
            raise DeniedError(
                f"this machine refuses the container of {definition.action.ref}", details=refused
            )
        return options

    def _dependencies(
        self, job: Job, options: ContainerOptions, folder: Path | None, image: Image
    ) -> Dependencies | None:
        action = job.definition.action
        if folder is None or (options.command and not options.runtime):
            return None
        return dependencies_of(action.pack_ref, runtime_of(options, action.entry_point), folder, image)

    @contextmanager
    def _telling(self, execution: int) -> Generator[Callable[[str], None]]:
        """Let those who follow an execution see what is being made for it."""
        path = self._home.progress(execution)

        def tell(line: str) -> None:
            with suppress(OSError):
                path.write_text(line, encoding="utf-8")

        try:
            yield tell
        finally:
            path.unlink(missing_ok=True)

    def _deliver(self, job: Job, options: ContainerOptions, image: Image, program: Program) -> Path:
        """Write the parameters into a file that the container's user can read, and nobody else of this machine."""
        import os

        path = self._parameter_file(job.execution)
        user = specification.user_of(options, image).partition(":")[0]
        owned = os.geteuid() == 0 and user.isdecimal()
        # Who cannot give it away lets everybody read it: the home, in which it lies, is closed to everybody.
        write_private(path, program.stdin, 0o400 if owned else 0o444)
        if owned:
            os.chown(path, int(user), -1)
        return path

    def _reason(self, error: Exception) -> tuple[str, str]:
        text = reason(error)
        if not isinstance(error, AttuneError):
            return "container", text
        return error.code, f"{text} ({error.hint})" if error.hint else text

    # --- the gate

    def _spawn(self, job: Job, ref: str) -> Spawn:
        stdin = self._waiting.pop(ref)
        action = job.definition.action
        folder = self._folder(job.execution)
        timeout, grace = job.timeout_seconds, self._settings.grace_seconds
        words = (
            *(self._engine.address, ref.partition(":")[2], f"{folder}/{REPORT}", str(len(stdin))),
            *("" if timeout is None else str(timeout), str(grace)),
        )
        return Spawn(
            run=ref,
            argv=(sys.executable, "-I", "-S", _SHIM, *words),
            cwd="/",
            environment={"ATTUNE_EXEC_ID": str(job.execution), "ATTUNE_HOME": str(self._home.path)},
            stdin=stdin,
            folder=folder,
            stdout_cap_bytes=first(action.max_stdout_bytes, self._settings.max_stdout_bytes),
            stderr_cap_bytes=first(action.max_stderr_bytes, self._settings.max_stderr_bytes),
            # The shim keeps the container's time; this is for a shim that hangs.
            timeout_seconds=None if timeout is None else timeout + _START_SECONDS + grace + _MARGIN_SECONDS,
            grace_seconds=grace + _MARGIN_SECONDS,
            secrets=tuple(secret.encode() for secret in job.secrets),
        )

    def stop(self, ref: str) -> None:
        if self._waiting.pop(ref, None) is not None:
            self._aside(lambda: self._remove(ref))
        else:
            super().stop(ref)

    # --- the end

    def ended(self, run: RunExit) -> None:
        begun = self._runs.get(run.run)
        if begun is None:
            return
        if read_report(self._folder(begun.execution)).get("removed"):
            super().ended(run)
            return

        def remove_first() -> None:
            self._remove(run.run)
            super(DockerRunner, self).ended(run)

        self._aside(remove_first)

    def _end(self, run: RunExit, execution: int) -> End:
        return end_of(run, self._folder(execution))

    def _end_remains(self, seen: Seen) -> None:
        self._remove(seen.ref)

    def _remove(self, ref: str) -> None:
        """Remove the container of a run; one that cannot be is tried again before the next is made."""
        container = ref.partition(":")[2]
        try:
            self._engine.remove(container)
        except AttuneError:
            self._debts.add(container)

    def _aside(self, work: Callable[[], None]) -> None:
        """Do what asks the engine on a thread of its own."""
        thread = threading.Thread(target=work, daemon=True)
        self._removals = [one for one in self._removals if one.is_alive()] + [thread]
        thread.start()

    def sweep(self) -> None:
        """Remove the containers of this home that are nobody's, once, and those that could not be removed."""
        with self._sweeping:
            for container in tuple(self._debts):
                self._engine.remove(container)
                self._debts.discard(container)
            if not self._swept:
                for container in self._orphans(self._engine.ours(self._home_id)):
                    with suppress(AttuneError):
                        self._engine.remove(container)
                self._swept = True

    def close(self) -> None:
        """Remove what was created and never begun, and wait for what is being removed."""
        self._closed = True
        for ref in tuple(self._waiting):
            self.stop(ref)
        give_up = monotonic_seconds() + _LEAVING_SECONDS
        for thread in self._removals:
            thread.join(max(0.0, give_up - monotonic_seconds()))
        self._engine.close()
