"""One computation of an expression: where its names lead, what it has read, and how much work it may still do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions.faults import ExpressionError, MissingError
from attune_cli.runtime.expressions.json_values import MAX_SIZE, Missing, size_of, step
from attune_cli.runtime.model.pointers import format_pointer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.expressions.scope import Scope
    from attune_cli.runtime.model.actions import Json

NAMES = ("event", "pack", "system", "keystore")
"""What an expression may begin with."""

MAX_WORK = 16 * MAX_SIZE
"""Characters that one computation may go through, a member counting as several: some two seconds at the worst."""
_WORK_OF_MEMBER = 16


class Run:
    """Collects what a computation reads, by path, and whether any of it was secret."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.seen: dict[str, Any] = {}
        self.secret = False
        self._work = 0

    def charge(self, value: object) -> None:
        """Count the work of going through a value; raises when it is too large or the work too much."""
        if not isinstance(value, (str, list, dict)):
            return
        size, members = size_of(cast("object", value))
        if size > MAX_SIZE:
            raise ExpressionError("the value is too large")
        self._work += size + _WORK_OF_MEMBER * members
        if self._work > MAX_WORK:
            raise ExpressionError("this takes too much work")

    def look(self, name: str, path: Sequence[str | int]) -> Json:
        """Return what a path leads to, or a Missing that names it."""
        shown = ".".join([name, *map(str, path)])
        if name == "keystore":
            self.secret = True
            return self._key(path, shown)
        value = walk(_root(self.scope, name), path)
        if name == "pack" and self._is_secret(path):
            self.secret = True
        elif not isinstance(value, Missing):
            self.seen[shown] = value
        return Missing(shown) if isinstance(value, Missing) else value

    def _is_secret(self, path: Sequence[str | int]) -> bool:
        """Tell whether a path into `pack` leads to a secret, into one, or to what holds one."""
        here = format_pointer([str(part) for part in path[1:]])
        return any(
            f"{here}/".startswith(f"{secret}/") or f"{secret}/".startswith(f"{here}/")
            for secret in self.scope.secret_config
        )

    def _key(self, path: Sequence[str | int], shown: str) -> Json:
        """Return a key, whose name may have dots, or what a path leads to within its value."""
        parts = [str(part) for part in path]
        for length in range(len(parts), 0, -1):
            try:
                value = self.scope.key(".".join(parts[:length]))
            except LookupError:
                continue
            found = walk(value, parts[length:])
            return Missing(shown) if isinstance(found, Missing) else found
        return Missing(shown)


def _root(scope: Scope, name: str) -> Json:
    if name == "pack":
        return {"config": scope.pack_config}
    return scope.event if name == "event" else scope.system


def walk(value: Json, path: Sequence[str | int]) -> Json:
    for part in path:
        value = step(value, part)
    return value


def given(value: Json) -> Json:
    """Return a value that is there; raises MissingError for one that is not."""
    if isinstance(value, Missing):
        raise MissingError(value.path)
    return value
