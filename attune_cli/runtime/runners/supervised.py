"""Runs that are children of the supervisor, whatever they are the outer end of: their start, their end, and a crash.

The durable name of a run begins with the supervisor's journal. The supervisor knows it: it goes on. Not in the
journal: it never ran. With an end: it ended thus. Begun without one: the supervisor died with it; what is left of it is
killed, and the run is lost.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from attune_cli.errors import AttuneError
from attune_cli.runtime.model.entities import Outcome, RunError, Stream
from attune_cli.runtime.model.facts import Prepared, PrepareFailed, RunEnded
from attune_cli.runtime.model.parameters import has_secrets
from attune_cli.runtime.runners.api import Ended, Lost, Standing
from attune_cli.runtime.runners.results import OUTPUTS_NOTE, outcome_of
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.runtime.supervisor import address, kill_leftovers, read_journal
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.model.actions import ActionDefinition
    from attune_cli.runtime.model.facts import Fact
    from attune_cli.runtime.runners.api import Job, Seen
    from attune_cli.runtime.supervisor import Fate, RunExit, Spawn


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


def secrets_of(job: Job, variables: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return what must not be read in the log of a run with these variables, its token among them."""
    token = variables.get("ATTUNE_API_TOKEN")
    secrets = job.secrets if token is None else (*job.secrets, token)
    return tuple(secret.encode() for secret in secrets)


@immutable(kw_only=True)
class End:
    """How a run ended, where its own end differs from that of the supervisor's child."""

    run: RunExit
    error: RunError | None = None
    """Why it failed, where its output does not say so."""
    about: dict[str, Any]
    """What else its result tells."""


class SupervisedRunner(ABC):
    """The life of runs that a supervisor holds. Without a supervisor it can only `attach`."""

    kind: str

    def __init__(self, *, home: Home, settings: Settings, report: Callable[[Fact], None]) -> None:
        self._home = home
        self._settings = settings
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

    def knows(self, run: str) -> bool:
        """Say whether a run was begun or taken over here, and is not over."""
        return run in self._runs

    # --- what a kind of run does in its own way

    @abstractmethod
    def needs_preparation(self, job: Job) -> bool: ...

    @abstractmethod
    def ref(self, job: Job) -> str: ...

    @abstractmethod
    def _spawn(self, job: Job, ref: str) -> Spawn:
        """Return the supervisor's child of a run; raises AttuneError or OSError when it can never start."""

    @abstractmethod
    def _make(self, job: Job) -> str:
        """Make what a run needs, and return its ref. Blocks, on a thread of its own; raises like `_spawn`."""

    def _end(self, run: RunExit, execution: int) -> End:
        """Return how a run itself ended."""
        del execution
        return End(run=run, about={})

    def _end_remains(self, seen: Seen) -> None:  # noqa: B027 - most have nothing
        """End what a run that is lost, or that never ran, has besides processes of this machine."""

    # --- its life

    def prepare(self, job: Job) -> None:
        threading.Thread(target=self._prepare, args=(job,), daemon=True).start()

    def _prepare(self, job: Job) -> None:
        try:
            ref = self._make(job)
        except Exception as error:  # noqa: BLE001 - what is not reported would be waited for in vain
            self._report(PrepareFailed(execution=job.execution, outcome=failure(*self._reason(error))))
        else:
            self._report(Prepared(execution=job.execution, ref=ref))

    def _reason(self, error: Exception) -> tuple[str, str]:
        """Return the type of a failed preparation, and a text for people."""
        return "environment", reason(error)

    def start(self, job: Job, ref: str) -> None:
        if self._supervisor is None:
            raise AttuneError("this process cannot start runs")
        try:
            spawn = self._spawn(job, ref)
        except Exception as error:  # noqa: BLE001 - one run that cannot be started must not end the engine
            failed = failure("not_started", reason(error))
            self._report(RunEnded(execution=job.execution, ref=ref, outcome=failed))
            return
        self._runs[ref] = job
        self._supervisor.spawn(spawn)

    def ended(self, run: RunExit) -> None:
        """Take in the supervisor's report of an end; it is told on the supervisor's thread."""
        begun = self._runs.pop(run.run, None)
        if begun is None:  # it was settled by the journal, or is nobody's
            self._settled.append(run.run)
            return
        action = begun.definition.action
        self._home.parameter_file(begun.execution).unlink(missing_ok=True)
        try:
            outcome = self._outcome(run, action, begun.execution, begun.timeout_seconds)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end this run, or it would be waited for in vain
            outcome = failure("internal", f"what it wrote cannot be read: {error!r}")
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
            end = self._end(run, execution)
            outcome = outcome_of(
                end.run,
                folder,
                action=action,
                timeout_seconds=timeout_seconds,
                max_result_bytes=self._settings.max_result_bytes,
            )
            outcome = _with(outcome, end)
            if has_secrets(action.output):
                from attune_cli.runtime.runners.secret_outputs import hide_secret_outputs

                outcome = hide_secret_outputs(outcome, action, folder, Sealer(self._home.secret_key))
        except OSError as error:
            return failure("log_failed", f"its output cannot be read: {error}")
        except AttuneError as error:
            return failure(error.code, error.message)
        return outcome

    def stop(self, ref: str) -> None:
        if self._supervisor is not None:
            self._supervisor.stop(ref)

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
        self._home.parameter_file(seen.execution).unlink(missing_ok=True)
        if fate is None:
            self._end_remains(seen)
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
        self._end_remains(seen)
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


def _with(outcome: Outcome, end: End) -> Outcome:
    """Return the outcome with what the run itself tells."""
    result = {**(outcome.result or {}), **end.about}
    if outcome.succeeded or end.error is None:
        return replace(outcome, result=result)
    return replace(outcome, error=end.error, result=result | {"error": end.error.message})


def _written(log: Path) -> Stream:
    """Return what a run whose end is not known has left in one log; what it dropped is not known."""
    try:
        content = log.read_bytes()
    except OSError:
        return Stream()
    lines = content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
    return Stream(bytes=len(content), lines=lines)


def forget_notes(home: Home, facts: Sequence[Fact]) -> None:
    """Delete the notes of secret outputs whose runs' ends are committed now."""
    for fact in facts:
        if isinstance(fact, RunEnded):
            with suppress(OSError):
                (home.runs / str(fact.execution) / OUTPUTS_NOTE).unlink(missing_ok=True)


def journal_path(home: Home, name: str) -> Path:
    """Return where the supervisor of a host writes down what it begins."""
    return home.hosts / f"{name}.journal"


def first(value: int | None, default: int) -> int:
    return default if value is None else value


def reason(error: Exception) -> str:
    """Say it in text that can be kept: a path in it need not be UTF-8."""
    if isinstance(error, AttuneError):
        text = "\n".join([error.message, *(detail.message for detail in error.details)])
    else:
        text = str(error) or type(error).__name__
    return text.encode("utf-8", "backslashreplace").decode()


def failure(kind: str, message: str) -> Outcome:
    result = {"succeeded": False, "error": message}
    return Outcome(succeeded=False, error=RunError(type=kind, message=message), result=result)


def write_private(path: Path, document: bytes, mode: int = 0o400) -> None:
    """Write a file for its owner, replacing one that a crash left behind."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(document)
