"""When a failed attempt is followed by another (domain.md 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.clock import SECOND, Instant

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Retry

_LONGEST_DELAY_SECONDS = 365 * 24 * 3600.0


def delay_seconds(retry: Retry, attempt: int) -> float:
    """Return how long to wait after failed attempt number `attempt` (from 1): d, d·n or d·2^(n−1), capped."""
    cap = min(retry.max_delay_seconds or _LONGEST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS)
    match retry.backoff:
        case "constant":
            delay = retry.delay_seconds
        case "linear":
            delay = retry.delay_seconds * attempt
        case "exponential":
            # Past 2^60 every delay is over the cap; the bound keeps the float finite.
            delay = retry.delay_seconds * 2.0 ** min(attempt - 1, 60)
    return min(delay, cap)


def next_due(retry: Retry, attempt: int, now: Instant) -> Instant | None:
    """Return when the attempt after `attempt` may start, or None when no attempt is left."""
    if attempt > retry.count:
        return None
    return now + round(delay_seconds(retry, attempt) * SECOND)
