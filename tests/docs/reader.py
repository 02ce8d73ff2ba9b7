"""A reader who does what a page says: a person without settings and without a home, at a terminal of 100 columns."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.runtime.clock import monotonic_seconds

if TYPE_CHECKING:
    from tests.docs.pages import Command, File

COLUMNS = 100
PATIENCE_SECONDS = 60.0
SHOWN_HOME = "/home/ada"
"""What stands on a page for the reader's folder; the reader works in `work` below it."""


class Reader:
    """Lives in `folder`; only what is downloaded is kept for the next time."""

    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._work = folder / "work"
        self._work.mkdir(parents=True)
        commands = folder / ".local" / "bin"
        commands.mkdir(parents=True)
        # As an installer does it: the command is on the PATH, the Python that it uses is not.
        (commands / "attune").symlink_to(Path(sys.executable).with_name("attune"))
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("ATTUNE_", "XDG_"))}
        for name in ("CI", "COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE"):
            mine.pop(name, None)
        self._environment = mine | {
            "HOME": str(folder),
            "PATH": f"{commands}{os.pathsep}{_path_outside(Path(sys.prefix))}",
            "TERM": "xterm",
            "NO_COLOR": "1",
            "ATTUNE_NO_PROGRESS": "1",
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
        }

    def write(self, file: File) -> None:
        path = self._work / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")

    def type(self, command: Command) -> tuple[int, str]:
        """Type a line of shell; returns its exit code and what it printed, as a page would show it."""
        exit_code, printed = _run_in_terminal(command.text, self._work, self._environment)
        return exit_code, printed.replace("\r\n", "\n").replace(str(self._home), SHOWN_HOME)

    def leave(self) -> None:
        """End a daemon that the page has left running, in the reader's home or a project's."""
        for lock in (*self._home.glob(".local/share/attune/daemon.lock"), *self._work.glob("**/daemon.lock")):
            home = shlex.quote(str(lock.parent))
            _run_in_terminal(f"attune --home {home} down --cancel-running", self._work, self._environment)


def _path_outside(environment: Path) -> str:
    """Return PATH without the folder of the environment that runs this."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(name for name in folders if not Path(name).is_relative_to(environment))


def _run_in_terminal(line: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    child = subprocess.Popen(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    try:
        printed = _read_all(outer, line)
        return child.wait(PATIENCE_SECONDS), printed.decode()
    finally:
        os.close(outer)
        child.kill()
        child.wait()


def _read_all(outer: int, line: str) -> bytes:
    printed = bytearray()
    give_up = monotonic_seconds() + PATIENCE_SECONDS
    while select.select([outer], [], [], max(0.0, give_up - monotonic_seconds()))[0]:
        try:
            piece = os.read(outer, 65536)
        except OSError:  # Linux says so that nobody holds the other side any more
            return bytes(printed)
        if not piece:
            return bytes(printed)
        printed += piece
    raise TimeoutError(f"{line!r} goes on for more than {PATIENCE_SECONDS:.0f} s; it printed {printed!r}")
