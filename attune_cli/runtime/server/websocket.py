"""`/ws`: changes of everything, for clients that say which they want (api.md, WebSocket)."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, cast

from starlette.websockets import WebSocketDisconnect

from attune_cli.errors import UsageError
from attune_cli.runtime.server.answers import number_in, on_error, unauthorized
from attune_cli.runtime.server.desk import desk_of
from attune_cli.runtime.server.streams import STALLED_SECONDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from attune_cli.runtime.server.desk import Desk
    from attune_cli.runtime.services.records import Record

_PROTOCOL = "attune.v1"
_TOKEN_PROTOCOL = "attune.jwt."  # noqa: S105 - what stands before a token
_MAX_FILTERS = 1000
_STALLED = 1008
_GOING_AWAY = 1001


async def connect(socket: WebSocket) -> None:
    """Serve one client until it leaves, takes nothing any more, or the server ends."""
    desk = desk_of(socket)
    caller = desk.caller(socket) or _by_protocol(desk, socket)
    if caller is None or caller.kind != "administrator":
        await socket.send_denial_response(unauthorized())
        return
    try:
        after = number_in(socket, "after")
    except UsageError as error:
        await socket.send_denial_response(await on_error(cast("Request", socket), error))
        return
    await socket.accept(_PROTOCOL if _PROTOCOL in socket.scope["subprotocols"] else None)
    client = _Client(desk, socket)
    try:
        await client.serve(after)
    except (WebSocketDisconnect, RuntimeError):  # the latter when it left while we were speaking
        return
    except TimeoutError:
        await _close(socket, _STALLED, "you take nothing; come back with ?after=SEQ")


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    """Say goodbye, to who may not listen."""
    try:
        async with asyncio.timeout(1):
            await socket.close(code, reason)
    except (TimeoutError, RuntimeError, WebSocketDisconnect):
        return


def _by_protocol(desk: Desk, socket: WebSocket) -> Any:  # noqa: ANN401 - a caller or nobody
    """Return whose token stands among the sub-protocols, where browsers have to put it."""
    offered: list[str] = socket.scope["subprotocols"]
    token = next((name for name in offered if name.startswith(_TOKEN_PROTOCOL)), None)
    return None if token is None else desk.caller_of(token.removeprefix(_TOKEN_PROTOCOL))


class _Client:
    """One client and what it wants to hear of."""

    def __init__(self, desk: Desk, socket: WebSocket) -> None:
        self._desk = desk
        self._socket = socket
        self._filters: set[str] = set()
        self._wants = asyncio.Event()
        """Set once it has said what it wants; until then nothing is passed over."""

    async def serve(self, after: int | None) -> None:
        held = await self._desk.feed.extent()
        sequence = held.newest if after is None else after
        await self._send(
            {
                "type": "welcome",
                "client_id": os.urandom(8).hex(),
                "message": "connected",
                "seq": sequence,
                "oldest": held.oldest,
                "epoch": held.epoch,
            }
        )
        telling = asyncio.create_task(self._tell(sequence))
        listening = asyncio.create_task(self._listen())
        try:
            done, _ = await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (telling, listening):
                task.cancel()
            await asyncio.gather(telling, listening, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                asked: object = json.loads(await self._socket.receive_text())
            except (ValueError, KeyError, RecursionError):
                await self._send({"type": "error", "message": "expected a JSON object"})
                continue
            await self._obey(cast("dict[str, Any]", asked) if isinstance(asked, dict) else {})

    async def _obey(self, asked: dict[str, Any]) -> None:
        wanted = asked.get("filter")
        match asked.get("type"):
            case "subscribe" if _is_filter(wanted) and len(self._filters) < _MAX_FILTERS:
                self._filters.add(str(wanted))
                self._wants.set()
            case "unsubscribe" if _is_filter(wanted):
                self._filters.discard(str(wanted))
            case "ping":
                await self._send({"type": "pong"})
            case "subscribe" | "unsubscribe":
                await self._send({"type": "error", "message": f"no filter {wanted!r}, or too many"[:200]})
            case _:
                await self._send({"type": "error", "message": "expected type subscribe, unsubscribe or ping"})

    async def _tell(self, sequence: int) -> None:
        await self._wants.wait()
        while True:
            news = await self._desk.feed.next(sequence)
            if news is None:
                await self._socket.close(_GOING_AWAY, "the daemon ends")
                return
            if news.gap is not None:
                await self._send(news.gap)
            for record in news.records:
                if not self._filters.isdisjoint(_filters_of(record)):
                    await self._send(record)
            sequence = news.sequence

    async def _send(self, document: dict[str, Any]) -> None:
        async with asyncio.timeout(STALLED_SECONDS):
            await self._socket.send_text(json.dumps(document, separators=(",", ":")))


def _is_filter(text: object) -> bool:
    """Tell whether it is `all`, `entity_type:T`, `entity:T:ID`, `user:ID` or `notification_type:N`."""
    if not isinstance(text, str) or len(text) > 200:  # noqa: PLR2004 - longer than any filter that means something
        return False
    kind, *rest = text.split(":")
    parts = {"all": 0, "entity_type": 1, "entity": 2, "user": 1, "notification_type": 1}
    return parts.get(kind) == len(rest) and all(rest)


def _filters_of(record: Record) -> tuple[str, ...]:
    """Return the filters that let a record through."""
    kind, number = record["entity_type"], record["entity_id"]
    user = record["payload"].get("user_id")
    wanted = ("all", f"entity_type:{kind}", f"entity:{kind}:{number}")
    wanted = (*wanted, f"notification_type:{record['notification_type']}")
    return wanted if user is None else (*wanted, f"user:{user}")
