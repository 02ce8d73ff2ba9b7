"""The options of `attune run`, read and checked before anything is opened (cli.md 3.9, RUNOPTS)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from attune_cli.errors import UsageError, did_you_mean
from attune_cli.options import EveryRun, GivenParameters, Placement
from attune_cli.reading.pairs import read_pairs
from attune_cli.running.asking import ON_INQUIRY, OnInquiry
from attune_cli.runtime.clock import SECOND, Instant, SystemClock, parse_rfc3339
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.services.submission import IfRunning
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OnInterrupt = Literal["cancel", "detach"]
Engine = Literal["auto", "here", "daemon"]
Choice = TypeVar("Choice", bound=str)


@immutable(kw_only=True)
class RunOptions:
    """The options of `attune run`, read and checked."""

    items: tuple[str, ...] = ()
    params: str | None = None
    environment: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, str] = field(default_factory=dict[str, str])
    detach: bool = False
    queue_offline: bool = False
    timeout_seconds: float | None = None
    wait_timeout_seconds: float | None = None
    result: bool = False
    no_logs: bool = False
    log_prefix: bool = False
    key: str | None = None
    if_running: IfRunning = "queue"
    on_interrupt: OnInterrupt = "cancel"
    propagate_exit_code: bool = False
    engine: Engine = "auto"
    on_inquiry: OnInquiry | None = None
    """None: people at a terminal are asked, scripts wait."""
    person: str | None = None
    """Who asks for it; None: who is logged in."""
    due: Instant = 0
    begin_at: str | None = None
    """The task at which a workflow begins."""
    is_alone: bool = False
    """Nothing of the workflow is run but that task."""
    from_failed: bool = False
    """A workflow goes on where it failed."""

    @classmethod
    def read(
        cls,
        run: EveryRun,
        given: GivenParameters | None = None,
        placement: Placement | None = None,
        *,
        propagate_exit_code: bool = False,
        begin_at: str | None = None,
        only: str | None = None,
        from_failed: bool = False,
    ) -> RunOptions:
        """Read the options as Typer gives them; raises UsageError for values they cannot have."""
        given, placement = given or GivenParameters(), placement or Placement()
        labels = read_pairs("--label", run.label or [])
        check_text("--label", *labels, *labels.values())
        check_text("--trace", placement.trace or "")
        check_text("--key", run.key or "")
        if begin_at is not None and only is not None:
            raise UsageError("--only runs one task, --from also what comes after it: leave out one of them")
        return cls(
            items=(*(given.param or ()), *(given.items or ())),
            params=given.params,
            environment=_environment(run.env or [], run.env_file),
            labels=labels | ({"trace": placement.trace} if placement.trace else {}),
            detach=placement.detach,
            queue_offline=placement.queue_offline,
            timeout_seconds=seconds_of("--timeout", run.timeout),
            wait_timeout_seconds=seconds_of("--wait-timeout", placement.wait_timeout),
            result=run.result,
            no_logs=run.no_logs,
            log_prefix=placement.log_prefix,
            key=run.key,
            if_running=one_of("--if-running", placement.if_running, get_args(IfRunning)),
            on_interrupt=one_of("--on-interrupt", placement.on_interrupt, get_args(OnInterrupt)),
            propagate_exit_code=propagate_exit_code,
            engine=one_of("--engine", placement.engine, get_args(Engine)),
            on_inquiry=read_on_inquiry(run.on_inquiry),
            person=check_name(run.as_),
            begin_at=begin_at if only is None else only,
            is_alone=only is not None,
            from_failed=from_failed,
            due=_due(placement.at, placement.in_),
        )


def read_on_inquiry(word: str | None) -> OnInquiry | None:
    """Read `--on-inquiry`; raises UsageError."""
    return None if word is None else one_of("--on-inquiry", word, ON_INQUIRY)


def one_of(option: str, word: str, choices: Sequence[Choice]) -> Choice:
    """Return the choice that a word is; raises UsageError for one that is none."""
    for choice in choices:
        if choice == word:
            return choice
    raise UsageError(f"{option} {word!r} is none of {', '.join(choices)}", hint=did_you_mean(word, choices))


def check_text(option: str, *words: str) -> None:
    """Refuse words that are bytes of no encoding: they could be neither stored nor printed."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{option} {word!r} is no UTF-8 text") from error


def check_name(name: str | None) -> str | None:
    """Return the value of `--as` without what surrounds it; raises UsageError for one that nobody can have."""
    if name is not None and not (name.strip() and name.isprintable()):
        raise UsageError(f"--as {name!r} is no name", hint="--as NAME")
    return None if name is None else name.strip()


def seconds_of(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint=f"{option} 45s") from error
    if seconds <= 0:
        raise UsageError(f"{option} has to be longer than nothing", hint=f"{option} 45s")
    return seconds


def _due(at: str | None, in_: str | None) -> Instant:
    if at is not None and in_ is not None:
        raise UsageError("--at and --in say the same thing twice")
    if in_ is not None:
        return SystemClock().now() + round((seconds_of("--in", in_) or 0) * SECOND)
    try:
        return 0 if at is None else parse_rfc3339(at)
    except ValueError as error:
        raise UsageError(f"--at {at!r} is no time", hint="--at 2026-05-01T09:00:00Z") from error


def _environment(pairs: Sequence[str], file: Path | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if file is not None:
        try:
            lines = file.read_text("utf-8").splitlines()
        except OSError as error:
            raise UsageError(f"--env-file {file} cannot be read: {error.strerror}") from error
        kept = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        found = {name: _unquoted(value) for name, value in read_pairs("--env-file", kept).items()}
    return found | read_pairs("--env", pairs)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
