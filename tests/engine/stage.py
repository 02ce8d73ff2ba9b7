"""A stage for stories about the engine: a store in memory, a clock that is told the time, runs that end when told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from attune_cli.config import Settings
from attune_cli.runtime.clock import SECOND, Instant
from attune_cli.runtime.engine.jobs import JobReader
from attune_cli.runtime.engine.tick import Engine
from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.entities import Execution, Host, Outcome, RunError
from attune_cli.runtime.model.facts import Prepared, PrepareFailed, RunEnded
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.orchestration.orchestrator import Orchestration
from attune_cli.runtime.runners.api import Ended, Job, Lost, Seen, Standing
from attune_cli.runtime.services.submission import Submission, Submitted, submit
from attune_cli.runtime.store import executions
from attune_cli.runtime.store.database import memory_store
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.engine.reactor import Reactor
    from attune_cli.runtime.model.facts import Fact

GOOD = Outcome(succeeded=True, exit_code=0)
BAD = Outcome(succeeded=False, exit_code=1, error=RunError(type="exit", message="exited with 1"))


@dataclass
class StageClock:
    instant: Instant = 1_000 * SECOND

    def now(self) -> Instant:
        return self.instant


@dataclass
class Runs:
    """What goes on in the world, whoever started it."""

    started: list[int] = field(default_factory=list[int])
    prepared: list[int] = field(default_factory=list[int])
    stopped: list[str] = field(default_factory=list[str])
    alive: dict[str, int] = field(default_factory=dict[str, int])
    ended: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    jobs: dict[int, Job] = field(default_factory=dict[int, Job])


@dataclass
class StageRunner:
    """A runner that only notes what it is asked; its runs end when the story says so."""

    runs: Runs
    prepares: bool = False
    kind: str = "process"

    def needs_preparation(self, job: Job) -> bool:
        del job
        return self.prepares

    def ref(self, job: Job) -> str:
        return f"run-{job.execution}"

    def prepare(self, job: Job) -> None:
        self.runs.prepared.append(job.execution)
        self.runs.jobs[job.execution] = job

    def start(self, job: Job, ref: str) -> None:
        assert ref not in self.runs.alive, f"{ref} was started twice"
        self.runs.started.append(job.execution)
        self.runs.jobs[job.execution] = job
        self.runs.alive[ref] = job.execution

    def stop(self, ref: str) -> None:
        self.runs.stopped.append(ref)

    def attach(self, seen: Seen) -> Standing | Ended | Lost:
        if seen.ref in self.runs.ended:
            return Ended(self.runs.ended[seen.ref])
        if seen.ref in self.runs.alive:
            return Standing.RUNNING
        return Lost() if seen.execution in self.runs.started else Standing.NEVER_RAN


class Stage:
    """One database, its hosts, and the runs they started."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = StageClock()
        self.store = memory_store()
        self.runs = Runs()
        self.runner = StageRunner(self.runs)
        self.engines: dict[str, Engine] = {}
        self.pokes: list[str] = []
        self.settings = Settings(**settings)
        self.sealer = Sealer(folder / "secret.key")
        self.reactor: Reactor | None = None
        """Given to each daemon."""

    # --- hosts

    def host(self, name: str = "a", *, kind: str = "inline", dead: tuple[str, ...] = ()) -> Engine:
        """Start a host, which settles what the `dead` left."""
        engine = Engine(
            store=self.store,
            clock=self.clock,
            host=Host(id=name, kind=kind, pid=1, boot_id="boot", started=self.clock.now()),
            runners={self.runner.kind: self.runner},
            jobs=JobReader(self.sealer),
            slots=self.settings.slots,
            poke=self.pokes.append,
            orchestrate=lambda: Orchestration(settings=self.settings, sealer=self.sealer),
            reactor=self.reactor if kind == "daemon" else None,
        )
        self.engines[name] = engine
        engine.boot(list(dead))
        return engine

    def dies(self, name: str, *, with_its_runs: bool = False) -> None:
        """A host ends without a word."""
        del self.engines[name]
        if with_its_runs:
            self.runs.alive.clear()

    def tick(self) -> None:
        """Let every host do all there is to do now."""
        for engine in self.engines.values():
            engine.tick()
            while engine.has_news:
                engine.tick()

    def advance(self, seconds: float) -> None:
        self.clock.instant += round(seconds * SECOND)
        self.tick()

    # --- executions

    def submit(self, host: str | None = "a", **details: Any) -> int:
        """Ask for an execution and let the hosts take notice; `details` are of Submission or of the action."""
        submitted = self.ask(host, **details).id
        self.tick()
        return submitted

    def ask(self, host: str | None = "a", **details: Any) -> Submitted:
        of_submission = {
            name: details.pop(name) for name in list(details) if name in Submission.__dataclass_fields__
        }
        ref = of_submission.pop("action_ref", "demo.job")
        named: dict[str, Any] = {"ref": ref, "pack_ref": "demo"} | details
        definition = JobDefinition(kind="process", action=ActionDefinition(**named))
        asked: dict[str, Any] = {"action_ref": ref, "definition": definition} | of_submission
        request = Submission(**asked)
        with self.store.write(self.clock.now()) as tx:
            return submit(tx, request, settings=self.settings, sealer=self.sealer, host=host)

    def report(self, fact: Fact, host: str = "a") -> None:
        self.engines[host].report(fact)
        self.tick()

    def end(self, execution: int, outcome: Outcome = GOOD, *, host: str = "a") -> None:
        """The run of an execution ends; its host is told."""
        ref = f"run-{execution}"
        self.runs.alive.pop(ref, None)
        self.runs.ended[ref] = outcome
        self.report(RunEnded(execution=execution, ref=ref, outcome=outcome), host)

    def prepared(self, execution: int) -> None:
        self.report(Prepared(execution=execution, ref=f"run-{execution}"))

    def prepare_failed(self, execution: int) -> None:
        self.report(PrepareFailed(execution=execution, outcome=BAD))

    def cancel(self, execution: int) -> bool:
        """Leave the intent, as anybody may."""
        with self.store.write(self.clock.now()) as tx:
            asked = executions.request_cancel(tx, execution, "a whim")
        self.tick()
        return asked

    def row(self, execution: int) -> Execution:
        with self.store.read(self.clock.now()) as tx:
            found = executions.get(tx, execution)
        assert found is not None
        return found

    def status(self, *ids: int) -> list[str]:
        return [str(self.row(one).status) for one in ids]

    def path(self, execution: int) -> list[str]:
        """Return the statuses an execution went through."""
        with self.store.read(self.clock.now()) as tx:
            return [str(change.to_status) for change in executions.history(tx, execution)]

    def all_ids(self) -> list[int]:
        return [row[0] for row in self.store.connection.execute("SELECT id FROM execution ORDER BY id")]
