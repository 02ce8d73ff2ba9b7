"""JSON pointers (RFC 6901): naming one value inside a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse_pointer(pointer: str) -> list[str]:
    """Split `/a/b~1c/0` into its parts; the empty pointer names the whole document."""
    if not pointer:
        return []
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def format_pointer(parts: list[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _step(container: object, part: str) -> object:
    if isinstance(container, list):
        return cast("list[object]", container)[int(part)]
    return cast("dict[str, object]", container)[part]


def value_at(document: object, pointer: str) -> object:
    """Return the value a pointer names; raises KeyError or IndexError when there is none."""
    for part in parse_pointer(pointer):
        document = _step(document, part)
    return document


def put_at(document: dict[str, Any], pointer: str, value: object) -> None:
    """Replace the value a pointer names, in place; its container has to be there."""
    *path, last = parse_pointer(pointer)
    container: object = document
    for part in path:
        container = _step(container, part)
    if isinstance(container, list):
        cast("list[object]", container)[int(last)] = value
    else:
        cast("dict[str, object]", container)[last] = value


def put_back(document: dict[str, Any], taken_out: Mapping[str, object]) -> None:
    """Put values back into their places, in place, by their pointers: the counterpart of `secret_places.take_out`."""
    for pointer, value in taken_out.items():
        put_at(document, pointer, value)
