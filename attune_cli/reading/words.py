"""Words that many commands take: refs and ids, `-` for stdin, and times."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from attune_cli.errors import UsageError
from attune_cli.runtime.clock import SECOND, SystemClock, parse_rfc3339
from attune_cli.runtime.model.quantities import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant


def read_words(words: Sequence[str]) -> list[str]:
    """Return the words of a command line; `-` stands for one word a line of stdin."""
    found: list[str] = []
    for word in words:
        found += sys.stdin.read().split() if word == "-" else [word]
    return found


def read_time(option: str, text: str | None) -> Instant | None:
    """Read `24h` (so long ago), a date, or RFC 3339."""
    if text is None:
        return None
    try:
        return SystemClock().now() - round(parse_duration(text) * SECOND)
    except ValueError:
        pass
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise UsageError(
            f"{option} {text!r} is no time", hint=f"{option} 24h, or {option} 2026-05-01"
        ) from error
