"""One process of a sensor: started, served, and ended with all that descends from it.

Its stdout is read line by line, and no further while what was read is being taken; so what it tells is neither lost
nor piled up. Text of both streams goes to the sensor's log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
from collections import deque
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Protocol

from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.runtime.sensors.launch import tethered
from attune_cli.runtime.sensors.lines import Lines, Refusal, read_lines
from attune_cli.runtime.supervisor.family import Family, reap_orphans
from attune_cli.runtime.supervisor.launch import Leader
from attune_cli.runtime.supervisor.mask import Mask
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from attune_cli.runtime.sensors.launch import Launch
    from attune_cli.runtime.sensors.lines import Entry
    from attune_cli.runtime.sensors.logs import LineLog
    from attune_cli.runtime.services.sensors import Assignment

log = logging.getLogger("attune.sensors")

MAX_BATCH = 500
"""Entries taken in one transaction: other requests of the same tick are not kept waiting for long."""

DRAIN_SECONDS = 0.5
"""How long those that hold the streams of an ended sensor may still write (domain.md 10.3, 22)."""

SWEEP_SECONDS = 2.0
"""How long killed processes are waited for, and streams on which nothing comes any more."""

_SWEEP_INTERVAL_SECONDS = 0.01
_PATROL_SECONDS = 5.0
"""How often orphans that ended by themselves are reaped."""

_POLL_SECONDS = 0.25
"""How often the end of a process is looked for, where the system does not tell it."""

_READ_BYTES = 64 * 1024

_TEXT_LINES_PER_SECOND = 10_000
_TEXT_BYTES_PER_SECOND = 4 * 1024 * 1024
_SHORTEST_PAUSE_SECONDS = 0.05
"""A sensor that writes more text than this has to wait: its log must not cost the daemon a processor."""

_EXCERPT_LINES = 80
_EXCERPT_BYTES = 16 * 1024


class Intake(Protocol):
    """Takes what a sensor tells."""

    async def take(self, entries: Sequence[Entry | Refusal]) -> Sequence[Refusal]:
        """Take entries in their order, and count the refusals among them; returns what could not be taken.

        When it returns, what was taken is durable.
        """
        ...


@immutable(kw_only=True)
class Exit:
    """How a process ended. `exit_code` is None when a signal ended it; `excerpt` is the end of its stderr."""

    exit_code: int | None
    signal: int | None
    seconds: float
    excerpt: str

    def __str__(self) -> str:
        if self.signal is not None:
            return f"ended by {signal.Signals(self.signal).name} after {self.seconds:.1f} s"
        return f"exited with code {self.exit_code} after {self.seconds:.1f} s"


class _Kin(Family):
    """A sensor's processes: one entry of their environment marks them, wherever they go."""

    def __init__(self, leader: int, mark: bytes) -> None:
        super().__init__(leader, {})
        self._mark = mark

    def owns(self, pid: int, environment: frozenset[bytes]) -> bool:
        return self._mark in environment or super().owns(pid, environment)


def mark(state_file: str) -> bytes:
    """Return the entry in the environment that marks the processes of one sensor of one home."""
    return os.fsencode(f"ATTUNE_SENSOR_STATE={state_file}")


class SensorProcess:
    """Made and served on one thread, whose event loop runs. `serve` is called once."""

    def __init__(
        self, assignment: Assignment, launch: Launch, intake: Intake, *, stdout: LineLog, stderr: LineLog
    ) -> None:
        """Start the process. Raises OSError."""
        self._assignment = assignment
        self._intake = intake
        self._log = stdout
        self._error_log = stderr
        self._excerpt: deque[bytes] = deque(maxlen=_EXCERPT_LINES)
        self._began_at = monotonic_seconds()
        self._told: asyncio.Event | None = None
        self._triggers = assignment.triggers
        self._moved = 0
        """Counts what came through the streams."""
        self._is_taking = False
        self._popen = subprocess.Popen(
            tethered(launch.argv),
            cwd=launch.cwd,
            env=launch.environment,
            stdin=subprocess.PIPE if self._is_told else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._leader = Leader(self._popen, -1, -1, None)
        self._kin = _Kin(self.pid, mark(launch.environment["ATTUNE_SENSOR_STATE"]))
        self._kill_timer: asyncio.TimerHandle | None = None
        self._feeder: asyncio.Task[None] | None = None

    @property
    def _is_told(self) -> bool:
        return self._assignment.definition.rule_changes == "stdin"

    # --- from outside

    def tell(self, triggers: tuple[dict[str, Any], ...]) -> None:
        """Tell it on stdin what rules there are now; one that does not read in time hears of the last change only."""
        self._triggers = triggers
        if self._told is not None:
            self._told.set()

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end, by closing its stdin and by TERM, and kill it after the grace; a second time at once."""
        if self._feeder is not None:
            self._feeder.cancel()
        if self._kill_timer is None and grace_seconds > 0:
            self._kin.terminate()
            self._kill_timer = asyncio.get_running_loop().call_later(grace_seconds, self._kin.kill)
        else:
            self._kin.kill()

    async def serve(self) -> Exit:
        """Serve its streams until nothing of it is left."""
        readers = [asyncio.create_task(self._read_stdout()), asyncio.create_task(self._read_stderr())]
        for reader in readers:
            reader.add_done_callback(self._reader_ended)
        patrol = asyncio.create_task(self._patrol())
        if self._is_told:
            self._told = asyncio.Event()
            self._told.set()
            self._feeder = asyncio.create_task(self._feed())
        await self._leader_ended()
        seconds = monotonic_seconds() - self._began_at
        await asyncio.wait(readers, timeout=DRAIN_SECONDS)
        await self._sweep()
        await self._drain(readers)
        for task in (patrol, self._feeder):
            if task is not None:
                task.cancel()
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._kin.forget()
        code = self._leader.reap()
        self._log.close()
        self._error_log.close()
        return Exit(
            exit_code=None if code is None or code < 0 else code,
            signal=-code if code is not None and code < 0 else None,
            seconds=seconds,
            excerpt=self._excerpt_text(),
        )

    # --- its end

    def _reader_ended(self, reader: asyncio.Task[None]) -> None:
        """A process to whom nobody listens any more would wait for ever."""
        if not reader.cancelled() and reader.exception() is not None:
            log.error("sensor %s is not read any more", self._assignment.ref, exc_info=reader.exception())
            self._kin.kill()

    async def _leader_ended(self) -> None:
        try:
            descriptor = os.pidfd_open(self.pid)
        except (OSError, AttributeError):
            while not self._leader.has_ended():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(_POLL_SECONDS)
            return
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _sweep(self) -> None:
        """Kill and reap what the leader left behind."""
        give_up = monotonic_seconds() + SWEEP_SECONDS
        while self._kin.sweep() and monotonic_seconds() < give_up:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(_SWEEP_INTERVAL_SECONDS)

    async def _drain(self, readers: list[asyncio.Task[None]]) -> None:
        """Read what the streams still hold, however long it takes to be taken in; give up when nothing comes."""
        pending = {task for task in readers if not task.done()}
        while pending:
            before = self._moved
            _, pending = await asyncio.wait(pending, timeout=SWEEP_SECONDS)
            if before == self._moved and not self._is_taking:
                break  # held by a process that could not be killed
        for task in pending:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async def _patrol(self) -> None:
        while True:
            await asyncio.sleep(_PATROL_SECONDS)
            reap_orphans()

    # --- its streams

    async def _read_stdout(self) -> None:
        lines = Lines()
        number = 1
        async for data in self._stream(self._popen.stdout):
            found = lines.feed(data) if data else lines.rest()
            await self._take(found, number)
            number += len(found)

    async def _read_stderr(self) -> None:
        lines = Lines(_EXCERPT_BYTES)
        mask = Mask(secret.encode() for secret in self._assignment.secrets)
        async for data in self._stream(self._popen.stderr):
            found = lines.feed(data) if data else lines.rest()
            self._excerpt.extend(mask.feed(line) + mask.flush() for line in found[-_EXCERPT_LINES:])
            await self._keep(self._error_log, found)

    async def _stream(self, pipe: IO[bytes] | None) -> AsyncIterator[bytes]:
        """Yield what comes, and at the end of the stream b"" once."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_READ_BYTES)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while data := await reader.read(_READ_BYTES):
                self._moved += 1
                yield data
            yield b""
        finally:
            transport.close()

    async def _take(self, lines: list[bytes], number: int) -> None:
        text: list[bytes] = []
        batch: list[Entry | Refusal] = []
        for found in read_lines(lines, self._assignment, number):
            if isinstance(found, bytes):
                text.append(found)
            else:
                batch.append(found)
        self._is_taking = True
        for start in range(0, len(batch), MAX_BATCH):
            refused = await self._intake.take(batch[start : start + MAX_BATCH])
            text += [str(one).encode("utf-8", "backslashreplace") for one in refused]
        self._is_taking = False
        await self._keep(self._log, text)

    async def _keep(self, log: LineLog, lines: list[bytes]) -> None:
        if not lines:
            return
        log.write(lines)
        size = sum(map(len, lines))
        pause = max(len(lines) / _TEXT_LINES_PER_SECOND, size / _TEXT_BYTES_PER_SECOND)
        if pause >= _SHORTEST_PAUSE_SECONDS:
            await asyncio.sleep(pause)

    def _excerpt_text(self) -> str:
        return b"\n".join(self._excerpt)[-_EXCERPT_BYTES:].decode("utf-8", "replace")

    async def _feed(self) -> None:
        """Write the rules to its stdin, at the start and at each change."""
        if self._told is None or self._popen.stdin is None:
            return
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop=loop), self._popen.stdin
        )
        transport.set_write_buffer_limits(high=0)
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        try:
            while True:
                await self._told.wait()
                self._told.clear()
                writer.write(rules_message(self._triggers))
                with suppress(ConnectionError):  # it need not read
                    await writer.drain()
        finally:
            transport.abort()


def rules_message(triggers: tuple[dict[str, Any], ...]) -> bytes:
    """Return the line that tells a sensor of its rules: always all of them."""
    document = {"type": "rules", "triggers": triggers}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
