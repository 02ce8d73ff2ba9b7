"""Finding the real interpreter behind a name, once: a `python3` on PATH may be a shim that costs ten starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import NotFoundError
from attune_cli.runtime.model.execution_config import ExecutionConfig
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from attune_cli.runtime.model.actions import Json, RuntimeDefinition
    from attune_cli.runtime.model.versions import Constraint, Version

PROBE_SECONDS = 20.0

Command = dict[str, Any]
"""One of `distributions.verification.commands`: binary, args, pattern, priority (domain.md 1.10)."""

_PYTHON_PROBE = "import sys; print(sys.executable); print('%d.%d.%d' % sys.version_info[:3])"
_NODE_PROBE = "process.execPath + '\\n' + process.versions.node"
_PROBES = (
    (re.compile(r"python[0-9.]*"), ("-I", "-c", _PYTHON_PROBE)),
    (re.compile(r"node(js)?[0-9]*"), ("-p", _NODE_PROBE)),
)
"""Arguments that make an interpreter print where it really lies, and its version."""

_ANY_VERSION = re.compile(r"\d+(\.\d+){1,2}")


@immutable
class Interpreter:
    """A program that runs files; `version` where it could be learnt."""

    path: str
    version: str | None = None


@immutable
class Choice:
    """How a runtime is run here: the configuration of one of its versions, and the interpreter for it."""

    config: ExecutionConfig
    interpreter: Interpreter | None
    """None runs the file itself."""


class Interpreters:
    """Resolves names of programs, and remembers each answer in a file while the found program is unchanged."""

    def __init__(self, cache: Path, *, search_path: str | None = None) -> None:
        self._cache = cache
        self._search_path = search_path
        self._resolved: dict[str, Interpreter | None] = {}
        self._remembered: dict[str, Any] | None = None

    def resolve(self, binary: str, version_commands: Sequence[Command] = ()) -> Interpreter | None:
        """Return the interpreter that `binary` names, or None. `version_commands`: see domain.md 1.10."""
        if binary not in self._resolved:
            found = shutil.which(binary, path=self._search_path)
            self._resolved[binary] = self._look_up(found, version_commands) if found else None
        return self._resolved[binary]

    def _look_up(self, found: str, version_commands: Sequence[Command]) -> Interpreter | None:
        probe = _probe_for(found, version_commands)
        if probe is None:
            return Interpreter(found)
        stamp = _stamp(found)
        known = self._recall().get(found)
        if known is None or known["stamp"] != stamp:
            answer = probe()
            known = {"stamp": stamp, "found": [answer.path, answer.version] if answer else None}
            self._remember(found, known)
        path, version = known["found"] or (None, None)
        return Interpreter(path, version) if path else None

    def _recall(self) -> dict[str, Any]:
        if self._remembered is None:
            self._remembered = _read_json(self._cache)
        return self._remembered

    def _remember(self, found: str, known: dict[str, Any]) -> None:
        """Write the answer down where the cache's folder is there: looking creates no home."""
        self._remembered = {**_read_json(self._cache), found: known}
        fresh = self._cache.with_name(f"{self._cache.name}.{os.getpid()}")
        with suppress(OSError):  # a cache that cannot be written only costs the next process a probe
            fresh.write_text(json.dumps(self._remembered, indent=1), "utf-8")
            fresh.replace(self._cache)


def choose(runtime: RuntimeDefinition, wanted: Constraint | None, interpreters: Interpreters) -> Choice:
    """Pick the version of a runtime: the highest available that the constraint allows (domain.md 1.10).

    Without a constraint it is the default version, else the highest available. Raises NotFoundError.
    """
    if wanted is not None and not wanted.clauses:
        wanted = None
    found = list(_candidates(runtime, interpreters, version_needed=wanted is not None))
    fitting = [one for one in found if wanted is None or (one.version and wanted.allows(one.version))]
    if not fitting:
        raise _none_found(runtime, wanted, found)
    if wanted is None:
        fitting = [one for one in fitting if one.is_default] or fitting
    if len(fitting) == 1:
        return fitting[0].choice
    from attune_cli.runtime.model.versions import Version

    return max(fitting, key=lambda one: one.version or Version(0, 0, 0)).choice


@immutable
class _Candidate:
    choice: Choice
    version: Version | None
    is_default: bool = False


def _candidates(
    runtime: RuntimeDefinition, interpreters: Interpreters, *, version_needed: bool
) -> Iterator[_Candidate]:
    """Yield what is available: the runtime's own interpreter first, then those of its versions."""
    offers: list[tuple[dict[str, Json], str | None, bool]] = [(runtime.execution_config, None, False)]
    offers += [(one.execution_config, one.version, one.is_default) for one in runtime.versions]
    commands = _version_commands(runtime) if version_needed or runtime.versions else []
    for document, declared, is_default in offers:
        config = ExecutionConfig.of(document)
        interpreter = interpreters.resolve(config.binary, commands) if config.binary else None
        if interpreter or not config.binary:
            told = interpreter.version if interpreter else None
            yield _Candidate(Choice(config, interpreter), _version(told or declared), is_default)


def _version(text: str | None) -> Version | None:
    if not text:
        return None
    from attune_cli.runtime.model.versions import parse_version

    try:
        return parse_version(text)
    except ValueError:
        return None


def _none_found(
    runtime: RuntimeDefinition, wanted: Constraint | None, found: list[_Candidate]
) -> NotFoundError:
    if found and wanted is not None:
        seen = ", ".join(dict.fromkeys(str(one.version or "an unknown version") for one in found))
        message = f"no interpreter for runtime {runtime.ref} fits '{wanted.text}': found {seen}"
    else:
        documents = [runtime.execution_config, *(version.execution_config for version in runtime.versions)]
        binaries = dict.fromkeys(ExecutionConfig.of(document).binary for document in documents)
        names = ", ".join(binary for binary in binaries if binary)
        message = f"no interpreter for runtime {runtime.ref}: {names} is not on PATH"
    return NotFoundError(message, code="no_interpreter", hint="attune doctor")


# --- probes


def _probe_for(found: str, version_commands: Sequence[Command]) -> Callable[[], Interpreter | None] | None:
    """Return the function that asks this program, or None when there is nothing to ask."""
    name = os.path.basename(found)  # noqa: PTH119 - text in, text out
    for pattern, arguments in _PROBES:
        if pattern.fullmatch(name):
            return partial(_ask_for_path, found, arguments)
    fitting = [command for command in version_commands if _names(command, name)]
    return partial(_ask_for_version, found, fitting) if fitting else None


def _names(command: Command, name: str) -> bool:
    return os.path.basename(str(command.get("binary"))) == name  # noqa: PTH119 - text in, text out


def _ask_for_path(found: str, arguments: Iterable[str]) -> Interpreter | None:
    lines = _run([found, *arguments]).splitlines()
    if len(lines) < 2 or not os.path.isfile(lines[0]):  # noqa: PLR2004, PTH113 - path and version
        return None
    return Interpreter(lines[0], lines[1].strip())


def _ask_for_version(found: str, commands: Iterable[Command]) -> Interpreter | None:
    for command in commands:
        said = _run([found, *(str(argument) for argument in command.get("args") or ())])
        pattern = command.get("pattern")
        match = re.search(pattern, said) if pattern else _ANY_VERSION.search(said)
        if match:
            return Interpreter(found, match[1] if pattern and match.groups() else match[0])
    return Interpreter(found)


def _run(argv: list[str]) -> str:
    """Return what a program says; '' when it fails or takes too long."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace") if done.returncode == 0 else ""


def _version_commands(runtime: RuntimeDefinition) -> list[Command]:
    verification = cast("dict[str, Any]", runtime.distributions.get("verification") or {})
    commands = cast("list[Command]", verification.get("commands") or [])
    return sorted(commands, key=lambda command: command.get("priority") or 0)


def _stamp(found: str) -> str:
    """Return what changes when the program does, or (a shim) when others are installed beside it."""
    folder = os.path.dirname(found)  # noqa: PTH120 - text in, text out
    return f"{os.stat(found).st_mtime_ns}:{os.stat(folder).st_mtime_ns}"  # noqa: PTH116 - as above


def _read_json(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", known) if isinstance(known, dict) else {}
