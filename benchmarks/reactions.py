"""What many rules and many timers cost, and whether a timer drifts."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import SECOND, SystemClock
from attune_cli.runtime.host import open_store
from attune_cli.runtime.model.automations import RuleDefinition, TriggerDefinition
from attune_cli.runtime.reactions.reactor import Reactions
from attune_cli.runtime.store import definitions, events
from attune_cli.runtime.store.sealing import Sealer
from benchmarks.idle import daemon, processor_seconds
from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Generator

    from attune_cli.runtime.store.database import Store, Transaction

RULES_OF_THE_TRIGGER = 10
TRIGGERS = 1_000
TIMERS = 10_000
EVENTS = 400
IDLE_SECONDS = 10.0
DRIFT_SECONDS = float(os.environ.get("ATTUNE_BENCH_SECONDS", "20"))
"""600 gives the ten minutes of the promise."""


def measure() -> list[Result]:
    return [_rules(), _timers(), *_drift()]


# --- rules


def _rules() -> Result:
    """An event's cost with ten rules on its trigger: alone, and among ten thousand on a thousand triggers."""
    with _home() as home:
        store = open_store(home, Settings())
        _put_rules(store, 1)
        few = _event_seconds(store, home)
        _put_rules(store, TRIGGERS)
        many = _event_seconds(store, home)
    return Result("an event among 10,000 rules", many / few, "at most", 2, "the same among 10")


def _put_rules(store: Store, triggers: int) -> None:
    with store.write(SystemClock().now()) as tx:
        for trigger in range(triggers):
            ref = f"bench.trigger{trigger}"
            _put(tx, "trigger", TriggerDefinition(ref=ref, pack_ref="bench"))
            for number in range(RULES_OF_THE_TRIGGER):
                rule = RuleDefinition(
                    ref=f"bench.rule{trigger}_{number}",
                    pack_ref="bench",
                    trigger_ref=ref,
                    action_ref="core.noop",
                    conditions=[{"field": "n", "operator": "gt", "value": 10 * number}],
                    action_params={"exit_code": 0},
                )
                _put(tx, "rule", rule)


def _event_seconds(store: Store, home: Home) -> float:
    """Return the median time to judge one event in a transaction of its own."""
    reactions = Reactions(settings=Settings(), sealer=Sealer(home.secret_key))
    taken: list[float] = []
    for number in range(EVENTS):
        with store.write(SystemClock().now()) as tx:
            events.insert(tx, trigger_ref="bench.trigger0", payload={"n": 15}, config={}, source="user")
            started = time.perf_counter()
            reactions.react(tx)
            if number:  # the first reads the rules
                taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _put(tx: Transaction, kind: definitions.Kind, definition: RuleDefinition | TriggerDefinition) -> None:
    definitions.put(
        tx,
        kind,
        ref=definition.ref,
        pack_ref=definition.pack_ref,
        label="",
        description="",
        enabled=True,
        definition=definition.to_json(),
    )


# --- timers


def _timers() -> Result:
    """The processor time of a daemon with ten thousand timers that are not due."""
    with _home() as home:
        store = open_store(home, Settings())
        with store.write(SystemClock().now()) as tx:
            for number in range(TIMERS):
                _put(tx, "rule", _timer(f"bench.timer{number}", {"unit": "days", "interval": 1}))
        with daemon(home.path) as processes:
            while store.connection.execute("SELECT count(*) FROM timer").fetchone()[0] < TIMERS:
                time.sleep(0.1)
            time.sleep(1)
            before = processor_seconds(processes)
            time.sleep(IDLE_SECONDS)
            percent = (processor_seconds(processes) - before) / IDLE_SECONDS * 100
    return Result(
        "CPU of an idle daemon with 10,000 timers, % of a core", percent, "at most", 1, "none is due"
    )


def _timer(ref: str, params: dict[str, object]) -> RuleDefinition:
    return RuleDefinition(
        ref=ref,
        pack_ref="bench",
        trigger_ref="core.intervaltimer",
        action_ref="core.noop",
        trigger_params=params,
        conditions={"expression": "false"},
    )


def _drift() -> list[Result]:
    """One timer a second: whether each second has its firing, and how late the latest of them is."""
    with _home() as home:
        store = open_store(home, Settings())
        with store.write(SystemClock().now()) as tx:
            _put(tx, "rule", _timer("bench.second", {"unit": "seconds", "interval": 1}))
        with daemon(home.path):
            time.sleep(DRIFT_SECONDS)
        rows = store.connection.execute(
            "SELECT dedup_key, created FROM event WHERE source = 'timer' ORDER BY id"
        ).fetchall()
    planned = [_instant(key) for key, _ in rows]
    gaps = sum(later - earlier != SECOND for earlier, later in pairwise(planned))
    late = [(created - instant) / SECOND for instant, (_, created) in zip(planned, rows, strict=True)]
    tenth = max(1, len(late) // 10)
    drift = abs(statistics.median(late[-tenth:]) - statistics.median(late[:tenth]))
    what = f"a timer of one second, {DRIFT_SECONDS:.0f} s"
    return [
        Result(f"{what}: missed or doubled", gaps, "at most", 0, f"{len(rows)} firings"),
        Result(f"{what}: drift", drift, "at most", 0.05, "its interval"),
    ]


def _instant(key: str) -> int:
    moment = datetime.fromisoformat(key.split(":", 2)[2])
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * SECOND)


@contextmanager
def _home() -> Generator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        yield Home(Path(folder))
