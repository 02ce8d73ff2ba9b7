"""How the daemon is: whether it runs, what it does, what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli import __version__
from attune_cli.errors import UnavailableError, UsageError
from attune_cli.output import Column, Section
from attune_cli.runtime.clock import SystemClock, monotonic_seconds, pause, rfc3339
from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.services.overview import describe

if TYPE_CHECKING:
    from attune_cli.context import Context
    from attune_cli.runtime.engine.lease import Daemon

SHOWN = (
    Column("Running", "running"),
    Column("Ready", "ready"),
    Column("Draining", "draining"),
    Column("Process", "pid"),
    Column("URL", "url"),
    Column("Started", "started_at", kind="time"),
    Column("Version", "version"),
    Column("Home", "home"),
    Column("Executions", "executions"),
    Column("Open inquiries", "open_inquiries"),
    Column("Pending events", "pending_events"),
)
SECTIONS = (
    Section(
        "Next timers", "next_timers", (Column("Rule", "rule_ref"), Column("At", "next_fire_at", kind="time"))
    ),
    Section(
        "Sensors",
        "sensors",
        (
            Column("Sensor", "sensor_ref"),
            Column("Status", "status"),
            Column("Restarts", "restarts"),
            Column("Error", "error", kind="text"),
        ),
    ),
)

_LOOK_SECONDS = 0.05


def duration(option: str, text: str) -> float:
    """Read the value of an option; returns seconds."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def wait_ready(context: Context, seconds: float) -> Daemon | None:
    """Return the daemon once it is ready, or whatever there is when the time is over."""
    give_up = monotonic_seconds() + seconds
    while True:
        daemon = read_lease(context.home.path)
        if (daemon is not None and daemon.is_ready) or monotonic_seconds() >= give_up:
            return daemon
        pause(_LOOK_SECONDS)


def running_daemon(context: Context) -> Daemon:
    """Return the daemon of this home; raises UnavailableError when none runs."""
    daemon = read_lease(context.home.path)
    if daemon is None:
        raise not_running(context)
    return daemon


def not_running(context: Context) -> UnavailableError:
    return UnavailableError(
        f"no daemon is running for {context.home.path}", code="no_engine", hint="attune up -d"
    )


def status_record(context: Context, daemon: Daemon | None) -> dict[str, Any]:
    """Return what `attune status` shows; creates nothing."""
    record: dict[str, Any] = {
        "kind": "status",
        "running": daemon is not None,
        "ready": daemon is not None and daemon.is_ready,
        "draining": daemon is not None and daemon.is_draining,
        "pid": None if daemon is None else daemon.pid,
        "version": __version__ if daemon is None else daemon.version,
        "url": None if daemon is None else daemon.url,
        "started_at": None if daemon is None else rfc3339(daemon.started),
        "home": str(context.home.path),
        "database": str(context.home.database),
    }
    store = open_store_for_reading(context.home, context.settings)
    try:
        with store.read(SystemClock().now()) as tx:
            record |= describe(tx, is_daemon_running=daemon is not None)
    finally:
        store.close()
    return record
