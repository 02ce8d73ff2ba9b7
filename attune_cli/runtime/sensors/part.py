"""The part of the daemon that keeps sensors: those that a rule wants run, the others do not."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.sensors.bridge import commit
from attune_cli.runtime.sensors.keeper import GRACE_SECONDS, Keeper
from attune_cli.runtime.sensors.launch import SensorLauncher
from attune_cli.runtime.sensors.process import SWEEP_SECONDS
from attune_cli.runtime.sensors.schedule import Schedule
from attune_cli.runtime.services.sensors import wanted
from attune_cli.runtime.store import sensors
from attune_cli.runtime.supervisor import orphans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.runtime.parts import Platform
    from attune_cli.runtime.sensors.keeper import IssueToken
    from attune_cli.runtime.services.sensors import Assignment
    from attune_cli.runtime.store.database import Store

_REST_SECONDS = 0.1
"""A busy engine ticks a hundred times a second; rules do not change as often."""

_PAUSE_SECONDS = 2.0
_KILL_SECONDS = 2.0
_JOIN_SECONDS = GRACE_SECONDS + _KILL_SECONDS + 2 * SWEEP_SECONDS

log = logging.getLogger("attune.sensors")


class Sensors:
    """One thread that serves all sensors of one daemon."""

    def __init__(
        self,
        platform: Platform,
        *,
        environment: Mapping[str, str],
        issue_token: IssueToken | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        """`environment` is that of this process; `issue_token` is asked for a sensor's token for the server."""
        self._platform = platform
        self._issue_token = issue_token
        self._schedule = schedule or Schedule()
        self._launcher = SensorLauncher(
            platform.home, environment=environment, allow=platform.settings.environment_allow
        )
        self._keepers: dict[str, tuple[Keeper, asyncio.Task[None]]] = {}
        self._thread = threading.Thread(target=self._serve, name="sensors", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Event | None = None
        self._is_stopping = False

    def start(self) -> None:
        ready = threading.Event()
        self._ready = ready
        self._thread.start()
        ready.wait(_JOIN_SECONDS)
        self._platform.subscribe(self._look)

    def stop(self) -> None:
        self._is_stopping = True
        if self._thread.ident is not None:
            self._look()
            self._thread.join(_JOIN_SECONDS)

    def _look(self) -> None:
        """Have the thread look again; from any thread."""
        loop, news = self._loop, self._news
        if loop is not None and news is not None and not news.is_set():
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(news.set)

    # --- on its own thread

    def _serve(self) -> None:
        orphans.adopt()
        try:
            asyncio.run(self._main())
        finally:
            orphans.release()
            self._loop = None

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = news = asyncio.Event()
        self._ready.set()
        store = self._platform.connect()
        try:
            await commit(self._platform, sensors.stop_all)
            seen = -1
            while not self._is_stopping:
                news.clear()
                try:
                    seen = self._reconcile(store, seen)
                except AttuneError as error:  # a database that is busy
                    log.warning("sensors wait: %s", error.message)
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                await news.wait()
                await asyncio.sleep(0 if self._is_stopping else _REST_SECONDS)
            await self._end()
        finally:
            store.close()

    def _reconcile(self, store: Store, seen: int) -> int:
        """Start what is wanted, stop what is not, and pass changes on; returns the version of the rules that it saw."""
        with store.read(self._platform.clock.now()) as tx:
            version = sensors.rules_version(tx)
            if version == seen:
                return seen
            found = wanted(tx, home=self._platform.home, sealer=self._platform.sealer)
        for ref, (keeper, task) in list(self._keepers.items()):
            if task.done():
                del self._keepers[ref]
                self._tell_failure(ref, task)
            elif ref not in found:
                keeper.stop()
        for ref, assignment in found.items():
            self._keep(ref, assignment)
        return version

    def _keep(self, ref: str, assignment: Assignment) -> None:
        present = self._keepers.get(ref)
        if present is not None and not present[0].is_stopping:
            present[0].assign(assignment)
            return
        keeper = Keeper(
            self._platform,
            assignment,
            launcher=self._launcher,
            issue_token=self._issue_token,
            schedule=self._schedule,
        )
        before = present[1] if present is not None else None
        self._keepers[ref] = keeper, asyncio.create_task(self._run(keeper, before))

    @staticmethod
    async def _run(keeper: Keeper, before: asyncio.Task[None] | None) -> None:
        """Run a keeper when the one before it has gone: a sensor never runs twice."""
        if before is not None:
            await asyncio.wait([before])
        await keeper.run()

    @staticmethod
    def _tell_failure(ref: str, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("sensor %s is no longer kept", ref, exc_info=error)

    async def _end(self) -> None:
        """Stop all of them at once, within a bounded time."""
        tasks = [task for _, task in self._keepers.values()]
        if not tasks:
            return
        for keeper, _ in self._keepers.values():
            keeper.stop()
        _, pending = await asyncio.wait(tasks, timeout=GRACE_SECONDS + SWEEP_SECONDS)
        if pending:
            for keeper, _ in self._keepers.values():
                keeper.kill()
            _, pending = await asyncio.wait(pending, timeout=_KILL_SECONDS)
        for task in pending:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
