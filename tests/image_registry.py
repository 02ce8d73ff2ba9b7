"""A registry of images on this machine (the distribution specification, as much of it as a pull needs)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import platform
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Registry:
    """Serves one small image, `tools` (busybox), under every tag but `nosuch`; with a login, to those who know it.

    One that `stalls` has an image that no engine knows, and sends the half of each blob until `closing` is set.
    """

    def __init__(self, login: str | None = None, *, stalls: bool = False) -> None:
        self.login = login
        self.stalls = stalls
        self.closing = threading.Event()
        self.pulled = 0
        layer = gzip.compress(_layer(os.urandom(4 * 1024 * 1024) if stalls else b""), mtime=0)
        config = {
            "architecture": _MACHINES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(gzip.decompress(layer))]},
        }
        self.blobs = {_digest(blob): blob for blob in (layer, json.dumps(config).encode())}
        places = [
            {"mediaType": kind, "size": len(blob), "digest": digest}
            for kind, (digest, blob) in zip((_LAYER, _CONFIG), self.blobs.items(), strict=True)
        ]
        described = {"schemaVersion": 2, "mediaType": MANIFEST, "config": places[1], "layers": places[:1]}
        self.manifest = json.dumps(described).encode()
        self.name = ""

    def answer(self, path: str, authorization: str) -> tuple[int, str, bytes]:
        if (
            self.login is not None
            and authorization != f"Basic {base64.b64encode(self.login.encode()).decode()}"
        ):
            return (
                401,
                "application/json",
                b'{"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}',
            )
        if path == "/v2/":
            return 200, "application/json", b"{}"
        kind, _, word = path.removeprefix("/v2/tools/").partition("/")
        if kind == "manifests" and word != "nosuch":
            self.pulled += 1
            return 200, MANIFEST, self.manifest
        if kind == "blobs" and word in self.blobs:
            return 200, "application/octet-stream", self.blobs[word]
        return (
            404,
            "application/json",
            b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}',
        )

    @property
    def digest(self) -> str:
        return _digest(self.manifest)


@contextmanager
def serving_images(login: str | None = None, *, stalls: bool = False) -> Generator[Registry]:
    registry = Registry(login, stalls=stalls)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = registry.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="images"')
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", _digest(body))
            self.end_headers()
            if self.command == "GET" and registry.stalls and "/blobs/" in self.path:
                self.wfile.write(body[: len(body) // 2])
                registry.closing.wait()
            elif self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - as the base class calls them

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        registry.name = f"127.0.0.1:{server.server_port}"
        try:
            yield registry
        finally:
            registry.closing.set()
            server.shutdown()
            thread.join()


def _layer(ballast: bytes) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.add(Path(str(which("busybox"))).resolve(), "bin/busybox")
        entry = tarfile.TarInfo("ballast")
        entry.size = len(ballast)
        archive.addfile(entry, io.BytesIO(ballast))
        for name in ("sh", "cat", "echo"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return memory.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
