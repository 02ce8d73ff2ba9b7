"""The simple templates of rules and http actions: `{{ dotted.path }}` and nothing else (domain.md 4.3)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEMPLATE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


def render(value: object, names: Mapping[str, object]) -> object:
    """Fill in templates in every string of `value`.

    A string that is one template keeps the type of what it names; inside other text objects and lists
    become JSON. A path that leads nowhere gives null, or nothing inside other text.
    """
    if isinstance(value, str):
        return _render_text(value, names)
    if isinstance(value, dict):
        return {key: render(item, names) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [render(item, names) for item in cast("list[object]", value)]
    return value


def _render_text(text: str, names: Mapping[str, object]) -> object:
    whole = _TEMPLATE.fullmatch(text.strip())
    if whole is not None:
        return look_up(whole[1], names)
    return _TEMPLATE.sub(lambda found: _as_text(look_up(found[1], names)), text)


def without_braces(written: str) -> tuple[str, int]:
    """Return an expression without the `{{ }}` that may stand around it, and where it begins."""
    text = written.strip()
    if not (text.startswith("{{") and text.endswith("}}")):
        return written, 0
    return text[2:-2], written.find("{{") + 2


def look_up(path: str, names: Mapping[str, object]) -> object:
    """Return what a dotted path leads to, an index being a segment too; None when it leads nowhere."""
    value: object = names
    for part in path.split("."):
        value = _step(value, part)
    return value


def _step(value: object, part: str) -> object:
    if isinstance(value, list):
        items = cast("list[object]", value)
        return items[int(part)] if part.isdecimal() and int(part) < len(items) else None
    return cast("dict[str, object]", value).get(part) if isinstance(value, dict) else None


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
