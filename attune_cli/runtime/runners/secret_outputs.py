"""Secret outputs: values an action declares `secret: true` in its `output` leave the result, and the logs as well.

The true values are sealed beside the result. The logs are written before anybody knows them, so they are
cleaned when the run is over. Where no document can be read, the values are not known: then stdout is withheld.

Between the cleaning and the commit the logs no longer say what the record does not say yet. So what was found is
first written down in the run's folder, sealed. Whoever settles the run after a crash goes on from there. After the
commit it is deleted; after a crash it stays until its run is pruned.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import UnavailableError
from attune_cli.runtime.model.entities import REDACTED, Outcome
from attune_cli.runtime.model.parameters import secret_pointers
from attune_cli.runtime.model.pointers import put_at, value_at
from attune_cli.runtime.runners.results import OUTPUTS_NOTE, parse_output, stdout_in_record
from attune_cli.runtime.supervisor.mask import MASK, SHORTEST_SECRET_BYTES
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from attune_cli.runtime.model.actions import ActionDefinition, Schema
    from attune_cli.runtime.store.sealing import Sealer

_PARSED = frozenset({"data", "output_error", "data_truncated", "data_bytes", "data_format"})
"""What a result says of the document in stdout."""

_WITHHELD = b"[OUTPUT WITHHELD: it may hold secret outputs]\n"


@immutable
class _Found:
    """What stdout said: what the result holds of it, its secrets marked, and those by their pointers."""

    parsed: dict[str, Any]
    hidden: dict[str, Any]
    is_withheld: bool

    @property
    def is_kept(self) -> bool:
        return self.parsed.get("data") is not None


def hide_secret_outputs(outcome: Outcome, action: ActionDefinition, folder: Path, sealer: Sealer) -> Outcome:
    """Return the outcome with the secret values of its data sealed and marked, and clean the logs of them.

    Raises OSError and UnavailableError; the logs are clean when the values cannot be sealed. After a crash it can be
    called again, for the outcome that the cleaned logs seem to tell.
    """
    if not outcome.stdout.bytes:
        return outcome
    found = _noted(folder, sealer)
    if found is None:
        found = _find(outcome, action, folder)
        if found.hidden or found.is_withheld:
            _note(found, folder, sealer)
    spellings = {spelling for value in found.hidden.values() for spelling in _spellings(value)}
    for stream in ("stdout", "stderr"):
        _clean(folder / stream, spellings)
    if found.is_withheld:
        withhold(folder)
    result = {
        key: value for key, value in (outcome.result or {}).items() if key not in _PARSED
    } | found.parsed
    if "stdout" in result:
        result |= stdout_in_record(folder, (folder / "stdout").stat().st_size)
    error = outcome.error
    if error is not None:
        error = replace(error, message=_masked_text(error.message, spellings))
        result["error"] = error.message
    sealed = sealer.seal(found.hidden) if found.hidden and found.is_kept else None
    return replace(outcome, result=result, error=error, result_sealed=sealed)


def _find(outcome: Outcome, action: ActionDefinition, folder: Path) -> _Found:
    parsed = {key: value for key, value in (outcome.result or {}).items() if key in _PARSED}
    is_kept = parsed.get("data") is not None
    # A run that failed and a document too large for the record have printed their secrets, too.
    data = (
        parsed["data"] if is_kept else parse_output((folder / "stdout").read_bytes(), action.output_format)[0]
    )
    document = {"data": data}
    hidden = {pointer: value_at(document, pointer) for pointer in _pointers(action.output, data)}
    for pointer in hidden:
        put_at(document, pointer, dict(REDACTED))
    if is_kept:
        parsed["data"] = document["data"]
    return _Found(parsed, hidden, data is None or outcome.stdout.dropped_bytes > 0)


def _note(found: _Found, folder: Path, sealer: Sealer) -> None:
    """Write down what the cleaning takes away. Where that cannot be done only a crash would miss it."""
    with suppress(OSError, UnavailableError):
        sealed = sealer.seal([found.parsed, found.hidden, found.is_withheld])
        fresh = folder / f"{OUTPUTS_NOTE}.new"
        with fresh.open("wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(folder / OUTPUTS_NOTE)


def _noted(folder: Path, sealer: Sealer) -> _Found | None:
    try:
        sealed = (folder / OUTPUTS_NOTE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return _Found(*sealer.unseal(sealed))
    except UnavailableError:
        withhold(folder)  # it may not have been cleaned
        raise


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
