"""Webhooks: how soon an action begins, how many calls are taken, and how long that can go on.

The peer of the first two is the same server (uvicorn, Starlette, h11) in a process of its own with a handler written
by hand. Every call comes from another process than the server's.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.host import open_store
from attune_cli.runtime.services import webhooks
from attune_cli.runtime.store.sealing import Sealer
from benchmarks.result import Result
from benchmarks.throughput import floor_per_second

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

LATENCY_CALLS = 200
INGESTION_SECONDS = 5.0
SUSTAINED_SECONDS = 30.0
CONNECTIONS = 64
ROUNDS = 3
_PATIENCE_SECONDS = 60.0

_PEER = """
import sqlite3, subprocess, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
folder, port = sys.argv[1], int(sys.argv[2])
file = sqlite3.connect(folder + "/peer.db", isolation_level=None)
file.execute("PRAGMA journal_mode=WAL")
file.execute("PRAGMA synchronous=FULL")
file.execute("CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, payload TEXT)")
async def spawn(request):
    body = await request.body()
    file.execute("INSERT INTO event (payload) VALUES (?)", (body.decode(),))
    subprocess.Popen([folder + "/begin"], stdin=subprocess.DEVNULL)
    return JSONResponse({"data": 1})
async def nothing(request):
    await request.body()
    return JSONResponse({"data": 1})
routes = [Route("/spawn", spawn, methods=["POST"]), Route("/nothing", nothing, methods=["POST"])]
uvicorn.run(Starlette(routes=routes), port=port, loop="asyncio", http="h11", log_level="error", access_log=False)
"""


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_begin(folder)
        home = Home(folder / "home")
        paths = _prepare(home, folder)
        with _daemon(home) as url, _peer(folder) as peer:
            latency = statistics.median(
                _seconds_to_begin(url + paths["begin"], folder) / _seconds_to_begin(f"{peer}/spawn", folder)
                for _ in range(ROUNDS)
            )
            ingestion = statistics.median(
                asyncio.run(_calls_per_second(url + paths["nothing"]))
                / asyncio.run(_calls_per_second(f"{peer}/nothing"))
                for _ in range(ROUNDS)
            )
        with _daemon(home) as url:
            lost, backlog = asyncio.run(_sustain(url + paths["quick"], home, 0.25 * floor_per_second()))
    return [
        Result(
            "webhook to the first instruction", latency, "at most", 2.5, "the same server, one row, Popen"
        ),
        Result("webhooks taken, no rule", ingestion, "at least", 0.4, "the same server, empty handler"),
        Result("webhooks lost in 30 s", lost, "at most", 0, "offered a quarter of the bare spawn rate"),
        Result("work left after them (seconds)", backlog, "at most", 1, "the same"),
    ]


# --- the two servers


def _write_begin(folder: Path) -> None:
    """Write the program whose first act can be heard."""
    os.mkfifo(folder / "bell")
    begin = folder / "begin"
    begin.write_text(f"#!/bin/sh\necho > {folder}/bell\n")
    begin.chmod(0o755)


def _prepare(home: Home, folder: Path) -> dict[str, str]:
    """Install a pack with three triggers, two of them with a rule; returns the paths of their webhooks."""
    pack = folder / "bench"
    for part in ("actions", "triggers", "rules"):
        (pack / part).mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: bench\nversion: 1.0.0\n")
    for name in ("begin", "quick", "nothing"):
        (pack / f"triggers/{name}.yaml").write_text(f"ref: bench.{name}\n")
    for name, program in (("begin", str(folder / "begin")), ("quick", "/bin/true")):
        shutil.copy(program, pack / f"actions/{name}")
        (pack / f"actions/{name}.yaml").write_text(
            f"ref: bench.{name}\nrunner_type: native\nentry_point: {name}\n"
        )
        (pack / f"rules/{name}.yaml").write_text(
            f"ref: bench.{name}\ntrigger_ref: bench.{name}\naction_ref: bench.{name}\n"
        )
    _attune(home, "pack", "install", str(pack), "-q")
    settings, now = Settings(), SystemClock().now()
    store = open_store(home, settings)
    with store.write(now) as tx:
        keys = {
            name: webhooks.enable(tx, f"bench.{name}", sealer=Sealer(home.secret_key)).key
            for name in ("begin", "quick", "nothing")
        }
    store.close()
    return {name: f"{webhooks.PATH}{key}" for name, key in keys.items()}


def _attune(home: Home, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "attune_cli", "--home", str(home.path), *words],
        check=True,
        capture_output=True,
    )


@contextmanager
def _daemon(home: Home) -> Generator[str]:
    words = ["--home", str(home.path), "serve", "--port", "0", "--log-format", "none"]
    process = subprocess.Popen([sys.executable, "-m", "attune_cli", *words])
    try:
        lease = read_lease(home.path)
        deadline = time.perf_counter() + _PATIENCE_SECONDS
        while lease is None or not lease.is_ready or lease.url is None:
            if time.perf_counter() > deadline:
                raise RuntimeError("the daemon does not start")
            time.sleep(0.05)
            lease = read_lease(home.path)
        yield lease.url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_SECONDS)


@contextmanager
def _peer(folder: Path) -> Generator[str]:
    port = 18080 + os.getpid() % 1000
    process = subprocess.Popen([sys.executable, "-c", _PEER, str(folder), str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.perf_counter() + _PATIENCE_SECONDS
        while True:
            try:
                httpx.post(f"{url}/nothing", content=b"{}")
                break
            except httpx.TransportError:
                if time.perf_counter() > deadline:
                    raise
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


# --- what is measured


def _seconds_to_begin(url: str, folder: Path) -> float:
    """Return the median time from a call to the first act of the program that it starts."""
    bell = os.open(folder / "bell", os.O_RDWR | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(bell, select.POLLIN)
    seconds: list[float] = []
    try:
        with httpx.Client() as client:
            for number in range(LATENCY_CALLS):
                started = time.perf_counter()
                client.post(url, json={"n": number}).raise_for_status()
                if not poll.poll(_PATIENCE_SECONDS * 1000):
                    raise RuntimeError("the program never began")
                seconds.append(time.perf_counter() - started)
                os.read(bell, 16)
                time.sleep(0.01)  # an idle machine: what comes after a beginning is over
    finally:
        os.close(bell)
    return statistics.median(seconds)


class _Caller(asyncio.Protocol):
    """One connection that posts again as soon as it has its answer."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._got = b""
        self.answers = 0
        self.refused = 0
        self.is_lost = False
        self.answered = asyncio.Event()
        self.again = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] - a TCP connection's

    def post(self) -> None:
        self.answered.clear()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        self._got = b""
        if head.startswith(b"HTTP/1.1 200"):
            self.answers += 1
        else:
            self.refused += 1
        self.answered.set()
        if self.again:
            self.post()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True
        self.answered.set()


async def _callers(url: str) -> list[_Caller]:
    place = httpx.URL(url)
    body = json.dumps({"action": "opened", "number": 7, "text": "x" * 200}).encode()
    head = f"POST {place.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Caller(head.encode() + body), place.host, place.port or 80)
        for _ in range(CONNECTIONS)
    ]
    return [caller for _, caller in made]


async def _calls_per_second(url: str) -> float:
    callers = await _callers(url)
    started = time.perf_counter()
    for caller in callers:
        caller.post()
    await asyncio.sleep(INGESTION_SECONDS)
    count = sum(caller.answers for caller in callers)
    seconds = time.perf_counter() - started
    for caller in callers:
        caller.again = False
        await caller.answered.wait()
    _check(callers)
    return count / seconds


def _check(callers: Iterable[_Caller]) -> None:
    if any(caller.refused for caller in callers):
        raise RuntimeError("a call was refused")
    if any(caller.is_lost for caller in callers):
        raise RuntimeError("the server closed a connection that was in use")


async def _sustain(url: str, home: Home, rate: float) -> tuple[float, float]:
    """Offer calls at a rate; returns how many answered ones have no completed run, and the work left at the end.

    The connections take turns: the server closes one that says nothing for 20 s.
    """
    callers = deque(await _callers(url))
    for caller in callers:
        caller.again = False
        caller.answered.set()
    before = _counts(home)
    started, offered = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < SUSTAINED_SECONDS:
        for _ in range(min(len(callers), int(elapsed * rate) - offered)):
            callers.rotate(-1)
            if callers[0].answered.is_set():
                callers[0].post()
                offered += 1
        await asyncio.sleep(0.002)
    for caller in callers:
        await caller.answered.wait()
    _check(callers)
    taken = sum(caller.answers for caller in callers)
    if offered < 0.98 * SUSTAINED_SECONDS * rate:
        raise RuntimeError(f"only {offered / SUSTAINED_SECONDS:.0f} calls a second were taken of {rate:.0f}")
    left = taken - (_counts(home) - before)
    for _ in range(600):
        if _counts(home) - before >= taken:
            break
        await asyncio.sleep(0.1)
    return taken - (_counts(home) - before), left / rate


def _counts(home: Home) -> int:
    """Return how many runs of `bench.quick` are completed."""
    file = sqlite3.connect(home.database)
    try:
        return int(
            file.execute(
                "SELECT count(*) FROM execution WHERE action_ref = 'bench.quick' AND status = 'completed'"
            ).fetchone()[0]
        )
    finally:
        file.close()
