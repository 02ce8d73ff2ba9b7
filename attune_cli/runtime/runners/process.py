"""The process runner: a job becomes a supervised child process, its end becomes an outcome.

The durable name of a run is the supervisor's journal and the execution's id in it. The supervisor knows it: it
goes on. Not in the journal: it never ran. With an end: it ended thus. Begun without one: the supervisor died with
it; what is left of it is killed, and the run is lost.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from attune_cli.errors import AttuneError
from attune_cli.runtime.model.entities import Outcome, RunError, Stream
from attune_cli.runtime.model.facts import Prepared, PrepareFailed, RunEnded
from attune_cli.runtime.model.parameters import has_secrets
from attune_cli.runtime.runners.api import Ended, Lost, Standing
from attune_cli.runtime.runners.results import outcome_of
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.runtime.supervisor import Spawn, address, kill_leftovers, read_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.model.actions import ActionDefinition
    from attune_cli.runtime.model.facts import Fact
    from attune_cli.runtime.runners.api import Job, Seen
    from attune_cli.runtime.runners.launch import Launcher
    from attune_cli.runtime.supervisor import Fate, RunExit


class Supervising(Protocol):
    """A supervisor in this process, or the way to one that is a process."""

    def spawn(self, spawn: Spawn) -> None:
        """Start a run; one that is known goes on as it is."""
        ...

    def stop(self, run: str, *, grace_seconds: float | None = None) -> None:
        """End a run; ignores unknown ones."""
        ...

    def knows(self, run: str) -> bool:
        """Say whether a run goes on: its end will be reported."""
        ...

    def forget(self, runs: Sequence[str]) -> None:
        """Say that the reported ends of `runs` are committed."""
        ...


class ProcessRunner:
    """Runs jobs of shell, python, node, native, http and pack-defined runtimes, and `run exec`.

    Without a supervisor it can only `attach`: what a command that settles dead hosts needs.
    """

    kind = "process"

    def __init__(
        self,
        *,
        home: Home,
        settings: Settings,
        launcher: Launcher,
        report: Callable[[Fact], None],
    ) -> None:
        self._home = home
        self._settings = settings
        self._launcher = launcher
        self._supervisor: Supervising | None = None
        self._report = report
        self._journal = ""
        self._runs: dict[str, Job | Seen] = {}
        self._settled: deque[str] = deque()
        """The runs whose end was read in the journal; they are committed with the next tick."""
        self._fates: dict[str, dict[str, Fate]] = {}

    def supervise_with(self, supervisor: Supervising, *, journal: str) -> None:
        """Use `supervisor`, which writes that journal and whose reports go to `ended`, from now on."""
        self._supervisor = supervisor
        self._journal = journal

    def needs_preparation(self, job: Job) -> bool:
        return self._launcher.lacks_environment(job.definition)

    def ref(self, job: Job) -> str:
        return f"{self._journal}:{job.execution}"

    def prepare(self, job: Job) -> None:
        threading.Thread(target=self._prepare, args=(job,), daemon=True).start()

    def _prepare(self, job: Job) -> None:
        try:
            self._launcher.build_environment(job.definition)
        except Exception as error:  # noqa: BLE001 - what is not reported would be waited for in vain
            failed = _failure("environment", _reason(error))
            self._report(PrepareFailed(execution=job.execution, outcome=failed))
        else:
            self._report(Prepared(execution=job.execution, ref=self.ref(job)))

    def start(self, job: Job, ref: str) -> None:
        if self._supervisor is None:
            raise AttuneError("this process cannot start runs")
        try:
            spawn = self._spawn(job, ref)
        except Exception as error:  # noqa: BLE001 - one run that cannot be started must not end the engine
            failed = _failure("not_started", _reason(error))
            self._report(RunEnded(execution=job.execution, ref=ref, outcome=failed))
            return
        self._runs[ref] = job
        self._supervisor.spawn(spawn)

    def _spawn(self, job: Job, ref: str) -> Spawn:
        launch = self._launcher.launch(job)
        action = job.definition.action
        stdin = launch.stdin
        environment = launch.environment
        if action.parameter_delivery == "file" and not job.definition.command:
            path = self._parameter_file(job.execution)
            _write_private(path, stdin)
            environment = {**environment, "ATTUNE_PARAMETER_FILE": str(path)}
            stdin = b""
        return Spawn(
            run=ref,
            argv=launch.argv,
            cwd=launch.cwd,
            environment=environment,
            stdin=stdin,
            folder=self._folder(job.execution),
            stdout_cap_bytes=_first(action.max_stdout_bytes, self._settings.max_stdout_bytes),
            stderr_cap_bytes=_first(action.max_stderr_bytes, self._settings.max_stderr_bytes),
            timeout_seconds=job.timeout_seconds,
            grace_seconds=self._settings.grace_seconds,
            secrets=tuple(secret.encode() for secret in job.secrets),
        )

    def ended(self, run: RunExit) -> None:
        """Take in the supervisor's report of an end; it is told on the supervisor's thread."""
        begun = self._runs.pop(run.run, None)
        if begun is None:  # it was settled by the journal, or is nobody's
            self._settled.append(run.run)
            return
        action = begun.definition.action
        if action.parameter_delivery == "file":
            self._parameter_file(begun.execution).unlink(missing_ok=True)
        try:
            outcome = self._outcome(run, action, begun.execution, begun.timeout_seconds)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end this run, or it would be waited for in vain
            outcome = _failure("internal", f"what it wrote cannot be read: {error!r}")
        self._report(RunEnded(execution=begun.execution, ref=run.run, outcome=outcome))

    def committed(self, facts: Sequence[Fact]) -> None:
        """After a commit, let the supervisor forget the ends that are in it; on the engine's thread."""
        ends = [fact.ref for fact in facts if isinstance(fact, RunEnded)]
        ends += [self._settled.popleft() for _ in range(len(self._settled))]
        if ends and self._supervisor is not None:
            self._supervisor.forget(ends)

    def _outcome(
        self, run: RunExit, action: ActionDefinition, execution: int, timeout_seconds: float | None
    ) -> Outcome:
        folder = self._folder(execution)
        try:
            outcome = outcome_of(
                run,
                folder,
                action=action,
                timeout_seconds=timeout_seconds,
                max_result_bytes=self._settings.max_result_bytes,
            )
            if has_secrets(action.output):
                from attune_cli.runtime.runners.secret_outputs import hide_secret_outputs

                outcome = hide_secret_outputs(outcome, action, folder, Sealer(self._home.secret_key))
        except OSError as error:
            return _failure("log_failed", f"its output cannot be read: {error}")
        except AttuneError as error:
            return _failure(error.code, error.message)
        return outcome

    def stop(self, ref: str) -> None:
        if self._supervisor is not None:
            self._supervisor.stop(ref)

    def strangers(self, running: Iterable[str]) -> list[str]:
        """Return those of the runs that go on which belong to no execution of this engine."""
        return [run for run in running if run not in self._runs]

    def attach(self, seen: Seen) -> Standing | Ended | Lost:
        if self._supervisor is not None and self._supervisor.knows(seen.ref):
            self._runs[seen.ref] = seen
            return Standing.RUNNING
        name = seen.ref.partition(":")[0]
        # Asked before the journal is read: one that is dead by now writes nothing more.
        is_alive = name != self._journal and self._lives(name)
        fate = self._read_journal(name).get(seen.ref)
        if is_alive and (fate is None or fate.end is None):
            return Standing.RUNNING
        self._parameter_file(seen.execution).unlink(missing_ok=True)
        if fate is None:
            return Standing.NEVER_RAN
        # The end is written when nothing of the run is left; without one, something may be.
        if fate.end is None:
            return self._lost(seen, fate)
        self._settled.append(seen.ref)
        return Ended(self._outcome(fate.end, seen.definition.action, seen.execution, seen.timeout_seconds))

    def _lives(self, name: str) -> bool:
        return address.is_alive(self._home.hosts, name)

    def _lost(self, seen: Seen, fate: Fate) -> Lost:
        """Kill what is left of a run whose supervisor is dead."""
        kill_leftovers(fate.leader, str(seen.execution), str(self._home.path))
        folder = self._folder(seen.execution)
        if has_secrets(seen.definition.action.output):
            from attune_cli.runtime.runners.secret_outputs import withhold

            with suppress(OSError):
                withhold(folder)
        return Lost(_written(folder / "stdout"), _written(folder / "stderr"))

    def _read_journal(self, name: str) -> dict[str, Fate]:
        """Return the fates in a journal, which is read once: whoever asks again has a runner of its own."""
        if name not in self._fates:
            self._fates[name] = read_journal(journal_path(self._home, name))
        return self._fates[name]

    def _folder(self, execution: int) -> Path:
        return self._home.runs / str(execution)

    def _parameter_file(self, execution: int) -> Path:
        return self._home.runs / f"{execution}.parameters"


def _written(log: Path) -> Stream:
    """Return what a run whose end is not known has left in one log; what it dropped is not known."""
    try:
        content = log.read_bytes()
    except OSError:
        return Stream()
    lines = content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
    return Stream(bytes=len(content), lines=lines)


def journal_path(home: Home, name: str) -> Path:
    """Return where the supervisor of a host writes down what it begins."""
    return home.hosts / f"{name}.journal"


def _first(value: int | None, default: int) -> int:
    return default if value is None else value


def _reason(error: Exception) -> str:
    """Say it in text that can be kept: a path in it need not be UTF-8."""
    if isinstance(error, AttuneError):
        text = "\n".join([error.message, *(detail.message for detail in error.details)])
    else:
        text = str(error) or type(error).__name__
    return text.encode("utf-8", "backslashreplace").decode()


def _failure(kind: str, message: str) -> Outcome:
    result = {"succeeded": False, "error": message}
    return Outcome(succeeded=False, error=RunError(type=kind, message=message), result=result)


def _write_private(path: Path, document: bytes) -> None:
    """Write a file that only its owner may read (0400), replacing one that a crash left behind."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(document)
