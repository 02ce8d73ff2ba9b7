"""Runs in fresh containers, against `docker run --rm -i` of the same image, command and isolation.

One after another and four at a time; ours and the peer take turns, and the median ratio counts. The same command as a
process is the figure for the docs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from attune_cli.config import Home, Settings
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.inline_host import InlineHost
from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.services.containers import in_container
from attune_cli.runtime.services.submission import Submission, submit
from benchmarks.result import Result
from tests.docker_engine import image, missing

RUNS = 12
ROUNDS = 5
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
    found: list[Result] = []
    for at_once, word in ((1, "one after another"), (4, "four at a time")):
        contained = in_container(bare, name)
        rounds = [(_ours(contained, at_once), _peer(name, at_once)) for _ in range(ROUNDS)]
        ratio = statistics.median(ours / peer for ours, peer in rounds)
        against = f"docker run --rm -i, {RUNS} runs"
        found.append(Result(f"time of fresh containers, {word}", ratio, "at most", 1.1, against))
    ours = statistics.median(_ours(in_container(bare, name), 1) / _ours(bare, 1) for _ in range(ROUNDS))
    return [
        *found,
        Result("time of a fresh container", ours, "at most", float("inf"), "the same as a process"),
    ]


def _definition() -> JobDefinition:
    action = ActionDefinition(ref="bench.cat", pack_ref="bench", runner_type="core.native")
    return JobDefinition(kind="process", action=action, command=_COMMAND, folder="/")


def _ours(definition: JobDefinition, at_once: int) -> float:
    """Return the seconds that all runs took; the first, which connects to the engine, is not counted."""
    settings = replace(Settings(), slots=at_once)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with InlineHost(home, settings, open_store(home, settings)) as host:
            store = connect_again(home, settings)

            def run(count: int) -> float:
                submission = Submission(action_ref=definition.action.ref, definition=definition)
                started = time.perf_counter()
                for _ in range(count):
                    host.request(
                        lambda tx: submit(tx, submission, settings=settings, sealer=host.sealer, host=host.id)
                    )
                host.request(lambda _tx: None).result()
                unfinished = "SELECT 1 FROM execution WHERE finished IS NULL LIMIT 1"
                while store.connection.execute(unfinished).fetchone():
                    host.wait(0.2)
                return time.perf_counter() - started

            run(1)
            seconds = run(RUNS)
            _check(store.connection.execute("SELECT status FROM execution").fetchall())
            store.close()
    return seconds


def _check(rows: list[tuple[str]]) -> None:
    if {status for (status,) in rows} != {"completed"}:
        raise RuntimeError(f"not all runs completed: {rows}")


def _peer(name: str, at_once: int) -> float:
    command = ["docker", "run", "--rm", "-i", *_ISOLATION, name, *_COMMAND]

    def run(_number: int) -> None:
        subprocess.run(command, input=b"{}\n", capture_output=True, check=True)

    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, range(RUNS)))
    return time.perf_counter() - started
