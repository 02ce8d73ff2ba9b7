"""Words and streams at their borders: paths that are no text, durations without end, a stdout that takes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

FULL = "/dev/full"


@pytest.mark.usefixtures("home")
def test_a_command_whose_path_is_no_text_fails_with_its_bytes_shown() -> None:
    command = [sys.executable, "-m", "attune_cli", "run", "exec", "--", b"/nowhere/\xff"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert done.returncode == 1
    assert b"no program '/nowhere/\\udcff' is found" in done.stderr


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "line", [("key", "get"), ("action", "show"), ("execution", "list", "--action"), ("run", "action")]
)
def test_a_word_that_is_no_text_is_bad_input_wherever_it_is_looked_up(line: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "attune_cli", *line, b"core.\xff"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert done.returncode == 2
    assert b"'core.\\udcff' is no UTF-8 text" in done.stderr


@pytest.mark.parametrize("option", ["--in", "--timeout"])
def test_a_duration_longer_than_a_century_is_refused(run: Run, option: str) -> None:
    result = run("run", "core.noop", option, "99999999999d")
    assert result.exit_code == 2
    assert "expected a duration of at most a century" in result.stderr


@pytest.mark.skipif(not os.path.exists(FULL), reason="a device of Linux")  # noqa: PTH110 - a device, not a path of ours
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_full_disk_behind_stdout_leaves_the_run_to_its_end_and_is_told(
    home: Home, process: Run, size: int
) -> None:
    code = f"head -c {size} /dev/zero; sleep 0.1; touch {home.path}/done"
    for command in (["run", "exec", "--", "sh", "-c", code], ["execution", "logs", "@last"]):
        with open(FULL, "w") as full:  # noqa: PTH123 - a device
            done = subprocess.run(
                [sys.executable, "-m", "attune_cli", *command],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                timeout=30,
            )
        assert done.returncode == 6
        assert "the output cannot be written: No space left on device" in done.stderr
    assert (home.path / "done").exists()
    assert process("execution", "show", "@last", "--field", "status").stdout == "completed\n"
