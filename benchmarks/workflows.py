"""What a workflow costs: items beside the same runs without one, steps of a long chain, and thousands that wait."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.inline_host import InlineHost
from attune_cli.runtime.services.submission import Submission, pin, submit
from attune_cli.runtime.store.sealing import Sealer
from benchmarks.idle import daemon, memory_mebibytes
from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS = 10_000
AT_ONCE = 16
STEPS = 1_000
WAITING = 10_000
IDLE_SECONDS = 60.0
_SETTLED_SECONDS = 10.0
_ATTUNE = str(Path(sys.executable).with_name("attune"))
_STATUS = "SELECT status FROM execution WHERE id = 1"
_OPEN = "SELECT count(*) FROM execution WHERE finished IS NULL"


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        pack = _write_pack(Path(folder))
        return [*_items(Path(folder), pack), _chain(Path(folder), pack), *_waiting(Path(folder), pack)]


# --- items and steps


def _items(folder: Path, pack: Path) -> list[Result]:
    """Ten thousand runs as items of one task, against as many that somebody submits."""
    settings = Settings(slots=AT_ONCE)
    plain = Submission(action_ref="bench.true")
    whole = Submission(action_ref="bench.items", parameters={"items": list(range(ITEMS))})
    floor_seconds, _ = _run(folder / "plain", pack, settings, [plain] * ITEMS)
    seconds, grown = _run(folder / "items", pack, settings, [whole])
    against = f"the same {ITEMS:,} runs without a workflow, {AT_ONCE} at once"
    return [
        Result("items of a task a second", floor_seconds / seconds, "at least", 0.5, against),
        Result(
            "memory of the host, all items", grown, "at most", 1.2, "the same when a fifth of them is over"
        ),
    ]


def _chain(folder: Path, pack: Path) -> Result:
    """The seconds of a step late in a chain, against those of an early one."""
    home = folder / "chain"
    _run(home, pack, Settings(), [Submission(action_ref="bench.chain")])
    store = connect_again(Home(home), Settings())
    begun = [
        row[0]
        for row in store.connection.execute("SELECT created FROM execution WHERE parent = 1 ORDER BY id")
    ]
    store.close()
    steps = [later - earlier for earlier, later in pairwise(begun)]
    tenth = STEPS // 10
    ratio = statistics.median(steps[-tenth:]) / statistics.median(steps[tenth : 2 * tenth])
    return Result(
        f"a step at the end of {STEPS:,} tasks", ratio, "at most", 1.2, "a step of the second tenth"
    )


def _run(
    home_folder: Path, pack: Path, settings: Settings, submissions: list[Submission]
) -> tuple[float, float]:
    """Run all; return the seconds, and the memory at the end by that when a fifth was over."""
    home = Home(home_folder)
    _install(home_folder, pack)
    with InlineHost(home, settings, open_store(home, settings)) as host:
        started = time.perf_counter()
        early = 0.0
        for one in submissions:
            host.request(
                lambda tx, one=one: submit(tx, one, settings=settings, sealer=host.sealer, host=host.id)
            )
        host.request(lambda _tx: None).result()
        store = connect_again(home, settings)
        while store.connection.execute(_OPEN).fetchone()[0]:
            host.wait(0.2)
            over = store.connection.execute(
                "SELECT count(*) FROM execution WHERE finished IS NOT NULL"
            ).fetchone()[0]
            if not early and over > ITEMS / 5:
                early = memory_mebibytes([os.getpid()])
        seconds = time.perf_counter() - started
        grown = memory_mebibytes([os.getpid()]) / (early or memory_mebibytes([os.getpid()]))
        if store.connection.execute(_STATUS).fetchone() != ("completed",):
            raise RuntimeError("it did not complete")
        store.close()
    return seconds, grown


# --- what waits


def _waiting(folder: Path, pack: Path) -> list[Result]:
    """A daemon with thousands of questions and of workflows that sleep, against one with nothing."""
    empty_wakes, empty_memory = _idle(folder / "empty", pack, lambda _home: None)
    wakes, memory = _idle(folder / "full", pack, _fill)
    against = "the same daemon with nothing that waits"
    what = f"{WAITING:,} inquiries and {WAITING:,} sleeping workflows"
    return [
        Result(f"wake-ups of an idle daemon, {what}", wakes / empty_wakes, "at most", 1.1, against),
        Result(f"its memory, {what}", memory / empty_memory, "at most", 1.2, against),
    ]


def _fill(home: Home) -> None:
    settings, sealer = Settings(), Sealer(home.secret_key)
    store = open_store(home, settings)
    for ref in ("core.ask", "bench.sleeps"):
        with store.write(SystemClock().now()) as tx:
            submission = Submission(action_ref=ref, pinned=pin(tx, ref))
            for _ in range(WAITING):
                submit(tx, submission, settings=settings, sealer=sealer, host=None)
    store.close()


def _idle(home_folder: Path, pack: Path, fill: Callable[[Home], None]) -> tuple[float, float]:
    """Return how often the processes of an idle daemon were woken, and their memory."""
    home = Home(home_folder)
    _install(home_folder, pack)
    fill(home)
    with daemon(home_folder) as processes:
        store = connect_again(home, Settings())
        while store.connection.execute(f"{_OPEN} AND status = 'requested' AND due <= created").fetchone()[0]:
            time.sleep(0.2)
        quiet_since, version = time.monotonic(), store.data_version()
        while time.monotonic() - quiet_since < _SETTLED_SECONDS:
            time.sleep(0.2)
            if store.data_version() != version:
                quiet_since, version = time.monotonic(), store.data_version()
        store.close()
        before = _wakes(processes)
        time.sleep(IDLE_SECONDS)
        return _wakes(processes) - before, memory_mebibytes(processes)


def _wakes(processes: list[int]) -> int:
    """Return how often the threads have gone to sleep by themselves (proc(5), status)."""
    lines = [
        line
        for process in processes
        for file in Path(f"/proc/{process}/task").glob("*/status")
        for line in file.read_text().splitlines()
    ]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:"))


# --- the pack


def _install(home: Path, pack: Path) -> None:
    environment: dict[str, Any] = {**os.environ, "ATTUNE_HOME": str(home)}
    subprocess.run([_ATTUNE, "pack", "install", str(pack)], env=environment, capture_output=True, check=True)


def _write_pack(folder: Path) -> Path:
    pack = folder / "bench"
    (pack / "actions").mkdir(parents=True)
    (pack / "workflows").mkdir()
    shutil.copy("/bin/true", pack / "actions" / "true")
    _write(pack / "pack.yaml", {"ref": "bench", "version": "1.0.0"})
    _write(
        pack / "actions" / "true.yaml", {"ref": "bench.true", "runner_type": "native", "entry_point": "true"}
    )
    each = {
        "name": "each",
        "action": "bench.true",
        "with_items": "{{ parameters.items }}",
        "concurrency": AT_ONCE,
    }
    items = {
        "version": "1.0.0",
        "parameters": {"items": {"type": "array", "required": True}},
        "tasks": [each],
    }
    _write(pack / "workflows" / "items.yaml", items)
    chain = [{"name": f"t{n}", "action": "bench.true", "next": [{"do": [f"t{n + 1}"]}]} for n in range(STEPS)]
    del chain[-1]["next"]
    _write(pack / "workflows" / "chain.yaml", {"version": "1.0.0", "tasks": chain})
    sleeps = {"version": "1.0.0", "tasks": [{"name": "later", "action": "bench.true", "delay": 86_400}]}
    _write(pack / "workflows" / "sleeps.yaml", sleeps)
    return pack


def _write(path: Path, document: dict[str, Any]) -> None:
    """JSON is YAML."""
    path.write_text(json.dumps(document))
