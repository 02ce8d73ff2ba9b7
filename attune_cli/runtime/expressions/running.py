"""One computation of an expression: where its names lead, what it has read, and how much work it may still do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions.faults import ExpressionError, MissingError
from attune_cli.runtime.expressions.json_values import MAX_SIZE, Missing, size_of, step
from attune_cli.runtime.expressions.scope import TASKS, Found
from attune_cli.runtime.model.pointers import parse_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.runtime.expressions.scope import Scope
    from attune_cli.runtime.model.actions import Json

MAX_WORK = 8 * MAX_SIZE
"""Characters that one computation may go through, a member counting as several: some half second at the worst, while
the engine does nothing else."""
_WORK_OF_MEMBER = 16
_WORK_OF_CALL = 32


class Run:
    """Collects what a computation reads, by path, and whether any of it was secret."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.seen: dict[str, Any] = {}
        self.secret = False
        self._work = 0
        self._told = 0

    def charge(self, value: object, *, by_member: bool = False) -> None:
        """Count the work of going through a value; raises when it is too large or the work too much.

        A text that is gone through `by_member` has as many as it has characters.
        """
        if not isinstance(value, (str, list, dict)):
            return
        size, members = size_of(cast("object", value))
        if size > MAX_SIZE:
            raise ExpressionError("the value is too large")
        if by_member and isinstance(value, str):
            members = size
        self.spend(size + _WORK_OF_MEMBER * members)

    def spend(self, work: int = _WORK_OF_CALL) -> None:
        """Count work, or that of one call; raises when it is too much."""
        self._work += work
        if self._work > MAX_WORK:
            raise ExpressionError("this takes too much work")

    def tell(self) -> None:
        """Tell the scope of the work that was done since it was told last."""
        self.scope.spent(self._work - self._told)
        self._told = self._work

    def look(self, name: str, path: Sequence[str | int]) -> Json:
        """Return what a path leads to, or a Missing that names it."""
        shown = ".".join([name, *map(str, path)])
        found = self._key(path) if name == "keystore" else self.scope.find(name, tuple(path))
        value = Missing(shown) if found is None else walk(found.value, found.rest)
        if found is not None and _touches(found.value, found.rest, found.secrets):
            self.secret = True
        elif not isinstance(value, Missing):
            self.seen[shown] = value
        if not isinstance(value, Missing):
            return value
        return Missing(shown, _not_run(path, shown) if found is None and name in TASKS else "")

    def _key(self, path: Sequence[str | int]) -> Found | None:
        """Return a key, whose name may have dots, with the path that leads on into its value."""
        parts = [str(part) for part in path]
        for length in range(len(parts), 0, -1):
            try:
                found = self.scope.key(".".join(parts[:length]))
            except LookupError:
                continue
            return Found(found.value, tuple(parts[length:]), found.secrets)
        return None


def _not_run(path: Sequence[str | int], shown: str) -> str:
    return f"task '{path[0]}' did not run; where it need not, write {shown} | default(…)"


def walk(value: Json, path: Sequence[str | int]) -> Json:
    for part in path:
        value = step(value, part)
    return value


def _touches(value: Json, path: Sequence[str | int], secrets: Iterable[str]) -> bool:
    """Tell whether a path leads to a secret, into one, or to what holds one."""
    if not secrets:
        return False
    steps: list[str] = []
    for part in path:
        steps.append(_step_at(value, part))
        value = step(value, part)
    return any(
        all(one == other for one, other in zip(steps, parse_pointer(secret), strict=False))
        for secret in secrets
    )


def _step_at(value: Json, part: str | int) -> str:
    """Return a segment as a pointer writes it: the index of a member counts from the beginning."""
    if not isinstance(value, list):
        return str(part)
    index = int(part) if isinstance(part, int) or part.isdecimal() else 0
    return str(index if index >= 0 else len(cast("list[Any]", value)) + index)


def given(value: Json) -> Json:
    """Return a value that is there; raises MissingError for one that is not."""
    if isinstance(value, Missing):
        raise MissingError(value.path, value.why)
    return value
