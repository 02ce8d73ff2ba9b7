"""The engine's thread, on a real file that others use as well."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import SECOND, SystemClock
from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.services.submission import Submission, submit
from attune_cli.runtime.store import executions
from tests.e2e.story import until
from tests.server.platform import StagePlatform

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.clock import Instant


def test_what_another_process_committed_is_looked_at_again_when_the_file_was_busy_at_first(
    memory_path: Path,
) -> None:
    platform = StagePlatform(Home(memory_path / "home"), Settings(busy_timeout_seconds=0.05))
    definition = JobDefinition(kind="process", action=ActionDefinition(ref="demo.job", pack_ref="demo"))
    asked = Submission(action_ref="demo.job", definition=definition)
    execution = platform.do(
        lambda tx: submit(tx, asked, settings=platform.settings, sealer=platform.sealer, host=None)
    ).id
    other = platform.connect()
    blocking = sqlite3.connect(platform.home.database, isolation_level=None)

    # Another process asks for the end of the execution without a ring, and somebody keeps the file busy at once.
    with other.write(platform.clock.now()) as tx:
        assert executions.request_cancel(tx, execution, None)
    blocking.execute("BEGIN IMMEDIATE")
    for _ in range(
        2
    ):  # it may have been looking just now; the second look comes after one that saw the commit
        begun = time.monotonic()
        until(lambda begun=begun: platform.loop.looked_at > begun, "a tick that finds the file busy")
    blocking.execute("ROLLBACK")

    def status() -> str:
        with other.read(platform.clock.now()) as tx:
            row = tx.execute("SELECT status FROM execution WHERE id = ?", (execution,)).fetchone()
        return str(row[0])

    until(lambda: status() == "cancelled", "a second look")
    assert platform.loop.failure is None
    for connection in (blocking, other, platform):
        connection.close()


class SettableClock(SystemClock):
    """The machine's clock, which somebody sets back."""

    set_back: Instant = 0

    def now(self) -> Instant:
        return super().now() - self.set_back


def test_a_clock_that_is_set_back_is_noticed_though_nothing_else_happens(memory_path: Path) -> None:
    clock = SettableClock()
    platform = StagePlatform(Home(memory_path / "home"), clock=clock)
    platform.do(lambda _tx: None)
    begun = time.monotonic()
    until(lambda: platform.loop.looked_at > begun, "a look around after that tick")
    ticks: list[Instant] = []
    platform.subscribe(lambda: ticks.append(clock.now()))
    clock.set_back = 2 * 24 * 3600 * SECOND
    until(lambda: ticks, "a tick by the other time")
    platform.close()
