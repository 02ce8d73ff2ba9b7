"""Runs in fresh containers, against `docker run --rm -i` of the same image, command and isolation.

Cold, and from the gate: a burst that finds as many waiting as it has runs, and runs without a pause, which have to wait
for what is started behind them. Ours and the peer take turns, and the median ratio counts. The same command as a
process is the figure for the docs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Self

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import pause
from attune_cli.runtime.daemon.room import EngineRoom
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.runners.api import no_server
from attune_cli.runtime.services.containers import in_container
from attune_cli.runtime.services.submission import Submission, submit
from attune_cli.runtime.store.identity import home_id
from attune_cli.runtime.store.sealing import Sealer
from benchmarks.result import Result
from tests.docker_engine import docker, image, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

RUNS = 12
ROUNDS = 5
POOL = 4
_COMMAND = ("cat",)
_ISOLATION = (
    *("--init", "--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "65534:65534"),
    *("--security-opt", "no-new-privileges", "--log-driver", "none", "--memory", "512m", "--cpus", "1"),
)


def measure() -> list[Result]:
    reason = missing()
    if reason is not None:
        sys.stderr.write(f"containers are not measured: {reason}\n")
        return []
    name = image()
    bare = _definition()
    contained = in_container(bare, name)
    peer = f"docker run --rm -i, {RUNS} runs"
    found = [
        Result(
            f"time of fresh containers, {word}",
            _median(lambda at_once=at_once: _sustained(contained, at_once) / _peer(name, RUNS, at_once)),
            "at most",
            1.1,
            peer,
        )
        for at_once, word in ((1, "one after another"), (4, "four at a time"))
    ]
    return [
        *found,
        Result(
            "time of a burst from the gate",
            _median(lambda: _burst(contained) / _peer(name, POOL, POOL)),
            "at most",
            0.25,
            f"docker run --rm -i, {POOL} at once",
        ),
        Result(
            "time from the gate without a pause, one after another",
            _median(lambda: _sustained(contained, 1, warm=POOL) / _peer(name, RUNS, 1)),
            "at most",
            0.6,
            peer,
        ),
        Result(
            "time from the gate without a pause, four at a time",
            _median(lambda: _sustained(contained, 4, warm=POOL) / _sustained(contained, 4)),
            "at most",
            1,
            "the same cold",
        ),
        Result(
            "time of a fresh container",
            _median(lambda: _sustained(contained, 1) / _sustained(bare, 1)),
            "at most",
            float("inf"),
            "the same as a process",
        ),
    ]


def _median(ratio: Callable[[], float]) -> float:
    return statistics.median(ratio() for _ in range(ROUNDS))


def _definition() -> JobDefinition:
    action = ActionDefinition(ref="bench.cat", pack_ref="bench", runner_type="core.native")
    return JobDefinition(kind="process", action=action, command=_COMMAND, folder="/")


# --- ours


class _Daemon:
    """A daemon's engine in this process, which runs one definition again and again."""

    def __init__(self, home: Home, settings: Settings, definition: JobDefinition) -> None:
        open_store(home, settings).close()
        self._definition = definition
        self._settings = settings
        self._sealer = Sealer(home.secret_key)
        self._changed = Event()
        self._store = connect_again(home, settings)
        self._label = f"label=attune.home={home_id(self._store.connection)}"
        self._room = EngineRoom(
            home=home,
            settings=settings,
            sealer=self._sealer,
            reactor=None,
            api=no_server,
            changed=self._changed.set,
            supervisor_lost=lambda: None,
        )

    def run(self, count: int) -> float:
        """Return the seconds that so many runs take, all submitted at once."""
        submission = Submission(action_ref=self._definition.action.ref, definition=self._definition)
        started = time.perf_counter()
        for _ in range(count):
            self._room.request(
                lambda tx: submit(
                    tx, submission, settings=self._settings, sealer=self._sealer, host=self._room.id
                )
            )
        self._room.request(lambda _tx: None).result()
        while self._store.connection.execute("SELECT 1 FROM execution WHERE finished IS NULL").fetchone():
            self._changed.wait(0.2)
            self._changed.clear()
        return time.perf_counter() - started

    def await_waiting(self, count: int) -> None:
        """Wait until so many containers run, which wait: nothing else does."""
        while len(docker("ps", "-q", "--filter", self._label).split()) < count:
            pause(0.05)
        pause(1)  # the engine ends what it still has to do for the last ones

    def __enter__(self) -> Self:
        self._room.start()
        return self

    def __exit__(self, *_: object) -> None:
        statuses = {row[0] for row in self._store.connection.execute("SELECT status FROM execution")}
        self._store.close()
        self._room.leave()
        if statuses != {"completed"}:
            raise RuntimeError(f"not all runs completed: {statuses}")


@contextmanager
def _daemon(definition: JobDefinition, at_once: int, warm: int) -> Generator[_Daemon]:
    settings = replace(Settings(), slots=at_once, container_warm=warm)
    with tempfile.TemporaryDirectory() as folder, _Daemon(Home(Path(folder)), settings, definition) as daemon:
        yield daemon


def _sustained(definition: JobDefinition, at_once: int, *, warm: int = 0) -> float:
    """Return the seconds of the runs that follow others without a pause."""
    with _daemon(definition, at_once, warm) as daemon:
        daemon.run(1 + 2 * warm)
        return daemon.run(RUNS)


def _burst(definition: JobDefinition) -> float:
    with _daemon(definition, POOL, POOL) as daemon:
        daemon.run(1 + POOL)
        daemon.await_waiting(POOL)
        return daemon.run(POOL)


# --- the peer


def _peer(name: str, runs: int, at_once: int) -> float:
    command = ["docker", "run", "--rm", "-i", *_ISOLATION, name, *_COMMAND]

    def run(_number: int) -> None:
        subprocess.run(command, input=b"{}\n", capture_output=True, check=True)

    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, range(runs)))
    return time.perf_counter() - started
