"""From the end of a process to the outcome of its run: the parse rules of domain.md 2.5."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.entities import QUESTION, Outcome, RunError, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from attune_cli.runtime.model.actions import ActionDefinition, OutputFormat
    from attune_cli.runtime.supervisor import RunExit, StreamSummary

OUTPUTS_NOTE = "secret-outputs"
"""The file of a run's folder that holds its secret outputs, sealed, until they are committed."""

_STDOUT_IN_RECORD_BYTES = 256 * 1024
_TAIL_BYTES = 16 * 1024
_WHOLE_STDERR_LINES = 5
_SAID_CHARACTERS = 500
"""Of the last line of stdout in an error: it need not be meant for people."""
_QUESTION_BYTES = 64 * 1024
"""Of the end of a text in which a question is looked for."""

_HALF_PAIR = re.compile("[\ud800-\udfff]")

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
    error = None if succeeded else _error(run, folder, action.output_format, timeout_seconds)
    output_format = action.output_format
    exit_code = _exit_code(run)
    result: dict[str, Any] = {"succeeded": succeeded, "exit_code": exit_code, "duration_ms": run.duration_ms}
    if succeeded and output_format != "text" and run.stdout.bytes:
        result |= _data(folder, output_format, run.stdout, max_result_bytes)
    if "data" not in result:
        result |= stdout_in_record(folder, run.stdout.bytes)
    if succeeded and output_format == "text":
        result |= _question(folder)
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
    """Parse the whole of stdout as an action's `output_format` says; a failure to parse is no failure of the run.

    The value can be written as JSON in UTF-8, whatever was printed.
    """
    text = document.decode("utf-8", "replace")
    try:
        value = _PARSERS[output_format](text)
        # Only an escape can bring half a surrogate pair, which no UTF-8 can hold.
        return _without_half_pairs(value) if "\\" in text else value, None
    except ValueError as error:
        return None, f"stdout is not {output_format}: {error}"
    except RecursionError:
        return None, f"stdout is not {output_format} that can be read: it is nested too deeply"


def _parse_json(text: str) -> object:
    try:
        return _loads(text)
    except ValueError:
        lines = text.strip().split("\n")
        if len(lines) < 2:  # noqa: PLR2004 - one line was tried already
            raise
        return _loads(lines[-1])


def _loads(text: str) -> Any:  # noqa: ANN401 - JSON is any value
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    """Read a number; what is none of JSON's (RFC 8259, 6), or too large for one, could not be written again."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number


def _parse_yaml(text: str) -> object:
    from attune_cli.runtime.runners.yaml_values import read_yaml

    return read_yaml(text)


def _parse_jsonl(text: str) -> list[object]:
    found: list[object] = []
    for line in text.split("\n"):
        try:
            found.append(_loads(line))
        except (ValueError, RecursionError):
            continue  # domain.md 2.5: the list of the lines that parse
    return found


def _without_half_pairs(value: object) -> object:
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(_HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", text)) if _HALF_PAIR.search(text) else value


_PARSERS: dict[str, Callable[[str], object]] = {
    "text": lambda text: text,
    "json": _parse_json,
    "yaml": _parse_yaml,
    "jsonl": _parse_jsonl,
}


def _data(
    folder: Path, output_format: OutputFormat, summary: StreamSummary, max_result_bytes: int
) -> dict[str, Any]:
    if summary.dropped_bytes and output_format != "jsonl":
        return {"data": None, "output_error": f"stdout is not {output_format}: it was truncated"}
    document = (folder / "stdout").read_bytes()
    data, problem = parse_output(document, output_format)
    if problem is not None:
        return {"data": None, "output_error": problem}
    if len(document) > max_result_bytes:
        # The value is whole in the log file, where `-r` and the API read it; the row stays small.
        about = {"data_bytes": len(document), "data_format": output_format}
        return {"data": None, "data_truncated": True, **about}
    return {"data": data}


def _question(folder: Path) -> dict[str, Any]:
    """Return the data of a text that ends with a question on a line of its own (domain.md 6); else none."""
    try:
        with (folder / "stdout").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _QUESTION_BYTES))
            last = file.read().rstrip().rpartition(b"\n")[2]
    except FileNotFoundError:
        return {}
    if not (last.startswith(b"{") and QUESTION.encode() in last):
        return {}
    data, _ = parse_output(last, "json")
    return {"data": data} if isinstance(data, dict) and QUESTION in data else {}


def stdout_in_record(folder: Path, size_bytes: int) -> dict[str, Any]:
    """Return stdout as a record holds it: the beginning, and whether there is more."""
    if not size_bytes:
        return {"stdout": ""}
    with (folder / "stdout").open("rb") as file:
        head = file.read(_STDOUT_IN_RECORD_BYTES)
    text = head.decode("utf-8", "replace")
    return {"stdout": text, "stdout_cut": True} if size_bytes > len(head) else {"stdout": text}


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


def _error(
    run: RunExit, folder: Path, output_format: OutputFormat, timeout_seconds: float | None
) -> RunError:
    match run.why:
        case "timed_out":
            return RunError(type="timeout", message=f"Execution timed out after {timeout_seconds:g} seconds")
        case "cancelled":
            return RunError(type="cancelled", message="cancelled")
        case "not_started" | "log_failed":
            return RunError(type=run.why, message=run.error or "it could not be run")
        case "exited":
            return RunError(
                type="exit", message=_last_words(folder) or _how_it_ended(run, folder, output_format)
            )


def _how_it_ended(run: RunExit, folder: Path, output_format: OutputFormat) -> str:
    """Say how a run ended that wrote no word about it to stderr: many programs say on stdout what is wrong."""
    ended = (
        f"Command exited with code {run.exit_code}"
        if run.signal is None
        else f"Command was killed by signal {run.signal}"
    )
    is_told = output_format == "text" and not run.stdout.dropped_bytes
    said = _tail(folder / "stdout").splitlines() if is_told else []
    return f"{ended}: {said[-1][:_SAID_CHARACTERS]}" if said else ended


def _last_words(folder: Path) -> str:
    """Return all of a short stderr, or the last line of a long one."""
    text = _tail(folder / "stderr")
    lines = text.splitlines()
    return lines[-1] if len(lines) > _WHOLE_STDERR_LINES else text


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _TAIL_BYTES))
            return stream.read().decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""


def _stream(summary: StreamSummary) -> Stream:
    return Stream(bytes=summary.bytes, lines=summary.lines, dropped_bytes=summary.dropped_bytes)
