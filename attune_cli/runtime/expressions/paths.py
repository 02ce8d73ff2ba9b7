"""Paths into an event by which rules group what happens, e.g. `event.payload.host`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.expressions.json_values import Missing
from attune_cli.runtime.expressions.running import walk
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.scope import RuleScope
    from attune_cli.runtime.model.actions import Json

WrittenPath = tuple[str | int, ...]
"""A path as an expression has it, its name first: `("event", "payload", "host")`."""


@immutable
class Mention:
    """A path that is written somewhere: `steps` lead to the text, `place` is line and column in it; None: all of it."""

    path: WrittenPath
    steps: tuple[str | int, ...]
    place: tuple[int, int] | None = None


_EVENT = ("id", "trigger", "trigger_ref", "payload", "created")


def value_of(path: str, scope: RuleScope) -> Json:
    """Return what a path leads to in the event, an index being a segment too; None when it leads nowhere."""
    value = walk(scope.event, path.removeprefix("event.").split("."))
    return None if isinstance(value, Missing) else value


def fault_of(path: str) -> str | None:
    """Say what is wrong with such a path, or None."""
    parts = path.split(".")
    if parts[0] != "event" or len(parts) == 1 or not all(parts):
        return "expected a path into the event, e.g. event.payload.host"
    if parts[1] not in _EVENT:
        return f"an event has {', '.join(_EVENT)}"
    return None
