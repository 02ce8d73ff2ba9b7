"""A bench for runners: one job is run on it, and what came of it is looked at.

What the suite asks of a bench is the class `Bench`; another kind of runner gets a bench of its own beside
`ProcessBench`, and every test of the seam runs on it too.
"""

from __future__ import annotations

import os
import sys
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.facts import Fact, Prepared, PrepareFailed, RunEnded
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.packs.source import core_pack_folder, read_pack
from attune_cli.runtime.runners.api import Ended, Job, Lost, Seen, Standing
from attune_cli.runtime.runners.containers.runner import DockerRunner
from attune_cli.runtime.runners.launch import Launcher
from attune_cli.runtime.runners.process import ProcessRunner
from attune_cli.runtime.runners.supervised import journal_path
from attune_cli.runtime.supervisor import Supervisor
from tests.contract.supervisor_world import PATIENCE_SECONDS, until
from tests.docker_engine import containers_of, docker, image
from tests.pack_files import write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attune_cli.runtime.model.entities import Outcome, RunError
    from attune_cli.runtime.runners.supervised import SupervisedRunner

PYTHON_FOLDER = str(Path(sys.executable).parent)


@dataclass(frozen=True)
class Observed:
    """The end of a run, and what lies in its log files."""

    execution: int
    outcome: Outcome
    stdout: bytes
    stderr: bytes

    @property
    def result(self) -> dict[str, Any]:
        assert self.outcome.result is not None
        return self.outcome.result

    @property
    def error(self) -> RunError:
        assert self.outcome.error is not None
        return self.outcome.error

    @property
    def lines(self) -> list[str]:
        return self.stdout.decode().splitlines()


class Bench(Protocol):
    """What the suite of the seam needs of a runner's surroundings."""

    def run(self, script: str = "", *, parameters: dict[str, Any] | None = None, **details: Any) -> Observed:
        """Run a script as an action to its end.

        `details` are fields of ActionDefinition, `timeout_seconds`, `secrets` and `environment` of Job, and
        `files` of the pack.
        """
        ...

    def begin(self, script: str = "", *, parameters: dict[str, Any] | None = None, **details: Any) -> int:
        """Start one, and return its execution's id."""
        ...

    def never_begin(self, script: str) -> int:
        """Return the id of one whose gate is never opened."""
        ...

    def stop(self, execution: int) -> None:
        """Ask a run to end."""
        ...

    def end(self, execution: int) -> Observed:
        """Wait for the end of a run."""
        ...

    def stdout(self, execution: int) -> bytes:
        """Return what a run has written so far."""
        ...

    def await_output(self, execution: int, wanted: bytes) -> None:
        """Wait until a run has written something."""
        ...

    def attach(self, execution: int) -> Standing | Ended | Lost:
        """Ask, as an engine that comes after a crash, what became of a run."""
        ...


@cache
def core_runtimes() -> dict[str, RuntimeDefinition]:
    return {one.ref: one for one in read_pack(core_pack_folder()).of(RuntimeDefinition)}


class RunnerBench(ABC):
    """A runner with a real supervisor, in a home without a database."""

    kind: str

    def __init__(
        self, folder: Path, *, environment: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        self.home = Home(folder / "home")
        for path in (self.home.runs, self.home.environments, self.home.packs, self.home.hosts):
            path.mkdir(parents=True)
        self.pack = folder / "pack"
        self.pack.mkdir()
        self.settings = Settings(**settings)
        given = os.environ if environment is None else environment
        self.launcher = Launcher(self.home, environment=given, allow=self.settings.environment_allow)
        self.runner = self._new_runner(self._take)
        self.supervisor = Supervisor(
            journal=journal_path(self.home, "bench"), clock=SystemClock(), report=self.runner.ended
        )
        self.runner.supervise_with(self.supervisor, journal="bench")
        self._facts: dict[int, Fact] = {}
        self._refs: dict[int, str] = {}
        self._jobs: dict[int, Job] = {}
        self._news = threading.Condition()
        self._count = 0

    @abstractmethod
    def _new_runner(self, report: Callable[[Fact], None]) -> SupervisedRunner: ...

    def __enter__(self) -> Self:
        self.supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.close()

    def _take(self, fact: Fact) -> None:
        with self._news:
            assert not isinstance(self._facts.get(fact.execution), RunEnded), "a run ended twice"
            self._facts[fact.execution] = fact
            self._news.notify_all()

    def _fact(self, execution: int) -> Fact:
        with self._news:
            assert self._news.wait_for(lambda: execution in self._facts, PATIENCE_SECONDS), "no fact came"
            return self._facts.pop(execution)

    # --- one job

    def job(self, script: str = "", *, parameters: dict[str, Any] | None = None, **details: Any) -> Job:
        """Return a job; a script that is no inline code becomes the file `actions/job-N.sh` (or the `name`)."""
        self._count += 1
        of_job = {
            name: details.pop(name)
            for name in ("timeout_seconds", "secrets", "environment")
            if name in details
        }
        write_files(self.pack, details.pop("files", {}))
        runtime = details.pop("runtime", None)
        details.setdefault("runner_type", "core.shell")
        if script:
            details["entry_point"] = details.pop("name", f"job-{self._count}.sh")
            write_files(self.pack / "actions", {details["entry_point"]: script})
        named: dict[str, Any] = {"ref": "demo.job", "pack_ref": "demo"} | self._adapted(details)
        action = ActionDefinition(**named)
        definition = JobDefinition(
            kind=self.kind,
            action=action,
            runtime=runtime or core_runtimes().get(action.runner_type),
            folder=str(self.pack),
        )
        settings: dict[str, Any] = {"timeout_seconds": 60.0} | of_job
        self._jobs[self._count] = Job(
            execution=self._count,
            attempt=1,
            action_ref=action.ref,
            definition=definition,
            parameters=parameters or {},
            **settings,
        )
        return self._jobs[self._count]

    def never_begin(self, script: str) -> int:
        job = self.job(script)
        self.prepare(job)
        return job.execution

    def start(self, job: Job) -> int:
        """Do what an engine does: prepare where that is needed, then open the gate."""
        if self.prepare(job):
            self.open(job)
        return job.execution

    def open(self, job: Job) -> None:
        """Open the gate."""
        self.runner.start(job, self._refs[job.execution])

    def prepare(self, job: Job) -> bool:
        """Make what a run needs; tells whether it is there."""
        if not self.runner.needs_preparation(job):
            self._refs[job.execution] = self.runner.ref(job)
            return True
        self.runner.prepare(job)
        fact = self._fact(job.execution)
        if not isinstance(fact, Prepared):
            self._take(fact)
            return False
        self._refs[job.execution] = fact.ref
        return True

    def begin(self, script: str = "", *, parameters: dict[str, Any] | None = None, **details: Any) -> int:
        return self.start(self.job(script, parameters=parameters, **details))

    def run(self, script: str = "", *, parameters: dict[str, Any] | None = None, **details: Any) -> Observed:
        return self.end(self.begin(script, parameters=parameters, **details))

    def run_job(self, job: Job) -> Observed:
        return self.end(self.start(job))

    def stop(self, execution: int) -> None:
        self.runner.stop(self._refs.get(execution, "unknown"))

    def end(self, execution: int) -> Observed:
        fact = self._fact(execution)
        assert isinstance(fact, RunEnded | PrepareFailed)
        return Observed(execution, fact.outcome, self.stdout(execution), self._log(execution, "stderr"))

    def stdout(self, execution: int) -> bytes:
        return self._log(execution, "stdout")

    def await_output(self, execution: int, wanted: bytes) -> None:
        until(lambda: wanted in self.stdout(execution), f"{wanted!r} in the output")

    def attach(self, execution: int) -> Standing | Ended | Lost:
        runner = self._new_runner(lambda _fact: None)
        job = self._jobs[execution]
        return runner.attach(
            Seen(
                execution=execution,
                ref=self._refs[execution],
                definition=job.definition,
                timeout_seconds=job.timeout_seconds,
            )
        )

    def _adapted(self, details: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of an action as this kind of runner has them."""
        return details

    def _log(self, execution: int, stream: str) -> bytes:
        path = self.home.runs / str(execution) / stream
        return path.read_bytes() if path.exists() else b""


class ProcessBench(RunnerBench):
    """The process runner."""

    kind = "process"

    def _new_runner(self, report: Callable[[Fact], None]) -> ProcessRunner:
        return ProcessRunner(home=self.home, settings=self.settings, launcher=self.launcher, report=report)


class DockerBench(RunnerBench):
    """The docker runner, on the real engine of this machine; skips the test where there is none."""

    kind = "docker"

    def __init__(self, folder: Path, *, keeps_warm: bool = False, **settings: Any) -> None:
        self.home_id = os.urandom(16).hex()
        self.image = image()
        self._keeps_warm = keeps_warm
        super().__init__(folder, **settings)

    def _new_runner(self, report: Callable[[Fact], None]) -> DockerRunner:
        return DockerRunner(
            home=self.home,
            settings=self.settings,
            environment=os.environ,
            host="bench",
            home_id=self.home_id,
            pack_folder=self.launcher.pack_folder,
            orphans=lambda _found: [],
            report=report,
            keeps_warm=self._keeps_warm,
        )

    def container_of(self, execution: int) -> str:
        return self._refs[execution].partition(":")[2]

    def settle(self) -> None:
        """Wait until what is done behind the runs is done."""
        assert isinstance(self.runner, DockerRunner)
        self.runner._errands.finish(PATIENCE_SECONDS)

    def _adapted(self, details: dict[str, Any]) -> dict[str, Any]:
        runtime = details.pop("runner_type").removeprefix("core.")
        container = {"image": self.image, "runtime": runtime} | details.pop("container", {})
        return {**details, "runner_type": "core.container", "container": container}

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        assert isinstance(self.runner, DockerRunner)
        self.runner.close()
        left = containers_of(self.home_id)
        assert not left or docker("rm", "-f", *left) is None, f"containers are left: {left}"


class WarmBench(DockerBench):
    """The docker runner with containers that wait: each job finds one at its gate, where it can wait at all."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, keeps_warm=True, **{"container_warm": 1} | settings)

    def prepare(self, job: Job) -> bool:
        """Want the same twice before, so that the action is busy."""
        for _ in range(2):
            if super().prepare(job):
                self.runner.stop(self._refs[job.execution])
            else:
                return False
        return super().prepare(job)
