from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.config import Home
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.services.live_logs import LiveLogs
from attune_cli.runtime.services.logs import STREAMS
from attune_cli.runtime.supervisor.log import Index, Log

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from attune_cli.runtime.services.logs import Piece


class Writer:
    """Writes the logs of run 7 as the supervisor does."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "runs" / "7"
        index = Index(str(self.folder / "index"), SystemClock())
        self.logs = {name: Log(str(self.folder), name, 10_000_000, index) for name in STREAMS}

    def say(self, text: str) -> None:
        """Write `o` lines to stdout and `e` lines to stderr, one after the other."""
        for word in text.split():
            self.logs["stdout" if word[0] == "o" else "stderr"].append(f"{word}\n".encode())


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


@pytest.fixture
def live(tmp_path: Path) -> LiveLogs:
    return LiveLogs(Home(tmp_path), 7, STREAMS)


def read(pieces: Iterable[Piece]) -> str:
    return b"".join(piece.data for piece in pieces).decode().replace("\n", " ").strip()


def test_two_streams_come_in_the_order_in_which_they_were_written(writer: Writer, live: LiveLogs) -> None:
    assert read(live.look()) == ""
    writer.say("o1 e1 o2 o3 e2")
    assert read(live.look()) == "o1 e1 o2 o3 e2"
    writer.say("e3 o4")
    assert read(live.look()) == "e3 o4"
    assert read(live.look()) == ""
    writer.say("e4 o5")
    assert read(live.rest()) == "e4 o5"


def test_what_the_index_does_not_name_comes_at_the_second_look_and_only_once(
    writer: Writer, live: LiveLogs
) -> None:
    writer.say("o1 e1")
    with (writer.folder / "stdout").open("ab") as file:
        file.write(b"o2\n")
    assert read(live.look()) == "o1 e1"
    assert read(live.look()) == ""
    assert read(live.look()) == "o2"
    with (writer.folder / "index").open("ab") as file:
        file.write(b"5 1 3 3\n")
    assert read(live.look()) == ""
    writer.say("e2")
    assert read(live.rest()) == "e2"


def test_a_line_of_the_index_that_is_half_written_waits(writer: Writer, live: LiveLogs) -> None:
    writer.say("o1 e1")
    index = writer.folder / "index"
    whole = index.read_bytes()
    index.write_bytes(whole[:-3])
    assert read(live.look()) == "o1"
    index.write_bytes(whole)
    assert read(live.look()) == "e1"


def test_one_stream_of_two_is_enough(writer: Writer, tmp_path: Path) -> None:
    writer.say("o1 e1 o2")
    assert read(LiveLogs(Home(tmp_path), 7, ["stderr"]).look()) == "e1"
