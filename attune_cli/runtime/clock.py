"""The only module that asks the time. Everything else takes an instant or a `Clock` as an argument."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

Instant = int
"""Microseconds since 1970-01-01 UTC, as the database stores them."""

SECOND: Instant = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    def now(self) -> Instant: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Instant:
        return time.time_ns() // 1000


def monotonic_seconds() -> float:
    """Seconds that never jump, for durations and deadlines inside one process."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Do nothing for so long, before looking again at what another process does."""
    time.sleep(seconds)


@lru_cache(64)
def rfc3339(instant: Instant) -> str:
    """Return e.g. `2026-05-01T10:00:00.120000Z`, the form of the API (api.md, conventions)."""
    return (_EPOCH + timedelta(microseconds=instant)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> Instant:
    """Read RFC 3339 or a bare date (midnight UTC); raises ValueError on anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
