"""The options of `attune run`, read and checked before anything is opened (cli.md 3.9, RUNOPTS)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, get_args

from attune_cli.errors import UsageError, did_you_mean
from attune_cli.running.asking import ON_INQUIRY, OnInquiry
from attune_cli.running.pairs import read_pairs
from attune_cli.runtime.clock import SECOND, Instant, SystemClock, parse_rfc3339
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.services.submission import IfRunning
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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
    on_interrupt: Literal["cancel", "detach"] = "cancel"
    propagate_exit_code: bool = False
    engine: Literal["auto", "here", "daemon"] = "auto"
    on_inquiry: OnInquiry | None = None
    """None: people at a terminal are asked, scripts wait."""
    person: str | None = None
    """Who asks for it; None: who is logged in."""
    due: Instant = 0
    begin_at: str | None = None
    """The task at which a workflow begins."""
    from_failed: bool = False
    """A workflow goes on where it failed."""

    @classmethod
    def read(cls, **given: Any) -> RunOptions:  # noqa: ANN401 - the options as Typer gives them
        """Read the options as Typer gives them; raises UsageError for values they cannot have."""
        trace: str | None = given.get("trace")
        labels = read_pairs("--label", given.get("label") or [])
        check_text("--label", *labels, *labels.values())
        check_text("--trace", trace or "")
        check_text("--key", given.get("key") or "")
        check_choice("--engine", given.get("engine", "auto"), ("auto", "here", "daemon"))
        check_choice("--if-running", given.get("if_running", "queue"), get_args(IfRunning))
        check_choice("--on-interrupt", given.get("on_interrupt", "cancel"), ("cancel", "detach"))
        return cls(
            items=tuple(given.get("items") or ()),
            params=given.get("params"),
            environment=_environment(given.get("env") or [], given.get("env_file")),
            labels=labels | ({"trace": trace} if trace else {}),
            detach=given.get("detach", False),
            queue_offline=given.get("queue_offline", False),
            timeout_seconds=seconds_of("--timeout", given.get("timeout")),
            wait_timeout_seconds=seconds_of("--wait-timeout", given.get("wait_timeout")),
            result=given.get("result", False),
            no_logs=given.get("no_logs", False),
            log_prefix=given.get("log_prefix", False),
            key=given.get("key"),
            if_running=given.get("if_running", "queue"),
            on_interrupt=given.get("on_interrupt", "cancel"),
            propagate_exit_code=given.get("propagate_exit_code", False),
            engine=given.get("engine", "auto"),
            on_inquiry=read_on_inquiry(given.get("on_inquiry")),
            person=check_name(given.get("person")),
            begin_at=given.get("from_"),
            from_failed=given.get("from_failed", False),
            due=_due(given.get("at"), given.get("in_")),
        )


def read_on_inquiry(word: str | None) -> OnInquiry | None:
    """Read `--on-inquiry`; raises UsageError."""
    if word is None:
        return None
    check_choice("--on-inquiry", word, ON_INQUIRY)
    return next(one for one in ON_INQUIRY if one == word)


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(
            f"{option} {value!r} is none of {', '.join(choices)}", hint=did_you_mean(value, choices)
        )


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
