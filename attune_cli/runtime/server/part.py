"""The server as a part of the daemon: uvicorn on a thread of its own (architecture.md 2)."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from attune_cli.errors import ConflictError, UnavailableError
from attune_cli.runtime.server.connection import Connection
from attune_cli.runtime.server.desk import Desk
from attune_cli.runtime.server.feed import Feed
from attune_cli.runtime.server.routes import application
from attune_cli.runtime.services.tokens import administrator_token

if TYPE_CHECKING:
    from attune_cli.runtime.parts import Platform

_BACKLOG = 1024
_CONNECTIONS = 1000
"""At once; more are told to come again."""

_OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Python's 700 are less than one request makes."""

_GOODBYE_SECONDS = 2
_END_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 30
_PING_SECONDS = 20.0
_PONG_SECONDS = 60.0
"""Late pongs of a WebSocket are forgiven for so long (api.md)."""

log = logging.getLogger("attune.server")


class Server:
    """Serves HTTP from `start` to `stop`. It listens as soon as it is made: who comes early waits."""

    def __init__(
        self, platform: Platform, *, host: str | None = None, port: int | None = None, path: str | None = None
    ) -> None:
        """Listen at `host` and `port` (None: as set; 0: any free port), or at the Unix socket `path`.

        Raises ConflictError for an address that is taken, UnavailableError for one that cannot be listened at.
        """
        settings = platform.settings
        self._platform = platform
        self._host = settings.host if host is None else host
        self._port = settings.port if port is None else port
        self._path = None if path is None else Path(path).absolute()
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)
        self._is_up = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._token = administrator_token(platform.home.administrator_token)
        platform.sealer.derive("tokens")  # a key that is missing or broken is told now
        self._socket = self._listen_at_path(self._path) if self._path else self._listen()
        platform.announce(self._url())

    def start(self) -> None:
        self._thread.start()
        self._is_up.wait()
        if self._failure is not None:
            self.stop()
            raise UnavailableError(
                f"the server cannot start: {self._failure}", code="server_failed"
            ) from self._failure

    def stop(self) -> None:
        """Let answers that are being made be made, for a moment, and end."""
        loop, ending = self._loop, self._ending
        if self._thread.ident is not None:
            if loop is not None and ending is not None:
                with suppress(RuntimeError):  # it has ended by itself
                    loop.call_soon_threadsafe(ending.set)
            self._thread.join(_END_SECONDS)
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    # --- the address

    def _listen(self) -> socket.socket:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self._host or None, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            found = socket.socket(
                family, kind, protocol
            )  # with TCP named, asyncio does not wait to fill packets
        except OSError as error:
            raise _unusable(self._host, error) from error
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(address)
            found.listen(_BACKLOG)
        except OSError as error:
            found.close()
            if error.errno == errno.EADDRINUSE:
                raise ConflictError(
                    f"port {self._port} of {self._host} is taken by another program",
                    code="port_taken",
                    hint="attune up --port 0 takes a free one; attune config set port N for good",
                ) from error
            raise _unusable(f"{self._host} port {self._port}", error) from error
        return found

    def _listen_at_path(self, path: Path) -> socket.socket:
        """Listen at a Unix socket that only the home's owner reaches; one that nobody listens at is replaced."""
        if path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                if (
                    probe.connect_ex(str(path)) != errno.ECONNREFUSED
                ):  # it may also be one that we may not reach
                    raise ConflictError(
                        f"another program listens at {path}",
                        code="port_taken",
                        hint="attune serve --socket PATH",
                    )
            path.unlink()
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            found.bind(str(path))
            path.chmod(0o600)
            found.listen(_BACKLOG)
        except OSError as error:
            found.close()
            raise _unusable(str(path), error, hint="attune serve --socket PATH") from error
        return found

    def _url(self) -> str:
        if self._path is not None:
            return f"http+unix://{self._path}"
        host, port = self._socket.getsockname()[:2]
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - reached by the machine's own actions through loopback
            host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - as above
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    # --- on the server's thread

    def _serve(self) -> None:
        _join_logs()
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self._failure = error
            log.exception("the server ended")
        finally:
            self._is_up.set()

    async def _run(self) -> None:
        gc.freeze()  # what is imported stays
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        feed = Feed(self._platform)
        desk = Desk(self._platform, administrator=self._token, feed=feed)
        config = uvicorn.Config(
            application(desk),
            loop="asyncio",
            http=Connection,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # whose word counts is each webhook's own affair
            server_header=False,
            date_header=False,
            backlog=_BACKLOG,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GOODBYE_SECONDS,
            ws_ping_interval=_PING_SECONDS,
            ws_ping_timeout=_PONG_SECONDS,
            ws_max_size=64 * 1024,
            ws_per_message_deflate=False,
        )
        try:
            await _Uvicorn(config, self._is_up, self._ending, feed).serve(sockets=[self._socket])
        finally:
            feed.close()
            desk.close()


class _Uvicorn(uvicorn.Server):
    """Uvicorn that waits to be told to end instead of looking ten times a second."""

    def __init__(
        self, config: uvicorn.Config, is_up: threading.Event, ending: asyncio.Event, feed: Feed
    ) -> None:
        super().__init__(config)
        self._is_up = is_up
        self._ending = ending
        self._feed = feed

    async def main_loop(self) -> None:
        self._is_up.set()
        await self._ending.wait()
        self._feed.end()


def _unusable(
    address: str, error: OSError, *, hint: str = "attune up --host 127.0.0.1 --port 0"
) -> UnavailableError:
    reason = error.strerror or error  # a path that is too long has no number
    return UnavailableError(f"nothing can listen at {address}: {reason}", code="address_unusable", hint=hint)


def _join_logs() -> None:
    """Let what uvicorn has to say go where the daemon's own words go."""
    uvicorn_log, ours = logging.getLogger("uvicorn"), logging.getLogger("attune")
    uvicorn_log.handlers = ours.handlers
    uvicorn_log.propagate = False
