"""The docker runner: a job becomes a container, whose streams a supervised shim holds.

Create is prepare, start is the gate: the ref, committed with `running`, is the supervisor's journal and the container's
id. The journal tells whether the shim was ever begun, and only a shim starts a container: without it, it never ran.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError, UnavailableError
from attune_cli.runtime.runners.api import no_server
from attune_cli.runtime.runners.containers.ending import REPORT, end_of, read_report
from attune_cli.runtime.runners.containers.engine import HOME_LABEL, HOST_LABEL, ContainerEngine
from attune_cli.runtime.runners.containers.errands import Errands
from attune_cli.runtime.runners.containers.making import ContainerMaker
from attune_cli.runtime.runners.containers.warm import WarmContainers
from attune_cli.runtime.runners.supervised import SupervisedRunner, first, reason
from attune_cli.runtime.supervisor import Spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.model.facts import Fact
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.runners.api import Job, Seen, ServerVariables
    from attune_cli.runtime.runners.containers.engine import Found
    from attune_cli.runtime.runners.containers.making import Made
    from attune_cli.runtime.runners.containers.warm import Shape
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
        api: ServerVariables = no_server,
        credentials: Callable[[str], dict[str, str] | None] = lambda _registry: None,
        keeps_warm: bool = False,
    ) -> None:
        """Work for the host `host`; `orphans` tells which containers of this home are nobody's.

        Who `keeps_warm` starts containers of busy actions ahead.
        """
        super().__init__(home=home, settings=settings, report=report)
        self._engine = ContainerEngine(environment)
        self._errands = Errands()
        self._warm: WarmContainers | None = None
        if keeps_warm and settings.container_warm:
            self._warm = WarmContainers(
                self._engine,
                self._errands,
                most=settings.container_warm,
                age_seconds=settings.container_warm_seconds,
                remove=self._remove,
            )
        self._maker = ContainerMaker(
            home=home,
            settings=settings,
            environment=environment,
            engine=self._engine,
            labels={HOME_LABEL: home_id, HOST_LABEL: host},
            pack_folder=pack_folder,
            api=api,
            credentials=credentials,
            warm=self._warm,
        )
        self._home_id = home_id
        self._orphans = orphans
        self._made: dict[str, Made] = {}
        """The containers that are there and whose runs are not begun, by ref."""
        self._shapes: dict[str, Shape] = {}
        """What can wait for the next run when one that is begun is over, by ref."""
        self._debts: set[str] = set()
        """Containers that could not be removed."""
        self._closed = False
        self._swept = False
        self._sweeping = threading.Lock()

    def needs_preparation(self, job: Job) -> bool:
        del job
        return True

    def ref(self, job: Job) -> str:
        raise NotImplementedError(f"the container of execution {job.execution} is not created yet")

    # --- before the gate

    def _make(self, job: Job) -> str:
        self.sweep()
        made = self._maker.make(job)
        ref = f"{self._journal}:{made.container}"
        if self._closed:  # nobody will begin it
            made.forget_parameters()
            self._remove(made.container)
            raise UnavailableError("this host has ended", code="host_ended")
        self._made[ref] = made
        return ref

    def _reason(self, error: Exception) -> tuple[str, str]:
        text = reason(error)
        if not isinstance(error, AttuneError):
            return "container", text
        return error.code, f"{text} ({error.hint})" if error.hint else text

    # --- the gate

    def _spawn(self, job: Job, ref: str) -> Spawn:
        made = self._made.pop(ref)
        if made.shape is not None:
            self._shapes[ref] = made.shape
        if made.nonce:
            self._errands.begin(ref)
        action = job.definition.action
        folder = self._folder(job.execution)
        timeout, grace = job.timeout_seconds, self._settings.grace_seconds
        words = (
            *(self._engine.address, made.container, f"{folder}/{REPORT}", str(len(made.stdin))),
            *("" if timeout is None else str(timeout), str(grace), made.nonce),
            *(f"{name}={value}" for name, value in made.about.items()),
        )
        return Spawn(
            run=ref,
            argv=(sys.executable, "-I", "-S", _SHIM, *words),
            cwd="/",
            environment={"ATTUNE_EXEC_ID": str(job.execution), "ATTUNE_HOME": str(self._home.path)},
            stdin=made.stdin,
            folder=folder,
            stdout_cap_bytes=first(action.max_stdout_bytes, self._settings.max_stdout_bytes),
            stderr_cap_bytes=first(action.max_stderr_bytes, self._settings.max_stderr_bytes),
            # The shim keeps the container's time; this is for a shim that hangs.
            timeout_seconds=None if timeout is None else timeout + _START_SECONDS + grace + _MARGIN_SECONDS,
            grace_seconds=grace + _MARGIN_SECONDS,
            secrets=made.secrets,
        )

    def stop(self, ref: str) -> None:
        made = self._made.pop(ref, None)
        if made is not None:
            made.forget_parameters()
            self._errands.run(lambda: self._remove(made.container))
            self._see_to_the_next(made.shape)
        else:
            super().stop(ref)

    # --- the end

    def ended(self, run: RunExit) -> None:
        begun = self._runs.get(run.run)
        if begun is None:
            return
        shape, container = self._shapes.pop(run.run, None), _container_of(run.run)
        self._see_to_the_next(shape)
        report = read_report(self._folder(begun.execution))
        if report.get("by_gate"):  # nothing in it does anything any more
            self._errands.put_off(lambda: self._remove(container))
            super().ended(run)
        elif report.get("removed"):
            super().ended(run)
        else:
            self._errands.run(lambda: self._remove_and_end(container, run))
        self._errands.end(run.run)

    def _remove_and_end(self, container: str, run: RunExit) -> None:
        self._remove(container)
        super().ended(run)

    def _see_to_the_next(self, shape: Shape | None) -> None:
        warm = self._warm
        if warm is not None and shape is not None:
            self._errands.put_off(lambda: warm.see_to_the_next(shape))

    def _end(self, run: RunExit, execution: int) -> End:
        return end_of(run, self._folder(execution))

    def _end_remains(self, seen: Seen) -> None:
        self._remove(_container_of(seen.ref))

    def _remove(self, container: str) -> None:
        """Remove a container; one that cannot be is tried again before the next is made."""
        try:
            self._engine.remove(container)
        except AttuneError:
            self._debts.add(container)

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
        """Remove what was made and never begun, and wait for what is being removed."""
        self._closed = True
        if self._warm is not None:
            self._warm.close()
        for ref in tuple(self._made):
            self.stop(ref)
        self._errands.finish(_LEAVING_SECONDS)
        self._engine.close()


def _container_of(ref: str) -> str:
    return ref.partition(":")[2]
