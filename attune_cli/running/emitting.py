"""Telling that something has happened, and waiting for what comes of it: in the daemon, or here."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.errors import AttuneError, CancelledError, Detail, PendingError, UnavailableError, UsageError
from attune_cli.reading.parameters import ParameterReader
from attune_cli.reading.people import enclosing_execution
from attune_cli.reading.words import read_words
from attune_cli.running.asking import Asking
from attune_cli.running.attending import Attendant
from attune_cli.running.ending import how_it_ended
from attune_cli.running.follow import LOOK_SECONDS, exit_code_of
from attune_cli.running.hosting import cancelled_by_signals, start_background_host
from attune_cli.running.viewing import Waiting
from attune_cli.runtime.clock import SystemClock, monotonic_seconds, pause
from attune_cli.runtime.engine.doorbell import ring_host
from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.inline_host import InlineHost
from attune_cli.runtime.reactions.reactor import Reactions
from attune_cli.runtime.services.event_history import find_event, show_event
from attune_cli.runtime.services.events import NewEvent, TakenIn, check, take_in, unknown_trigger
from attune_cli.runtime.store import definitions, enforcements, events, executions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.engine.lease import Daemon
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Store, Transaction

_MOST_FAULTS_TOLD = 100
"""Faulty lines that are told one by one; the rest are counted."""


@immutable(kw_only=True)
class Delivery:
    """Who judges an event and runs what comes of it, and whether this command waits for that."""

    wait: bool = False
    here: bool = False
    """In this process, whether a daemon runs or not."""
    wait_timeout_seconds: float | None = None


def read_payload(context: Context, trigger_ref: str, items: Sequence[str], document: str | None) -> Any:  # noqa: ANN401 - a payload is any JSON value
    """Read the payload as it is typed, by what the trigger declares; raises with all faults."""
    with open_store(context.home, context.settings).read(SystemClock().now()) as tx:
        trigger = definitions.get(tx, "trigger", trigger_ref)
        if trigger is None:
            raise unknown_trigger(tx, trigger_ref)
    if document is not None and not items:
        return read_whole_payload(document)
    reader = ParameterReader(trigger.definition["output"])
    if document is not None:
        reader.read_document(document)
    reader.read_items(items)
    if reader.faults:
        raise UsageError(
            "the payload cannot be read",
            code="invalid_payload",
            details=reader.faults,
            hint=f"attune trigger show {trigger_ref} (KEY:=JSON gives anything but a text)",
        )
    return reader.values


def read_whole_payload(text: str) -> Any:  # noqa: ANN401 - a payload is any JSON value
    """Read JSON text, `@FILE` or `-`; anything but an object is a payload as well."""
    reader = ParameterReader({})
    try:
        return reader.whole(text)
    except ValueError as error:
        raise UsageError(f"--payload: {error}", code="invalid_payload") from error


def emit(context: Context, new: NewEvent, delivery: Delivery) -> int:
    """Store an event and deliver it; prints its record, or its id. Returns the exit code."""
    store = open_store(context.home, context.settings)
    new = replace(new, cause=_cause(context, store))
    if context.dry_run:
        with store.read(SystemClock().now()) as tx:
            check(tx, new)
        context.out.note(f"would fire {new.trigger_ref}")
        return 0
    if delivery.here:
        return _emit_here(context, store, new)
    daemon = find_daemon(context)
    if delivery.wait and daemon is None:
        raise UnavailableError(
            f"no engine is running for {context.home.path}",
            code="no_engine",
            hint="attune up -d, or judge it here: --process instead of --wait",
        )
    with store.write(SystemClock().now()) as tx:
        taken = take_in(tx, new)
    _tell_taken(context, taken)
    if daemon is None:
        context.out.note("no daemon runs: it is judged when one does")
        context.out.hint("attune up -d")
    else:
        ring_host(context.home.hosts, daemon.host)
    if delivery.wait:
        return _wait(context, store, taken.id, delivery)
    with store.read(SystemClock().now()) as tx:
        context.out.outcome(show_event(tx, find_event(tx, str(taken.id))), [taken.id])
    return 0


def emit_lines(context: Context, new: NewEvent) -> int:
    """Store an event for each line of stdin, a JSON payload, as it comes; faulty lines are told at the end."""
    store = open_store(context.home, context.settings)
    new = replace(new, cause=_cause(context, store))
    with store.read(SystemClock().now()) as tx:
        check(tx, new)  # what is wrong with every line is told before the first
    daemon = find_daemon(context)
    faults: list[Detail] = []
    refused = 0
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            taken = _take_line(context, store, new, line)
        except AttuneError as error:
            refused += 1
            if refused <= _MOST_FAULTS_TOLD:
                told = [f"{fault.path}: {fault.message}" for fault in error.details] or [error.message]
                faults += [Detail(f"line {number}", message) for message in told]
            continue
        if taken is None:
            continue
        record = {"kind": "event", "id": taken.id, "reused": taken.reused}
        if context.out.format in {"text", "name"}:
            context.out.outcome(record, [taken.id])
            sys.stdout.flush()
        else:
            context.out.event(record, None)
        if daemon is not None:
            ring_host(context.home.hosts, daemon.host)
    if refused:
        raise UsageError(
            f"{refused} line{'' if refused == 1 else 's'} could not be taken in; the others were",
            code="invalid_payload",
            details=faults,
        )
    return 0


def _take_line(context: Context, store: Store, new: NewEvent, line: str) -> TakenIn | None:
    try:
        new = replace(new, payload=json.loads(line))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not JSON: {error}", code="invalid_payload") from error
    if context.dry_run:
        with store.read(SystemClock().now()) as tx:
            check(tx, new)
        return None
    with store.write(SystemClock().now()) as tx:
        return take_in(tx, new)


def _cause(context: Context, store: Store) -> int | None:
    """Inside an action of the same home an event is caused by that action."""
    inside = enclosing_execution(context)
    if inside is None:
        return None
    with store.read(SystemClock().now()) as tx:
        cause = executions.startable(tx, inside)
    return None if cause is None else cause.id


def find_daemon(context: Context) -> Daemon | None:
    """Return the daemon that would take something in; one that drains counts as absent."""
    daemon = read_lease(context.home.path)
    return daemon if daemon is not None and daemon.is_ready and not daemon.is_draining else None


def _tell_taken(context: Context, taken: TakenIn) -> None:
    if taken.reused:
        context.out.note(f"event {taken.id} reused: it was told with the same key")


# --- in the daemon


def _wait(context: Context, store: Store, event_id: int, delivery: Delivery) -> int:
    """Wait until an event is judged and what it started is over."""
    started = monotonic_seconds()
    limit = delivery.wait_timeout_seconds

    def left() -> float | None:
        return None if limit is None else max(0.0, limit - (monotonic_seconds() - started))

    while _is_undecided(store, event_id):
        if left() == 0.0:
            raise PendingError(f"event {event_id} waits for its turn", hint=f"attune event show {event_id}")
        if read_lease(context.home.path) is None:
            raise UnavailableError(
                f"the daemon has ended before it was done with event {event_id}",
                code="no_engine",
                hint="attune up -d",
            )
        pause(LOOK_SECONDS)
    found = _started(store, event_id)
    attendant = Attendant(context, store, adopt=lambda one: start_background_host(context, one))
    asking = Asking(context, store, mode="wait")
    waiting = Waiting(store, found, any_one=False, attendant=attendant, asking=asking, give_up_seconds=left())
    return _tell(context, store, event_id, waiting.until_over(pause))


def _is_undecided(store: Store, event_id: int) -> bool:
    """Tell whether an event waits to be judged, or what a rule decided waits for its turn."""
    with store.read(SystemClock().now()) as tx:
        event = events.get(tx, event_id)
        waiting = any(one.status == "created" for one in enforcements.of_event(tx, event_id))
    return waiting or (event is not None and event.pending)


def _started(store: Store, event_id: int) -> list[Execution]:
    with store.read(SystemClock().now()) as tx:
        record = show_event(tx, find_event(tx, str(event_id)))
        found = [executions.get(tx, one["id"]) for one in record["executions"]]
    return [one for one in found if one is not None]


# --- here


def _emit_here(context: Context, store: Store, new: NewEvent) -> int:
    """Take in an event, judge it in the same commit, and run here what comes of it."""
    reading = connect_again(context.home, context.settings)
    received: list[int] = []
    with InlineHost(context.home, context.settings, store) as host:
        reactions = Reactions(settings=context.settings, sealer=host.sealer, host=host.id)

        def work(tx: Transaction) -> TakenIn:
            taken = take_in(tx, new)
            if not taken.reused:
                reactions.judge_now(tx, taken.id)
            return taken

        taken = host.request(work).result()
        _tell_taken(context, taken)
        found = _started(reading, taken.id)
        attendant = Attendant(context, reading, own_host=host.id)
        with cancelled_by_signals(host, [one.id for one in found], context) as received:
            asking = Asking(context, reading, mode="wait")
            waiting = Waiting(reading, found, any_one=False, attendant=attendant, asking=asking)
            ended = waiting.until_over(host.wait)
    code = _tell(context, reading, taken.id, ended)
    reading.close()
    return 128 + received[0] if received and code == CancelledError.exit_code else code


# --- how it ended


def _tell(context: Context, store: Store, event_id: int, ended: Sequence[Execution]) -> int:
    with store.read(SystemClock().now()) as tx:
        record = show_event(tx, find_event(tx, str(event_id)))
    context.out.outcome(record, [event_id])
    for verdict in record["verdicts"]:
        if verdict["outcome"] != "fired":
            context.out.note(f"rule {verdict['rule_ref']}: {verdict['outcome']}: {verdict['reason']}")
    if not record["verdicts"]:
        context.out.note("no rule has judged it: none that waits for it is enabled")
        context.out.hint(f"attune rule list --trigger {record['trigger_ref']}")
    for one in ended:
        context.out.note(f"execution {one.id} of {one.action_ref} {how_it_ended(one)}")
    _tell_later(context, record)
    codes = {exit_code_of(one) for one in ended} - {0}
    if any(verdict["outcome"] == "error" for verdict in record["verdicts"]):
        codes.add(1)
    return 0 if not codes else codes.pop() if len(codes) == 1 else 1


def _tell_later(context: Context, record: Record) -> None:
    """Say what is left to a daemon: nobody else looks at the time."""
    waiting = [one["rule_ref"] for one in record["verdicts"] if one["outcome"] == "waiting"]
    if waiting and find_daemon(context) is None:
        context.out.note(f"{', '.join(waiting)}: decided by the next daemon")


# --- again


def replay(context: Context, words: Sequence[str], rule_ref: str | None, delivery: Delivery) -> int:
    """Tell events again, as new ones; returns their exit code when they agree, else 1."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        found = [find_event(tx, word) for word in read_words(words)]
        again = [
            NewEvent(
                trigger_ref=event.trigger_ref,
                payload=event.payload,
                config={**event.config, "replay_of": event.id},
                rule_ref=rule_ref or event.rule_ref,
            )
            for event in found
        ]
        for new in again:
            check(tx, new)
    codes = {emit(context, new, delivery) for new in again} - {0}
    return 0 if not codes else codes.pop() if len(codes) == 1 else 1
