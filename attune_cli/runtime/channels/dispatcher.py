"""One thread that serves all channels: each in the order of the outbox, each message until it has gone out.

The cursor of a channel moves in the commit after a message went out, never before: whatever dies in between, the
message is sent again. What a channel's rate leaves no room for stays where it is, in the outbox, until one message can
sum it up; so nothing has to be remembered but the cursor.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.channels.messenger import MISSING
from attune_cli.runtime.channels.sending import INSTALL, Delivery
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.services import notices
from attune_cli.runtime.services.channels import url_of
from attune_cli.runtime.store import channels
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.notices import Notice
    from attune_cli.runtime.parts import Platform
    from attune_cli.runtime.store.channels import Channel
    from attune_cli.runtime.store.database import Store, Transaction

_REST_SECONDS = 0.2
"""A busy engine ticks a hundred times a second; nobody wants to be told as often."""

_LONGEST_SLEEP_SECONDS = 300.0
_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 300.0
_MANY_FAILURES = 10

_LAG = 500
"""So far a cursor may stay behind when there is nothing to tell: each move is a commit."""

_ENGINE_SECONDS = 30.0
_END_SECONDS = 5.0

log = logging.getLogger("attune.notices")


@immutable(kw_only=True)
class _Message:
    """What goes out next, and what is dealt with when it has."""

    notice: Notice
    cursor: int
    suppressed: int = 0


class Dispatcher:
    """A part of the daemon."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="notices", daemon=True)
        self._read_up_to: dict[int, int] = {}
        """Channel → the sequence up to which it wants to hear of nothing; its cursor may be behind that."""
        self._delivery: Delivery | None = None

    def start(self) -> None:
        self._platform.subscribe(self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """Let a message that is on its way arrive, if that does not take long."""
        self._ending.set()
        self._wake.set()
        if self._thread.ident is None:
            return
        self._thread.join(_END_SECONDS)
        delivery = self._delivery
        if delivery is not None:
            delivery.end()
            self._thread.join(_END_SECONDS)

    def _serve(self) -> None:
        store = self._platform.connect()
        try:
            seen = -1
            while not self._ending.is_set():
                self._wake.clear()
                due: Instant | None = None
                version = store.data_version()
                try:
                    due = self._round(store)
                    seen = version
                except AttuneError as error:  # a database that is busy, an engine that is being replaced
                    log.warning("channels wait: %s", error.message)
                    due = self._platform.clock.now() + round(_FIRST_PAUSE_SECONDS * SECOND)
                self._sleep(store, seen, due)
        finally:
            store.close()

    def _sleep(self, store: Store, seen: int, due: Instant | None) -> None:
        """Sleep until something was committed, or is due."""
        self._ending.wait(_REST_SECONDS)
        while not self._ending.is_set() and store.data_version() == seen:
            self._wake.clear()
            seconds = _LONGEST_SLEEP_SECONDS
            if due is not None:
                seconds = min(seconds, max(0.0, (due - self._platform.clock.now()) / SECOND))
            if store.data_version() == seen and not self._wake.wait(seconds):
                return

    # --- one look at all channels

    def _round(self, store: Store) -> Instant | None:
        """Send what can be sent now; returns when there is something to do again, None: after the next commit."""
        dues: list[Instant] = []
        with store.read(self._platform.clock.now()) as tx:
            known = [channel for channel in channels.all_of(tx) if channel.enabled]
        for channel in known:
            due = self._serve_channel(store, channel)
            if due is not None:
                dues.append(due)
        return min(dues, default=None)

    def _serve_channel(self, store: Store, channel: Channel) -> Instant | None:
        """Send one message of a channel at most, so that none waits for another; returns when it goes on."""
        now = self._platform.clock.now()
        if channel.next_attempt is not None and channel.next_attempt > now:
            return channel.next_attempt
        room = notices.room_of(channel, now)
        if room <= 0:
            return notices.next_room(channel, now)
        message = self._next_message(store, channel, room)
        if message is None:
            return None
        reason = self._send(store, channel, message.notice)
        if self._ending.is_set() and reason is not None:
            return None  # cut off, which is not the service's fault
        if reason is not None:
            return self._failed(channel, reason)
        recent = (*notices.recent_of(channel, now), now)
        self._commit(
            lambda tx: channels.delivered(
                tx, channel.id, cursor=message.cursor, suppressed=message.suppressed, recent=recent
            )
        )
        self._read_up_to[channel.id] = message.cursor
        return now

    def _next_message(self, store: Store, channel: Channel, room: int) -> _Message | None:
        """Return the next change alone, or with all that follow when the rate leaves room for one message only."""
        after = max(channel.cursor, self._read_up_to.get(channel.id, 0))
        total = notices.Sum()
        first: notices.Heard | None = None
        while True:
            with store.read(self._platform.clock.now()) as tx:
                found = notices.scan(tx, channel, after)
            for heard in found.heard:
                first = first or heard
                total.add(heard)
            after = found.sequence
            if found.is_whole or self._ending.is_set() or (first is not None and room > 1):
                break
        if first is None:
            self._pass_over(channel, after)
            return None
        if room > 1 or total.total == 1:
            return _Message(notice=first.notice, cursor=first.sequence)
        return _Message(notice=total.notice(), cursor=after, suppressed=total.total)

    def _pass_over(self, channel: Channel, sequence: int) -> None:
        """Remember that there was nothing to tell; write it down now and then."""
        self._read_up_to[channel.id] = sequence
        if sequence - channel.cursor >= _LAG:
            self._commit(lambda tx: channels.advance(tx, channel.id, sequence))

    # --- what comes of it

    def _send(self, store: Store, channel: Channel, notice: Notice) -> str | None:
        try:
            with store.read(self._platform.clock.now()) as tx:
                url = url_of(tx, channel, self._platform.sealer)
            self._delivery = Delivery(url, notice)
        except (AttuneError, OSError) as error:  # the key is gone, or no process can be started
            return str(error)
        reason: str | None = self._delivery.answer()["reason"]
        self._delivery = None
        return f"apprise is not installed: {INSTALL}" if reason == MISSING else reason

    def _failed(self, channel: Channel, reason: str) -> Instant:
        failures = min(channel.failures, _MANY_FAILURES)
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**failures)
        again = self._platform.clock.now() + round(pause * SECOND)
        log.warning("channel %s: %s; next attempt in %g s", channel.name, reason, pause)
        self._commit(lambda tx: channels.failed(tx, channel.id, error=reason, next_attempt=again))
        return again

    def _commit(self, work: Callable[[Transaction], None]) -> None:
        self._platform.request(work).result(_ENGINE_SECONDS)
