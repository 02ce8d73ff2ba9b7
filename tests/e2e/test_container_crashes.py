"""Stories of many containers at once, and of what is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docker_engine import containers_of, docker, image
from tests.e2e.container_story import containers_in_use, home_id, install, said, waiting_containers
from tests.e2e.daemon_story import serving, supervisors
from tests.e2e.story import PATIENCE_SECONDS, Attune, processes_with, show, until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("no_container_is_left")


def test_twenty_containers_at_once(run: Run, home: Home, tmp_path: Path) -> None:
    install(run, tmp_path, "cat")
    run("config", "set", "slots", "20")
    with serving(home):
        for n in range(20):
            assert run("run", "box.it", f'--params={{"n": {n}}}', "--detach", "-q").exit_code == 0
        for n in range(20):
            assert run("execution", "wait", str(n + 1), "-q").exit_code == 0, show(run, str(n + 1))
            assert json.loads(said(home, n + 1)) == {"n": n}


WAITS = """\
cat
until [ -e /gate/open ]; do sleep 0.1; done
echo done
"""


def test_killing_the_daemon_with_ten_containers_running_loses_nothing(
    run: Run, home: Home, tmp_path: Path, gate: Path
) -> None:
    install(run, tmp_path, WAITS, mounts=[f"{gate}:/gate"])
    with serving(home) as first:
        for n in range(10):
            assert run("run", "box.it", f'--params={{"n": {n}}}', "--detach", "-q").exit_code == 0
        until(lambda: all(f'"n":{n}' in said(home, n + 1) for n in range(10)), "ten containers that run")
        first.signal(signal.SIGKILL)
        first.end()
    with serving(home):
        (gate / "open").touch()
        for n in range(10):
            assert run("execution", "wait", str(n + 1), "-q").exit_code == 0, show(run, str(n + 1))
            assert said(home, n + 1) == f'{{"n":{n}}}\ndone\n'
            timeline = [step["to"] for step in show(run, str(n + 1))["timeline"]]
            assert timeline == ["requested", "scheduled", "running", "completed"]


def test_killing_a_command_ends_its_container(run: Run, home: Home, tmp_path: Path) -> None:
    install(run, tmp_path, "echo begun; sleep 600")
    with Attune("run", "action", "box.it") as command:
        until(lambda: "begun" in said(home, 1), "a container that runs")
        command.signal(signal.SIGKILL)
        command.end()
    record = show(run, "1")
    assert record["status"] == "abandoned"
    assert containers_of(home_id(home)) == []


def test_what_a_dead_host_created_is_swept_and_what_is_not_ours_stays(
    run: Run, home: Home, tmp_path: Path
) -> None:
    install(run, tmp_path, "true")
    labels = ("--label", f"attune.home={home_id(home)}", "--label", "attune.host=0123456789abcdef")
    orphan = docker("create", *labels, image(), "true")
    foreign = docker(
        "create", "--label", "attune.home=another", "--label", "attune.host=dead", image(), "true"
    )
    try:
        assert run("run", "action", "box.it").exit_code == 0
        assert orphan not in docker("ps", "-aq", "--no-trunc").split()
        assert foreign in docker("ps", "-aq", "--no-trunc").split()
    finally:
        docker("rm", "-f", foreign)


@contextmanager
def engine_that_goes(folder: Path) -> Generator[tuple[str, Callable[[], None]]]:
    """Stand between attune and the engine; return the address, and what makes the engine go away."""
    ways: list[socket.socket] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "engine.sock"))
    listener.listen()

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, far = listener.accept()[0], socket.socket(socket.AF_UNIX)
                far.connect("/var/run/docker.sock")
                ways.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    def go() -> None:
        (folder / "engine.sock").unlink()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()  # resets those that were not accepted yet
        for way in ways:
            with suppress(OSError):
                way.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"unix://{folder}/engine.sock", go
    go() if (folder / "engine.sock").exists() else None
    for way in ways:
        way.close()


def test_an_engine_that_goes_away_in_the_middle_is_told_and_what_it_ran_is_swept_later(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(run, tmp_path, "echo begun; sleep 600")
    with engine_that_goes(tmp_path) as (address, go):
        monkeypatch.setenv("DOCKER_HOST", address)
        with Attune("run", "action", "box.it") as command:
            until(lambda: "begun" in said(home, 1), "a container that runs")
            go()
            assert command.end()[0] == 1
    assert show(run, "1")["error"]["type"] == "engine_gone"
    assert len(containers_of(home_id(home))) == 1
    monkeypatch.delenv("DOCKER_HOST")
    install(run, tmp_path, "echo fine")
    assert run("run", "action", "box.it").stdout == "fine\n"
    assert containers_of(home_id(home)) == []


def test_a_pull_that_hangs_is_interrupted_at_once(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        install(run, tmp_path, "true", image=f"127.0.0.1:{silent.getsockname()[1]}/tools:1")
        with Attune("run", "action", "box.it") as command:
            silent.settimeout(PATIENCE_SECONDS)
            asking = silent.accept()[0]
            command.signal(signal.SIGINT)
            assert command.end()[0] == 130
            asking.close()
    assert show(run, "1")["status"] == "cancelled"


def test_the_process_that_holds_the_streams_needs_little_memory_and_its_end_ends_the_container(
    run: Run, home: Home, tmp_path: Path
) -> None:
    install(run, tmp_path, "head -c 50000000 /dev/zero; echo whole >&2; sleep 600")
    with Attune("run", "action", "box.it", "-q") as command:
        until((home.runs / "1" / "stderr").exists, "all of the output")
        shims = processes_with(str(home.runs / "1" / "container.json"))
        assert len(shims) == 1
        status = Path(f"/proc/{shims[0]}/status").read_text()
        peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        assert int(peak) < 40_000  # KiB
        os.kill(shims[0], signal.SIGKILL)
        assert command.end()[0] == 1
    assert show(run, "1")["error"]["type"] == "lost"
    assert containers_of(home_id(home)) == []


FEEDS = """\
echo begun
until [ -e /gate/open ]; do sleep 0.1; done
cat >/gate/seen
touch /gate/read
"""


def test_an_action_never_sees_a_part_of_its_input_as_if_it_were_whole(
    run: Run, home: Home, tmp_path: Path, gate: Path
) -> None:
    """Whoever feeds it dies with all that could end it, before it reads."""
    gate.chmod(0o777)
    text = "x" * 900_000
    install(run, tmp_path, FEEDS, mounts=[f"{gate}:/gate:rw"], parameters={"text": {"type": "string"}})
    (tmp_path / "text.json").write_text(json.dumps({"text": text}))
    with serving(home) as daemon:
        assert run("run", "box.it", f"--params=@{tmp_path}/text.json", "--detach", "-q").exit_code == 0
        until(lambda: "begun" in said(home, 1), "a container that runs")
        shims = processes_with(str(home.runs / "1" / "container.json"))
        daemon.signal(signal.SIGKILL)
        for pid in (*supervisors(home), *shims):
            os.kill(pid, signal.SIGKILL)
        daemon.end()
    (gate / "open").touch()
    until((gate / "read").exists, "the end of the input")
    assert json.loads((gate / "seen").read_text()) == {"text": text}
    assert show(run, "1")["status"] == "abandoned"


def test_containers_that_wait_serve_the_next_runs_and_end_with_their_daemon(
    run: Run, home: Home, tmp_path: Path
) -> None:
    install(run, tmp_path, "cat", parameters={"n": {"type": "integer"}})
    with serving(home) as daemon:
        for n in range(6):
            assert run("run", "action", "box.it", f"n={n}", "-r").stdout == f'{{"n":{n}}}\n'
        until(lambda: waiting_containers(home), "a container that waits")
        daemon.signal(signal.SIGTERM)
        assert daemon.end()[0] == 143
        assert containers_of(home_id(home)) == []


def test_a_run_from_the_gate_outlives_the_daemon_and_those_that_wait_are_swept(
    run: Run, home: Home, tmp_path: Path, gate: Path
) -> None:
    install(run, tmp_path, f"[ -e /gate/shut ] || exit 0\n{WAITS}", mounts=[f"{gate}:/gate"])
    with serving(home) as first:
        for _ in range(4):
            assert run("run", "action", "box.it").exit_code == 0
        until(lambda: len(waiting_containers(home)) == 3, "containers that wait")
        ready = set(waiting_containers(home))
        (gate / "shut").touch()
        for n in (5, 6):
            assert run("run", "box.it", f'--params={{"n": {n}}}', "--detach", "-q").exit_code == 0
        until(lambda: all(f'"n":{n}' in said(home, n) for n in (5, 6)), "two that run")
        in_use = set(containers_in_use(home))
        assert in_use < ready
        first.signal(signal.SIGKILL)
        first.end()
    assert ready <= set(waiting_containers(home))
    with serving(home):
        until(lambda: set(containers_of(home_id(home))) == in_use, "the sweep of the one that waited")
        (gate / "open").touch()
        for n in (5, 6):
            assert run("execution", "wait", str(n), "-q").exit_code == 0, show(run, str(n))
            assert said(home, n) == f'{{"n":{n}}}\ndone\n'


def test_a_run_from_the_gate_that_ends_while_no_daemon_is_there_is_recorded_and_swept(
    run: Run, home: Home, tmp_path: Path, gate: Path
) -> None:
    install(run, tmp_path, f"[ -e /gate/shut ] || exit 0\n{WAITS}", mounts=[f"{gate}:/gate"])
    with serving(home) as first:
        for _ in range(3):
            assert run("run", "action", "box.it").exit_code == 0
        until(lambda: waiting_containers(home), "a container that waits")
        (gate / "shut").touch()
        assert run("run", "box.it", '--params={"n": 4}', "--detach", "-q").exit_code == 0
        until(lambda: '"n":4' in said(home, 4), "one that runs")
        first.signal(signal.SIGKILL)
        first.end()
    (gate / "open").touch()
    until(lambda: not supervisors(home), "the end of all that ran")
    report = json.loads((home.runs / "4" / "container.json").read_bytes())
    assert report["by_gate"]
    with serving(home):
        assert run("execution", "wait", "4", "-q").exit_code == 0, show(run, "4")
        assert said(home, 4) == '{"n":4}\ndone\n'
        until(lambda: containers_of(home_id(home)) == [], "the sweep of what it and the others left")
