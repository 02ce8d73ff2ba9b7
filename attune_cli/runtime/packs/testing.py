"""Running a pack's own tests: the `testing` section of its manifest (domain.md 1.12).

Output is read while the suite runs and only its end is kept; a suite that takes too long is killed with all
that it started.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from attune_cli.runtime.clock import monotonic_seconds, rfc3339
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.definitions import PackManifest

Status = Literal["passed", "failed", "skipped", "error"]

DEFAULT_SECONDS = 300.0
GRACE_SECONDS = 5.0
DRAIN_SECONDS = 1.0
"""How long a descendant may hold the pipes open after the suite itself has ended."""
KEPT_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024

_COUNT_LINE = re.compile(rb"^\s*(Total Tests|Passed|Failed|Skipped):\s*(\d{1,9})\s*$")
_LONGEST_COUNT_LINE = 200
_ALLOWED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


@immutable(kw_only=True)
class Suite:
    """What one entry of `runners` gave; without counts in its output it is one test."""

    name: str
    runner_type: str
    status: Status
    total: int
    passed: int
    failed: int
    skipped: int
    duration_ms: int
    error_message: str | None = None
    stdout: str = ""
    stderr: str = ""

    def to_json(self) -> dict[str, Json]:
        case = {
            "name": self.name,
            "status": self.status,
            "durationMs": self.duration_ms,
            "errorMessage": self.error_message,
            "stdout": self.stdout,
            "stderr": self.stderr,
        }
        return {
            "name": self.name,
            "runnerType": self.runner_type,
            "total": self.total,
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "durationMs": self.duration_ms,
            "testCases": [case],
        }


@immutable(kw_only=True)
class PackTestReport:
    """What all suites of a pack gave."""

    pack_ref: str
    pack_version: str
    executed: Instant
    suites: tuple[Suite, ...]

    @property
    def failed(self) -> int:
        return sum(suite.failed for suite in self.suites)

    @property
    def status(self) -> Literal["passed", "failed", "skipped", "partial"]:
        passed = sum(suite.passed for suite in self.suites)
        if not self.failed:
            return "passed" if passed else "skipped"
        return "partial" if passed else "failed"

    def to_json(self) -> dict[str, Json]:
        """Return the result in the existing platform's spelling."""
        total, passed, skipped = (
            (
                sum(values)
                for values in zip(*((s.total, s.passed, s.skipped) for s in self.suites), strict=True)
            )
            if self.suites
            else (0, 0, 0)
        )
        return {
            "packRef": self.pack_ref,
            "packVersion": self.pack_version,
            "executionTime": rfc3339(self.executed),
            "status": self.status,
            "totalTests": total,
            "passed": passed,
            "failed": self.failed,
            "skipped": skipped,
            "passRate": passed / total if total else 0.0,
            "durationMs": sum(suite.duration_ms for suite in self.suites),
            "testSuites": [suite.to_json() for suite in self.suites],
        }


def has_tests(manifest: PackManifest) -> bool:
    testing = manifest.testing
    return bool(testing.get("runners")) and testing.get("enabled", True) is not False


def run_tests(
    folder: Path,
    manifest: PackManifest,
    *,
    now: Instant,
    only: str = "",
    programs: Sequence[Path] = (),
    report: Callable[[str], None] = lambda _: None,
) -> PackTestReport:
    """Run the suites whose names hold `only`, one after the other, in the pack folder.

    `programs` are folders put before the PATH: those of the pack's environments.
    """
    runners = (
        cast("dict[str, dict[str, Json]]", manifest.testing.get("runners") or {})
        if has_tests(manifest)
        else {}
    )
    suites: list[Suite] = []
    for name, runner in runners.items():
        if only in name:
            report(f"testing {manifest.ref}: {name}")
            suites.append(_run_suite(folder, manifest.ref, name, runner, programs))
    return PackTestReport(
        pack_ref=manifest.ref, pack_version=manifest.version, executed=now, suites=tuple(suites)
    )


def _run_suite(
    folder: Path, pack_ref: str, name: str, runner: Mapping[str, Json], programs: Sequence[Path]
) -> Suite:
    kind, entry_point = str(runner.get("type") or "script"), str(runner.get("entry_point") or "")
    seconds = float(runner.get("timeout") or DEFAULT_SECONDS)
    started = monotonic_seconds()
    run = _SuiteRun(seconds)
    message = run.perform(_command(kind, entry_point), folder, _variables(folder, pack_ref, programs))
    duration_ms = int((monotonic_seconds() - started) * 1000)
    total, passed, failed, skipped = _counts(run.counts, succeeded=message is None)
    status: Status = "failed" if failed else "passed" if passed else "skipped"
    return Suite(
        name=name,
        runner_type=kind,
        status="error" if run.never_ran else status,
        total=total,
        passed=passed,
        failed=failed,
        skipped=skipped,
        duration_ms=duration_ms,
        error_message=message,
        stdout=run.kept("stdout"),
        stderr=run.kept("stderr"),
    )


def _command(kind: str, entry_point: str) -> list[str]:
    match kind:
        case "unittest":
            return ["python3", "-m", "unittest", entry_point]
        case "pytest":
            return ["pytest", entry_point]
        case _:
            return ["/bin/sh" if entry_point.endswith(".sh") else "/bin/bash", entry_point]


def _variables(folder: Path, pack_ref: str, programs: Sequence[Path]) -> dict[str, str]:
    allowed = {name: os.environ[name] for name in _ALLOWED if name in os.environ}
    path = os.pathsep.join([*map(str, programs), allowed.get("PATH", os.defpath)])
    return {
        **allowed,
        "PATH": path,
        "PYTHONPATH": str(folder / "lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ATTUNE_PACK_REF": pack_ref,
    }


def _counts(said: Mapping[str, int], *, succeeded: bool) -> tuple[int, int, int, int]:
    """Return total, passed, failed, skipped: as the output says, else one test by the exit code."""
    if "Total Tests" not in said:
        return (1, 1, 0, 0) if succeeded else (1, 0, 1, 0)
    failed, skipped = said.get("Failed", 0), said.get("Skipped", 0)
    passed = said.get("Passed", max(0, said["Total Tests"] - failed - skipped))
    # A suite that says all is well and ends badly is not believed.
    return said["Total Tests"], passed, failed if succeeded else max(failed, 1), skipped


@dataclass
class _Stream:
    """The end of one output, and the beginning of its current line."""

    tail: bytearray = field(default_factory=bytearray)
    line: bytearray = field(default_factory=bytearray)


class _SuiteRun:
    """One process: watched, read and ended in one loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._streams = {"stdout": _Stream(), "stderr": _Stream()}
        self.counts: dict[str, int] = {}
        self.never_ran = False

    def kept(self, name: str) -> str:
        return self._streams[name].tail.decode(errors="replace")

    def perform(self, command: list[str], folder: Path, variables: dict[str, str]) -> str | None:
        """Run to the end; returns what went wrong, or None."""
        try:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self.never_ran = True
            return f"{command[0]} cannot be started: {error.strerror}"
        try:
            in_time = self._follow(child)
        finally:
            _end_group(child)
            for stream in (child.stdout, child.stderr):
                cast("IO[bytes]", stream).close()
        if not in_time:
            return f"timed out after {self._seconds:g} s"
        return None if child.returncode == 0 else f"ended with exit code {child.returncode}"

    def _follow(self, child: subprocess.Popen[bytes]) -> bool:
        """Read both outputs until they are closed or time is over; tells whether the suite ended in time."""
        deadline = monotonic_seconds() + self._seconds
        with selectors.DefaultSelector() as selector:
            for name in self._streams:
                selector.register(getattr(child, name), selectors.EVENT_READ, name)
            while selector.get_map() and (left := deadline - monotonic_seconds()) > 0:
                for key, _ in selector.select(min(left, DRAIN_SECONDS)):
                    if not self._read(key):
                        selector.unregister(key.fileobj)
                if child.poll() is not None:
                    # It has ended; whoever still holds the pipes gets a moment and no more.
                    deadline = min(deadline, monotonic_seconds() + DRAIN_SECONDS)
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - monotonic_seconds()))
        return child.poll() is not None

    def _read(self, key: selectors.SelectorKey) -> bool:
        chunk = os.read(key.fd, CHUNK_BYTES)
        stream = self._streams[key.data]
        stream.tail += chunk
        del stream.tail[:-KEPT_BYTES]
        *lines, rest = (stream.line + chunk).split(b"\n")
        for line in lines if chunk else [rest]:
            self._count(bytes(line[: _LONGEST_COUNT_LINE + 1]))
        stream.line = rest[: _LONGEST_COUNT_LINE + 1]
        return bool(chunk)

    def _count(self, line: bytes) -> None:
        found = _COUNT_LINE.match(line)
        if found:
            self.counts[found[1].decode()] = int(found[2])


def _end_group(child: subprocess.Popen[Any]) -> None:
    """End the suite and everything in its process group: politely, then not."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
