"""Keeps one sensor running: starts it, serves it, and after its end starts it again, later each time."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SECOND, rfc3339
from attune_cli.runtime.runners.supervised import reason
from attune_cli.runtime.sensors.bridge import commit, in_thread
from attune_cli.runtime.sensors.intake import EngineIntake
from attune_cli.runtime.sensors.launch import write_state
from attune_cli.runtime.sensors.logs import RotatedLog
from attune_cli.runtime.sensors.process import SensorProcess, mark
from attune_cli.runtime.services import events as taking
from attune_cli.runtime.services.sensors import log_path, state_path
from attune_cli.runtime.store import sensors
from attune_cli.runtime.supervisor.leftovers import kill_marked

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.parts import Platform
    from attune_cli.runtime.sensors.launch import Launch, SensorLauncher
    from attune_cli.runtime.sensors.process import Exit
    from attune_cli.runtime.sensors.schedule import Schedule
    from attune_cli.runtime.services.sensors import Assignment
    from attune_cli.runtime.store.database import Transaction

    IssueToken = Callable[[str, tuple[str, ...]], str]

GRACE_SECONDS = 5.0

_ALERT = "core.alert"
log = logging.getLogger("attune.sensors")


class Keeper:
    """Keeps one sensor, from `run` until `stop`. All of it on the thread of the event loop."""

    def __init__(
        self,
        platform: Platform,
        assignment: Assignment,
        *,
        launcher: SensorLauncher,
        issue_token: IssueToken | None,
        schedule: Schedule,
    ) -> None:
        self._platform = platform
        self._assignment = assignment
        self._launcher = launcher
        self._issue_token = issue_token
        self._schedule = schedule
        self._process: SensorProcess | None = None
        self._changed = asyncio.Event()
        """It is to be started anew, or to stop: no pause goes on."""
        self.is_stopping = False
        self._is_outdated = False
        """What runs was started with another assignment, and is asked to end."""
        self._failures = 0
        self._starts = 0

    # --- from outside

    def assign(self, assignment: Assignment) -> None:
        """Go on with another assignment: told to its process when that listens, else by a new one."""
        before, self._assignment = self._assignment, assignment
        if assignment == before:
            return
        if _but_for_rules(assignment) != _but_for_rules(before):
            self._failures = 0
            self._renew()
        elif self._process is not None and assignment.definition.rule_changes == "stdin":
            self._process.tell(assignment.triggers)
        else:
            self._renew(keeps_pause=self._process is None)

    def stop(self) -> None:
        """End it; `run` returns when nothing of it is left."""
        self.is_stopping = True
        self._changed.set()
        if self._process is not None:
            self._process.stop(GRACE_SECONDS)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.stop(0)

    def _renew(self, *, keeps_pause: bool = False) -> None:
        self._is_outdated = True
        if self._process is not None:
            self._process.stop(GRACE_SECONDS)
        if not keeps_pause:
            self._changed.set()

    # --- its life

    async def run(self) -> None:
        """Keep it until it is told to stop."""
        while not self.is_stopping:
            self._changed.clear()
            self._is_outdated = False
            assignment = self._assignment
            failure, ended = await self._once(assignment)
            if self.is_stopping or (self._is_outdated and ended is not None):
                continue
            await self._fail(assignment, failure, ended)
        await commit(self._platform, lambda tx: sensors.settle(tx, self._assignment.ref, "stopped"))

    async def _once(self, assignment: Assignment) -> tuple[str, Exit | None]:
        """Start it and serve it to its end; returns what is to be said of that, and None when it never began."""
        path = state_path(self._platform.home, assignment.ref)
        try:
            launch = await self._prepare(assignment)
            if self.is_stopping:
                return "", None
            token = launch.environment.get("ATTUNE_API_TOKEN")
            secrets = (*assignment.secrets, *(() if token is None else (token,)))
            process = SensorProcess(
                replace(assignment, secrets=secrets),
                launch,
                EngineIntake(self._platform, assignment),
                stdout=self._log(assignment.ref, "stdout", secrets),
                stderr=self._log(assignment.ref, "stderr", secrets),
            )
        except (AttuneError, OSError) as error:
            return f"cannot be started: {reason(error)}", None
        self._process = process
        self._starts += 1
        serving = asyncio.create_task(process.serve())
        try:
            if self.is_stopping or self._is_outdated:
                process.stop(GRACE_SECONDS)
            elif self._assignment is not assignment:
                process.tell(self._assignment.triggers)
            log.info("sensor %s started (process %d)", assignment.ref, process.pid)
            await commit(
                self._platform, lambda tx: sensors.settle(tx, assignment.ref, "running", pid=process.pid)
            )
            ended = await serving
        finally:
            self._process = None
            if not serving.done():
                process.stop(0)
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return str(ended), ended

    async def _prepare(self, assignment: Assignment) -> Launch:
        """Write down that it starts, and make ready what it needs."""

        def begin(tx: Transaction) -> dict[str, object]:
            sensors.begin(tx, assignment.ref, is_restart=self._starts > 0)
            return sensors.state(tx, assignment.ref)

        state = await commit(self._platform, begin)
        path = state_path(self._platform.home, assignment.ref)
        is_first = self._starts == 0

        def prepare() -> Launch:
            if is_first:
                kill_marked(mark(str(path)))  # what a daemon left that was killed
            launch = self._launcher.launch(assignment, state_file=path, api=self._api(assignment))
            self._launcher.prepare(launch)
            write_state(path, state)
            return launch

        return await in_thread(prepare)

    def _api(self, assignment: Assignment) -> dict[str, str]:
        url = self._platform.url
        if url is None or self._issue_token is None:
            return {}
        token = self._issue_token(assignment.ref, assignment.trigger_refs)
        return {"ATTUNE_API_URL": url, "ATTUNE_API_TOKEN": token}

    def _log(self, ref: str, stream: str, secrets: tuple[str, ...]) -> RotatedLog:
        path = log_path(self._platform.home, ref, stream)
        return RotatedLog(path, self._platform.clock, secrets=secrets)

    # --- its failures

    async def _fail(self, assignment: Assignment, failure: str, ended: Exit | None) -> None:
        """Write down why it does not run, raise the alarm when that is often so, and wait for the next start."""
        if ended is not None and ended.seconds >= self._schedule.healthy_seconds:
            self._failures = 0
        self._failures += 1
        pause = self._schedule.pause_seconds(self._failures)
        next_start = self._platform.clock.now() + round(pause * SECOND)
        excerpt = ended.excerpt if ended is not None else ""
        text = f"{failure}\n{excerpt}" if excerpt else failure
        log.warning("sensor %s %s; next start in %.0f s", assignment.ref, failure, pause)

        def write(tx: Transaction) -> None:
            status = "failed" if ended is None else "waiting"
            sensors.settle(tx, assignment.ref, status, next_start=next_start, error=text)
            if self._failures == self._schedule.alert_at:
                _alert(tx, assignment, self._failures, failure, excerpt)

        await commit(self._platform, write)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), pause)


def _alert(tx: Transaction, assignment: Assignment, failures: int, failure: str, excerpt: str) -> None:
    """Fire the trigger that tells of what is wrong; where people disabled it, nobody is told."""
    new = taking.NewEvent(
        trigger_ref=_ALERT,
        source="attune",
        source_ref=assignment.ref,
        payload={
            "severity": "error",
            "category": "sensor",
            "failure_type": "restarts",
            "component_type": "sensor",
            "component_id": assignment.id,
            "component_ref": assignment.ref,
            "worker_role": "sensor",
            "observed_at": rfc3339(tx.now),
            "summary": f"sensor {assignment.ref} failed {failures} times in a row: {failure}",
            "details": {"failures": failures, "error": failure, "stderr": excerpt},
        },
    )
    with suppress(AttuneError), tx.savepoint():
        taking.take_in(tx, new)


def _but_for_rules(assignment: Assignment) -> Assignment:
    return replace(assignment, triggers=())
