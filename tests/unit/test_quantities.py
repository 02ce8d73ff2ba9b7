from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.model.quantities import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45", 45),
        ("45s", 45),
        ("5m", 300),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("2d", 172800),
        (" 1W ", 604800),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 minutes", "-5s", "1h30", "s", "1e3", "٣s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        ("64kB", 64000),
        ("10MiB", 10485760),
        ("1.5 GiB", 1610612736),
        ("1k", 1000),
        ("1ki", 1024),
        ("0", 0),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "10 parsecs", "-1", "MiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0123, "12ms"),
        (1.54, "1.5s"),
        (9.97, "10.0s"),
        (45, "45s"),
        (303, "5m03s"),
        (5400, "1h30m"),
        (187200, "2d04h"),
    ],
)
def test_durations_are_written_with_two_units_at_most(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(512, "512 B"), (10485760, "10 MiB"), (1536, "1.5 KiB"), (5 * 1024**4, "5 TiB")]
)
def test_sizes_are_written(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.floats(min_value=0, max_value=1e9))
def test_a_written_duration_reads_back_nearly_the_same(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=0.06, abs=0.001)
