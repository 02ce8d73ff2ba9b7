"""What can be wrong with an expression: while it is read, and while it is computed."""

from __future__ import annotations

from attune_cli.errors import Detail
from attune_cli.values import immutable


@immutable
class Fault(Detail):
    """A fault of what was written. `steps` lead to the value; `line` and `column` into its text, from 1.

    Both are 0 where the value as a whole is meant.
    """

    said: str = ""
    """The message without its place in the text."""
    steps: tuple[str | int, ...] = ()
    line: int = 0
    column: int = 0


def fault_at(
    steps: tuple[str | int, ...],
    said: str,
    *,
    value: object = None,
    place: tuple[int, int] | None = None,
) -> Fault:
    """Make a fault of the value that `steps` lead to; `place` is line and column within its text."""
    line, column = place or (0, 0)
    where = (
        "" if place is None else f" (column {column})" if line == 1 else f" (line {line}, column {column})"
    )
    path = ".".join(str(step) for step in steps)
    return Fault(path, said + where, value, None, said, steps, line, column)


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of a place in a text."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


class ParseError(Exception):
    """A text is no expression: why, and at which character of it."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class ExpressionError(Exception):
    """An expression has no value. Its message names types and paths, never values, which may be secret."""


class MissingError(ExpressionError):
    """An expression needs a value that is not there."""

    def __init__(self, path: str, why: str = "") -> None:
        super().__init__(f"{path} is missing" + (f": {why}" if why else ""))
        self.path = path
