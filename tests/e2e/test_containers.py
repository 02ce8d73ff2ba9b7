"""Stories of actions in containers of the real Docker engine (left out, and said so, where none answers)."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docker_engine import containers_of, docker, image
from tests.docs.pages import DOCS, File, steps
from tests.e2e.container_story import home_id, install, said
from tests.e2e.daemon_story import serving
from tests.e2e.story import Attune, show, until
from tests.pack_files import write_files

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("no_container_is_left")

MEBIBYTE = 1024 * 1024

LOOK = """\
import json, os, socket, sys
def can(path):
    try:
        open(path, "a").close()
    except OSError:
        return False
    return True
print(json.dumps({
    "given": json.load(sys.stdin), "user": os.getuid(), "folder": os.getcwd(), "environment": dict(os.environ),
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "networks": [name for _, name in socket.if_nameindex()],
    "namespace": os.readlink("/proc/self/ns/net"),
    "hosts": {socket.gethostbyname("localhost"), open("/etc/hosts").read().split()[0]} == {"127.0.0.1"},
    "root": sorted(os.listdir("/")), "left": os.listdir("/tmp"),
    "writable": [path for path in ("/x", "/pack/x", "/etc/x", "/tmp/x") if can(path)],
}))
"""


# --- the four scenarios


def test_a_python_action_runs_in_a_container_and_is_recorded(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path / "box", {"actions/it.py": "print('[1, 2]')\n"})
    install(run, tmp_path, entry_point="it.py", output_format="json")
    done = run("run", "action", "box.it", "-r")
    assert (done.exit_code, done.stdout) == (0, "[1,2]\n"), done.stderr
    record = show(run, "1")
    assert record["result"]["data"] == [1, 2]
    assert record["result"]["image"] == image()
    assert record["result"]["image_id"] == docker("inspect", "--format", "{{.Id}}", image())
    assert run("execution", "logs", "1").stdout == "[1, 2]\n"


def test_parameters_arrive_on_stdin_and_nothing_of_the_machine_is_seen(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_MACHINE", "yes")
    write_files(tmp_path / "box", {"actions/it.py": LOOK})
    install(run, tmp_path, entry_point="it.py", output_format="json", parameters={"name": {"type": "string"}})
    for _ in range(2):  # what the first one writes is not there in the second
        done = run("run", "action", "box.it", "name=Ada Ü", "-r")
        assert done.exit_code == 0, done.stderr
        seen = json.loads(done.stdout)
        assert seen["given"] == {"name": "Ada Ü"}
        assert (seen["user"], seen["folder"], seen["networks"]) == (65534, "/pack", ["lo"])
        assert seen["hosts"]
        assert seen["namespace"] != str(Path("/proc/self/ns/net").readlink())
        assert (seen["writable"], seen["left"]) == (["/tmp/x"], [])
        assert seen["processes"] <= 2
        assert "OF_THIS_MACHINE" not in seen["environment"]
        assert not {"ATTUNE_HOME", "ATTUNE_API_TOKEN"} & set(seen["environment"])
        assert not {"home", "work", "var"} & set(seen["root"])


def test_a_failing_action_leaves_its_exit_code_its_stderr_and_no_container(
    run: Run, home: Home, tmp_path: Path
) -> None:
    install(run, tmp_path, "echo why >&2; exit 3")
    done = run("run", "action", "box.it", "--propagate-exit-code")
    assert (done.exit_code, "why" in done.stderr) == (3, True)
    assert containers_of(home_id(home)) == []
    assert show(run, "1")["error"] == {"type": "exit", "message": "why"}


# --- the command line


def test_any_action_runs_in_a_container_when_an_image_is_named(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path / "box", {"actions/it.py": LOOK})
    install(run, tmp_path, entry_point="it.py", runner_type="python", image=None, output_format="json")
    done = run("run", "action", "box.it", "--image", image(), "-r")
    assert json.loads(done.stdout)["folder"] == "/pack", done.stderr
    echo = run("run", "action", "core.echo", "message=hi", "--image", image())
    assert (echo.exit_code, echo.stdout) == (0, "hi\n"), echo.stderr
    assert show(run, "2")["timeout_seconds"] == 300
    refused = run("run", "action", "core.http_request", "url=http://x", "--image", image())
    assert (refused.exit_code, "cannot run in a container" in refused.stderr) == (2, True)
    faulty = run("run", "action", "core.echo", "message=hi", "--image", "No Such!")
    assert (faulty.exit_code, "is no name of an image" in faulty.stderr) == (2, True)


def test_a_command_line_runs_in_a_container_with_nothing_of_the_caller(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_MACHINE", "yes")
    done = run("run", "exec", "--image", image(), "--env", "GIVEN=1", "--", "sh", "-c", "env; id -u; exit 7")
    assert done.exit_code == 1
    assert {"GIVEN=1", "65534"} <= set(done.stdout.split())
    assert "OF_THIS_MACHINE" not in done.stdout
    assert show(run, "1")["exit_code"] == 7
    assert run("run", "exec", "--image", image(), "--propagate-exit-code", "--", "false").exit_code == 1


def test_the_example_of_the_how_to_does_what_the_page_says(run: Run, tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "containers.md").read_text()
    files = [step for step in steps(page) if isinstance(step, File) and "greedy" not in step.path]
    write_files(tmp_path, {one.path: one.text.replace("python:3.12-slim", image()) for one in files})
    assert run("pack", "install", str(tmp_path / "sealed")).exit_code == 0
    done = run("run", "action", "sealed.count", "text=two words", "-r")
    assert (done.stdout, done.exit_code) == ('{"words":2}\n', 0), done.stderr
    assert 'words":2}' in page


# --- the server

ASK = """\
[ -n "$ATTUNE_API_URL" ] || exit 0
wget -qO- --header "Authorization: Bearer $ATTUNE_API_TOKEN" "$ATTUNE_API_URL/auth/me"
"""


def test_the_server_is_reached_from_a_network_at_whose_gateway_it_listens(
    run: Run, home: Home, tmp_path: Path
) -> None:
    install(run, tmp_path, ASK, network="bridge")
    with serving(home, "--host", "0.0.0.0"):
        done = run("run", "action", "box.it")
        assert json.loads(done.stdout)["data"]["login"] == "execution:1", done.stderr
        assert "warning" not in show(run, "1")["result"]


def test_where_the_server_is_not_reached_its_variables_are_not_set_and_the_record_says_why(
    run: Run, home: Home, tmp_path: Path
) -> None:
    install(run, tmp_path, ASK, network="bridge")
    with serving(home):
        assert run("run", "action", "box.it").stdout == ""
        warning = show(run, "1")["result"]["warning"]
        assert warning.startswith(
            "ATTUNE_API_URL is not set: from network 'bridge' nothing reaches the server"
        )
        assert "attune serve --host 172." in warning
        install(run, tmp_path, ASK)
        assert run("run", "action", "box.it").stdout == ""
        assert "warning" not in show(run, "2")["result"]


# --- output


def test_five_megabytes_arrive_whole_and_fifty_are_cut(run: Run, home: Home, tmp_path: Path) -> None:
    script = "read n; head -c ${n#*:} /dev/zero | tr '\\0' x"
    install(
        run,
        tmp_path,
        script.replace("${n#*:}", "$(echo $n | tr -dc 0-9)"),
        parameters={"n": {"type": "integer"}},
    )
    assert run("run", "action", "box.it", f"n={5 * MEBIBYTE}", "-q").exit_code == 0
    assert (home.runs / "1" / "stdout").stat().st_size == 5 * MEBIBYTE
    assert run("run", "action", "box.it", f"n={50 * MEBIBYTE}", "-q").exit_code == 0
    assert (home.runs / "2" / "stdout").stat().st_size <= 10 * MEBIBYTE
    record = show(run, "2")
    assert record["stdout"]["bytes"] + record["stdout"]["dropped_bytes"] == 50 * MEBIBYTE


def test_ten_thousand_lines_arrive_in_order(run: Run, home: Home, tmp_path: Path) -> None:
    install(run, tmp_path, "seq 10000")
    assert run("run", "action", "box.it", "-q").exit_code == 0
    assert (home.runs / "1" / "stdout").read_text().split() == [str(n) for n in range(1, 10001)]


# --- ends of their own kind

FORK = """exec python3 -c 'import os, time; [os.fork() or time.sleep(60) for _ in range(40)]'"""
"""Each child only sleeps, so that it is the first process that is refused."""

FILL = """exec python3 -c 'open("/tmp/x", "wb").write(bytes(9999999))'"""


def test_an_interrupted_container_that_ignores_term_is_killed(run: Run, home: Home, tmp_path: Path) -> None:
    install(run, tmp_path, "trap '' TERM; echo begun; while :; do sleep 0.1; done")
    run("config", "set", "grace_seconds", "0.5")
    with Attune("run", "action", "box.it") as command:
        until(lambda: "begun" in said(home, 1), "a container that runs")
        command.signal(signal.SIGINT)
        assert command.end()[0] == 130
    assert show(run, "1")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("script", "keys", "error", "message"),
    [
        ("exec python3 -c 'x = bytearray(1 << 28)'", {"memory": "64MiB"}, "out_of_memory", "ran out of memory"),
        (FORK, {"pids": 20}, "exit", "Resource temporarily"),
        (FILL, {"tmpfs": {"/tmp": "1MiB"}}, "exit", "No space left on device"),
        ("echo x >/x", {}, "exit", "Read-only file system"),
        ("", {"command": ["nosuch"]}, "not_started", "nosuch"),
        ("", {"image": "nosuch-image:1", "pull": "never", "command": "true"}, "image_not_found", "nosuch-image:1"),
    ],
    ids=["memory", "forks", "disk", "root", "command", "image"],
)  # fmt: skip
def test_what_a_container_runs_into_is_said(
    run: Run, tmp_path: Path, script: str, keys: dict[str, Any], error: str, message: str
) -> None:
    install(run, tmp_path, script, **keys)
    done = run("run", "action", "box.it")
    assert done.exit_code == 1
    record = show(run, "1")
    assert record["error"]["type"] == error
    assert message in record["error"]["message"] + done.stderr


def test_without_an_engine_the_run_says_how_to_get_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(run, tmp_path, "true")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    assert run("run", "action", "box.it").exit_code == 1
    error = show(run, "1")["error"]
    assert error["type"] == "no_container_engine"
    assert "apt-get install docker.io" in error["message"]


def test_what_the_machine_refuses_starts_nothing_and_is_told_all_at_once(run: Run, tmp_path: Path) -> None:
    keys: dict[str, Any] = {
        "network": "host",
        "user": "root",
        "memory": "1TiB",
        "mounts": ["/:/host", "/var/run:/run"],
    }
    install(run, tmp_path, "true", **keys)
    done = run("run", "action", "box.it", "-j")
    assert done.exit_code == 4
    settings = ("container_networks", "container_root", "container_max_memory_bytes", "container_mounts")
    assert [setting for setting in settings if setting not in done.stderr] == []
    assert run("execution", "list", "--output", "name").stdout == ""
    checked = run("validate", str(tmp_path / "box"))
    assert checked.exit_code == 1
    assert [setting for setting in settings if setting not in checked.stdout] == []


def test_an_action_may_bring_names_of_its_own(run: Run, tmp_path: Path, gate: Path) -> None:
    (gate / "hosts").write_text("127.0.0.1 here\n")
    install(run, tmp_path, "cat /etc/hosts", mounts=[f"{gate}/hosts:/etc/hosts"])
    assert run("run", "action", "box.it", "-r").stdout == "127.0.0.1 here\n"


def test_the_engines_socket_is_refused_even_within_a_declared_root(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_CONTAINER_MOUNTS", "/")
    for source in ("/var/run/docker.sock", "/var/run", "/"):
        install(run, tmp_path, "true", mounts=[f"{source}:/x"])
        done = run("run", "action", "box.it")
        assert (done.exit_code, "which no setting allows" in done.stderr) == (4, True)
