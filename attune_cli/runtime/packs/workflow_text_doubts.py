"""Texts of a workflow that look like expressions and are none: what people bring from other tools, or forget."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from attune_cli.runtime.expressions.faults import Fault, fault_at, place_of
from attune_cli.runtime.expressions.workflow_scope import TASKS, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.packs.workflow_shapes import Steps

FOREIGN_BRACES = "expressions are written {{ … }}, and not <% … %>"
_PATH = re.compile(rf"({'|'.join(('parameters', 'item', *VARIABLES, *TASKS))})(\.[A-Za-z_][\w-]*)+")


def looks_like_path(text: str) -> bool:
    """Tell whether a text is no more than the name of a value."""
    return _PATH.fullmatch(text.strip()) is not None


def text_doubts(value: Json, steps: Steps) -> Iterator[Fault]:
    """Yield what is doubtful in the texts of a value."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Json]", value).items():
            yield from text_doubts(inner, (*steps, name))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Json]", value)):
            yield from text_doubts(inner, (*steps, index))
    elif isinstance(value, str):
        said = _doubt(value)
        if said is not None:
            yield fault_at(steps, said[0], place=place_of(value, said[1]))


def _doubt(text: str) -> tuple[str, int] | None:
    if looks_like_path(text):
        return f'is kept as the text that it is; its value is "{{{{ {text.strip()} }}}}"', 0
    if "${{" in text:
        return "the '$' before '{{' stays in the text", text.index("${{")
    start = text.find("<%")
    if start >= 0 and "%>" in text[start:]:
        return f"is kept as the text that it is: {FOREIGN_BRACES}", start
    return None
