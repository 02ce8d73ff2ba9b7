"""Watching everything that happens: the outbox as JSON lines, as lines of text, or as a table that lives."""

from __future__ import annotations

import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attune_cli.documents import tab_separated
from attune_cli.errors import CancelledError, UnavailableError, UsageError, did_you_mean
from attune_cli.reading.naming import warn_of_unknown
from attune_cli.runtime.clock import SystemClock, pause, rfc3339
from attune_cli.runtime.host import connect_again, open_store_for_reading
from attune_cli.runtime.model.notices import KINDS, Subjects, kinds_of
from attune_cli.runtime.services.notifications import extent, notification_record
from attune_cli.runtime.store import notifications
from attune_cli.values import immutable
from attune_cli.watching.changes import status_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.services.notifications import Extent
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Store

LOOK_SECONDS = 0.1
"""How often the file is asked whether somebody committed: live for people, and no measurable work."""

_LOOKS_BETWEEN_FILES = 20

_BEFORE = 20
"""How many changes a table begins with, so that it is not empty."""


@immutable(kw_only=True)
class Watch:
    """What is to be shown."""

    kinds: tuple[str, ...] = KINDS
    subjects: Subjects = Subjects()
    since: int | None = None
    """Begin behind this sequence; None: with what happens from now on."""

    def wants(self, record: Record) -> bool:
        payload: dict[str, Any] = record["payload"]
        kinds = kinds_of(record["entity_type"], payload.get("source"))
        return any(kind in self.kinds for kind in kinds) and self.subjects.include(payload)


@immutable(kw_only=True)
class News:
    """What has happened since the last look; `gap` is told when something in between is not there any more."""

    records: Sequence[Record]
    sequence: int
    gap: Record | None = None


def read_kinds(text: str | None) -> tuple[str, ...]:
    """Read `--kinds`; raises UsageError naming every kind that does not exist."""
    words = KINDS if text is None else tuple(word.strip() for word in text.split(",") if word.strip())
    unknown = [word for word in words if word not in KINDS]
    if unknown or not words:
        raise UsageError(
            f"--kinds: no kind {', '.join(map(repr, unknown)) or repr(text)}; kinds are {', '.join(KINDS)}",
            code="unknown_kind",
            hint=did_you_mean(unknown[0], KINDS) if unknown else None,
        )
    return words


def watch(context: Context, wanted: Watch, *, tree: bool) -> int:
    """Show changes until Ctrl-C; returns the exit code. Names that nothing has are warned of: they may come yet."""
    warn_of_unknown(context, wanted.subjects)
    if context.out.is_text and context.out.is_terminal:
        from attune_cli.watching.live_table import LiveTable

        feed = Feed(context, wanted.since, before=_BEFORE)
        with LiveTable(context, tree=tree) as table, suppress(KeyboardInterrupt):
            for news in feed:
                table.show([record for record in news.records if wanted.wants(record)], gap=news.gap)
        return CancelledError.exit_code
    feed = Feed(context, wanted.since)
    _stream(context, wanted, feed)
    return CancelledError.exit_code


def _stream(context: Context, wanted: Watch, feed: Feed) -> None:
    """Print a record for each change: `hello` first, `end` last (cli.md 3.3, streams)."""
    out = context.out
    sequence = feed.sequence
    with suppress(KeyboardInterrupt):
        out.event(_hello(feed), None)
        for news in feed:
            if news.gap is not None:
                out.event(
                    news.gap, f"# changes after {news.gap['after']} and before {news.gap['oldest']} are gone"
                )
            for record in filter(wanted.wants, news.records):
                out.event(record, _line(record))
                sequence = record["seq"]
            sequence = news.sequence
    ended = {
        "v": 1,
        "type": "end",
        "seq": sequence,
        "ts": rfc3339(SystemClock().now()),
        "exit_code": CancelledError.exit_code,
    }
    out.event(ended, None)


def _hello(feed: Feed) -> Record:
    return {
        "v": 1,
        "type": "hello",
        "stream": "watch",
        "seq": feed.sequence,
        "oldest": feed.extent.oldest if feed.extent else 1,
        "epoch": feed.extent.epoch if feed.extent else None,
    }


def _line(record: Record) -> str:
    payload = record["payload"]
    words = (record["ts"], record["seq"], record["entity_type"], record["entity_id"], subject_of(payload))
    return tab_separated((*words, status_of(record)))


class Feed:
    """The changes of a home, as they come. Iterating waits; a home without a database is waited for as well."""

    def __init__(self, context: Context, since: int | None, *, before: int = 0) -> None:
        self._context = context
        self.store: Store | None = None
        """For reading; None as long as there is no database."""
        self._version = -1
        self._file = 0
        self._quiet_looks = 0
        self._since = since
        self.extent: Extent | None = None
        self.sequence = since or 0
        if context.home.database.exists():
            self._open()
            if since is None and self.extent is not None:
                self.sequence = max(0, self.extent.newest - before)

    def __iter__(self) -> Iterator[News]:
        wait = _waiting(sys.stdout)
        if self.extent is not None:
            gap = self._gap(self.extent)
            if gap is not None:
                yield News(records=(), sequence=self.sequence, gap=gap)
        while True:
            news = self._look()
            if news is None:
                wait()
            else:
                yield news

    def _open(self) -> None:
        # The first opening settles what dead hosts left; from then on only reads.
        open_store_for_reading(self._context.home, self._context.settings).close()
        self._file = self._context.home.database.stat().st_ino
        self.store = connect_again(self._context.home, self._context.settings)
        with self.store.read(SystemClock().now()) as tx:
            self.extent = extent(tx)

    def _look(self) -> News | None:
        """Return what is new, None when nothing is."""
        if self.store is None:
            if not self._context.home.database.exists():
                return None
            self._open()
        store = self.store
        if store is None:
            return None
        version = store.data_version()
        if version == self._version:
            self._refuse_another_file()
            return None
        with store.read(SystemClock().now()) as tx:
            found = notifications.since(tx, self.sequence)
            gap = self._gap(extent(tx)) if not found or found[0].sequence > self.sequence + 1 else None
        if not found:
            self._version = version
            return None if gap is None else News(records=(), sequence=self.sequence, gap=gap)
        self.sequence = found[-1].sequence
        return News(records=[notification_record(one) for one in found], sequence=self.sequence, gap=gap)

    def _refuse_another_file(self) -> None:
        """Raise when the database was moved away or replaced: nothing would ever happen in the one that is open."""
        self._quiet_looks = (self._quiet_looks + 1) % _LOOKS_BETWEEN_FILES
        if self._quiet_looks:
            return
        path = self._context.home.database
        if not path.exists() or path.stat().st_ino != self._file:
            raise UnavailableError(
                f"the database {path} was moved away or replaced", code="database_gone", hint="attune watch"
            )

    def _gap(self, now: Extent) -> Record | None:
        """Tell what was deleted before it was shown, and go on behind it."""
        if self.sequence >= now.oldest - 1 and self.sequence <= now.newest:
            return None
        first = now.oldest if self.sequence < now.oldest else now.newest + 1
        gap = {
            "v": 1,
            "type": "gap",
            "after": self.sequence,
            "oldest": first,
            "ts": rfc3339(SystemClock().now()),
        }
        self.sequence = first - 1
        return gap


def _waiting(stream: Any) -> Callable[[], None]:  # noqa: ANN401 - a text stream of any kind
    """Return what waits for the next look, and raises BrokenPipeError as soon as nobody reads any more."""
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return lambda: pause(LOOK_SECONDS)
    poll = select.poll()
    poll.register(number, 0)

    def wait() -> None:
        if poll.poll(LOOK_SECONDS * 1000):
            raise BrokenPipeError

    return wait
