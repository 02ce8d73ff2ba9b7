"""Logs and index: never over their cap, whatever comes in whatever pieces."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.supervisor import Chunk, read_index
from attune_cli.runtime.supervisor.log import INDEX_CAP_BYTES, Index, Log

MARKER = b"[OUTPUT TRUNCATED: stdout exceeded size limit]\n"


class StandingClock:
    def now(self) -> int:
        return 1_700_000_000_000_000


def write(folder: Path, cap_bytes: int, chunks: list[bytes]) -> Log:
    index = Index(f"{folder}/index", StandingClock())
    log = Log(str(folder), "stdout", cap_bytes, index)
    for chunk in chunks:
        log.append(chunk)
    log.close()
    index.close()
    return log


@given(st.integers(0, 700), st.lists(st.binary(max_size=300), max_size=6))
def test_the_file_never_exceeds_its_cap_and_everything_is_accounted_for(
    cap: int, chunks: list[bytes]
) -> None:
    text = b"".join(chunks)
    with TemporaryDirectory() as name:
        summary = write(Path(name), cap, chunks).summary()
        path = Path(name, "stdout")
        kept = path.read_bytes() if path.exists() else b""
    assert len(kept) <= cap
    assert kept[: summary.bytes] == text[: summary.bytes]
    assert summary.bytes + summary.dropped_bytes == len(text)
    assert summary.lines == len(text[: summary.bytes].removesuffix(b"\n").split(b"\n")) * bool(summary.bytes)
    assert (len(kept) > summary.bytes) == (summary.dropped_bytes > 0 and cap > summary.bytes)


@pytest.mark.parametrize(
    ("text", "lines"), [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\nb", 2), (b"a\nb\n", 2), (b"\n\n\n", 3)]
)
def test_a_last_line_without_its_end_counts(tmp_path: Path, text: bytes, lines: int) -> None:
    assert write(tmp_path, 1000, [text]).summary().lines == lines


def test_output_that_fits_has_no_marker(tmp_path: Path) -> None:
    summary = write(tmp_path, 1128, [b"x" * 999, b"\n"]).summary()
    assert (summary.bytes, summary.lines, summary.dropped_bytes) == (1000, 1, 0)
    assert (tmp_path / "stdout").read_bytes() == b"x" * 999 + b"\n"


@pytest.mark.parametrize(("kept", "between"), [(b"x" * 1000, b"\n\n"), (b"x" * 999 + b"\n", b"\n")])
def test_the_marker_follows_a_blank_line(tmp_path: Path, kept: bytes, between: bytes) -> None:
    summary = write(tmp_path, 1128, [kept, b"y"]).summary()
    assert (tmp_path / "stdout").read_bytes() == kept + between + MARKER
    assert summary.dropped_bytes == 1


def test_nothing_written_is_no_file(tmp_path: Path) -> None:
    write(tmp_path, 1000, [b"", b""])
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_says_so_once_and_then_counts(tmp_path: Path) -> None:
    (tmp_path / "stdout").symlink_to("/dev/full")
    index = Index(f"{tmp_path}/index", StandingClock())
    log = Log(str(tmp_path), "stdout", 1000, index)
    with pytest.raises(OSError, match="No space left on device"):
        log.append(b"some output\n")
    log.append(b"more")
    summary = log.summary()
    log.close()
    assert (summary.bytes, summary.dropped_bytes, log.full) == (0, 16, True)


def test_the_index_tells_each_chunk_and_the_marker(tmp_path: Path) -> None:
    write(tmp_path, 1128, [b"a" * 600, b"b" * 600])
    time = StandingClock().now()
    marked = (tmp_path / "stdout").stat().st_size - 1000
    assert read_index(tmp_path) == [
        Chunk(time, 1, 0, 600),
        Chunk(time, 1, 600, 400),
        Chunk(time, 1, 1000, marked),
    ]


def test_the_index_is_capped(tmp_path: Path) -> None:
    write(tmp_path, 10**9, [b"x"] * 12_000)
    size = (tmp_path / "index").stat().st_size
    assert INDEX_CAP_BYTES - 50 < size <= INDEX_CAP_BYTES
    assert read_index(tmp_path)[-1].offset < 12_000
    assert (tmp_path / "stdout").stat().st_size == 12_000


def test_an_index_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"5 1 0 10\n7 2 0 3\n9 1 1")
    assert read_index(tmp_path) == [Chunk(5, 1, 0, 10), Chunk(7, 2, 0, 3)]
    assert read_index(tmp_path / "nowhere") == []
