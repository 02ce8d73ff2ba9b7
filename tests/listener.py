"""A service on this machine that takes notices over HTTP, as `json://` of apprise sends them."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass
class Listener:
    """Keeps what it was told, by path; answers with `status`."""

    port: int = 0
    status: int = 200
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])

    def url(self, path: str = "") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    def titles(self, path: str = "") -> list[str]:
        return [document["title"] for where, document in self.told if where == f"/{path}"]

    def messages(self, path: str = "") -> list[str]:
        return [document["message"] for where, document in self.told if where == f"/{path}"]


@contextmanager
def listening() -> Generator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if listener.status == 200:
                listener.told.append((self.path.rstrip("/") or "/", document))
            self.send_response(listener.status)
            self.end_headers()

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - its name upstream
            del format

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
