"""What `task.NAME` and `result()` show of a result (domain.md 5.6), and which part of that is secret."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.model.pointers import format_pointer, parse_pointer
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.runtime.model.actions import Json

ALIASES = ("result", "data")
"""Keys that lead to the view itself where it has none of that name."""


@immutable
class View:
    """A result as expressions see it, with JSON pointers to what is secret in it."""

    value: Json
    secrets: frozenset[str] = frozenset()


def view_of(result: dict[str, Json] | None, secrets: Iterable[str] = ()) -> View:
    """Return the result with the members of its object `data` beside its own keys, which win.

    Without `data`, a text `stdout` that is a JSON object counts as such. `secrets` point into `result`.
    """
    if result is None:
        return View(None, frozenset(secrets))
    key, inner = _inner(result)
    value = {**inner, **result}
    pointers = set(secrets)
    for pointer in secrets:
        pointers |= _within_merged(pointer, key, inner, result)
    return View(value, frozenset(pointers))


def view_of_items(views: Sequence[View]) -> View:
    """Return the results of a task's items as one list, in their order."""
    secrets = {f"/{index}{pointer}" for index, view in enumerate(views) for pointer in view.secrets}
    return View([view.value for view in views], frozenset(secrets))


def without_aliases(value: Json, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return a path into a view without `.result` and `.data` where these only stand for the view itself."""
    path = _stripped(value, path)
    if not isinstance(value, list) or not path:
        return path
    item = _item(cast("list[Json]", value), path[0])
    return (path[0], *_stripped(item, path[1:]))


def _stripped(value: Json, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    members = cast("dict[str, Json]", value) if isinstance(value, dict) else {}
    while path and path[0] in ALIASES and path[0] not in members:
        path = path[1:]
    return path


def _inner(result: dict[str, Json]) -> tuple[str, dict[str, Json]]:
    """Return the key whose members are merged into the view, and these."""
    if "data" in result:
        data = result["data"]
        return "data", cast("dict[str, Json]", data) if isinstance(data, dict) else {}
    return "stdout", _object_in(result.get("stdout"))


def _object_in(text: Json) -> dict[str, Json]:
    """Return the JSON object that a text is, or an empty one; what could not be written again counts as text."""
    if not isinstance(text, str) or text.lstrip()[:1] != "{":
        return {}
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Json]", value)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _within_merged(pointer: str, key: str, inner: dict[str, Json], result: dict[str, Json]) -> set[str]:
    """Return where a secret of `key` lies among the members that were merged from there."""
    first, *rest = parse_pointer(pointer) or [key]
    if first != key:
        return set()
    names = rest[:1] if rest and key == "data" else list(inner)
    return {format_pointer([name, *rest[1:]]) for name in names if name in inner and name not in result}


def _item(items: list[Json], index: str | int) -> Any:  # noqa: ANN401 - any JSON
    position = int(index) if isinstance(index, int) or (index.isascii() and index.isdecimal()) else len(items)
    return items[position] if -len(items) <= position < len(items) else None
