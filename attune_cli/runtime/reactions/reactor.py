"""The reactor: the stage of the daemon's tick that turns timers and what happened into executions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.engine.limits import (
    EVENTS_PER_TICK,
    STARTED_WAITING_PER_TICK,
    SWEEP_SECONDS,
    VERDICTS_PER_TICK,
    WORK_PER_TICK,
)
from attune_cli.runtime.model.effort import Effort
from attune_cli.runtime.reactions import platform_events, timers
from attune_cli.runtime.reactions.enforcing import Starter
from attune_cli.runtime.reactions.rulebook import RuleBook
from attune_cli.runtime.reactions.sweeping import is_more_left, sweep
from attune_cli.runtime.reactions.verdict_writing import VerdictWriter
from attune_cli.runtime.store import enforcements, events, rule_index, verdicts
from attune_cli.runtime.store import timers as timer_rows

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.reactions.platform_events import Wanted
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer


class Reactions:
    """Implements `engine.reactor.Reactor`. Belongs to one engine's thread.

    Executions are owned by `host`; None leaves them to whoever takes ownerless ones, which is the daemon itself.
    """

    def __init__(
        self, *, settings: Settings, sealer: Sealer, host: str | None = None, fires_timers: bool = True
    ) -> None:
        self._settings = settings
        self._fires_timers = fires_timers
        self._book = RuleBook(sealer)
        starter = Starter(book=self._book, settings=settings, sealer=sealer, host=host)
        self._writer = VerdictWriter(self._book, starter)
        self._wanted: Wanted = {}
        self._renewing = False
        """Timers are left to be made."""
        self._last_now: Instant | None = None
        self._next_sweep: Instant = 0

    def react(self, tx: Transaction) -> Instant | None:
        """Do a bounded part of what is there to do; see the protocol."""
        self._book.effort = Effort(WORK_PER_TICK)
        left = self._follow_rules(tx, rule_index.version(tx))
        left |= self._fires_timers and timers.fire_due(tx)
        left |= platform_events.observe(tx, self._wanted)
        left |= self._judge_events(tx)
        left |= self._fire_waiting(tx)
        left |= self._start_waiting(tx)
        if self._next_sweep <= tx.now:
            swept = sweep(tx, tx.now - round(self._settings.retention_seconds * SECOND))
            self._next_sweep = tx.now if is_more_left(swept) else tx.now + SWEEP_SECONDS * SECOND
        if left:
            return tx.now
        next_timer = timer_rows.next_due(tx) if self._fires_timers else None
        dues = (next_timer, verdicts.next_due(tx), self._next_sweep)
        return min(due for due in dues if due is not None)

    def has_news(self, tx: Transaction) -> bool:
        """What ended behind this stage (workflows, what was cancelled) may concern rules, or be what one waits for."""
        if self._wanted and platform_events.has_news(tx, self._wanted):
            return True
        return bool(enforcements.first_in_line(tx, limit=1))

    def judge_now(self, tx: Transaction, event_id: int) -> None:
        """Judge one event in this transaction, whatever else waits: it is over before another host can see it."""
        self._book.refresh(rule_index.version(tx))
        event = events.get(tx, event_id)
        while event is not None and self._writer.judge_event(tx, event) is None:
            pass

    # --- stages

    def _follow_rules(self, tx: Transaction, version: int) -> bool:
        """Notice changed rules, and a clock that was set back; tells whether timers are left to be made."""
        if self._book.refresh(version):
            self._wanted = platform_events.wanted_of(tx, self._book)
            self._renewing = self._fires_timers
        if self._last_now is None or tx.now < self._last_now:
            timers.follow_the_clock(tx)
            self._next_sweep = min(self._next_sweep, tx.now + SWEEP_SECONDS * SECOND)
        self._last_now = tx.now
        if self._renewing:
            self._renewing = timers.renew(tx)
        return self._renewing

    def _judge_events(self, tx: Transaction) -> bool:
        """Judge the oldest events; tells whether some are left."""
        waiting = events.pending_triggers(tx, limit=EVENTS_PER_TICK)
        unheard = [
            event_id for event_id, trigger_ref in waiting if not self._writer.is_heard(tx, trigger_ref)
        ]
        if unheard:
            events.mark_all_judged(tx, unheard)
        pending = events.pending(tx, limit=len(waiting) - len(unheard)) if len(waiting) > len(unheard) else ()
        most = VERDICTS_PER_TICK
        for event in pending:
            judged = self._writer.judge_event(tx, event, most=most)
            if judged is None or judged >= most or self._book.effort.is_spent:
                return True
            most -= judged
        return len(waiting) == EVENTS_PER_TICK

    def _fire_waiting(self, tx: Transaction) -> bool:
        """Fire what has waited long enough: not before each event is judged that could have come between."""
        oldest = events.pending(tx, limit=1)
        before = oldest[0].created if oldest else tx.now + 1
        found = verdicts.due(tx, before=before, limit=EVENTS_PER_TICK)
        for verdict in found:
            self._writer.fire_waiting(tx, verdict)
        return len(found) == EVENTS_PER_TICK

    def _start_waiting(self, tx: Transaction) -> bool:
        """Carry out enforcements whose turn has come; one that fails at once gives the next its turn."""
        for _ in range(STARTED_WAITING_PER_TICK):
            found = enforcements.first_in_line(tx, limit=STARTED_WAITING_PER_TICK)
            if not found:
                return False
            for enforcement in found:
                self._writer.start_waiting(tx, enforcement)
        return True
