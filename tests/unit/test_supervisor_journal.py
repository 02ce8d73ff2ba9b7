"""The journal tells what became of every run that was begun, however its writer ended."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.supervisor import Fate, RunExit, StreamSummary, Why, read_journal
from attune_cli.runtime.supervisor.family import marks
from attune_cli.runtime.supervisor.journal import Journal

count = st.integers(0, 2**60)
summaries = st.builds(StreamSummary, bytes=count, lines=count, dropped_bytes=count)
exits = st.builds(
    RunExit,
    run=st.from_regex(r"[a-z0-9:]+", fullmatch=True),
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


@given(exits)
def test_an_end_reads_back_as_it_was_written(run_exit: RunExit) -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "journal")
        journal = Journal(path)
        journal.begin(run_exit.run)
        journal.end(run_exit)
        journal.close()
        assert read_journal(path) == {run_exit.run: Fate(end=run_exit)}


def test_what_was_begun_and_did_not_end_has_no_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.begin("host:1")
    journal.begin("host:2")
    journal.lead("host:2", os.getpid(), 0)
    journal.close()
    fates = read_journal(tmp_path / "journal")
    assert fates["host:1"] == Fate()
    leader = fates["host:2"].leader
    assert leader is not None
    assert (leader.pid, fates["host:2"].end) == (os.getpid(), None)


@pytest.mark.parametrize(
    "line",
    ["", "begin 12", "end .", "end 1 { .", "end 1 [] .", "end 1 {} .", "leader 1 3 .", "\udcff", "what 1 ."],
)
def test_a_line_that_is_cut_short_or_foreign_counts_as_not_written(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal"
    path.write_bytes(f"begin 1 .\n{line}\nbegin 2 .\n".encode("utf-8", "surrogateescape"))
    assert read_journal(path) == {"1": Fate(), "2": Fate()}


def test_an_absent_journal_tells_of_no_run(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "nowhere") == {}


def test_an_environment_marks_processes_only_with_both_variables() -> None:
    both = {"ATTUNE_EXEC_ID": "7", "ATTUNE_HOME": "/h", "PATH": "/bin"}
    assert marks(both) == {b"ATTUNE_EXEC_ID=7", b"ATTUNE_HOME=/h"}
    assert marks({"ATTUNE_EXEC_ID": "7"}) == frozenset()
