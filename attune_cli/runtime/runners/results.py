"""From the end of a process to the outcome of its run: the parse rules of domain.md 2.5."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.entities import Outcome, RunError, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from attune_cli.runtime.model.actions import ActionDefinition, OutputFormat
    from attune_cli.runtime.supervisor import RunExit, StreamSummary

_STDOUT_IN_RECORD_BYTES = 256 * 1024
_STDERR_TAIL_BYTES = 16 * 1024
_WHOLE_STDERR_LINES = 5

Parsed = tuple[Any, str | None]
"""The parsed value, and why there is none."""


def outcome_of(
    run: RunExit,
    folder: Path,
    *,
    action: ActionDefinition,
    timeout_seconds: float | None,
    max_result_bytes: int,
) -> Outcome:
    """Return the outcome of a run whose streams lie in `folder`."""
    succeeded = run.why == "exited" and run.exit_code == 0
    error = None if succeeded else _error(run, folder, timeout_seconds)
    output_format = action.output_format
    exit_code = _exit_code(run)
    result: dict[str, Any] = {"succeeded": succeeded, "exit_code": exit_code, "duration_ms": run.duration_ms}
    if succeeded and output_format != "text" and run.stdout.bytes:
        result |= _data(folder, output_format, max_result_bytes)
    if "data" not in result:
        result |= _stdout(folder, run.stdout)
    if error is not None:
        result["error"] = error.message
    if run.stderr.bytes:
        result["stderr_log"] = str(folder / "stderr")
    if run.why == "cancelled":
        result["cancelled"] = True
    result |= _truncation("stdout", run.stdout) | _truncation("stderr", run.stderr)
    return Outcome(
        succeeded=succeeded,
        exit_code=exit_code,
        timed_out=run.why == "timed_out",
        error=error,
        result=result,
        started=run.started,
        finished=run.finished,
        stdout=_stream(run.stdout),
        stderr=_stream(run.stderr),
    )


def parse_output(document: bytes, output_format: OutputFormat) -> Parsed:
    """Parse the whole of stdout as an action's `output_format` says; a failure to parse is no failure of the run."""
    text = document.decode("utf-8", "replace")
    try:
        return _PARSERS[output_format](text), None
    except ValueError as error:
        return None, f"stdout is not {output_format}: {error}"


def _parse_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        lines = text.strip().splitlines()
        if len(lines) < 2:  # noqa: PLR2004 - one line was tried already
            raise
        return json.loads(lines[-1])


def _parse_yaml(text: str) -> object:
    import yaml

    try:
        return json.loads(json.dumps(yaml.load(text, yaml.CSafeLoader), default=str))
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace("\n", " ")) from error


def _parse_jsonl(text: str) -> list[object]:
    found: list[object] = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # domain.md 2.5: the list of the lines that parse
    return found


_PARSERS: dict[str, Callable[[str], object]] = {
    "text": lambda text: text,
    "json": _parse_json,
    "yaml": _parse_yaml,
    "jsonl": _parse_jsonl,
}


def _data(folder: Path, output_format: OutputFormat, max_result_bytes: int) -> dict[str, Any]:
    document = (folder / "stdout").read_bytes()
    data, problem = parse_output(document, output_format)
    if problem is not None:
        return {"data": None, "output_error": problem}
    if len(document) > max_result_bytes:
        # The value is whole in the log file, where `-r` and the API read it; the row stays small.
        return {"data": None, "data_truncated": True, "data_bytes": len(document)}
    return {"data": data}


def _stdout(folder: Path, summary: StreamSummary) -> dict[str, Any]:
    if not summary.bytes:
        return {"stdout": ""}
    with (folder / "stdout").open("rb") as file:
        head = file.read(_STDOUT_IN_RECORD_BYTES)
    text = head.decode("utf-8", "replace")
    return {"stdout": text, "stdout_cut": True} if summary.bytes > len(head) else {"stdout": text}


def _truncation(stream: str, summary: StreamSummary) -> dict[str, Any]:
    if not summary.dropped_bytes:
        return {}
    return {f"{stream}_truncated": True, f"{stream}_bytes_truncated": summary.dropped_bytes}


def _exit_code(run: RunExit) -> int | None:
    if run.why == "timed_out":
        return -1  # domain.md 2.8
    if run.signal is not None:
        return 128 + run.signal
    return run.exit_code


def _error(run: RunExit, folder: Path, timeout_seconds: float | None) -> RunError:
    match run.why:
        case "timed_out":
            return RunError(type="timeout", message=f"Execution timed out after {timeout_seconds:g} seconds")
        case "cancelled":
            return RunError(type="cancelled", message="cancelled")
        case "not_started" | "log_failed":
            return RunError(type=run.why, message=run.error or "it could not be run")
        case "exited":
            return RunError(type="exit", message=_last_words(folder) or _how_it_ended(run))


def _how_it_ended(run: RunExit) -> str:
    if run.signal is not None:
        return f"Command was killed by signal {run.signal}"
    return f"Command exited with code {run.exit_code}"


def _last_words(folder: Path) -> str:
    """Return all of a short stderr, or the last line of a long one."""
    try:
        with (folder / "stderr").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _STDERR_TAIL_BYTES))
            text = file.read().decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""
    lines = text.splitlines()
    return lines[-1] if len(lines) > _WHOLE_STDERR_LINES else text


def _stream(summary: StreamSummary) -> Stream:
    return Stream(bytes=summary.bytes, lines=summary.lines, dropped_bytes=summary.dropped_bytes)
