from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.engine.presence import HostLock
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.store.database import SCHEMA_VERSION
from tests.cli.conftest import DEADLINE_SECONDS
from tests.contract.rows import add_execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from attune_cli.config import Home
    from tests.cli.conftest import Run


@pytest.fixture
def full_home(home: Home, run: Run) -> Home:
    """A home in which something was kept and something ran."""
    assert run("key", "set", "token", "-", input="open-sesame").exit_code == 0
    assert run("run", "action", "core.echo", "message=hi", "-qq").exit_code == 0
    return home


def record_of(run: Run, *arguments: str) -> Any:
    result = run(*arguments, "-j")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def changed(home: Home, script: str) -> None:
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.executescript(script)


def statuses(home: Home) -> dict[int, str]:
    with closing(sqlite3.connect(home.database)) as connection:
        return dict(connection.execute("SELECT id, status FROM execution ORDER BY id").fetchall())


def meta(home: Home) -> dict[str, str]:
    with closing(sqlite3.connect(home.database)) as connection:
        return dict(connection.execute("SELECT name, value FROM meta").fetchall())


def dump_of(home: Home) -> list[str]:
    with closing(sqlite3.connect(home.database)) as connection:
        return [*connection.iterdump(), str(connection.execute("PRAGMA user_version").fetchone())]


# --- damage, as disks and people do it


def without_header(data: bytearray) -> None:
    data[:100] = b"\x00" * 100


def other_file(data: bytearray) -> None:
    data[:] = b"This is a shopping list.\n" * 50


def torn_schema(data: bytearray) -> None:
    data[100:4096] = b"\xee" * 3996


def torn_pages(data: bytearray) -> None:
    data[8192 : len(data) // 2] = b"\xff" * (len(data) // 2 - 8192)


def cut(data: bytearray) -> None:
    del data[len(data) // 2 :]


DAMAGES = [without_header, other_file, torn_schema, torn_pages, cut]


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.__name__)
def damaged_home(request: pytest.FixtureRequest, full_home: Home, run: Run) -> Home:
    """A home whose database was damaged after it was backed up to backup.db."""
    assert run("db", "backup", "backup.db").exit_code == 0
    changed(full_home, "PRAGMA wal_checkpoint(TRUNCATE)")
    damage: Callable[[bytearray], None] = request.param
    data = bytearray(full_home.database.read_bytes())
    damage(data)
    full_home.database.write_bytes(data)
    return full_home


@pytest.mark.parametrize(
    "command",
    [
        ("execution", "list"),
        ("key", "list"),
        ("key", "set", "a", "-"),
        ("run", "action", "core.noop"),
        ("db", "vacuum"),
        ("db", "backup", "copy.db"),
        ("db", "query", "SELECT count(*) FROM execution, notification, action"),
    ],
    ids=" ".join,
)
def test_a_damaged_database_is_told_with_the_commands_that_help(
    run: Run, damaged_home: Home, command: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    result = run(*command, input="x")
    if result.exit_code == 0 and "torn_pages" in request.node.name:
        pytest.skip("this command needs none of the torn pages")
    assert (result.exit_code, result.stdout) == (6, "")
    assert str(damaged_home.database) in result.stderr
    assert "attune db check" in result.stderr
    assert not Path("copy.db").exists()


def test_check_finds_the_damage_and_names_the_way_back(run: Run, damaged_home: Home) -> None:
    result = run("db", "check", "-j")
    checks = json.loads(result.stdout)
    assert result.exit_code == 1
    assert damaged_home.database.exists()
    bad = [one for one in checks if one["status"] == "error"]
    assert bad
    assert all(one["message"] and "attune db restore" in one["hint"] for one in bad)


def test_restore_brings_a_damaged_database_back_and_keeps_the_damaged_one(
    run: Run, damaged_home: Home
) -> None:
    ruins = damaged_home.database.read_bytes()
    record = record_of(run, "db", "restore", "backup.db", "--yes")
    assert run("key", "get", "token").stdout == "open-sesame\n"
    assert run("db", "check", "-qq").exit_code == 0
    assert run("run", "action", "core.echo", "message=again", "-r").stdout == "again\n"
    # Its header may say that it is a copy; the content is that of the ruins.
    assert Path(record["kept"]).read_bytes()[100:] == ruins[100:]
    assert record["kept_runs"] is None


# --- a database that cannot be used


def test_the_database_of_a_newer_attune_is_refused_and_left_alone(run: Run, full_home: Home) -> None:
    changed(full_home, f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    before = dump_of(full_home)
    for command in (("execution", "list"), ("run", "action", "core.noop"), ("db", "migrate")):
        result = run(*command)
        assert (result.exit_code, "written by a newer attune" in result.stderr) == (6, True), command
    assert run("db", "check").exit_code == 1
    assert record_of(run, "db", "info")["schema_version"] == SCHEMA_VERSION + 1
    assert run("db", "backup", "newer.db").exit_code == 0
    assert run("db", "restore", "newer.db", "--yes").exit_code == 6
    assert dump_of(full_home) == before


def test_a_database_without_its_guard_is_refused_until_it_is_migrated(run: Run, full_home: Home) -> None:
    changed(full_home, "DROP TRIGGER execution_guard")
    refused = run("execution", "list")
    assert (refused.exit_code, "attune db migrate" in refused.stderr) == (6, True)
    assert run("db", "check").exit_code == 1
    planned = record_of(run, "db", "migrate", "-n")
    assert (planned["needed"], planned["guarded"], run("execution", "list").exit_code) == (True, False, 6)
    assert record_of(run, "db", "migrate")["needed"]
    assert record_of(run, "db", "migrate")["needed"] is False
    assert run("execution", "list", "-q").stdout == "1\n"
    with pytest.raises(sqlite3.IntegrityError):
        changed(full_home, "UPDATE execution SET status = 'running'")


def test_nothing_is_migrated_while_another_attune_is_at_work(run: Run, full_home: Home) -> None:
    changed(full_home, "DROP TRIGGER execution_guard")
    lock = HostLock(full_home.hosts, "another")
    result = run("db", "migrate")
    assert (result.exit_code, "another attune is using it" in result.stderr) == (6, True)
    assert run("execution", "list").exit_code == 6
    lock.release()
    assert run("db", "migrate").exit_code == 0


def test_a_database_of_something_else_is_refused(run: Run, full_home: Home) -> None:
    for path in full_home.path.glob("attune.db*"):
        path.unlink()
    changed(full_home, "CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
    result = run("execution", "list")
    assert (result.exit_code, "no database of attune" in result.stderr) == (6, True)
    assert run("db", "check").exit_code == 1


def test_an_empty_file_is_refused(run: Run, full_home: Home) -> None:
    for path in full_home.path.glob("attune.db*"):
        path.unlink()
    full_home.database.touch()
    assert run("execution", "list").exit_code == 6
    assert run("db", "check").exit_code == 1


@pytest.fixture
def read_only_home(full_home: Home) -> Iterator[Home]:
    modes = {path: path.stat().st_mode for path in (full_home.path, *full_home.path.rglob("*"))}
    for path in modes:
        path.chmod(0o500 if path.is_dir() else 0o400)
    yield full_home
    for path, mode in modes.items():
        if path.exists():  # the log is gone when the last connection is closed
            path.chmod(mode)


def as_an_ordinary_user(arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Call attune as somebody to whom file modes mean something, which they do not to root."""
    command = [sys.executable, "-m", "attune_cli", *arguments]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv")
        command = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search", *command]
    return subprocess.run(
        command, input="x", capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )


@pytest.mark.parametrize(
    "command", [("execution", "list", "-q"), ("db", "check", "-qq"), ("key", "get", "token")]
)
def test_a_read_only_home_can_be_read(read_only_home: Home, command: tuple[str, ...]) -> None:
    assert read_only_home.database.exists()
    result = as_an_ordinary_user(command)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    "command", [("run", "action", "core.noop"), ("key", "set", "a", "-"), ("db", "vacuum")]
)
def test_what_would_write_to_a_read_only_home_is_refused(
    read_only_home: Home, command: tuple[str, ...]
) -> None:
    result = as_an_ordinary_user(command)
    assert (result.returncode, result.stdout) == (6, ""), result.stderr
    assert str(read_only_home.path) in result.stderr
    assert "attune --home DIR" in result.stderr


def test_a_database_that_stays_busy_is_told_and_another_try_may_help(
    run: Run, full_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_BUSY_TIMEOUT_SECONDS", "100ms")
    with closing(sqlite3.connect(full_home.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        result = run("key", "set", "a", "-", "-j", input="x")
        writer.execute("ROLLBACK")
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert (result.exit_code, error["code"], error["retryable"]) == (6, "database_busy", True)
    assert run("key", "set", "a", "-", input="x").exit_code == 0


def test_a_home_that_cannot_be_made_is_refused(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path / "file" / "home"))
    result = run("key", "set", "a", "-", input="x")
    assert (result.exit_code, "attune --home DIR" in result.stderr) == (6, True)


# --- looking


def test_path_is_told_without_making_anything(run: Run, home: Home) -> None:
    assert run("db", "path").stdout == f"{home.database}\n"
    assert record_of(run, "db", "path") == {"kind": "file", "path": str(home.database)}
    assert not home.path.exists()


@pytest.mark.parametrize(
    "command", [("info",), ("check",), ("vacuum",), ("migrate",), ("query", "SELECT 1"), ("backup", "x.db")]
)
def test_where_there_is_no_database_none_is_made(run: Run, home: Home, command: tuple[str, ...]) -> None:
    assert run("db", *command).exit_code == 3
    assert not home.path.exists()
    assert list(Path().iterdir()) == []


def test_info_counts_what_is_there(run: Run, full_home: Home) -> None:
    record = record_of(run, "db", "info")
    assert (record["kind"], record["path"]) == ("database", str(full_home.database))
    assert record["schema_version"] == record["newest_schema_version"] == SCHEMA_VERSION
    assert len(bytes.fromhex(record["home_id"])) == 16
    assert record["file_bytes"] == record["pages"] * record["page_bytes"]
    counts: Mapping[str, int] = record["counts"]
    assert (counts["pack"], counts["key"], counts["execution"], counts["host"]) == (1, 1, 1, 0)


def test_check_of_a_whole_database_finds_nothing(run: Run, full_home: Home) -> None:
    checks = record_of(run, "db", "check")
    assert {one["check"]: one["status"] for one in checks} == dict.fromkeys(
        ("integrity", "references", "guard", "packs", "runs"), "ok"
    )
    assert full_home.database.exists()


def test_check_finds_rows_that_refer_to_nothing(run: Run, full_home: Home) -> None:
    changed(full_home, "PRAGMA foreign_keys=OFF; DELETE FROM pack")
    result = run("db", "check")
    assert (result.exit_code, "row 1 of action refers to no pack" in result.stdout) == (1, True)


def test_check_names_folders_of_runs_that_nobody_knows(run: Run, full_home: Home) -> None:
    (full_home.runs / "77").mkdir()
    result = run("db", "check", "-j")
    found = {one["check"]: one for one in json.loads(result.stdout)}["runs"]
    assert (result.exit_code, found["status"]) == (0, "warning")
    assert found["hint"] == f"rm -r {full_home.runs / '77'}"


def test_check_names_packs_whose_files_are_gone(run: Run, full_home: Home) -> None:
    shutil.rmtree(full_home.packs / "core")
    result = run("db", "check")
    assert (result.exit_code, "the files of core are gone" in result.stdout) == (1, True)


# --- query


def test_query_prints_rows_in_every_form(run: Run, full_home: Home) -> None:
    assert full_home.database.exists()
    ask = ("db", "query", "SELECT id, action_ref, status AS now FROM execution")
    assert run(*ask).stdout == "1\tcore.echo\tcompleted\n"
    assert record_of(run, *ask) == [{"id": 1, "action_ref": "core.echo", "now": "completed"}]
    assert run(*ask, "--csv").stdout == "id,action_ref,now\n1,core.echo,completed\n"
    assert run("db", "query", "SELECT action_ref, 1 AS one FROM execution", "-r").stdout == "core.echo\n1\n"
    assert run("db", "query", "-", input="SELECT 7 AS seven").stdout == "7\n"


def test_query_takes_values_by_name(run: Run, full_home: Home) -> None:
    assert full_home.database.exists()
    ask = (
        "db",
        "query",
        "SELECT typeof(:a) AS a, typeof(:b) AS b, :a AS text",
        "-P",
        "a=1.10",
        "-P",
        "b:=3",
        "-j",
    )
    assert json.loads(run(*ask).stdout) == [{"a": "text", "b": "integer", "text": "1.10"}]
    missing = run("db", "query", "SELECT :who AS who")
    assert (missing.exit_code, "-P NAME=VALUE" in missing.stderr) == (2, True)
    for fault in ("a", "=1", "a:=[1]", "a:=x"):
        assert run("db", "query", "SELECT 1", "-P", fault).exit_code == 2


def test_columns_of_one_name_and_bytes_can_be_told_apart(run: Run, full_home: Home) -> None:
    assert full_home.database.exists()
    assert record_of(run, "db", "query", "SELECT 1 AS a, 2 AS a, 3 AS a_2, x'00ff' AS b") == [
        {"a": 1, "a_2": 2, "a_2_2": 3, "b": "X'00ff'"}
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM execution_history",
        "INSERT INTO meta VALUES ('a', 'b')",
        "DROP TABLE key",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "PRAGMA user_version=9",
        "PRAGMA journal_mode=DELETE",
        "PRAGMA query_only=OFF",
        "PRAGMA writable_schema=ON",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'other.db'",
        "VACUUM",
        "SELECT 1; DELETE FROM meta",
    ],
)
def test_a_query_that_would_do_more_than_read_is_refused(run: Run, full_home: Home, statement: str) -> None:
    before = meta(full_home)
    result = run("db", "query", statement)
    assert (result.exit_code, result.stdout) == (2, "")
    assert (meta(full_home), list(Path().iterdir())) == (before, [])
    assert run("db", "check", "-qq").exit_code == 0


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT * FROM nowhere", "", "-- nothing", "SELECT \udcff"])
def test_a_query_that_means_nothing_is_a_usage_error(run: Run, full_home: Home, statement: str) -> None:
    assert full_home.database.exists()
    assert run("db", "query", statement).exit_code == 2


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM json_each('[1,2]')", "PRAGMA table_info(meta)", "EXPLAIN SELECT 1"]
)
def test_whatever_reads_may_be_asked(run: Run, full_home: Home, statement: str) -> None:
    assert full_home.database.exists()
    assert len(record_of(run, "db", "query", statement)) > 1


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def has_open(pid: int, path: Path) -> bool:
    with suppress(FileNotFoundError):  # closed meanwhile
        return str(path) in {str(entry.resolve()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    return False


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="it is seen from /proc when the query runs")
def test_an_endless_query_can_be_interrupted(full_home: Home) -> None:
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    child = subprocess.Popen(
        [sys.executable, "-m", "attune_cli", "db", "query", endless],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite in the background of a shell would hand its ignored SIGINT down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one call, no lock
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not has_open(child.pid, full_home.database):
            assert time.monotonic() < deadline
        begun = cpu_ticks(child.pid)
        while cpu_ticks(child.pid) < begun + 20:
            assert time.monotonic() < deadline
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=DEADLINE_SECONDS)
    finally:
        child.kill()
        child.communicate()
    assert (child.returncode, said) == (130, "error: interrupted\n")


# --- backup


def test_a_backup_is_one_whole_file_that_only_its_owner_may_read(run: Run, full_home: Home) -> None:
    result = run("db", "backup", "copy.db")
    assert (result.exit_code, result.stdout) == (0, "copy.db\n")
    assert [path.name for path in Path().iterdir()] == ["copy.db"]
    assert Path("copy.db").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect("file:copy.db?immutable=1", uri=True)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT status FROM execution").fetchall() == [("completed",)]
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert full_home.database.exists()


def test_a_backup_holds_what_is_committed_while_another_writes(run: Run, full_home: Home) -> None:
    with closing(sqlite3.connect(full_home.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO meta VALUES ('half', 'done')")
        assert run("db", "backup", "copy.db").exit_code == 0
        writer.execute("COMMIT")
    with closing(sqlite3.connect("copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM meta WHERE name = 'half'").fetchone() == (0,)


def test_a_backup_can_be_streamed(full_home: Home) -> None:
    command = [sys.executable, "-m", "attune_cli", "db", "backup", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=DEADLINE_SECONDS)
    Path("copy.db").write_bytes(done.stdout)
    with closing(sqlite3.connect("copy.db")) as copy:
        assert copy.execute("SELECT status FROM execution").fetchall() == [("completed",)]
    assert full_home.database.exists()


def test_a_backup_replaces_no_file_unless_it_is_told_to(run: Run, full_home: Home) -> None:
    Path("copy.db").write_text("mine")
    assert (run("db", "backup", "copy.db").exit_code, Path("copy.db").read_text()) == (5, "mine")
    assert run("db", "backup", "copy.db", "--overwrite").exit_code == 0
    assert run("db", "backup", str(full_home.database), "--overwrite").exit_code == 2
    assert run("db", "backup", ".").exit_code == 2
    assert run("db", "backup", "nowhere/copy.db").exit_code == 6
    assert run("db", "backup", "dry.db", "-n").exit_code == 0
    assert [path.name for path in Path().iterdir()] == ["copy.db"]


# --- restore


def test_a_restored_database_is_as_it_was_and_a_home_of_its_own(run: Run, full_home: Home) -> None:
    before = meta(full_home)["home_id"]
    run("db", "backup", "backup.db")
    run("key", "delete", "token", "--yes")
    record = record_of(run, "db", "restore", "backup.db", "--yes")
    assert run("key", "get", "token").stdout == "open-sesame\n"
    assert meta(full_home)["home_id"] != before
    assert run("execution", "logs", "1").stdout == "hi\n"
    with closing(sqlite3.connect(record["kept"])) as kept:
        assert kept.execute("SELECT count(*) FROM key").fetchone() == (0,)
    assert record["abandoned"] == 0
    assert list(full_home.path.glob("*.draft*")) == []
    assert [path.name for path in Path().iterdir()] == ["backup.db"]


def test_what_a_backup_holds_as_unfinished_is_abandoned(run: Run, full_home: Home) -> None:
    with closing(sqlite3.connect(full_home.database, isolation_level=None)) as connection:
        for status in (Status.REQUESTED, Status.SCHEDULED, Status.RUNNING, Status.CANCELING):
            add_execution(connection, status, host="gone")
        connection.execute("INSERT INTO host VALUES ('gone', 'daemon', 1, 'boot', 1)")
    run("db", "backup", "backup.db")
    record = record_of(run, "db", "restore", "backup.db", "--yes")
    assert record["abandoned"] == 4
    assert list(statuses(full_home).values()) == [
        "completed", "abandoned", "abandoned", "abandoned", "cancelled",
    ]  # fmt: skip
    shown = record_of(run, "execution", "show", "4")
    assert shown["error"]["type"] == "abandoned"
    assert "restored from a backup" in shown["error"]["message"]
    assert shown["finished_at"] is not None
    assert record_of(run, "db", "info")["counts"]["host"] == 0


def test_logs_of_runs_that_the_backup_does_not_know_are_set_aside(run: Run, full_home: Home) -> None:
    run("db", "backup", "backup.db")
    run("run", "action", "core.echo", "message=later", "-qq")
    record = record_of(run, "db", "restore", "backup.db", "--yes")
    assert [path.name for path in Path(record["kept_runs"]).iterdir()] == ["2"]
    run("run", "action", "core.echo", "message=other", "-qq")
    assert run("execution", "logs", "1").stdout == "hi\n"
    assert run("execution", "logs", "2").stdout == "other\n"
    assert (full_home.runs / "2").is_dir()


def test_logs_of_another_home_are_never_taken_for_those_of_the_backup(
    run: Run, full_home: Home, tmp_path: Path
) -> None:
    run("db", "backup", "backup.db")
    other = tmp_path / "other"
    assert run("--home", str(other), "run", "action", "core.echo", "message=theirs", "-qq").exit_code == 0
    record = record_of(run, "--home", str(other), "db", "restore", "backup.db", "--yes")
    assert [path.name for path in Path(record["kept_runs"]).iterdir()] == ["1"]
    assert not (other / "runs" / "1").exists()
    assert full_home.database.exists()


def test_restore_waits_for_no_one_and_changes_nothing_while_the_home_is_in_use(
    run: Run, full_home: Home
) -> None:
    run("db", "backup", "backup.db")
    before = meta(full_home)
    lock = HostLock(full_home.hosts, "another")
    result = run("db", "restore", "backup.db", "--yes")
    lock.release()
    assert (result.exit_code, "in use" in result.stderr) == (5, True)
    assert meta(full_home) == before
    assert list(full_home.path.glob("*.old-*")) == []


def test_restore_asks_first(run: Run, full_home: Home) -> None:
    run("db", "backup", "backup.db")
    before = meta(full_home)
    assert run("db", "restore", "backup.db").exit_code == 2
    assert run("db", "restore", "backup.db", "--dry-run").exit_code == 0
    assert meta(full_home) == before


def test_a_reader_that_has_the_file_open_sees_the_restored_content(run: Run, full_home: Home) -> None:
    run("db", "backup", "backup.db")
    run("key", "delete", "token", "--yes")
    with closing(sqlite3.connect(full_home.database, isolation_level=None)) as reader:
        assert reader.execute("SELECT count(*) FROM key").fetchone() == (0,)
        assert run("db", "restore", "backup.db", "--yes").exit_code == 0
        assert reader.execute("SELECT count(*) FROM key").fetchone() == (1,)
        reader.execute("INSERT INTO meta VALUES ('from', 'reader')")
    assert meta(full_home)["from"] == "reader"
    assert run("db", "check", "-qq").exit_code == 0


def test_a_backup_can_be_restored_where_there_is_no_home_yet(
    run: Run, full_home: Home, tmp_path: Path
) -> None:
    run("db", "backup", "backup.db")
    other = str(tmp_path / "other")
    assert run("--home", other, "db", "restore", "backup.db").exit_code == 0
    assert run("--home", other, "execution", "list", "-q").stdout == "1\n"
    sealed = run("--home", other, "key", "get", "token")
    assert (sealed.exit_code, "secret.key" in sealed.stderr) == (6, True)
    shutil.copy(full_home.secret_key, other)
    assert run("--home", other, "key", "get", "token").stdout == "open-sesame\n"


@pytest.mark.parametrize("content", [b"", b"shopping list\n" * 400], ids=["empty", "text"])
def test_what_is_no_backup_is_refused_and_changes_nothing(run: Run, full_home: Home, content: bytes) -> None:
    before = dump_of(full_home)
    Path("backup.db").write_bytes(content)
    assert run("db", "restore", "backup.db", "--yes").exit_code == 2
    assert run("db", "restore", "nowhere.db", "--yes").exit_code == 3
    with closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
    refused = run("db", "restore", "other.db", "--yes")
    assert (refused.exit_code, "no database of attune" in refused.stderr) == (2, True)
    assert dump_of(full_home) == before


@pytest.mark.parametrize("damage", [torn_schema, torn_pages, cut])
def test_a_damaged_backup_is_refused(run: Run, full_home: Home, damage: Callable[[bytearray], None]) -> None:
    run("db", "backup", "backup.db")
    data = bytearray(Path("backup.db").read_bytes())
    damage(data)
    Path("backup.db").write_bytes(data)
    before = meta(full_home)
    assert run("db", "restore", "backup.db", "--yes").exit_code in {2, 6}
    assert meta(full_home) == before


# --- a copied home


def test_a_copied_home_becomes_its_own_and_leaves_the_runs_of_the_original_alone(
    run: Run, full_home: Home, tmp_path: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "attune_cli", "run", "action", "core.sleep", "seconds:=60", "-q"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not any("leader " in path.read_text() for path in full_home.hosts.glob("*.journal")):
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
        copy = tmp_path / "copy"
        shutil.copytree(full_home.path, copy, ignore=shutil.ignore_patterns("*.sock"))
        assert run("--home", str(copy), "execution", "list", "-q").stdout == "2\n1\n"
        shown = json.loads(run("--home", str(copy), "execution", "show", "2", "-j").stdout)
        assert (shown["status"], shown["error"]["type"]) == ("abandoned", "abandoned")
        assert "copied" in shown["error"]["message"]
        assert (statuses(full_home)[2], child.poll()) == ("running", None)
        ids = {
            json.loads(run("--home", str(where), "db", "info", "-j").stdout)["home_id"]
            for where in (copy, full_home.path)
        }
        assert len(ids) == 2
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=DEADLINE_SECONDS)
    assert (child.returncode, statuses(full_home)[2]) == (130, "cancelled")


def test_a_moved_home_stays_itself(run: Run, full_home: Home, tmp_path: Path) -> None:
    with closing(sqlite3.connect(full_home.database, isolation_level=None)) as connection:
        add_execution(connection, Status.REQUESTED)
    before = meta(full_home)
    full_home.path.rename(tmp_path / "moved")
    assert (
        run("--home", str(tmp_path / "moved"), "execution", "list", "-s", "requested", "-q").stdout == "2\n"
    )
    with closing(sqlite3.connect(tmp_path / "moved" / "attune.db")) as connection:
        assert dict(connection.execute("SELECT name, value FROM meta").fetchall()) == before


# --- vacuum


@pytest.mark.parametrize("full", [(), ("--full",)], ids=["incremental", "full"])
def test_vacuum_gives_room_back_and_empties_the_log(run: Run, full_home: Home, full: tuple[str, ...]) -> None:
    changed(
        full_home,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        " INSERT INTO meta SELECT i, hex(zeroblob(500)) FROM n; DELETE FROM meta WHERE name > '0' AND name < 'a';",
    )
    assert record_of(run, "db", "info")["free_pages"] > 400
    assert run("db", "vacuum", *full, "-n").exit_code == 0
    assert record_of(run, "db", "info")["free_pages"] > 400
    record = record_of(run, "db", "vacuum", *full)
    after = record_of(run, "db", "info")
    assert (after["free_pages"], after["log_bytes"]) == (0, 0)
    assert record["bytes_before"] - record["bytes_after"] > 400 * 4096
    assert run("key", "get", "token").stdout == "open-sesame\n"
