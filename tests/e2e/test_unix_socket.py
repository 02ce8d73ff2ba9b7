"""A daemon that listens at a Unix socket: who reaches it, whose addresses count, what is left of it."""

from __future__ import annotations

import signal
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.daemon_story import is_ready, nothing_is_left
from tests.e2e.story import Attune, until

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

__all__ = ["nothing_is_left"]

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@contextmanager
def serving_at(home: Home, socket: Path) -> Generator[Attune]:
    with Attune("serve", "--log-format", "text", "--socket", str(socket)) as attune:
        until(lambda: is_ready(home, attune) or attune.process.poll() is not None, "the daemon")
        assert attune.process.poll() is None, attune.end()
        yield attune


def status(socket: Path, path: str, forwarded: str | None = None) -> int:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=30) as client:
        return client.post(f"http://garden{path}", json={}, headers=headers).status_code


def test_a_socket_has_no_addresses_so_a_list_lets_in_only_what_a_trusted_proxy_vouches_for(
    run: Run, home: Home, tmp_path: Path
) -> None:
    socket = tmp_path / "s"
    assert run("trigger", "create", "local.push", "-q").exit_code == 0
    with serving_at(home, socket):
        assert stat.S_IMODE(socket.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
        url = run("webhook", "enable", "local.push", "-q").stdout.strip()
        assert url.startswith(f"http+unix://{socket}/api/v1/webhooks/")
        path = url.removeprefix(f"http+unix://{socket}")
        assert status(socket, path) == 200

        listed = ("webhook", "enable", "local.push", "--allow-ip", "10.0.0.0/8", "--allow-ip", "127.0.0.1")
        assert run(*listed).exit_code == 0
        assert [status(socket, path), status(socket, path, "10.1.2.3")] == [403, 403]
        assert run(*listed, "--trusted-proxy", "unix").exit_code == 0
        told = {"10.1.2.3": 200, "8.8.8.8, 10.1.2.3": 200, "10.1.2.3, 8.8.8.8": 403, "nonsense": 403}
        assert {forwarded: status(socket, path, forwarded) for forwarded in told} == told
        assert status(socket, path) == 403


def test_the_socket_of_a_daemon_that_was_killed_is_replaced_and_one_that_is_used_is_not(
    home: Home, tmp_path: Path
) -> None:
    socket = tmp_path / "s"
    with serving_at(home, socket) as daemon:
        daemon.signal(signal.SIGKILL)
    assert socket.is_socket()
    with serving_at(home, socket) as daemon:
        with Attune("--home", str(tmp_path / "other"), "serve", "--socket", str(socket)) as second:
            code, _, told = second.end()
        assert (code, f"another program listens at {socket}" in told) == (5, True)
        assert status(socket, "/nothing") == 404
        daemon.signal(signal.SIGTERM)
        assert daemon.end()[0] == 128 + signal.SIGTERM
    assert not socket.exists()


def test_a_path_where_no_socket_can_be_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for path, reason in (
        (file, "Address already in use"),
        (tmp_path / "none/s", "No such file or directory"),
        (tmp_path / ("x" * 120), "AF_UNIX path too long"),
    ):
        with Attune("--home", str(tmp_path / "home"), "serve", "--socket", str(path)) as attune:
            code, _, told = attune.end()
        assert (code, f"nothing can listen at {path}: {reason}" in told) == (6, True), told
    assert file.read_text() == "mine"
