"""Archives of packs from a real server, which also misbehaves."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, cast

import pytest

from attune_cli.config import Home
from attune_cli.errors import AttuneError, NotFoundError, RunFailedError, UnavailableError, UsageError
from attune_cli.runtime.packs import downloads
from attune_cli.runtime.packs.downloads import is_archive_url, shown
from attune_cli.runtime.packs.staging import staged
from tests.contract.test_pack_staging import tar_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MANIFEST = b"ref: demo\nversion: 1.0.0\nlabel: Demo\n"


class _Server(ThreadingHTTPServer):
    archive: bytes


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/moved/demo.tgz":
            self.send_response(302)
            self.send_header("Location", "/demo.tgz")
            self.end_headers()
        elif path == "/endless.tgz":
            self.send_response(200)
            self.end_headers()
            for _ in range(64):
                self.wfile.write(b"x" * 65536)
        elif path in ("/demo.tgz", "/archive/v1/demo.tgz"):
            body = cast("_Server", self.server).archive
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_error(403 if path.startswith("/secret") else 404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing: the tests' output is not the place."""


@pytest.fixture
def address(tmp_path: Path) -> Generator[str]:
    with _Server(("127.0.0.1", 0), _Answers) as server:
        archive = tar_of(tmp_path / "served.tgz", ("demo-1/pack.yaml", MANIFEST))
        server.archive = archive.read_bytes()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetch(url: str, tmp_path: Path, ref: str | None = None) -> tuple[str, list[str]]:
    """Return where a staged pack says it came from, and what was said meanwhile."""
    said: list[str] = []
    with staged(url, Home(tmp_path / "home"), ref=ref, report=said.append) as pack:
        assert (pack.folder / "pack.yaml").read_bytes() == MANIFEST
    assert not [path for path in (tmp_path / "home" / "packs").iterdir() if path.name.startswith(".")]
    return pack.source, said


def test_an_archive_is_fetched_and_its_one_folder_is_the_pack(address: str, tmp_path: Path) -> None:
    url = f"{address}/demo.tgz"
    assert fetch(url, tmp_path) == (url, [f"fetching {url}"])
    assert fetch(f"{address}/moved/demo.tgz", tmp_path)[0] == f"{address}/moved/demo.tgz"


def test_neither_a_password_nor_what_follows_the_path_is_kept_or_said(address: str, tmp_path: Path) -> None:
    url = address.replace("//", "//ada:hush@") + "/demo.tgz?token=hush"
    assert "hush" not in str(fetch(url, tmp_path))
    for gone in ("/secret.zip", "/gone.zip"):
        with pytest.raises(AttuneError) as caught:
            fetch(address.replace("//", "//ada:hush@") + gone + "?token=hush", tmp_path)
        assert gone in str(caught.value)
        assert "hush" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("/gone.tar.gz", NotFoundError, "the server answered 404 Not Found"),
        ("/secret.tar.gz", RunFailedError, "the server answered 403 Forbidden"),
        ("/endless.tgz", RunFailedError, "is larger than"),
    ],
)
def test_what_the_server_refuses_or_never_ends_is_told(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    error: type[AttuneError],
    said: str,
) -> None:
    monkeypatch.setattr(downloads, "MAX_TOTAL_BYTES", 1024 * 1024)
    with pytest.raises(error, match=said):
        fetch(address + path, tmp_path)


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        UnavailableError, match=r"http://127\.0\.0\.1:9/demo\.zip cannot be fetched: "
    ) as caught:
        fetch("http://127.0.0.1:9/demo.zip?token=x", tmp_path)
    assert caught.value.hint == "curl -fLI http://127.0.0.1:9/demo.zip"


def test_a_version_of_an_archive_cannot_be_asked_for(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--ref names a version of a git repository"):
        fetch(f"{address}/demo.tgz", tmp_path, ref="v1")


@pytest.mark.parametrize(
    ("source", "is_archive"),
    [
        ("https://example.com/a/demo-1.0.tar.gz", True),
        ("https://example.com/demo.ZIP?token=x", True),
        ("https://example.com/demo.git", False),
        ("https://example.com/demo?file=demo.zip", False),
        ("demo.zip", False),
    ],
)
def test_an_archive_is_told_from_a_repository_by_its_name(source: str, is_archive: bool) -> None:
    assert is_archive_url(source) is is_archive
    assert shown("https://ada:x@example.com/demo.zip?token=x") == "https://example.com/demo.zip"
