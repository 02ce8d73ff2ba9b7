"""Logs of a run that goes on, piece by piece in the order they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.services.logs import STREAMS, Piece, StreamName, read_from, stream_file
from attune_cli.runtime.supervisor import read_index_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attune_cli.config import Home
    from attune_cli.runtime.clock import Instant


class LiveLogs:
    """Reads the streams of one execution from where it stopped last.

    The index says what came when, and follows the data. What it does not name by the next look never will be named:
    the index has a limit, and a disk may be full.
    """

    def __init__(self, home: Home, execution_id: int, streams: Iterable[StreamName]) -> None:
        self._home = home
        self._execution_id = execution_id
        self._offsets: dict[StreamName, int] = dict.fromkeys(streams, 0)
        self._unnamed: dict[StreamName, int] = dict(self._offsets)
        """How far each stream reached at the last look that found nothing new in the index."""
        self._index_offset = 0

    def look(self) -> list[Piece]:
        """Return what is new; when that is nothing, it is time to wait a little."""
        pieces = list(self._named())
        if pieces:
            return pieces
        for stream, end in self._unnamed.items():
            pieces += self._up_to(stream, end, None)
        if not pieces:
            self._unnamed = {stream: self._size(stream) for stream in self._offsets}
        return pieces

    def rest(self) -> Iterator[Piece]:
        """Yield all that is left of a run that is over."""
        yield from self._named()
        for stream in self._offsets:
            yield from self._up_to(stream, self._size(stream), None)

    def _named(self) -> Iterator[Piece]:
        """Yield what the index names since the last look."""
        folder = self._home.runs / str(self._execution_id)
        chunks, self._index_offset = read_index_from(folder, self._index_offset)
        for chunk in chunks:
            stream = STREAMS[chunk.stream - 1]
            if stream in self._offsets:
                yield from self._up_to(stream, chunk.offset + chunk.length, chunk.time)

    def _up_to(self, stream: StreamName, end: int, time: Instant | None) -> Iterator[Piece]:
        while (offset := self._offsets[stream]) < end:
            data = read_from(self._home, self._execution_id, stream, offset)[: end - offset]
            if not data:
                return  # its end was cut off, to make room on a full disk
            self._offsets[stream] += len(data)
            yield Piece(stream, offset, data, time)

    def _size(self, stream: StreamName) -> int:
        try:
            return stream_file(self._home, self._execution_id, stream).stat().st_size
        except FileNotFoundError:
            return 0
