"""Patterns, matched in linear time: no pattern and no text can hang the engine."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.expressions.faults import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attune_cli.runtime.model.actions import Json

MAX_PATTERN = 1000


@lru_cache(maxsize=256)
def compiled(pattern: str, *, ignore_case: bool = False) -> Json:
    """Return the compiled pattern; raises ExpressionError, saying why it is none."""
    import re2

    if len(pattern) > MAX_PATTERN:
        raise ExpressionError(f"a pattern may have at most {MAX_PATTERN} characters")
    make = cast("Callable[..., Any]", re2.compile)  # pyright: ignore[reportUnknownMemberType] - has no types
    options = cast("Any", re2).Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return make(pattern, options)
    except (cast("type[Exception]", re2.error), UnicodeError) as error:
        raise ExpressionError(f"is no pattern: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _matcher(pattern: str, *, ignore_case: bool = False) -> Json:
    """Return the compiled pattern; an error does not show it, since a pattern may be computed from a secret."""
    try:
        return compiled(pattern, ignore_case=ignore_case)
    except ExpressionError:
        raise ExpressionError("the text is no pattern") from None


def found(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Tell whether the pattern matches anywhere in the text; `^` and `$` bind it to its ends."""
    matcher = _matcher(pattern, ignore_case=ignore_case)
    try:
        return matcher.search(text) is not None
    except UnicodeError:
        raise ExpressionError("the text holds half a character") from None


def replaced(pattern: str, text: str, replacement: str, limit: int) -> str:
    """Replace every match; raises when the result would be longer than `limit` characters."""
    pieces: list[str] = []
    length = end = 0
    for start, stop, new in _replacements(pattern, text, replacement):
        pieces += (text[end:start], new)
        end = stop
        length += len(pieces[-1]) + len(pieces[-2])
        if length > limit:
            raise ExpressionError("the result is too large")
    return "".join([*pieces, text[end:]])


def _replacements(pattern: str, text: str, replacement: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each match begins and ends, and what is to stand there."""
    matcher = _matcher(pattern)
    try:
        for match in matcher.finditer(text):
            yield match.start(), match.end(), match.expand(replacement)
    except UnicodeError:
        raise ExpressionError(
            "the text holds half a character, or the replacement ends in a backslash"
        ) from None
    except (IndexError, ValueError, TypeError):
        raise ExpressionError("the replacement does not fit the pattern") from None
