"""Records as documents: JSON, YAML, CSV and tab-separated lines, and the paths into them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Json = Any
Record = dict[str, Any]

_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
MISSING: Json = object()
"""What `pluck` returns where a record has no such path."""


def pluck(record: Json, path: str) -> Json:
    """Return what stands at a dotted path (`result.data.0.id`), or MISSING."""
    value = record
    for step in path.split("."):
        value = _member(value, step)
    return value


def _member(value: Json, step: str) -> Json:
    if isinstance(value, dict):
        return cast("dict[str, Json]", value).get(step, MISSING)
    if isinstance(value, list) and step.isdecimal():
        items = cast("list[Json]", value)
        return items[int(step)] if int(step) < len(items) else MISSING
    return MISSING


def nearest_path(record: Json, path: str) -> str | None:
    """Return the path that was probably meant by one that leads nowhere, or None when nothing is near."""
    value, meant = record, list[str]()
    for step in path.split("."):
        here = _nearest_step(value, step)
        if here is None:
            return None
        meant.append(here)
        value = _member(value, here)
    return ".".join(meant)


def _nearest_step(value: Json, step: str) -> str | None:
    if _member(value, step) is not MISSING:
        return step
    return nearest(step, cast("dict[str, Json]", value)) if isinstance(value, dict) else None


def compact_json(value: Json, *, indent: int | None = None) -> str:
    """Return JSON (RFC 8259) in which no control character, lone surrogate or NaN is left as it is."""
    separators = (",", ":") if indent is None else None
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=separators, indent=indent, default=str
        )
    except ValueError:  # NaN and infinity have no JSON; null is the nearest that every reader accepts
        text = json.dumps(
            _without_nan(value), ensure_ascii=False, separators=separators, indent=indent, default=str
        )
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _without_nan(value: Json) -> Json:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _without_nan(member) for key, member in cast("dict[str, Json]", value).items()}
    if isinstance(value, list | tuple):
        return [_without_nan(member) for member in cast("list[Json]", value)]
    return value


def plain_text(value: Json) -> str:
    """Return a value as bare text: strings as they are, null empty, the rest as JSON."""
    if value is None or value is MISSING:
        return ""
    return value if isinstance(value, str) else compact_json(value)


def tab_separated(values: Iterable[Any]) -> str:
    """Return one line of a pipe: full values, with tabs and line ends inside them escaped."""
    return "\t".join(
        plain_text(value).replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r") for value in values
    )


def yaml_text(value: Json) -> str:
    """Return a YAML 1.1 document, keys in their order."""
    import yaml

    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False)


def csv_text(rows: Iterable[Record], paths: Sequence[str]) -> str:
    """Return comma-separated values (RFC 4180, lines ending in a newline) under a header of the paths."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(paths)
    writer.writerows([plain_text(pluck(row, path)) for path in paths] for row in rows)
    return text.getvalue()
