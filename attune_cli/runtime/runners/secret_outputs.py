"""Secret outputs: values an action declares `secret: true` in its `output` leave the result, and the log as well.

The true values are sealed beside the result. The log is written before anybody knows them, so it is
cleaned when the run is over.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.model.entities import REDACTED, Outcome
from attune_cli.runtime.model.parameters import secret_pointers
from attune_cli.runtime.model.pointers import put_at, value_at
from attune_cli.runtime.supervisor.mask import MASK, SHORTEST_SECRET_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from attune_cli.runtime.model.actions import Schema
    from attune_cli.runtime.store.sealing import Sealer


def hide_secret_outputs(outcome: Outcome, schema: Schema, folder: Path, sealer: Sealer) -> Outcome:
    """Return the outcome with secret values of its data sealed and marked, and clean the stdout log of them."""
    data: object = (outcome.result or {}).get("data")
    if not isinstance(data, dict) or outcome.result is None:
        return outcome
    document = cast("dict[str, Any]", data)
    pointers = secret_pointers(schema, document)
    if not pointers:
        return outcome
    hidden = {f"/data{pointer}": value_at(document, pointer) for pointer in pointers}
    for pointer in pointers:
        put_at(document, pointer, dict(REDACTED))
    _clean(folder / "stdout", hidden.values())
    return replace(outcome, result={**outcome.result, "data": document}, result_sealed=sealer.seal(hidden))


def _clean(log: Path, values: Iterable[object]) -> None:
    """Replace every spelling of the values, the longest first; the file keeps its place, so readers go on."""
    spellings = {spelling for value in values for spelling in _spellings(value)}
    content = log.read_bytes()
    for spelling in sorted(spellings, key=len, reverse=True):
        content = content.replace(spelling, MASK)
    log.write_bytes(content)


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
