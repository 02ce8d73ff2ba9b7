"""The small files of a run's folder are there whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.supervisor import RunExit, StreamSummary, Why, read_exit
from attune_cli.runtime.supervisor.family import marks
from attune_cli.runtime.supervisor.folder import read_process, write_exit

count = st.integers(0, 2**60)
summaries = st.builds(StreamSummary, bytes=count, lines=count, dropped_bytes=count)
exits = st.builds(
    RunExit,
    run=st.text(),
    why=st.sampled_from(get_args(Why)),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    error=st.none() | st.text(),
    started=count,
    finished=count,
    duration_ms=count,
    stdout=summaries,
    stderr=summaries,
)

EXIT = RunExit(
    run="7",
    why="exited",
    exit_code=0,
    signal=None,
    error=None,
    started=1,
    finished=2,
    duration_ms=3,
    stdout=StreamSummary(bytes=4, lines=5, dropped_bytes=6),
    stderr=StreamSummary(bytes=7, lines=8, dropped_bytes=9),
)


@given(exits)
def test_an_exit_reads_back_as_it_was_written(run_exit: RunExit) -> None:
    with TemporaryDirectory() as name:
        write_exit(Path(name), run_exit)
        assert read_exit(Path(name)) == run_exit
        assert [path.name for path in Path(name).iterdir()] == ["exit.json"]


def test_a_later_exit_replaces_the_earlier_one_whole(tmp_path: Path) -> None:
    write_exit(tmp_path, replace(EXIT, error="a long sentence" * 100))
    write_exit(tmp_path, EXIT)
    assert read_exit(tmp_path) == EXIT


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b'{"run": "7"}', b"\xff\xfe", b'"text"']
)
def test_an_unreadable_exit_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "exit.json").write_bytes(content)
    assert read_exit(tmp_path) is None


def test_an_absent_exit_is_none(tmp_path: Path) -> None:
    assert read_exit(tmp_path) is None
    assert read_exit(tmp_path / "nowhere") is None


@pytest.mark.parametrize("content", [b"", b'{"pid": 1', b"[]", b'{"pid": 1}', b"3"])
def test_a_process_file_cut_short_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "process").write_bytes(content)
    assert read_process(tmp_path) is None


def test_an_environment_marks_processes_only_with_both_variables() -> None:
    both = {"ATTUNE_EXEC_ID": "7", "ATTUNE_HOME": "/h", "PATH": "/bin"}
    assert marks(both) == {b"ATTUNE_EXEC_ID=7", b"ATTUNE_HOME=/h"}
    assert marks({"ATTUNE_EXEC_ID": "7"}) == frozenset()
