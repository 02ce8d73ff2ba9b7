"""Looking at executions from a terminal: their logs, their end, the stream of their changes."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from attune_cli.errors import CancelledError, PendingError, RunFailedError, UsageError
from attune_cli.running.asking import Asking
from attune_cli.running.attending import Attendant
from attune_cli.running.ending import how_it_ended
from attune_cli.running.follow import (
    LOOK_SECONDS,
    WAITING_SECONDS,
    LogCopier,
    Sink,
    exit_code_of,
    read,
    read_in,
    sinks,
)
from attune_cli.running.hosting import cancelled_by_signals, start_background_host
from attune_cli.running.leaving import AsHost
from attune_cli.runtime.clock import SystemClock, monotonic_seconds, rfc3339
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.inline_host import InlineHost
from attune_cli.runtime.model.pointers import put_back
from attune_cli.runtime.services import executions as services
from attune_cli.runtime.services.live_logs import LiveLogs
from attune_cli.runtime.services.logs import (
    CHUNK_BYTES,
    STREAMS,
    Piece,
    StreamName,
    in_order,
    lines,
    tail,
)
from attune_cli.runtime.services.records import execution_record
from attune_cli.runtime.store import executions, inquiries, notifications
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from attune_cli.context import Context
    from attune_cli.running.asking import OnInquiry
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.store.database import Store


# --- logs


def chosen_streams(word: str) -> tuple[StreamName, ...]:
    """Return the streams `--stream` names."""
    if word == "all":
        return STREAMS
    found: tuple[StreamName, ...] = tuple(stream for stream in STREAMS if stream == word)
    if not found:
        raise UsageError(f"--stream {word!r} is none of stdout, stderr, all")
    return found


def show_logs(
    context: Context,
    execution: Execution,
    streams: tuple[StreamName, ...],
    *,
    last: int | None,
    timestamps: bool,
) -> None:
    """Print what an execution wrote so far: raw bytes, or JSON lines."""
    pieces: Iterable[Piece] = in_order(context.home, execution.id, streams)
    if last is not None:
        pieces = tail(pieces, last)
    if context.out.is_text and not timestamps:
        targets = _log_targets(streams)
        for piece in pieces:
            targets[piece.stream].write(piece.data)
            targets[piece.stream].check()
        return
    for line in lines(pieces):
        context.out.event(line_record(execution.id, line), _stamped(line))


def _log_targets(streams: tuple[StreamName, ...]) -> dict[StreamName, Sink]:
    """Stdout to stdout and stderr to stderr; one stream alone always to stdout."""
    if len(streams) == 1:
        return {streams[0]: Sink(sys.stdout)}
    return sinks(stdout=sys.stdout, stderr=sys.stderr)


def line_record(execution_id: int, line: Piece) -> dict[str, Any]:
    return {
        "v": 1,
        "type": "log",
        "execution": execution_id,
        "stream": line.stream,
        "offset": line.offset,
        "ts": None if line.time is None else rfc3339(line.time),
        "line": line.data.removesuffix(b"\n").decode("utf-8", "replace"),
    }


def _stamped(line: Piece) -> str:
    text = line.data.removesuffix(b"\n").decode("utf-8", "replace")
    return f"{'-' if line.time is None else rfc3339(line.time)} {text}"


def follow_logs(
    context: Context, store: Store, execution: Execution, streams: tuple[StreamName, ...]
) -> None:
    """Print what an execution writes, as it comes, until its end."""
    if context.out.is_text:
        targets = _log_targets(streams)
        copier = LogCopier(context.home, execution.id, targets)
        attendant = Attendant(context, store)
        while not (current := read(store, execution.id)).status.is_terminal:
            attendant.look_after([current])
            if not copier.copy():
                time.sleep(LOOK_SECONDS)
        copier.copy_rest()
        for sink in targets.values():
            sink.check()
        return
    context.out.event({"v": 1, "type": "hello", "stream": "logs", "id": execution.id}, None)
    attendant = Attendant(context, store)

    def is_over() -> bool:
        current = read(store, execution.id)
        if not current.status.is_terminal:
            attendant.look_after([current])
        return current.status.is_terminal

    _stream_lines(context, is_over, execution.id, streams)
    tell_end(context, read(store, execution.id))


def _stream_lines(
    context: Context, is_over: Callable[[], bool], execution_id: int, streams: tuple[StreamName, ...]
) -> None:
    """Print each whole line as one JSON record; what has no end yet waits for it, or for the end of the run."""
    live = LiveLogs(context.home, execution_id, streams)

    def pieces() -> Iterator[Piece]:
        while not is_over():
            new = live.look()
            yield from new
            if not new:
                time.sleep(LOOK_SECONDS)
        yield from live.rest()

    for line in lines(pieces(), longest_bytes=CHUNK_BYTES):
        context.out.event(line_record(execution_id, line), None)


def tell_end(context: Context, execution: Execution) -> None:
    """Print the last record of a stream about an execution."""
    record = {
        "v": 1,
        "type": "end",
        "ts": rfc3339(execution.finished or execution.updated),
        "execution": execution.id,
        "status": str(execution.status),
        "exit_code": exit_code_of(execution),
    }
    context.out.event(record, None)


# --- results


def show_result(context: Context, word: str, *, wait: bool, reveal: bool) -> int:
    """Print the bare result of an execution; its exit code tells whether there is one."""
    from attune_cli.running.ending import print_result

    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        execution = executions.last_attempt(tx, services.find(tx, word))
    if wait and not execution.status.is_terminal:
        silent = replace(context, quiet=2)  # the result is all that is asked for
        wait_for(silent, store, [execution], any_one=False, give_up_seconds=None)
        with store.read(SystemClock().now()) as tx:
            execution = executions.last_attempt(tx, services.find(tx, word))
    if not execution.status.is_terminal:
        raise PendingError(
            f"execution {execution.id} is not over: it is {execution.status}",
            hint=f"attune execution result {execution.id} --wait",
        )
    if execution.status != "completed":
        raise RunFailedError(
            f"execution {execution.id} of {execution.action_ref} {how_it_ended(execution)}",
            hint=f"attune execution show {execution.id}{' --tree' if execution.waits else ''}",
        )
    print_result(context, _revealed(context, store, execution) if reveal else execution)
    return 0


def _revealed(context: Context, store: Store, execution: Execution) -> Execution:
    """Return the execution with the secret values of its result in their places."""
    with store.read(SystemClock().now()) as tx:
        sealed = executions.sealed_result(tx, execution.id)
    if sealed is None or execution.result is None:
        return execution
    result = dict(execution.result)
    put_back(result, Sealer(context.home.secret_key).unseal(sealed))
    return replace(execution, result=result)


# --- waiting


class _NobodyRunsItError(Exception):
    """Something that is waited for belongs to nobody: whoever waits has to run it."""


def wait_for(
    context: Context,
    store: Store,
    found: Sequence[Execution],
    *,
    any_one: bool,
    give_up_seconds: float | None,
    on_inquiry: OnInquiry = "wait",
    name: str | None = None,
) -> int:
    """Wait until all (or any) of the executions ended; those that nobody runs, or no longer, are run here."""
    asking = Asking(context, store, mode=on_inquiry, name=name, give_up_seconds=give_up_seconds)
    if give_up_seconds is not None:
        # They go on when waiting is over.
        attendant = Attendant(context, store, adopt=lambda one: start_background_host(context, one))
        waiting = Waiting(store, found, any_one, attendant, asking, give_up_seconds)
        return _tell_ends(context, waiting.until_over(time.sleep), [])
    try:
        waiting = Waiting(store, found, any_one, Attendant(context, store, adopt=_refuse), asking)
        return _tell_ends(context, waiting.until_over(time.sleep), [])
    except _NobodyRunsItError:
        return _wait_as_host(context, store, found, any_one=any_one, on_inquiry=on_inquiry, name=name)


def _refuse(_execution: int) -> None:
    raise _NobodyRunsItError


def _wait_as_host(
    context: Context,
    store: Store,
    found: Sequence[Execution],
    *,
    any_one: bool,
    on_inquiry: OnInquiry,
    name: str | None,
) -> int:
    reading = connect_again(context.home, context.settings)
    taken: list[int] = []

    def take(execution_id: int) -> None:
        taken.append(execution_id)
        host.request(lambda tx: executions.take_tree(tx, execution_id, host.id)).result()

    with InlineHost(context.home, context.settings, store) as host:
        attendant = Attendant(context, reading, adopt=take, own_host=host.id)
        with cancelled_by_signals(host, taken, context) as received:
            asking = Asking(
                context, reading, mode=on_inquiry, name=name, unwanted=host.check,
                leaving=AsHost(host, reading, context, received),
            )  # fmt: skip
            ended = Waiting(reading, found, any_one, attendant, asking).until_over(host.wait)
    reading.close()
    return _tell_ends(context, ended, received)


@dataclass(frozen=True)
class Waiting:
    """What is waited for, and until when."""

    store: Store
    found: Sequence[Execution]
    any_one: bool
    attendant: Attendant
    asking: Asking
    give_up_seconds: float | None = None

    def until_over(self, wait: Callable[[float], object]) -> list[Execution]:
        """Return those that ended; raises PendingError when waiting is over first."""
        started = monotonic_seconds()
        while True:
            with self.store.read(SystemClock().now()) as tx:
                now = [executions.last_attempt(tx, read_in(tx, one.id)) for one in self.found]
            ended = [one for one in now if one.status.is_terminal]
            if len(ended) == len(now) or (self.any_one and ended):
                self.asking.check()
                return ended
            live = [one for one in now if not one.status.is_terminal]
            if self.give_up_seconds is not None and monotonic_seconds() - started > self.give_up_seconds:
                ids = " ".join(str(one.id) for one in live)
                raise PendingError(f"still going on: execution {ids}", hint=f"attune execution wait {ids}")
            self.attendant.look_after(live)
            self.asking.look_after(live)
            wait(LOOK_SECONDS if any(one.status.holds_slot for one in live) else WAITING_SECONDS)


def _tell_ends(context: Context, ended: Sequence[Execution], received: Sequence[int]) -> int:
    records = [execution_record(one) | {"exit_code_of_wait": exit_code_of(one)} for one in ended]
    if len(records) == 1:
        records[0].pop("exit_code_of_wait")
        if not context.out.is_text:
            context.out.record(records[0])
    elif not context.out.is_text:
        from attune_cli.output import Column

        context.out.records(records, (Column("ID", "id"), Column("STATUS", "status")))
    for one in ended:
        context.out.note(f"execution {one.id} of {one.action_ref} {how_it_ended(one)}")
    codes = {exit_code_of(one) for one in ended} - {0}
    if received and CancelledError.exit_code in codes:
        return 128 + received[0]
    return 0 if not codes else codes.pop() if len(codes) == 1 else 1


# --- changes


def watch_changes(context: Context, store: Store, execution: Execution) -> int:
    """Print each change of an execution and each line it writes; ends with it, and with its exit code."""
    context.out.event({"v": 1, "type": "hello", "stream": "execution", "id": execution.id}, None)
    with store.read(SystemClock().now()) as tx:
        for change in executions.history(tx, execution.id):
            _print_status(context, execution.id, None, change.at, str(change.to_status))
        for inquiry in inquiries.pending_below(tx, execution.id):
            _print_inquiry(context, inquiry, None)
        sequence = notifications.newest(tx)
    copier = LogCopier(context.home, execution.id, _log_targets(STREAMS) if context.out.is_text else {})
    attendant = Attendant(context, store)
    while True:
        current = read(store, execution.id)
        if not current.status.is_terminal:
            attendant.look_after([current])
        with store.read(SystemClock().now()) as tx:
            news = notifications.since(tx, sequence)
            asked = {one.id: one for one in inquiries.pending_below(tx, execution.id)} if news else {}
        for change in news:
            sequence = change.sequence
            if (change.entity_type, change.entity_id) == ("execution", execution.id):
                status = json.loads(change.payload)["status"]
                _print_status(context, execution.id, sequence, change.created, status)
            elif change.notification_type == "inquiry_created" and change.entity_id in asked:
                _print_inquiry(context, asked[change.entity_id], sequence)
        if not copier.copy() and not news:
            if current.status.is_terminal:
                tell_end(context, current)
                return exit_code_of(current)
            time.sleep(LOOK_SECONDS)


def _print_inquiry(context: Context, inquiry: Inquiry, sequence: int | None) -> None:
    asked = rfc3339(inquiry.created)
    record = {
        "v": 1,
        "type": "inquiry",
        "seq": sequence,
        "ts": asked,
        "execution": inquiry.execution,
        "inquiry": inquiry.id,
        "prompt": inquiry.prompt,
    }
    first_line = inquiry.prompt.partition("\n")[0]
    context.out.event(record, f"{asked} inquiry {inquiry.id} of execution {inquiry.execution}: {first_line}")


def _print_status(
    context: Context, execution_id: int, sequence: int | None, at: Instant, status: str
) -> None:
    record = {
        "v": 1,
        "type": "status",
        "seq": sequence,
        "ts": rfc3339(at),
        "execution": execution_id,
        "status": status,
    }
    context.out.event(record, f"{rfc3339(at)} execution {execution_id} {status}")
