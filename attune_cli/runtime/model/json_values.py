"""Which values can be written down as JSON in UTF-8, and read again in every form of output. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_DEPTH = 100
"""Levels of objects and lists: every form they are written in takes so many."""


def unfit(value: object) -> str | None:
    """Say why a value cannot be written down, or None when it can."""
    if not _is_shallow(value):
        return f"is nested deeper than {MAX_DEPTH} levels"
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "is no UTF-8 text"
    except ValueError:
        return "holds a number that JSON has not"
    return None


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
