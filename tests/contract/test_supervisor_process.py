"""A supervisor that is a process: what it does when engines come, go and die, and when it dies itself."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from attune_cli.errors import UnavailableError
from attune_cli.runtime.supervisor import address, processes, read_journal
from attune_cli.runtime.supervisor.client import SupervisorClient
from attune_cli.runtime.supervisor.messages import Lines, line
from attune_cli.runtime.supervisor.process import LINGER_SECONDS
from tests.contract.supervisor_process_world import ProcessWorld
from tests.contract.supervisor_world import is_alive, output, until, zombies
from tests.e2e.story import processes_with

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from attune_cli.runtime.supervisor import Spawn


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ProcessWorld]:
    with ProcessWorld(tmp_path) as world:
        yield world


def gated(world: ProcessWorld, name: str = "gate") -> tuple[Spawn, Path]:
    """Begin a run that prints, waits for a file to be there, and prints again."""
    gate = world.folder / name
    spawn = world.spawn_shell(f"echo begun; while [ ! -e {gate} ]; do sleep 0.02; done; echo ended")
    until(lambda: output(spawn) == b"begun\n", "the first word")
    return spawn, gate


def test_a_run_goes_on_when_its_engine_leaves_and_the_next_one_is_told_of_its_end(
    world: ProcessWorld,
) -> None:
    spawn, gate = gated(world)
    world.supervisor.detach()
    world.connect()
    assert world.supervisor.running() == [spawn.run]
    gate.touch()
    assert world.end(spawn).exit_code == 0
    assert output(spawn) == b"begun\nended\n"
    assert world.losses == []


def test_what_ends_while_nobody_is_connected_stands_in_the_journal(world: ProcessWorld) -> None:
    going, _ = gated(world, "never")
    spawn, gate = gated(world)
    world.supervisor.detach()
    gate.touch()
    until(lambda: (fate := world.fate(spawn)) is not None and fate.end is not None, "the end")
    world.connect()
    assert world.supervisor.running() == [going.run]
    assert world.ends == {}


def test_an_engine_is_answered_after_all_that_an_older_one_said_was_done(world: ProcessWorld) -> None:
    pid = world.pid
    os.kill(pid, signal.SIGSTOP)  # so that what is said waits in the socket
    spawns = [world.spawn_shell("sleep 60") for _ in range(20)]
    world.supervisor.detach()
    threading.Timer(0.2, os.kill, (pid, signal.SIGCONT)).start()
    world.connect()
    assert set(world.supervisor.running()) == {spawn.run for spawn in spawns}


def test_no_end_is_lost_between_hello_and_listening(world: ProcessWorld) -> None:
    spawn, gate = gated(world)
    world.supervisor.detach()
    client = world.connect(listen=False)
    assert client.running() == [spawn.run]
    gate.touch()
    until(lambda: (fate := world.fate(spawn)) is not None and fate.end is not None, "the end")
    client.listen()
    assert world.end(spawn).exit_code == 0


def test_a_supervisor_with_nothing_to_do_leaves_and_cleans_up(world: ProcessWorld) -> None:
    spawn, _ = world.shell("echo done")
    world.supervisor.forget([spawn.run])
    pid = world.pid
    world.supervisor.detach()
    until(lambda: not is_alive(pid), "its leaving")
    assert list(world.hosts.iterdir()) == []


def test_ends_that_nobody_has_committed_stay_when_it_leaves(world: ProcessWorld) -> None:
    spawn, end = world.shell("exit 3")
    pid = world.pid
    world.supervisor.detach()
    until(lambda: not is_alive(pid), "its leaving")
    assert read_journal(world.journal)[spawn.run].end == end


def test_it_stays_while_something_runs_and_leaves_after_its_end(world: ProcessWorld) -> None:
    spawn, gate = gated(world)
    pid = world.pid
    world.supervisor.detach()
    with pytest.raises(subprocess.TimeoutExpired):  # longer than it would linger
        subprocess.run(["sleep", "60"], timeout=1.5 * LINGER_SECONDS, check=False)
    assert is_alive(pid)
    gate.touch()
    until(lambda: not is_alive(pid), "its leaving")
    assert read_journal(world.journal)[spawn.run].end is not None


def test_a_killed_supervisor_is_noticed_once_and_another_takes_its_place(world: ProcessWorld) -> None:
    spawn, gate = gated(world)
    first = world.supervisor
    world.kill()
    gate.touch()  # what a killed supervisor leaves behind is for the engine to end, and there is none here
    until(lambda: world.losses, "the notice")
    first.spawn(world.request("/bin/true"))  # goes nowhere, and harms nobody
    first.detach()
    world.connect()
    assert world.supervisor.name != first.name
    assert world.supervisor.running() == []
    assert world.losses == [first.name]
    assert read_journal(address.journal_of(world.hosts, first.name))[spawn.run].end is None
    world.run("/bin/true")


def test_a_signal_ends_its_runs_with_their_grace_and_writes_down_how(world: ProcessWorld) -> None:
    spawn = world.spawn_shell("trap 'echo bye; exit 0' TERM; echo begun; while :; do sleep 0.02; done")
    until(lambda: output(spawn) == b"begun\n", "the first word")
    pid = world.pid
    os.kill(pid, signal.SIGTERM)
    until(lambda: world.losses, "the notice")
    until(lambda: not is_alive(pid), "its leaving")
    assert output(spawn) == b"begun\nbye\n"
    end = read_journal(world.journal)[spawn.run].end
    assert end is not None
    assert (end.why, end.exit_code) == ("cancelled", 0)


def test_one_that_speaks_another_protocol_is_left_alone_until_it_leaves(world: ProcessWorld) -> None:
    world.supervisor.detach()
    until(lambda: not processes_with(str(world.hosts)), "its leaving")
    lock = address.hold(world.hosts, "other")
    with address.listen(world.hosts, "other") as listener:
        answered = threading.Thread(target=answer, args=(listener, line("hello", protocol=99, runs=["x"])))
        answered.start()
        world.connect()
        answered.join()
        assert world.supervisor.name != "other"
        assert world.supervisor.running() == []
        world.run("/bin/true")
        assert world.losses == []
        os.close(lock)
        until(lambda: world.losses == [world.supervisor.name], "the notice that the other is gone")


def answer(listener: socket.socket, text: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(text)


def test_an_engine_that_speaks_another_protocol_is_told_ours_and_starts_nothing(world: ProcessWorld) -> None:
    world.supervisor.detach()
    with address.connect(world.hosts, world.supervisor.name, timeout_seconds=10) as connection:
        connection.sendall(line("hello", protocol=99) + line("spawn", run="x") + line("unheard", of=1))
        [hello] = Lines().feed(connection.recv(1000))
        assert (hello["protocol"], hello["runs"]) == (1, [])


def test_rubbish_ends_the_connection_and_nothing_else(world: ProcessWorld) -> None:
    spawn, gate = gated(world)
    world.supervisor.detach()
    with address.connect(world.hosts, world.supervisor.name, timeout_seconds=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(100) == b""
    world.connect()
    gate.touch()
    assert world.end(spawn).exit_code == 0


def test_an_engine_that_reads_nothing_keeps_nobody(world: ProcessWorld) -> None:
    world.supervisor.detach()
    client = world.connect(listen=False)
    spawns = [world.spawn("/bin/true", run=f"{'x' * 4000}{number}") for number in range(200)]
    until(lambda: (fate := world.fate(spawns[-1])) is not None and fate.end is not None, "the last end")
    client.detach()
    world.connect()
    assert world.supervisor.running() == []


def test_the_journal_is_written_anew_without_what_is_committed(world: ProcessWorld) -> None:
    kept, _ = gated(world)
    waiting, end = world.shell("exit 7")
    long = [world.spawn("/bin/true", run=f"{'x' * 2000}{number}") for number in range(300)]
    for spawn in long:
        world.end(spawn)
    before = world.journal.stat().st_size
    assert before > 1024 * 1024
    world.supervisor.forget([spawn.run for spawn in long])
    until(lambda: world.journal.stat().st_size < 10_000, "the shorter journal")
    fates = read_journal(world.journal)
    assert set(fates) == {kept.run, waiting.run}
    assert (fates[waiting.run].end, fates[kept.run].end) == (end, None)
    last, _ = world.run("/bin/true")
    assert last.run in read_journal(world.journal)


def test_the_home_may_lie_as_deep_as_a_path_may_be_long(tmp_path: Path) -> None:
    deep = tmp_path
    while len(str(deep)) < 3500:
        deep /= "deep" * 50
    deep.mkdir(parents=True)
    with ProcessWorld(deep) as world:
        spawn, _ = world.shell("echo from the deep")
        assert output(spawn) == b"from the deep\n"


def test_one_that_cannot_begin_says_why(tmp_path: Path) -> None:
    client = SupervisorClient(folder=tmp_path / "nowhere", report=print, lost=lambda: None)
    with pytest.raises(UnavailableError, match="No such file or directory"):
        client.start()


def test_it_is_nobodys_child_and_in_no_group_of_its_starter(world: ProcessWorld) -> None:
    about = processes.stat(world.pid)
    assert about is not None
    assert about.parent != os.getpid()
    assert about.session != os.getsid(0)
    assert zombies() == []
