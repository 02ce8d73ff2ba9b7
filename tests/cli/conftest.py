"""Ways to call the command line: in this process, as a process, and on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from attune_cli.config import Home
from attune_cli.context import tree_of
from attune_cli.main import app

if TYPE_CHECKING:
    from attune_cli.pages import Page

REPOSITORY = Path(__file__).parents[2]
DEADLINE_SECONDS = 90.0


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str


class Run(Protocol):
    def __call__(self, *arguments: str, input: str | None = None) -> Result: ...  # noqa: A002 - as CliRunner names it


class Terminal(Protocol):
    def __call__(
        self, *arguments: str, typed: str = "", module: str = "attune_cli", columns: int = 80
    ) -> Result: ...


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home, and an environment that says nothing else; the current folder is `tmp_path/work`."""
    for name in list(os.environ):
        if name.startswith(("ATTUNE_", "XDG_")) or name in (
            "CI",
            "NO_COLOR",
            "FORCE_COLOR",
            "CLICOLOR",
            "COLUMNS",
            "LINES",
        ):
            monkeypatch.delenv(name)
    for name in ("ATTUNE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Home(tmp_path / "attune_home")


@pytest.fixture
def run(home: Home) -> Run:  # noqa: ARG001 - it sets the environment
    """Call attune in this process."""

    def call(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - as CliRunner names it
        result = CliRunner().invoke(app, arguments, input=input)
        return Result(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture
def process(home: Home) -> Run:  # noqa: ARG001 - it sets the environment
    """Call attune as a process of its own, with pipes."""

    def call(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - as CliRunner names it
        done = subprocess.run(
            [sys.executable, "-m", "attune_cli", *arguments],
            input=input or "",
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def terminal(home: Home) -> Terminal:  # noqa: ARG001 - it sets the environment
    """Call attune on a terminal of its own; all it shows is `stdout`."""

    def call(*arguments: str, typed: str = "", module: str = "attune_cli", columns: int = 80) -> Result:
        mine, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=its,
            stdout=its,
            stderr=its,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(its)
        os.write(mine, typed.encode())
        shown = _read_all(mine)
        os.close(mine)
        return Result(child.wait(DEADLINE_SECONDS), shown.replace("\r\n", "\n"), "")

    return call


def _read_all(descriptor: int) -> str:
    """Read until the other side is closed, which Linux reports as an input/output error."""
    parts: list[bytes] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            part = os.read(descriptor, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    """Every page of the command tree, the root first."""
    root = get_group(app)
    return list(tree_of(root.context_class(root, info_name="attune", **root.context_settings)).walk())
