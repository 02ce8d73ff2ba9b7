"""Runs a second in one inline host, against bare processes from a thread pool as large as the slots.

Ours is durable (`synchronous=FULL`), captures both streams and keeps a whole record; the floor only spawns and
reads both pipes. Floor and ours take turns, and the median ratio counts.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attune_cli.config import Home, Settings
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.inline_host import InlineHost
from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.services.submission import Submission, submit
from benchmarks.result import Result

RUNS = 2000
ROUNDS = 5
_PROGRAM = "/bin/true"


def measure() -> list[Result]:
    ratios = [_ours_per_second() / floor_per_second() for _ in range(ROUNDS)]
    against = f"{RUNS} × Popen and read both pipes, {Settings().slots} threads"
    return [Result("runs a second, one inline host", statistics.median(ratios), "at least", 0.5, against)]


def floor_per_second() -> float:
    def spawn(_: int) -> None:
        process = subprocess.Popen(
            [_PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.communicate()

    started = time.perf_counter()
    with ThreadPoolExecutor(Settings().slots) as pool:
        list(pool.map(spawn, range(RUNS)))
    return RUNS / (time.perf_counter() - started)


def _ours_per_second() -> float:
    settings = Settings()
    action = ActionDefinition(ref="bench.true", pack_ref="bench", runner_type="core.native")
    job = JobDefinition(kind="process", action=action, command=(_PROGRAM,), folder="/")
    submission = Submission(action_ref=action.ref, definition=job)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with InlineHost(home, settings, open_store(home, settings)) as host:
            started = time.perf_counter()
            for _ in range(RUNS):
                host.request(
                    lambda tx: submit(tx, submission, settings=settings, sealer=host.sealer, host=host.id)
                )
            host.request(lambda _tx: None).result()
            store = connect_again(home, settings)
            while store.connection.execute(
                "SELECT 1 FROM execution WHERE finished IS NULL LIMIT 1"
            ).fetchone():
                host.wait(0.2)
            seconds = time.perf_counter() - started
            done = store.connection.execute(
                "SELECT count(*) FROM execution WHERE status = 'completed'"
            ).fetchone()
            if done[0] != RUNS:
                raise RuntimeError(f"only {done[0]} of {RUNS} runs completed")
            store.close()
    return RUNS / seconds
