"""`attune doctor`: everything a home and its machine need, one check for each; nothing is changed here."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.quantities import format_duration, format_size
from attune_cli.runtime.packs.interpreters import Interpreters
from attune_cli.runtime.services import machine
from attune_cli.runtime.services.checks import Check
from attune_cli.runtime.services.database import (
    check_integrity,
    check_version_and_guard,
    log_bytes,
    looking_at,
)
from attune_cli.runtime.store import hosts, inspection, keys
from attune_cli.runtime.store.database import Transaction
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from attune_cli.config import Home
    from attune_cli.runtime.clock import Instant

_LARGE_LOG_BYTES = 64 * 1024 * 1024
_CLOCK_SLACK = 60 * SECOND
_OLDEST_SANE_INSTANT = 1_700_000_000 * SECOND
_SOCKET_NAME = "doctor.sock"
_LONGEST_SOCKET_PATH_BYTES = 107  # unix(7): 108 with the zero at its end


@dataclass(frozen=True)
class Patient:
    """What is looked at."""

    home: Home
    environment: Mapping[str, str]
    now: Instant
    living_hosts: frozenset[str]
    """Ids of the hosts that hold their locks."""
    settings_fault: AttuneError | None
    """What is wrong with the settings files."""

    @property
    def has_home(self) -> bool:
        return self.home.path.is_dir()


def diagnose(patient: Patient, only: Sequence[str] = ()) -> list[Check]:
    """Make all checks, or those named; raises UsageError for a name that no check has."""
    unknown = [name for name in only if name not in CHECKS]
    if unknown:
        raise UsageError(
            f"no check {unknown[0]!r}; checks are {', '.join(CHECKS)}",
            hint=did_you_mean(unknown[0], CHECKS),
        )
    return [look(patient) for name, look in CHECKS.items() if not only or name in only]


# --- the home


def _settings(patient: Patient) -> Check:
    fault = patient.settings_fault
    if fault is None:
        return Check("settings", "ok", "every settings file can be read")
    details = "; ".join(f"{detail.path}: {detail.message}" for detail in fault.details)
    return Check("settings", "error", f"{fault.message}: {details}", "attune config path")


def _home(patient: Patient) -> Check:
    path = patient.home.path
    if not patient.has_home:
        return Check("home", "ok", f"{path} is not there yet; the first run makes it")
    mode = path.stat().st_mode & 0o777
    if not os.access(path, os.W_OK | os.X_OK):
        return Check("home", "error", f"{path} cannot be written", "attune --home DIR … uses another home")
    if mode & 0o077:
        return Check("home", "warning", f"others can look into {path} (mode {mode:o})", "attune doctor --fix")
    return Check("home", "ok", f"{path} is its owner's alone")


def _secret_key(patient: Patient) -> Check:
    """Look whether the key is there, private, and the one that seals the database."""
    path = patient.home.secret_key
    sealed = _sealed_value(patient)
    if not path.exists():
        if sealed is None:
            return Check("secret_key", "ok", "nothing is sealed yet")
        return Check("secret_key", "error", f"{path} is gone: sealed values cannot be read", _BRING_KEY)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return Check("secret_key", "error", f"others can read {path} (mode {mode:o})", "attune doctor --fix")
    try:
        sealer = Sealer(path)
        sealer.unseal(sealer.seal(None) if sealed is None else sealed)
    except AttuneError as error:
        return Check("secret_key", "error", error.message, _BRING_KEY)
    return Check("secret_key", "ok", f"{path} is private, and opens what is sealed")


_BRING_KEY = "bring back the secret.key that belongs to this database"


def _sealed_value(patient: Patient) -> bytes | None:
    try:
        with looking_at(patient.home.database) as connection:
            found = keys.list_keys(Transaction(connection, 0), owner_type=None, owner=None, prefix="")
    except AttuneError:  # told by the check of the database
        return None
    return next((key.value for key in found if key.encrypted), None)


def _sockets(patient: Patient) -> Check:
    """Try what hosts do to wake each other: bind a socket in the home, however deep that lies."""
    folder = patient.home.hosts
    if not folder.is_dir():
        return Check("sockets", "ok", "no host has run here yet")
    try:
        _bind(folder)
    except (OSError, ValueError) as error:
        message = f"no socket can be made in {folder}: {error}; hosts poll instead, once a second"
        return Check("sockets", "warning", message, "attune --home DIR … uses another home")
    return Check("sockets", "ok", "hosts can wake each other")


def _bind(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    short = f"/proc/self/fd/{descriptor}"
    path = f"{short if os.path.isdir(short) else folder}/{os.getpid()}.{_SOCKET_NAME}"  # noqa: PTH112 - a kernel folder
    try:
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH_BYTES:
            raise ValueError("its path is too long")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.bind(path)
        os.unlink(path)  # noqa: PTH108 - a text that names a descriptor's folder
    finally:
        os.close(descriptor)


# --- the database


def _of_database(patient: Patient, name: str, look: Callable[[sqlite3.Connection], Check]) -> Check:
    try:
        with looking_at(patient.home.database) as connection:
            return look(connection)
    except NotFoundError:
        return Check(name, "ok", "there is no database yet; the first run makes it")
    except AttuneError as error:
        return Check(name, "error", error.message, error.hint)


def _database(patient: Patient) -> Check:
    def look(connection: sqlite3.Connection) -> Check:
        found = check_integrity(connection, quick=True)
        return Check("database", found.status, found.message, found.hint)

    return _of_database(patient, "database", look)


def _guard(patient: Patient) -> Check:
    def look(connection: sqlite3.Connection) -> Check:
        found = check_version_and_guard(connection, patient.home.database)
        return Check("guard", found.status, found.message, found.hint)

    return _of_database(patient, "guard", look)


def _hosts(patient: Patient) -> Check:
    def look(connection: sqlite3.Connection) -> Check:
        recorded = [host.id for host in hosts.all_hosts(Transaction(connection, 0))]
        dead = [one for one in recorded if one not in patient.living_hosts]
        if dead:
            message = f"{len(dead)} hosts died and left runs; the next command settles them"
            return Check("hosts", "warning", message, "attune doctor --fix")
        return Check("hosts", "ok", f"{len(recorded)} at work, none left dead")

    return _of_database(patient, "hosts", look)


def _log(patient: Patient) -> Check:
    size = log_bytes(patient.home)
    if size > _LARGE_LOG_BYTES:
        message = (
            f"the write-ahead log has grown to {format_size(size)}: something keeps it from being emptied"
        )
        return Check("log", "warning", message, "attune db vacuum")
    return Check("log", "ok", f"the write-ahead log takes {format_size(size)}")


def _clock(patient: Patient) -> Check:
    """Compare the machine's clock with the newest record."""
    if patient.now < _OLDEST_SANE_INSTANT:
        return Check("clock", "error", "the clock of this machine is years behind", "timedatectl status")

    def look(connection: sqlite3.Connection) -> Check:
        newest = inspection.newest_instant(connection)
        if newest is not None and newest > patient.now + _CLOCK_SLACK:
            ahead = format_duration((newest - patient.now) / SECOND)
            message = f"the newest record is {ahead} in the future: the clock was set back"
            return Check("clock", "warning", message, "timedatectl status")
        return Check("clock", "ok", "the clock agrees with the records")

    return _of_database(patient, "clock", look)


# --- the machine


def _interpreter(patient: Patient, name: str) -> Check:
    """Look for an interpreter as a run does; what is found is remembered for the runs when there is a home."""
    folder = patient.home.environments if patient.has_home else Path(os.devnull)
    search_path = patient.environment.get("PATH")
    return machine.check_interpreter(
        name, Interpreters(folder / "interpreters.json", search_path=search_path)
    )


def _docker(patient: Patient) -> Check:
    """Look for the Docker engine; the actions that need one are named where the database can be read."""
    needed_by: list[str] = []
    with suppress(AttuneError), looking_at(patient.home.database) as connection:
        needed_by = inspection.container_actions(connection)
    return machine.check_docker(patient.environment, needed_by)


CHECKS: dict[str, Callable[[Patient], Check]] = {
    "settings": _settings,
    "home": _home,
    "secret_key": _secret_key,
    "database": _database,
    "guard": _guard,
    "hosts": _hosts,
    "log": _log,
    "clock": _clock,
    "sockets": _sockets,
    "disk": lambda patient: machine.check_disk(patient.home.path),
    "command": lambda patient: machine.check_command(patient.environment),
    "bytecode": lambda _patient: machine.check_bytecode(),
    "processes": lambda _patient: machine.check_processes(),
    "bash": lambda patient: _interpreter(patient, "bash"),
    "python3": lambda patient: _interpreter(patient, "python3"),
    "node": lambda patient: _interpreter(patient, "node"),
    "uv": lambda patient: machine.check_uv(patient.environment),
    "git": lambda patient: machine.check_git(patient.environment),
    "docker": _docker,
}
