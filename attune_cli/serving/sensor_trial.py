"""Trying a sensor without a daemon: it runs here, and what it tells is printed and goes nowhere (cli.md 3.9)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.errors import AttuneError, Detail, RunFailedError, TimedOutError, UsageError
from attune_cli.reading.parameters import ParameterReader
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store
from attune_cli.runtime.model.parameters import prepare
from attune_cli.runtime.runners.supervised import reason
from attune_cli.runtime.sensors.intake import new_event, told
from attune_cli.runtime.sensors.launch import SensorLauncher, write_state
from attune_cli.runtime.sensors.lines import EventLine, Refusal, StateLine
from attune_cli.runtime.sensors.process import SensorProcess, mark
from attune_cli.runtime.services import events, sensors
from attune_cli.runtime.store import definitions
from attune_cli.runtime.store import sensors as stored
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.runtime.store.sensors import Interest
from attune_cli.runtime.supervisor.leftovers import kill_marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.sensors.launch import Launch
    from attune_cli.runtime.sensors.lines import Entry
    from attune_cli.runtime.sensors.process import Exit
    from attune_cli.runtime.services.sensors import Assignment
    from attune_cli.runtime.store.database import Store, Transaction

_TRIAL_RULE = 0
"""The id of a rule that is made up for the trial: rules of the file begin at 1."""

_GRACE_SECONDS = 2.0
_STATE = "state.json"


def try_sensor(
    context: Context, ref: str, *, once: bool, seconds: float | None, params: Sequence[str] | None
) -> None:
    """Run a sensor until it ends, has told one event (`once`), or the time is over; raises for what went wrong."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        assignment = _assignment(context, tx, ref, params)
        state = stored.state(tx, ref)
    folder = Path(tempfile.mkdtemp(prefix="attune-sensor-"))
    try:
        launcher = SensorLauncher(
            context.home, environment=os.environ, allow=context.settings.environment_allow
        )
        try:
            launch = launcher.launch(assignment, state_file=folder / _STATE, api={})
            launcher.prepare(launch)
            write_state(folder / _STATE, state)
        except OSError as error:
            raise RunFailedError(f"sensor '{ref}' cannot be started: {reason(error)}") from error
        trial = _Trial(context, store, assignment, once=once)
        asyncio.run(trial.run(launch, seconds))
        trial.judge()
    finally:
        kill_marked(mark(str(folder / _STATE)))  # what went its own way, also when Ctrl-C ended the trial
        shutil.rmtree(folder, ignore_errors=True)


def _assignment(context: Context, tx: Transaction, ref: str, params: Sequence[str] | None) -> Assignment:
    row = sensors.find(tx, ref)
    if not row.definition["entry_point"]:
        raise UsageError(f"sensor '{ref}' is the engine itself", hint="attune timer next")
    trigger_refs = tuple(row.definition["trigger_types"])
    interests = stored.interests(tx, trigger_refs) if params is None else []
    if not interests:
        interests = [_made_up(tx, trigger_ref, params or ()) for trigger_ref in trigger_refs]
    assignment = sensors.assign(
        tx, row, interests, trigger_refs, home=context.home, sealer=Sealer(context.home.secret_key)
    )
    if assignment is None:
        raise UsageError(f"the pack of sensor '{ref}' is not installed", hint="attune pack list")
    return assignment


def _made_up(tx: Transaction, trigger_ref: str, items: Sequence[str]) -> Interest:
    """Return a rule's interest with the parameters given; raises UsageError when they do not fit."""
    row = definitions.get(tx, "trigger", trigger_ref)
    schema: dict[str, Any] = row.definition["parameters"] if row else {}
    reader = ParameterReader(schema)
    reader.read_items(items)
    faults: list[Detail] = [*reader.faults, *prepare(schema, reader.values)[1]]
    if faults:
        raise UsageError(
            f"the parameters do not fit trigger '{trigger_ref}'",
            code="invalid_params",
            details=faults,
            hint="--trigger-param NAME=VALUE gives what a rule would",
        )
    return Interest(rule=_TRIAL_RULE, rule_ref="", trigger_ref=trigger_ref, params=reader.values)


class _Trial:
    """One run of a sensor. It is its own intake and its own log."""

    def __init__(self, context: Context, store: Store, assignment: Assignment, *, once: bool) -> None:
        self._context = context
        self._store = store
        self._assignment = assignment
        self._once = once
        self._told = 0
        self._refused = 0
        self._is_enough = False
        self._is_over = False
        """Its time."""
        self._process: SensorProcess | None = None
        self._exit: Exit | None = None

    async def run(self, launch: Launch, seconds: float | None) -> None:
        """Serve it until it ends, or is ended after `seconds`."""
        try:
            self._process = process = SensorProcess(
                self._assignment, launch, self, stdout=_Stderr(), stderr=_Stderr()
            )
        except OSError as error:
            raise RunFailedError(
                f"sensor '{self._assignment.ref}' cannot be started: {reason(error)}"
            ) from error
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._end)
        try:
            self._exit = await process.serve()
        finally:
            process.stop(0)

    async def take(self, entries: Sequence[Entry | Refusal]) -> Sequence[Refusal]:
        """Print what would be taken in."""
        refused: list[Refusal] = []
        for entry in entries:
            if self._is_enough:
                break
            if isinstance(entry, StateLine):
                value = json.dumps(entry.value)
                sys.stderr.write(f"[attune] would keep {entry.name} = {value}\n")
            elif isinstance(entry, EventLine):
                refused += self._tell(entry)
            else:
                refused.append(entry)
        self._refused += len(refused)
        return refused

    def _tell(self, line: EventLine) -> list[Refusal]:
        is_trial = line.instance == f"rule_{_TRIAL_RULE}"
        try:
            with self._store.read(SystemClock().now()) as tx:
                new = new_event(
                    tx,
                    self._assignment,
                    EventLine(
                        line.number,
                        line.trigger_ref,
                        line.payload,
                        None if is_trial else line.instance,
                        line.dedup_key,
                    ),
                )
                events.check(tx, new)
        except AttuneError as error:
            return [Refusal(line.number, told(error))]
        record: dict[str, Any] = {
            "kind": "event",
            "trigger_ref": new.trigger_ref,
            "payload": new.payload,
            "rule_ref": new.rule_ref,
            "dedup_key": new.dedup_key,
        }
        self._context.out.event(record, json.dumps(record))
        self._told += 1
        if self._once and self._process is not None:
            self._is_enough = True
            self._process.stop(_GRACE_SECONDS)
        return []

    def _end(self) -> None:
        self._is_over = True
        if self._process is not None:
            self._process.stop(_GRACE_SECONDS)

    def judge(self) -> None:
        """Raise what the exit code is to say."""
        ref = self._assignment.ref
        if self._refused:
            raise RunFailedError(f"sensor '{ref}': {self._refused} lines would be refused", code="refused")
        if self._is_enough:
            return
        if self._is_over:
            if not self._told:
                raise TimedOutError(f"sensor '{ref}' has told nothing in this time")
            return
        if self._exit is not None and self._exit.exit_code != 0:
            raise RunFailedError(f"sensor '{ref}' {self._exit}")


class _Stderr:
    """Where text goes."""

    def write(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            sys.stderr.write(line.decode("utf-8", "replace") + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.flush()
