"""What `attune up` shows on a terminal: who serves, what runs and ran, what comes next, the last words of the log.

A part of the daemon like its others, with a thread and a connection of its own; it only reads.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from attune_cli.output import Column
from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.runtime.model.states import LIVE
from attune_cli.runtime.services.executions import list_executions
from attune_cli.runtime.services.overview import describe
from attune_cli.runtime.store.execution_search import Filter
from attune_cli.runtime.store.overview import open_inquiries, totals
from attune_cli.table import table, visible
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.parts import Platform
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Store, Transaction
    from attune_cli.serving.recent_log import RecentLog

_EXECUTIONS = (
    Column("ID", "id", kind="number"),
    Column("ACTION", "action_ref"),
    Column("STATUS", "status", kind="status"),
    Column("STARTED", "started_at", kind="time"),
    Column("DURATION", "duration_ms", kind="duration"),
    Column("RULE", "rule_ref"),
)
_TIMERS = (Column("TIMER", "rule_ref"), Column("NEXT", "next_fire_at", kind="time"))

_REDRAW_SECONDS = 1.0
"""Times on it are told from now: so old may they be."""

_SHORTEST_SECONDS = 0.2
"""However much happens, it is not drawn more often."""

_WINDOW_SECONDS = 60.0
_MOST_EXECUTIONS = 20
_OTHER_LINES = 20
"""Header, counts, headings, timers, log and the gaps between."""

log = logging.getLogger("attune.view")


@immutable
class _Picture:
    """What one look at the file found."""

    executions: Sequence[Record]
    timers: Sequence[Record]
    counts: str


class LiveView:
    """Drawn from `start` to `stop`. What is logged before and after goes to stderr."""

    def __init__(self, context: Context, platform: Platform, recent: RecentLog) -> None:
        self._platform = platform
        self._recent = recent
        self._console = Console(no_color=not context.out.wants_color(sys.stdout), highlight=False)
        self._rates = _Rates()
        self._news = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="live view", daemon=True)

    def start(self) -> None:
        self._recent.keep(self._news.set)
        self._platform.subscribe(self._news.set)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._recent.pass_on()

    # --- on its own thread

    def _draw(self) -> None:
        store = self._platform.connect()
        try:
            with Live(console=self._console, auto_refresh=False) as live:
                while not self._is_over.is_set():
                    live.update(self._drawing(self._look(store)), refresh=True)
                    self._is_over.wait(_SHORTEST_SECONDS)
                    self._news.wait(_REDRAW_SECONDS)
                    self._news.clear()
        except OSError:
            log.info("the terminal is gone; the daemon goes on")
        finally:
            store.close()
            self._recent.pass_on()

    def _look(self, store: Store) -> _Picture:
        with store.read(self._platform.clock.now()) as tx:
            about = describe(tx, is_daemon_running=True)
            events, fired = self._rates.of_last_minute(totals(tx))
            inquiries = open_inquiries(tx)
            shown = _executions(tx, max(1, min(_MOST_EXECUTIONS, self._console.height - _OTHER_LINES)))
        live = ", ".join(f"{number} {status}" for status, number in about["executions"].items())
        counts = f"last minute: {events} events, {fired} rules fired  now: {live or 'nothing runs'}"
        if about["pending_events"]:
            counts += f", {about['pending_events']} events wait to be judged"
        if inquiries:
            counts += f", {inquiries} open inquiries"
        return _Picture(shown, about["next_timers"], counts)

    def _drawing(self, picture: _Picture) -> Group:
        who = f"attune  {self._platform.url or 'no server'}  process {os.getpid()}"
        lines = [self._line(who, "bold"), self._line(str(self._platform.home.path), "dim")]
        lines += [Text(""), self._line(picture.counts)]
        for rows, columns in ((picture.executions, _EXECUTIONS), (picture.timers, _TIMERS)):
            if rows:
                lines += [Text(""), *self._table(rows, columns)]
        lines += [Text(""), *(self._line(line, "dim") for line in list(self._recent.lines))]
        return Group(*lines, self._line("Ctrl-C ends the daemon; what runs goes on"))

    def _table(self, rows: Sequence[Record], columns: Sequence[Column]) -> Iterator[Text]:
        now, width = self._platform.clock.now(), self._console.width
        for line in table(rows, columns, width=width, now=now, color=not self._console.no_color):
            yield self._cut(Text.from_ansi(line))

    def _line(self, text: str, style: str = "") -> Text:
        return self._cut(Text(visible(text), style=style))

    def _cut(self, text: Text) -> Text:
        text.truncate(self._console.width, overflow="ellipsis")
        return text


class _Rates:
    """How much two numbers that only grow have grown within the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, tuple[int, int]]] = deque()

    def of_last_minute(self, totals: tuple[int, int]) -> tuple[int, int]:
        now = monotonic_seconds()
        self._seen.append((now, totals))
        while len(self._seen) > 1 and self._seen[1][0] <= now - _WINDOW_SECONDS:
            self._seen.popleft()
        _, (events, fired) = self._seen[0]
        return totals[0] - events, totals[1] - fired


def _executions(tx: Transaction, room: int) -> list[Record]:
    """Return what is not over, and as much of the last that is over as there is room for; newest first."""
    live = list_executions(tx, Filter(statuses=tuple(sorted(LIVE)), limit=room))
    ids = {record["id"] for record in live}
    last = [one for one in list_executions(tx, Filter(limit=room)) if one["id"] not in ids]
    return sorted([*live, *last[: room - len(live)]], key=lambda record: record["id"], reverse=True)
