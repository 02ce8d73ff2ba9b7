"""Starts a run's leader, or says in a sentence why it cannot be started."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.runtime.supervisor.pump import Feed

if TYPE_CHECKING:
    from attune_cli.runtime.supervisor.values import Spawn

_SHEBANG_BYTES = 256

_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.EACCES: "it may not be executed (Permission denied)",
    errno.ENOEXEC: "it is neither a program nor a script with an interpreter in its first line",
    errno.E2BIG: "its arguments and environment are too long (Argument list too long)",
}


class NotStartedError(Exception):
    """A run could not be started; the text is a sentence for the user."""


class Leader:
    """A started process with our ends of its pipes, which never block.

    `feed` is None when all of stdin was given. Until it is reaped nobody else can have its number, as a process, a
    group or a session.
    """

    def __init__(self, process: subprocess.Popen[bytes], stdout: int, stderr: int, feed: Feed | None) -> None:
        self.pid = process.pid
        self.stdout = stdout
        self.stderr = stderr
        self.feed = feed
        self._process = process

    def has_ended(self) -> bool:
        """Say so without reaping it, where the system can."""
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def reap(self) -> int | None:
        """Wait for its end; return its exit code, or minus the signal, or None when somebody else has reaped it."""
        if self._process.returncode is None:
            try:
                self._process.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:
                self._process.returncode = 0  # or Popen warns of a process that still runs
                return None
        return self._process.returncode


def launch(spawn: Spawn) -> Leader:
    """Start the leader in a session of its own. Raises NotStartedError."""
    ours: list[int] = []
    theirs: list[int] = []
    try:
        feed = _feed(spawn.stdin, ours, theirs)
        stdout, stderr = (_output(ours, theirs) for _ in range(2))
        process = subprocess.Popen(
            spawn.argv,
            cwd=spawn.cwd,
            env=spawn.environment,
            stdin=theirs[0],
            stdout=theirs[1],
            stderr=theirs[2],
            start_new_session=True,
        )
    except (
        Exception
    ) as error:  # whatever keeps it from starting, a type error of the caller too, is its own failure
        _close(ours)
        raise NotStartedError(_sentence(spawn, error)) from error
    finally:
        _close(theirs)
    return Leader(process, stdout, stderr, feed)


def _feed(stdin: bytes, ours: list[int], theirs: list[int]) -> Feed | None:
    """Make the pipe of standard input, and put into it what it takes: most often all."""
    if not stdin:
        theirs.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        return None
    reader, writer = os.pipe()
    theirs.append(reader)
    ours.append(writer)
    os.set_blocking(writer, False)
    feed = Feed(writer, memoryview(stdin))
    if feed.give():
        return feed
    feed.close()
    ours.remove(writer)
    return None


def _output(ours: list[int], theirs: list[int]) -> int:
    reader, writer = os.pipe()
    ours.append(reader)
    theirs.append(writer)
    os.set_blocking(reader, False)
    return reader


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _sentence(spawn: Spawn, error: Exception) -> str:
    name = spawn.argv[0] if spawn.argv else "an empty command"
    reason = _reason(spawn, error) if isinstance(error, OSError) else str(error) or repr(error)
    # A path need not be UTF-8, but what is said of it is kept as text.
    return f"cannot start {name}: {reason}".encode("utf-8", "backslashreplace").decode()


def _reason(spawn: Spawn, error: OSError) -> str:
    code = error.errno or 0
    if error.filename == spawn.cwd:
        return f"its working folder {spawn.cwd} cannot be entered ({os.strerror(code)})"
    interpreter = _interpreter(spawn.argv[0]) if code == errno.ENOENT else None
    if interpreter is not None:
        return f"its interpreter {interpreter} does not exist"
    return _REASONS.get(code) or os.strerror(code)


def _interpreter(path: str) -> str | None:
    """Return the interpreter that a script which is there names in its first line (execve(2))."""
    with suppress(OSError), Path(path).open("rb") as script:
        line = script.read(_SHEBANG_BYTES).split(b"\n")[0]
        words = line[2:].split() if line.startswith(b"#!") else []
        return os.fsdecode(words[0]) if words else None
    return None
