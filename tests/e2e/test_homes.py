"""Stories of homes that cannot be used as they are: read-only, newer, damaged, full."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.story import show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run


def error(text: str) -> dict[str, object]:
    return json.loads(text.splitlines()[-1])["error"]


@pytest.fixture
def read_only(run: Run, home: Home) -> Iterator[Home]:
    """A home with one execution that cannot be written, even by root."""
    assert run("run", "core.echo", "message=before").exit_code == 0
    path = str(home.path)
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    mounted = (
        subprocess.run(["mount", "--bind", path, path], capture_output=True, check=False).returncode == 0
    )
    if not mounted:
        pytest.skip("this machine does not let us mount")
    subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
    yield home
    subprocess.run(["umount", "--lazy", path], check=True)


def test_a_home_that_cannot_be_written_can_be_read(read_only: Home, run: Run) -> None:
    result = run("run", "core.echo", "message=hi", "-j")
    assert (result.exit_code, result.stdout) == (6, "")
    assert error(result.stderr)["code"] in {"home_read_only", "home_unusable"}
    assert str(read_only.path) in str(error(result.stderr)["message"])
    assert run("execution", "list", "-q").stdout == "1\n"
    assert run("execution", "logs", "1").stdout == "before\n"
    assert run("execution", "show", "1", "--field", "status").stdout == "completed\n"


def test_a_home_that_cannot_be_made_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("--home", str(tmp_path / "file" / "home"), "run", "core.echo", "-j")
    assert (result.exit_code, error(result.stderr)["code"]) == (6, "home_unusable")


def test_reading_commands_create_nothing(run: Run, home: Home) -> None:
    assert run("execution", "list", "-j").stdout == "[]\n"
    assert run("execution", "show", "1").exit_code == 3
    assert not home.path.exists()


def test_a_database_of_a_newer_attune_is_refused_and_left_alone(run: Run, home: Home) -> None:
    run("run", "core.echo")
    with sqlite3.connect(home.database) as connection:
        connection.execute("PRAGMA user_version=999")
    connection.close()
    for command in (("run", "core.echo"), ("execution", "list"), ("execution", "wait", "1")):
        result = run(*command, "-j")
        assert (result.exit_code, error(result.stderr)["code"]) == (6, "database_newer")
    with sqlite3.connect(home.database) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (999,)
    connection.close()


@pytest.mark.parametrize("damage", ["header", "middle", "empty"])
def test_a_damaged_database_says_so_and_what_helps(run: Run, home: Home, damage: str) -> None:
    run("run", "core.echo")
    for name in ("attune.db-wal", "attune.db-shm"):
        (home.path / name).unlink(missing_ok=True)
    content = bytearray(home.database.read_bytes())
    if damage == "empty":
        content = bytearray()
    else:
        start = 0 if damage == "header" else 4096
        content[start : start + 40_000] = os.urandom(40_000)
    home.database.write_bytes(content)
    result = run("run", "core.echo", "-j")
    assert result.exit_code == 6, result.stderr
    told = error(result.stderr)
    assert str(home.database) in str(told["message"])
    assert "attune db" in str(told["hint"])


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_with_logs_fails_the_run_and_spares_the_database(
    run: Run, home: Home, small: Path
) -> None:
    run("run", "core.echo")
    shutil.rmtree(home.runs)
    home.runs.symlink_to(small)
    result = run(
        "run", "exec", "-j", "--no-logs", "--", "sh", "-c", "yes | head -c 8000000; echo end >&2; sleep 60"
    )
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["status"], document["error"]["type"]) == ("failed", "log_failed")
    assert "No space left" in document["error"]["message"]
    assert document["duration_ms"] < 30_000
    assert run("db", "check").exit_code == 0
    for file in small.rglob("*"):
        if file.is_file():
            file.unlink()
    assert run("run", "core.echo", "message=room again", "-r").stdout == "room again\n"


def test_a_disk_without_room_for_the_database_says_so_and_loses_nothing(
    run: Run, small: Path, tmp_path: Path
) -> None:
    where = ("--home", str(small / "home"))
    assert run(*where, "run", "core.echo", "message=first").exit_code == 0
    _fill(small / "filler")
    (tmp_path / "large").write_text("x" * 900_000)
    result = run(*where, "run", "core.echo", f"message=@{tmp_path / 'large'}", "-j")
    assert (result.exit_code, error(result.stderr)["code"]) == (6, "disk_full"), result.stderr
    (small / "filler").unlink()
    assert show(lambda *words: run(*where, *words), "1")["status"] == "completed"
    assert run(*where, "db", "check").exit_code == 0
    third = run(*where, "run", "core.echo", "message=third", "-r")
    assert (third.exit_code, third.stdout) == (0, "third\n")


def _fill(path: Path) -> None:
    """Take all the room there is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)


def test_logs_that_fill_the_disk_of_the_database_fail_the_run_all_the_same(run: Run, small: Path) -> None:
    where = ("--home", str(small / "home"))
    assert run(*where, "run", "core.echo", "message=first").exit_code == 0
    result = run(
        *where, "run", "exec", "-j", "--no-logs", "--", "sh", "-c", "yes | head -c 8000000; sleep 60"
    )
    assert result.exit_code == 1, result.stderr
    document = json.loads(result.stdout)
    assert (document["status"], document["error"]["type"]) == ("failed", "log_failed")
    assert run(*where, "db", "check").exit_code == 0
    assert run(*where, "execution", "list", "-q").stdout == "2\n1\n"
    assert run(*where, "execution", "prune", "--older-than", "1ms", "-y").exit_code == 0
    assert run(*where, "run", "core.echo", "message=room again", "-r").stdout == "room again\n"
