"""When a failed attempt is followed by another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.actions import Backoff, Retry
from attune_cli.runtime.model.retry import delay_seconds, next_due

NOW = 1_700_000_000 * SECOND

DELAYS = st.floats(0, 1e9)
BACKOFFS = st.sampled_from(["constant", "linear", "exponential"])
RETRIES = st.builds(
    Retry,
    count=st.integers(0, 100_000),
    delay_seconds=DELAYS,
    backoff=BACKOFFS,
    max_delay_seconds=st.none() | st.floats(0.001, 1e9),
)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        ("constant", [5, 5, 5, 5]),
        ("linear", [5, 10, 15, 20]),
        ("exponential", [5, 10, 20, 40]),
    ],
)
def test_the_delays_of_each_backoff(backoff: Backoff, delays: list[float]) -> None:
    retry = Retry(count=4, delay_seconds=5, backoff=backoff)
    assert [delay_seconds(retry, attempt) for attempt in range(1, 5)] == delays


def test_no_delay_is_longer_than_the_cap() -> None:
    retry = Retry(count=9, delay_seconds=5, backoff="exponential", max_delay_seconds=18)
    assert [delay_seconds(retry, attempt) for attempt in range(1, 5)] == [5, 10, 18, 18]


def test_count_is_the_number_of_attempts_after_the_first() -> None:
    retry = Retry(count=2, delay_seconds=1.5)
    assert next_due(retry, 1, NOW) == NOW + 1_500_000
    assert next_due(retry, 2, NOW) == NOW + 1_500_000
    assert next_due(retry, 3, NOW) is None


def test_without_a_policy_there_is_no_second_attempt() -> None:
    assert next_due(Retry(), 1, NOW) is None


@given(RETRIES, st.integers(1, 200_000))
def test_every_delay_is_finite_and_never_negative_or_shrinking(retry: Retry, attempt: int) -> None:
    here, there = delay_seconds(retry, attempt), delay_seconds(retry, attempt + 1)
    assert 0 <= here <= there <= 366 * 24 * 3600
    due = next_due(retry, attempt, NOW)
    assert (due is None) is (attempt > retry.count)
    assert due is None or NOW <= due < 2**63
