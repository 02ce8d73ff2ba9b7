"""Environments: what a pack's requirements need, installed once, apart from every other pack (domain.md 2.4).

An environment lies where it was built, because its scripts hold its path. It is complete when the marker,
written last, stands in it; builders of the same one wait for each other at a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from attune_cli.errors import Detail, RunFailedError
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from attune_cli.config import Home

MARKER = ".attune_complete"
BUILD_SECONDS = 1800.0
TAIL_LINES = 40

_ALLOWED = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    | {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}
)
_ALLOWED_PREFIXES = ("PIP_", "UV_", "NPM_CONFIG_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""An installer runs code of strangers: it gets its own settings and proxies, not the caller's secrets."""


@immutable
class Environment:
    """The place of one pack's environment for one runtime, and the commands that make it."""

    folder: Path
    pack_ref: str
    runtime_ref: str
    manifest: Path
    commands: tuple[tuple[str, ...], ...]
    copied: tuple[Path, ...] = ()
    """Files the installer wants to find inside the environment."""

    @property
    def is_ready(self) -> bool:
        return (self.folder / MARKER).is_file()

    @property
    def log(self) -> Path:
        """What the installers of the latest failed build said."""
        return self.folder.with_name(f"{self.folder.name}.log")


def build_environment(environment: Environment, *, report: Callable[[str], None] = lambda _: None) -> None:
    """Build an environment unless it is ready; waits for another builder of the same one.

    `report` is told what is being done. Raises RunFailedError with the installer's last lines.
    """
    environment.folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(environment.folder):
        if environment.is_ready:
            return
        report(f"building the environment of {environment.pack_ref} ({environment.runtime_ref})")
        shutil.rmtree(environment.folder, ignore_errors=True)
        try:
            _build(environment)
        except BaseException:
            shutil.rmtree(environment.folder, ignore_errors=True)
            raise
        environment.log.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold the builders' lock; the kernel frees it when the process dies."""
    descriptor = os.open(
        folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build(environment: Environment) -> None:
    environment.folder.mkdir(parents=True)
    for path in environment.copied:
        shutil.copy(path, environment.folder)
    with environment.log.open("wb") as log:
        for command in environment.commands:
            _run_installer(environment, command, log)
    marker = environment.folder / MARKER
    with marker.open("w", encoding="utf-8") as file:
        json.dump({"pack": environment.pack_ref, "runtime": environment.runtime_ref}, file)
        file.flush()
        os.fsync(file.fileno())


def _run_installer(environment: Environment, command: tuple[str, ...], log: IO[bytes]) -> None:
    try:
        child = subprocess.Popen(
            command,
            cwd=environment.manifest.parent,
            env=_installer_variables(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        raise _failed(environment, command, f"cannot be started: {error.strerror}") from error
    try:
        code = child.wait(BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        _kill_group(child)
        raise _failed(environment, command, f"took longer than {BUILD_SECONDS:.0f} s") from None
    except BaseException:
        _kill_group(child)
        raise
    if code != 0:
        raise _failed(environment, command, f"ended with exit code {code}")


def _installer_variables(present: Mapping[str, str]) -> dict[str, str]:
    allowed = {
        name: value
        for name, value in present.items()
        if name in _ALLOWED or name.upper().startswith(_ALLOWED_PREFIXES)
    }
    quiet = {"PIP_NO_INPUT": "1", "NPM_CONFIG_AUDIT": "false", "NPM_CONFIG_FUND": "false"}
    return {**allowed, **quiet, "UV_PYTHON_DOWNLOADS": "never"}


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _failed(environment: Environment, command: tuple[str, ...], what: str) -> RunFailedError:
    tail = environment.log.read_bytes().decode(errors="replace").splitlines()[-TAIL_LINES:]
    said = (Detail("", line) for line in tail if line.strip())
    program = Path(command[0]).name
    return RunFailedError(
        f"the environment of {environment.pack_ref} could not be built: {program} {what}",
        code="environment_failed",
        hint=f"attune pack env {environment.pack_ref} build",
        details=tuple(said),
    )


# --- looking after them


def environments_of(home: Home, pack_ref: str) -> list[Path]:
    """Return the folders of a pack's environments, finished or not, sorted."""
    if not home.environments.is_dir():
        return []
    folders = (path for path in home.environments.iterdir() if path.is_dir())
    return sorted(path for path in folders if path.name.rsplit("-", 2)[0] == pack_ref)


def delete_environments(home: Home, pack_ref: str) -> list[Path]:
    """Delete a pack's environments, with their locks and logs; returns the folders that were there."""
    folders = environments_of(home, pack_ref)
    for folder in folders:
        with _locked(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_name(f"{folder.name}.log").unlink(missing_ok=True)
    return folders
