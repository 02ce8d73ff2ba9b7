"""Stories of much output: whole up to the cap, marked and counted beyond it, and never in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.story import Attune, show, until

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

MEBIBYTE = 1024 * 1024
CAP = 10 * MEBIBYTE
MARKER = "\n\n[OUTPUT TRUNCATED: stdout exceeded size limit]\n"


def _lines(size: int) -> list[str]:
    return ["sh", "-c", f"yes 0123456789 | head -c {size}"]


def test_five_megabytes_come_whole(run: Run) -> None:
    size = 5_000_000
    wanted = ("0123456789\n" * (size // 11 + 1))[:size]
    live = run("run", "exec", "--", *_lines(size))
    assert live.stdout == wanted
    assert run("execution", "logs", "1").stdout == wanted
    assert run("execution", "result", "1").stdout == wanted
    assert show(run, "1")["stdout"] == {
        "bytes": size, "lines": size // 11 + 1, "dropped_bytes": 0, "truncated": False,
    }  # fmt: skip


TURNS = """
wait_for() { until grep -q "$2" "$ATTUNE_HOME/runs/1/$1" 2>/dev/null; do :; done; }
for turn in 1 2 3 4 5; do
  echo "out $turn"; wait_for stdout "out $turn"
  echo "err $turn" >&2; wait_for stderr "err $turn"
done
"""


def test_both_streams_are_shown_live_in_the_order_they_came(home: Home) -> None:
    command = [sys.executable, "-m", "attune_cli", "run", "exec", "-e", f"ATTUNE_HOME={home.path}"]
    result = subprocess.run(
        [*command, "--", "sh", "-c", TURNS],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    shown = [line for line in result.stdout.splitlines() if line[:4] in ("out ", "err ")]
    assert shown == [f"{stream} {turn}" for turn in range(1, 6) for stream in ("out", "err")]


def test_fifty_megabytes_are_cut_marked_and_counted_and_the_run_completes(run: Run, home: Home) -> None:
    size = 50_000_000
    result = run("run", "exec", "--", *_lines(size))
    assert result.exit_code == 0
    assert result.stdout.endswith(MARKER)
    assert len(result.stdout) <= CAP
    record = show(run, "1")
    assert (record["status"], record["stdout"]["truncated"]) == ("completed", True)
    assert record["stdout"]["bytes"] + record["stdout"]["dropped_bytes"] == size
    assert record["result"]["stdout_truncated"] is True
    assert (home.runs / "1" / "stdout").stat().st_size <= CAP
    assert home.database.stat().st_size < 2 * MEBIBYTE


def test_a_line_of_eight_megabytes_is_one_line_and_harms_nobody(run: Run) -> None:
    size = 8_000_000
    command = ("exec", "-q", "--", "sh", "-c", f"head -c {size} /dev/zero | tr '\\0' x; echo; echo next")
    assert run("run", *command).exit_code == 0
    assert show(run, "1")["stdout"]["lines"] == 2
    assert run("execution", "logs", "1", "--tail", "1").stdout == "next\n"
    lines = run("execution", "logs", "1", "-j").stdout.splitlines()
    assert len(lines) == 2
    assert len(lines[0]) > size
    followed = run("execution", "logs", "1", "-f", "-j").stdout.splitlines()
    assert '"line":"next"' in followed[-2]


def test_memory_does_not_grow_with_output(run: Run, tmp_path: Path) -> None:
    """200 MB, written in two halves with a pause at each end: the second half takes no memory."""
    gates = [tmp_path / "middle", tmp_path / "end"]
    for gate in gates:
        os.mkfifo(gate)
    writer = (
        "import sys\n"
        "block = b'0123456789abcde\\n' * 65536\n"
        "for gate in sys.argv[1:]:\n"
        "    for _ in range(100): sys.stdout.buffer.write(block)\n"
        "    sys.stdout.flush()\n"
        "    open(gate).read()\n"
    )
    with Attune("run", "exec", "--no-logs", "--", sys.executable, "-c", writer, *map(str, gates)) as attune:
        sizes: list[int] = []
        for gate in gates:
            descriptor = _open_when_read(gate)
            sizes.append(_resident_bytes(attune.process.pid))
            os.close(descriptor)
        assert attune.end()[0] == 0
    record = show(run, "1")
    assert record["stdout"]["bytes"] + record["stdout"]["dropped_bytes"] == 200 * MEBIBYTE
    assert sizes[1] - sizes[0] < 5 * MEBIBYTE
    assert sizes[1] < 100 * MEBIBYTE


def _open_when_read(gate: Path) -> int:
    """Open a pipe for writing once somebody reads it."""
    opened: list[int] = []

    def try_it() -> bool:
        try:
            opened.append(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    until(try_it, f"a reader of {gate.name}")
    return opened[0]


def _resident_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_each_action_may_have_its_own_cap(run: Run, tmp_path: Path, stream: str) -> None:
    pack = tmp_path / "capped"
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: capped\nversion: 1.0.0\n")
    where = "" if stream == "stdout" else ">&2"
    (pack / "actions" / "say.yaml").write_text(
        f"ref: capped.say\nmax_{stream}_bytes: 1000\nentry_point: seq 5000 {where}\n"
    )
    assert run("pack", "install", str(pack)).exit_code == 0
    assert run("run", "capped.say").exit_code == 0
    kept = show(run, "1")[stream]
    assert kept["truncated"] is True
    assert kept["bytes"] < 1000
