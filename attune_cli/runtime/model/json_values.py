"""Which values can be written down as JSON in UTF-8, and read again in every form of output. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_DEPTH = 100
"""Levels of objects and lists: every form they are written in takes so many."""

_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"


_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def unfit(value: object) -> str | None:
    """Say why a value cannot be written down, or None when it can."""
    try:
        written(value)
    except ValueError as error:
        return str(error)
    return None


def written(value: object) -> str:
    """Return a value as compact JSON text; raises ValueError, which says why it cannot be written down."""
    try:
        text = _encoder.encode(value)
        if not text.isascii():
            text.encode()
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except UnicodeEncodeError as error:
        raise ValueError("is no UTF-8 text") from error
    except ValueError as error:
        raise ValueError("holds a number that JSON has not" if _is_shallow(value) else _TOO_DEEP) from error
    # Text with few brackets is not deep, and most of what comes is such: counting is quicker than walking.
    if text.count("[") + text.count("{") > MAX_DEPTH and not _is_shallow(value):
        raise ValueError(_TOO_DEEP)
    return text


def _is_shallow(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [item for one in level for item in _items(one)]
        if not level:
            return True
    return False


def _items(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()
