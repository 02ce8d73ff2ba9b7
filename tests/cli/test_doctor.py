from __future__ import annotations

import json
import os
import socketserver
import sqlite3
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.engine.presence import HostLock
from attune_cli.runtime.services import diagnosis
from tests.pack_files import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.config import Home
    from tests.cli.conftest import Run

HINTLESS = {"processes"}
"""Checks of the kernel: no command changes it."""


@pytest.fixture
def full_home(home: Home, run: Run) -> Home:
    assert run("key", "set", "token", "-", input="open-sesame").exit_code == 0
    return home


def checks_of(run: Run, *options: str, only: str = "") -> dict[str, dict[str, Any]]:
    result = run("doctor", *(("--only", only) if only else ()), *options, "-j")
    checks: list[dict[str, Any]] = json.loads(result.stdout)
    assert result.exit_code == int(any(one["status"] == "error" for one in checks))
    for one in checks:
        assert one["kind"] == "check"
        assert one["message"]
        assert one["status"] == "ok" or one["hint"] or one["check"] in HINTLESS
    return {one["check"]: one for one in checks}


def status_of(run: Run, check: str, *options: str) -> str:
    status: str = checks_of(run, *options, only=check)[check]["status"]
    return status


def changed(home: Home, script: str) -> None:
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.executescript(script)


# --- the whole


def test_an_empty_home_is_sound_and_stays_empty(run: Run, home: Home) -> None:
    assert set(checks_of(run)) == set(diagnosis.CHECKS)
    assert not home.path.exists()


def test_a_home_in_use_is_sound(run: Run, full_home: Home) -> None:
    assert full_home.path.exists()
    of_home = ("settings", "home", "secret_key", "database", "guard", "hosts", "log", "clock", "sockets")
    checks = checks_of(run, only=",".join(of_home))
    assert {name: one["status"] for name, one in checks.items()} == dict.fromkeys(of_home, "ok")


def test_people_get_a_line_for_each_check(run: Run) -> None:
    lines = run("doctor", "--only", "disk,log").stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["log", "ok"], ["disk", "ok"]]


def test_a_check_that_there_is_not_is_a_usage_error(run: Run) -> None:
    result = run("doctor", "--only", "databse")
    assert (result.exit_code, "did you mean database?" in result.stderr) == (2, True)


# --- the home


def test_modes_that_let_others_in_are_told_and_mended(run: Run, full_home: Home) -> None:
    full_home.path.chmod(0o755)
    full_home.secret_key.chmod(0o644)
    before = checks_of(run, only="home,secret_key")
    assert (before["home"]["status"], before["secret_key"]["status"]) == ("warning", "error")
    assert checks_of(run, "--fix", "-n", only="home,secret_key") == before
    after = checks_of(run, "--fix", only="home,secret_key")
    assert {one["status"] for one in after.values()} == {"ok"}
    assert full_home.path.stat().st_mode & 0o777 == 0o700
    assert full_home.secret_key.stat().st_mode & 0o777 == 0o600


def test_a_lost_a_foreign_and_a_broken_secret_key_are_told(run: Run, full_home: Home) -> None:
    full_home.secret_key.rename(full_home.path / "kept")
    assert status_of(run, "secret_key") == "error"
    full_home.secret_key.touch(mode=0o600)
    assert status_of(run, "secret_key") == "error"
    full_home.secret_key.write_bytes(bytes(32))
    assert status_of(run, "secret_key") == "error"
    (full_home.path / "kept").replace(full_home.secret_key)
    assert status_of(run, "secret_key") == "ok"


def test_faulty_settings_are_a_check_of_their_own(run: Run) -> None:
    Path("attune.toml").write_text("slots = 'many'\n")
    check = checks_of(run, only="settings")["settings"]
    assert (check["status"], "attune.toml:1" in check["message"]) == ("error", True)


def test_hosts_can_ring_in_a_home_however_deep_it_lies(run: Run, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    assert run("--home", str(deep), "run", "action", "core.noop").exit_code == 0
    check = json.loads(run("--home", str(deep), "doctor", "--only", "sockets", "-j").stdout)[0]
    assert check["status"] == ("ok" if Path("/proc/self/fd").is_dir() else "warning")
    assert list((deep / "hosts").iterdir()) == []


# --- the database


def test_a_damaged_database_is_an_error_and_no_crash(run: Run, full_home: Home) -> None:
    for path in full_home.path.glob("attune.db*"):
        path.unlink()
    full_home.database.write_bytes(b"This is a shopping list.\n" * 200)
    checks = checks_of(run, only="database,guard,hosts,clock,secret_key,log")
    assert {name: one["status"] for name, one in checks.items()} == {
        "secret_key": "ok", "database": "error", "guard": "error", "hosts": "error", "log": "ok", "clock": "error",
    }  # fmt: skip
    assert "attune db restore" in checks["database"]["hint"]


def test_a_missing_trigger_is_told_and_made_again(run: Run, full_home: Home) -> None:
    changed(full_home, "DROP TRIGGER execution_final")
    assert status_of(run, "guard") == "error"
    assert status_of(run, "guard", "--fix") == "ok"
    assert run("key", "list", "-q").stdout == "token\n"


def test_what_cannot_be_mended_now_is_told(run: Run, full_home: Home) -> None:
    changed(full_home, "DROP TRIGGER execution_final")
    lock = HostLock(full_home.hosts, "another")
    result = run("doctor", "--only", "guard", "--fix")
    lock.release()
    assert (result.exit_code, "warning: guard cannot be mended" in result.stderr) == (1, True)


def test_the_database_of_a_newer_attune_is_told_and_left_alone(run: Run, full_home: Home) -> None:
    changed(full_home, "PRAGMA user_version=99")
    check = checks_of(run, "--fix", only="guard")["guard"]
    assert (check["status"], "newer" in check["message"]) == ("error", True)


def test_what_a_dead_host_left_is_told_and_settled(run: Run, full_home: Home) -> None:
    assert run("run", "action", "core.noop", "--detach", "--queue-offline").exit_code == 0
    changed(
        full_home,
        "UPDATE execution SET host = 'gone'; INSERT INTO host VALUES ('gone', 'inline', 1, 'boot', 1)",
    )
    assert status_of(run, "hosts") == "warning"
    assert status_of(run, "hosts", "--fix") == "ok"
    with closing(sqlite3.connect(full_home.database)) as connection:
        assert connection.execute("SELECT count(*) FROM host").fetchone() == (0,)
        assert connection.execute("SELECT host, status FROM execution").fetchone() == (None, "requested")


def test_a_living_host_is_not_taken_for_dead(run: Run, full_home: Home) -> None:
    changed(full_home, "INSERT INTO host VALUES ('here', 'daemon', 1, 'boot', 1)")
    lock = HostLock(full_home.hosts, "here")
    status = status_of(run, "hosts")
    lock.release()
    assert status == "ok"


def test_records_of_the_future_tell_that_the_clock_was_set_back(run: Run, full_home: Home) -> None:
    far = 4_000_000_000 * 1_000_000
    changed(
        full_home,
        "INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)"
        f" VALUES ('a', 'b', 1, '{{}}', {far})",
    )
    check = checks_of(run, only="clock")["clock"]
    assert (check["status"], "in the future" in check["message"]) == ("warning", True)


def test_a_log_that_is_not_emptied_is_told(
    run: Run, full_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "_LARGE_LOG_BYTES", 100_000)
    with closing(sqlite3.connect(full_home.database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM meta").fetchone()
        changed(full_home, "INSERT INTO meta VALUES ('x', hex(zeroblob(200000)))")
        assert status_of(run, "log") == "warning"
        reader.execute("ROLLBACK")
    assert run("db", "vacuum", "-q").exit_code == 0
    assert status_of(run, "log") == "ok"


# --- the machine


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_another_program_of_the_name_is_told(run: Run, bin_folder: Path) -> None:
    assert "no attune on PATH" in checks_of(run, only="command")["command"]["message"]
    put_program(bin_folder / "attune", "#!/usr/bin/python3\nfrom attune_ai.cli import main\nmain()\n")
    check = checks_of(run, only="command")["command"]
    assert (check["status"], "another program" in check["message"]) == ("warning", True)
    assert f"{Path(sys.prefix) / 'bin'}" in check["hint"]


def test_this_attune_is_known_through_a_link_and_another_installation_is_told(
    run: Run, bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "#!/usr/bin/python3\nfrom attune_cli.__main__ import main\nmain()\n"
    put_program(tmp_path / "own" / "bin" / "attune", script)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "own"))
    (bin_folder / "attune").symlink_to(tmp_path / "own" / "bin" / "attune")
    assert status_of(run, "command") == "ok"
    (bin_folder / "attune").unlink()
    put_program(bin_folder / "attune", script)
    check = checks_of(run, only="command")["command"]
    assert (check["status"], "another installation" in check["message"]) == ("warning", True)


@pytest.mark.parametrize(("check", "program"), [("python3", "python3"), ("node", "node"), ("git", "git")])
def test_a_missing_program_is_a_warning_that_says_who_needs_it(
    run: Run, bin_folder: Path, check: str, program: str
) -> None:
    found = checks_of(run, only=check)[check]
    assert (found["status"], program in found["message"]) == ("warning", True)
    assert list(bin_folder.iterdir()) == []


def test_interpreters_are_told_with_their_versions(run: Run, home: Home) -> None:
    message = checks_of(run, only="python3")["python3"]["message"]
    assert message.split()[-1].count(".") == 2
    assert os.access(message.split()[0], os.X_OK)
    assert checks_of(run, only="bash")["bash"]["status"] == "ok"
    assert not home.path.exists()


def test_without_a_docker_engine_only_containers_are_missed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    check = checks_of(run, only="docker")["docker"]
    assert (check["status"], "apt-get install docker.io" in check["hint"]) == ("warning", True)
    assert check["message"] == (
        "no Docker engine answers at unix:///nowhere/docker.sock: only actions in containers need one"
    )


def test_without_a_docker_engine_the_actions_that_need_one_are_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    action = "runner_type: container\nimage: alpine\ncommand: date\n"
    files = {f"actions/a{n}.yaml": f"ref: box.a{n}\n{action}" for n in range(5)}
    write_files(tmp_path / "box", {"pack.yaml": "ref: box\nversion: 1.0.0\n", **files})
    assert run("pack", "install", str(tmp_path / "box")).exit_code == 0
    message = checks_of(run, only="docker")["docker"]["message"]
    assert message.endswith(": box.a0, box.a1, box.a2 and 2 more need one")


class Engine(BaseHTTPRequestHandler):
    """Answers as a Docker engine does when it is asked for its version."""

    def do_GET(self) -> None:
        body = json.dumps({"Version": "99.1.2", "ApiVersion": "1.45", "MinAPIVersion": "1.24"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a client"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture
def docker_engine(tmp_path: Path) -> Iterator[str]:
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "docker.sock"), Engine) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"unix://{tmp_path / 'docker.sock'}"
        server.shutdown()
        thread.join()


def test_a_docker_engine_is_told_with_its_version(
    run: Run, docker_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_engine)
    check = checks_of(run, only="docker")["docker"]
    assert (check["status"], check["message"]) == ("ok", f"Docker engine 99.1.2 at {docker_engine}")


def test_modules_that_are_compiled_at_every_start_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "pycache_prefix", "/nowhere")
    check = checks_of(run, only="bytecode")["bytecode"]
    assert (check["status"], "-m compileall" in check["hint"]) == ("warning", True)
