"""YAML that is given as data: its values as JSON has them, within bounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROWTH = 10
_AT_LEAST_BYTES = 1024 * 1024


def read_yaml(text: str) -> object:
    """Read YAML; what only YAML has (dates, keys that are no text) becomes text. Raises ValueError, RecursionError."""
    import yaml

    try:
        return json.loads("".join(_bounded_json(yaml.load(text, yaml.CSafeLoader), len(text))))
    except (TypeError, yaml.YAMLError) as error:
        raise ValueError(str(error).replace("\n", " ")) from error


def _bounded_json(value: object, text_length: int) -> Iterator[str]:
    """Yield a value as JSON text; a few aliases can make a short YAML text a huge value."""
    left = max(_AT_LEAST_BYTES, _GROWTH * text_length)
    for part in json.JSONEncoder(default=str, allow_nan=False).iterencode(value):
        left -= len(part)
        if left < 0:
            raise ValueError("its aliases make it too large")
        yield part
