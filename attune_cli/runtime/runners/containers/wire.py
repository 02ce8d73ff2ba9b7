"""Docker's HTTP API over one socket, as little of it as the shim needs. Standard library only: it is paid by each run.

A request is answered over a connection of its own; the one of `attach` becomes a raw stream in both directions
(Engine API, "Attach to a container").
"""

from __future__ import annotations

TYPE_CHECKING = False  # see the shim: what is imported for nothing is paid all the same
if TYPE_CHECKING:
    import socket
    from typing import Any, Self
else:
    import _socket as socket

PATIENCE_SECONDS = 30.0
"""How long an engine may think about an ordinary request."""

_READ_BYTES = 65536
_USUAL_PORT = 2375
_HEAD_BYTES = 8
_BAD_STATUS = 400
_UPGRADED = (101, 200)


class EngineError(Exception):
    """The engine refused; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Connection(socket.socket):
    """A socket that is closed where its block ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Wire:
    """The way to the engine at `address`: unix:///path or tcp://host:port."""

    def __init__(self, address: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        scheme, _, place = address.partition("://")
        self._path = place if scheme == "unix" else None
        self._host = _host_and_port(place.partition("/")[0])

    def connect(self) -> socket.socket:
        """Raises OSError."""
        if self._path is None:
            from socket import create_connection

            return create_connection(self._host, timeout=self._patience_seconds)
        connection = Connection(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._patience_seconds)
        try:
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        return connection

    def send(self, method: str, path: str, *, upgrade: bool = False) -> socket.socket:
        """Send a request and return the connection on which its answer will come. Raises OSError."""
        connection = self.connect()
        kind = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else "Connection: close\r\n"
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: docker\r\n{kind}Content-Length: 0\r\n\r\n".encode()
        )
        return connection

    def ask(self, method: str, path: str) -> Any:  # noqa: ANN401 - JSON is any value
        """Return the answer's JSON, None when it is empty. Raises EngineError, OSError or ValueError."""
        with self.send(method, path) as connection:
            return read_answer(connection)

    def attach(self, container: str) -> tuple[socket.socket, bytes]:
        """Return the raw stream of a container, and what has come on it already. Raises EngineError or OSError."""
        query = "stream=1&stdin=1&stdout=1&stderr=1"
        connection = self.send("POST", f"/containers/{container}/attach?{query}", upgrade=True)
        head, rest = _read_head(connection)
        status = _status(head)
        if status not in _UPGRADED:
            raise EngineError(status, _message(rest))
        return connection, rest


def _host_and_port(place: str) -> tuple[str, int]:
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):  # an IPv6 address has colons of its own
        host, port = place, ""
    return host.strip("[]") or "localhost", int(port) if port.isdecimal() else _USUAL_PORT


def read_answer(connection: socket.socket) -> Any:  # noqa: ANN401 - JSON is any value
    """Read to the end of an answer whose connection the engine closes. Raises as `Wire.ask` does."""
    content = bytearray()
    while data := connection.recv(_READ_BYTES):
        content += data
    return answer_of(bytes(content))


def answer_of(content: bytes) -> Any:  # noqa: ANN401 - JSON is any value
    """Return the JSON of a whole answer, None when it is empty. Raises EngineError, or ValueError and IndexError."""
    head, _, body = content.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        body = _joined(body)
    status = _status(head)
    if status >= _BAD_STATUS:
        raise EngineError(status, _message(body))
    if not body.strip():
        return None
    import json

    return json.loads(body)


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(_READ_BYTES)
        if not more:
            raise ConnectionResetError("the engine closed the connection")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _status(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])


def _message(body: bytes) -> str:
    import json

    text = body.decode("utf-8", "replace").strip()
    try:
        return str(json.loads(text)["message"])
    except (ValueError, LookupError, TypeError):
        return text or "no reason is given"


def _joined(body: bytes) -> bytes:
    """Put the chunks of a body together (RFC 9112, 7.1)."""
    whole = b""
    while body:
        size_text, _, body = body.partition(b"\r\n")
        size = int(size_text.split(b";")[0] or b"0", 16)
        if not size:
            break
        whole += body[:size]
        body = body[size + 2 :]
    return whole


class Frames:
    """Takes the two output streams out of the one on which they come: head (stream, length) and content."""

    def __init__(self) -> None:
        self._head = b""
        self._stream = 1
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, memoryview]]:
        """Return the pieces of content, with the descriptor of their stream (1 stdout, 2 stderr)."""
        pieces: list[tuple[int, memoryview]] = []
        rest = memoryview(data)
        while rest:
            if self._left:
                piece = rest[: self._left]
                pieces.append((self._stream, piece))
                self._left -= len(piece)
                rest = rest[len(piece) :]
                continue
            wanted = _HEAD_BYTES - len(self._head)
            self._head += bytes(rest[:wanted])
            rest = rest[wanted:]
            if len(self._head) == _HEAD_BYTES:
                self._stream, self._left = self._head[0], int.from_bytes(self._head[4:], "big")
                self._head = b""
        return pieces
