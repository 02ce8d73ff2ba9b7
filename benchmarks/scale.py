"""Looking at a file with a million executions, against one with a thousand."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store
from attune_cli.runtime.services import executions as services
from attune_cli.runtime.store.execution_search import Filter
from benchmarks.ceiling import fill
from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.store.database import Store, Transaction

FEW, MANY = 1_000, 1_000_000
ROUNDS = 200

_QUESTIONS: dict[str, Callable[[Transaction], object]] = {
    "execution list": lambda tx: services.list_executions(tx, Filter(limit=20)),
    "execution show @last": lambda tx: services.show(tx, "@last"),
    "execution list --action --status": lambda tx: services.list_executions(
        tx, Filter(action_ref="bench.action10", statuses=("failed",), limit=20)
    ),
}


def measure() -> list[Result]:
    settings = Settings()
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        small = open_store(Home(Path(few)), settings)
        large = open_store(Home(Path(many)), settings)
        fill(small, FEW, per_commit=FEW, refs=50)
        # What is measured is reading; the million is written without waiting for the disk.
        large.connection.execute("PRAGMA synchronous=OFF")
        fill(large, MANY, per_commit=10_000, refs=50)
        return [
            Result(
                f"{name}, 1,000,000 rows", _ratio(question, large, small), "at most", 2, "the same with 1,000"
            )
            for name, question in _QUESTIONS.items()
        ]


def _ratio(question: Callable[[Transaction], object], large: Store, small: Store) -> float:
    pairs = [(_seconds(question, large), _seconds(question, small)) for _ in range(ROUNDS)]
    return statistics.median(one for one, _ in pairs) / statistics.median(other for _, other in pairs)


def _seconds(question: Callable[[Transaction], object], store: Store) -> float:
    started = time.perf_counter()
    with store.read(SystemClock().now()) as tx:
        question(tx)
    return time.perf_counter() - started
