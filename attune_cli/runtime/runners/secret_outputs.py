"""Secret outputs: values an action declares `secret: true` in its `output` leave the result, and the logs as well.

The true values are sealed beside the result. The logs are written before anybody knows them, so they are
cleaned when the run is over. Where no document can be read, the values are not known: then stdout is withheld.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.model.entities import REDACTED, Outcome
from attune_cli.runtime.model.parameters import secret_pointers
from attune_cli.runtime.model.pointers import put_at, value_at
from attune_cli.runtime.runners.results import parse_output, stdout_in_record
from attune_cli.runtime.supervisor.mask import MASK, SHORTEST_SECRET_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from attune_cli.runtime.model.actions import ActionDefinition, Schema
    from attune_cli.runtime.store.sealing import Sealer

_WITHHELD = b"[OUTPUT WITHHELD: it may hold secret outputs]\n"


def hide_secret_outputs(outcome: Outcome, action: ActionDefinition, folder: Path, sealer: Sealer) -> Outcome:
    """Return the outcome with the secret values of its data sealed and marked, and clean the logs of them.

    Raises OSError and UnavailableError; the logs are clean when the values cannot be sealed.
    """
    result = dict(outcome.result or {})
    if not outcome.stdout.bytes:
        return outcome
    log = folder / "stdout"
    kept = result.get("data") is not None
    # A run that failed and a document too large for the record have printed their secrets, too.
    document = {"data": result["data"] if kept else parse_output(log.read_bytes(), action.output_format)[0]}
    hidden = {pointer: value_at(document, pointer) for pointer in _pointers(action.output, document["data"])}
    spellings = {spelling for value in hidden.values() for spelling in _spellings(value)}
    for stream in (log, folder / "stderr"):
        _clean(stream, spellings)
    if document["data"] is None or outcome.stdout.dropped_bytes:
        withhold(folder)
    for pointer in hidden:
        put_at(document, pointer, dict(REDACTED))
    if kept:
        result["data"] = document["data"]
    if "stdout" in result:
        result |= stdout_in_record(folder, log.stat().st_size)
    error = outcome.error
    if error is not None:
        error = replace(error, message=_masked_text(error.message, spellings))
        result["error"] = error.message
    sealed = sealer.seal(hidden) if hidden and kept else None
    return replace(outcome, result=result, error=error, result_sealed=sealed)


def withhold(folder: Path) -> None:
    """Take away a stdout that may hold secrets which nobody can tell from the rest."""
    log = folder / "stdout"
    if log.exists():
        log.write_bytes(_WITHHELD)


def _pointers(schema: Schema, data: object) -> list[str]:
    """Return where the secrets are, from `/data` on; each line of jsonl is a document of its own."""
    if isinstance(data, list):
        items = cast("list[object]", data)
        return [
            pointer.replace("/data", f"/data/{index}", 1)
            for index, item in enumerate(items)
            if isinstance(item, dict)
            for pointer in _pointers(schema, cast("object", item))
        ]
    if not isinstance(data, dict):
        return []
    return [f"/data{pointer}" for pointer in secret_pointers(schema, cast("dict[str, Any]", data))]


def _clean(log: Path, spellings: Iterable[bytes]) -> None:
    """Replace every spelling; the file keeps its place, so readers go on."""
    if spellings and log.exists():
        content = log.read_bytes()
        cleaned = _masked(content, spellings)
        if cleaned != content:
            log.write_bytes(cleaned)


def _masked_text(text: str, spellings: Iterable[bytes]) -> str:
    return _masked(text.encode("utf-8", "surrogatepass"), spellings).decode("utf-8", "surrogatepass")


def _masked(content: bytes, spellings: Iterable[bytes]) -> bytes:
    """Replace every spelling, the longest first."""
    for spelling in sorted(spellings, key=len, reverse=True):
        content = content.replace(spelling, MASK)
    return content


def _spellings(value: object) -> list[bytes]:
    if isinstance(value, str):
        texts = [value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]]
    elif isinstance(value, dict):
        inner = cast("dict[str, object]", value).values()
        return [spelling for item in inner for spelling in _spellings(item)]
    elif isinstance(value, list):
        return [spelling for item in cast("list[object]", value) for spelling in _spellings(item)]
    else:
        texts = [json.dumps(value)]
    return [text.encode("utf-8", "surrogatepass") for text in texts if len(text) >= SHORTEST_SECRET_BYTES]
