"""The file stays bounded: the log of writes under readers that never stop, and its size after a prune."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.entities import Outcome
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.services import executions as services
from attune_cli.runtime.store import execution_search, executions, jobs, notifications
from attune_cli.runtime.store.upkeep import shrink
from benchmarks.result import Result

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Store, Transaction

RUNS = 20_000
_PER_COMMIT = 20
_MEBIBYTE = 1024**2


def fill(store: Store, count: int, *, per_commit: int, refs: int = 1) -> None:
    """Insert ended executions as the engine leaves them, of `refs` actions, one in ten failed."""
    clock = SystemClock()
    for start in range(0, count, per_commit):
        with store.write(clock.now()) as tx:
            for number in range(start, min(count, start + per_commit)):
                _one(tx, number, refs)


def _one(tx: Transaction, number: int, refs: int) -> None:
    action = ActionDefinition(ref=f"bench.action{number % refs}", pack_ref="bench")
    job = jobs.intern(tx, JobDefinition(kind="process", action=action))
    new = executions.NewExecution(action_ref=action.ref, job=job, host="bench")
    row = executions.startable(tx, executions.insert(tx, new))
    assert row is not None
    executions.run(tx, row, "bench", "ref")
    running = executions.startable(tx, row.id)
    assert running is not None
    failed = number % 10 == 0
    executions.finish(
        tx, running, Status.FAILED if failed else Status.COMPLETED, Outcome(succeeded=not failed)
    )


def measure() -> list[Result]:
    settings = Settings()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        store = open_store(home, settings)
        log = home.database.with_name("attune.db-wal")
        stop = threading.Event()
        readers = [threading.Thread(target=_read_on, args=(home, settings, stop)) for _ in range(3)]
        for reader in readers:
            reader.start()
        fill(store, RUNS, per_commit=_PER_COMMIT)
        largest = log.stat().st_size
        stop.set()
        for reader in readers:
            reader.join()
        full = home.database.stat().st_size
        left = _pruned_size(store, home)
    return [
        Result(
            "write-ahead log under readers (MiB)", largest / _MEBIBYTE, "at most", 32, "3 readers, no pause"
        ),
        Result("file after a prune of all", left / full, "at most", 0.2, "the file before it"),
    ]


def _read_on(home: Home, settings: Settings, stop: threading.Event) -> None:
    store = connect_again(home, settings)
    while not stop.is_set():
        with store.read(SystemClock().now()) as tx:
            execution_search.search(tx, execution_search.Filter(limit=50))
    store.close()


def _pruned_size(store: Store, home: Home) -> int:
    clock = SystemClock()
    lowest, ended = None, clock.now()
    while True:
        criteria = execution_search.Filter(finished_until=ended, after=lowest, limit=None)
        with store.write(clock.now()) as tx:
            lowest = services.prune(tx, criteria, keep=0, limit=500).lowest
        if lowest is None:
            break
    removed = 1
    while removed:
        with store.write(clock.now()) as tx:
            removed = notifications.delete_before(tx, clock.now(), limit=5000)
    shrink(store.connection, full=False)
    return home.database.stat().st_size
