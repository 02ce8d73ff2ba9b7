"""Server-sent events (WHATWG HTML, 9.2): changes of executions, and logs while they grow (domain.md 8)."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from attune_cli.errors import AttuneError, DeniedError, NotFoundError, UsageError
from attune_cli.runtime.model.ids import is_id
from attune_cli.runtime.model.states import TERMINAL
from attune_cli.runtime.server.answers import administrator, anybody, id_in, number_in
from attune_cli.runtime.server.desk import desk_of
from attune_cli.runtime.services import logs
from attune_cli.runtime.store import executions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from attune_cli.config import Home
    from attune_cli.runtime.server.desk import Desk
    from attune_cli.runtime.server.feed import Feed
    from attune_cli.runtime.services.logs import StreamName
    from attune_cli.runtime.store.database import Transaction

STALLED_SECONDS = 30.0
"""A client that takes nothing for so long is let go; it can come back to its place."""

_LOOK_SECONDS = 0.25
_SILENCE_SECONDS = 15.0
"""After so long without news a comment is sent: proxies keep the connection, and who has left is noticed."""

_LINE_END = re.compile("\r\n|\r|\n")


def message(data: str, *, event: str | None = None, place: int | None = None) -> bytes:
    """Return one event of a stream."""
    lines = [] if event is None else [f"event: {event}"]
    lines += [] if place is None else [f"id: {place}"]
    lines += [f"data: {line}" for line in _LINE_END.split(data)]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "backslashreplace")


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


class _EventStream(StreamingResponse):
    """Ends when its client does, or takes nothing any more."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        super().__init__(pieces, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def stream_response(self, send: Any) -> None:  # noqa: ANN401 - ASGI's callable
        async def patiently(part: Any) -> None:  # noqa: ANN401 - ASGI's message
            async with asyncio.timeout(STALLED_SECONDS):
                await send(part)

        try:
            await super().stream_response(patiently)
        except TimeoutError:
            return


def _place(request: Request, name: str) -> int | None:
    """Return where a client was when it left: its Last-Event-ID, or what the query says."""
    text = request.headers.get("last-event-id", "")
    if is_id(text):
        return int(text)
    return number_in(request, name)


# --- changes


async def executions_stream(request: Request) -> Response:
    """Stream changes of executions, or of one and those it started; `Last-Event-ID` resumes."""
    administrator(request)
    feed = desk_of(request).feed
    return _EventStream(_changes(feed, number_in(request, "execution_id"), _place(request, "after")))


async def _changes(feed: Feed, execution: int | None, after: int | None) -> AsyncIterator[bytes]:
    held = await feed.extent()
    hello = {"type": "hello", "stream": "executions", "oldest": held.oldest, "epoch": held.epoch}
    after = held.newest if after is None else after
    yield message(_json({**hello, "seq": after}), event="hello")
    while True:
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                news = await feed.next(after)
        except TimeoutError:
            yield b": nothing new\n\n"
            continue
        if news is None:
            return
        if news.gap is not None:
            yield message(_json(news.gap), event="gap", place=news.gap["oldest"] - 1)
        for record in news.records:
            if record["entity_type"] == "execution" and execution in {
                None, record["entity_id"], record["payload"].get("parent")
            }:  # fmt: skip
                yield message(_json(record), place=record["seq"])
        after = news.sequence


# --- logs


async def log_bytes(request: Request) -> Response:
    """Answer with what a stream holds from `offset` on, as it is."""
    desk, execution, stream = await _log_of(request)
    offset = number_in(request, "offset") or 0
    size = await desk.feed.run(_size, desk.platform.home, execution, stream)

    async def pieces() -> AsyncIterator[bytes]:
        place = offset
        while place < size:
            piece = await desk.feed.run(logs.read_from, desk.platform.home, execution, stream, place)
            if not piece:
                return
            yield piece[: size - place]
            place += len(piece)

    return StreamingResponse(
        pieces(),
        media_type="text/plain; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff", "X-Attune-Size": str(size)},
    )


async def log_stream(request: Request) -> Response:
    """Stream a log while it grows: `waiting` until there is one, `content` (id: byte offset), `done`."""
    desk, execution, stream = await _log_of(request)
    return _EventStream(_growth(desk, execution, stream, _place(request, "offset") or 0))


async def _log_of(request: Request) -> tuple[Desk, int, StreamName]:
    """Return whose log is meant. An execution may read its own."""
    caller = anybody(request)
    desk, execution, stream = (
        desk_of(request),
        id_in(request, "execution"),
        str(request.path_params["stream"]),
    )
    if caller.kind != "administrator" and caller.execution != execution:
        raise DeniedError(f"the token of {caller.kind} {caller.name} does not reach so far", code="forbidden")
    if stream not in logs.STREAMS:
        raise UsageError(f"no stream {stream!r}: stdout or stderr", code="unknown_stream")
    if await desk.feed.read(lambda tx: executions.startable(tx, execution)) is None:
        raise NotFoundError(f"no execution {execution}")
    return desk, execution, stream


def _size(home: Home, execution: int, stream: StreamName) -> int:
    try:
        return logs.stream_file(home, execution, stream).stat().st_size
    except FileNotFoundError:
        return 0


async def _growth(desk: Desk, execution: int, stream: StreamName, offset: int) -> AsyncIterator[bytes]:
    """Yield what comes; a character that is not whole yet waits for its rest."""
    home, waiting, silent = desk.platform.home, False, 0.0
    while True:
        is_over = await desk.feed.read(lambda tx: _is_over(tx, execution))
        data = await desk.feed.run(logs.read_from, home, execution, stream, offset)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(data, final=is_over and len(data) < logs.CHUNK_BYTES)
        offset += len(data) - len(decoder.getstate()[0])
        if text:
            yield message(text, event="content", place=offset)
            waiting, silent = True, 0.0
        elif is_over:
            yield message(_json({"execution": execution, "offset": offset}), event="done", place=offset)
            return
        elif desk.feed.ends:
            return
        else:
            if not waiting:
                yield message(_json({"execution": execution}), event="waiting")
                waiting = True
            await asyncio.sleep(_LOOK_SECONDS)
            silent += _LOOK_SECONDS
            if silent >= _SILENCE_SECONDS:
                yield b": nothing new\n\n"
                silent = 0.0


def _is_over(tx: Transaction, execution: int) -> bool:
    """Tell whether nothing more comes; what was deleted meanwhile is over as well."""
    try:
        found = executions.startable(tx, execution)
    except AttuneError:
        return True
    return found is None or found.status in TERMINAL
