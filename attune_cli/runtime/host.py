"""The home of one engine: its database is opened here, made when there is none, and settled.

Together with `inline_host` this is the composition root: nothing else builds a store, an engine, a runner or a
supervisor. What only a dead host needs is imported only then: every command opens a store.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from attune_cli import __version__
from attune_cli.errors import UnavailableError, UsageError
from attune_cli.runtime.clock import SECOND, SystemClock, monotonic_seconds, pause
from attune_cli.runtime.engine.presence import dead_hosts, is_alive
from attune_cli.runtime.runners.api import no_server
from attune_cli.runtime.store import hosts, packs
from attune_cli.runtime.store.database import (
    SCHEMA_VERSION,
    Store,
    check_not_lost,
    check_version,
    connect,
    create_schema,
    explain,
    memory_store,
)
from attune_cli.runtime.store.identity import is_at_home, settle_in

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.engine.orchestrator import Orchestrator
    from attune_cli.runtime.model.facts import Fact
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.runners.api import Runner, ServerVariables
    from attune_cli.runtime.runners.containers.engine import Found
    from attune_cli.runtime.runners.containers.runner import DockerRunner
    from attune_cli.runtime.runners.deferred import DeferredRunner
    from attune_cli.runtime.store.sealing import Sealer

_PRIVATE = 0o700

_STARTING_SECONDS = 60
"""How long a host may take between making its lock and holding it."""

_LEAVING_SECONDS = 3.0
"""Longer than a supervisor without an engine and without a run stays."""

_LOOK_SECONDS = 0.05


# --- the file ----------------------------------------------------------------------------------------------


def open_store(home: Home, settings: Settings) -> Store:
    """Open the home's database for writing, making home, database and core pack when there are none.

    What dead hosts left is settled first, so every command sees the truth.
    """
    import sqlite3

    try:
        if not home.database.exists():
            _create(home, settings)
        store = connect_again(home, settings)
    except sqlite3.DatabaseError as error:
        raise explain(error, home.database) from error
    except OSError as error:
        raise UnavailableError(
            f"the home {home.path} cannot be used: {error.strerror}",
            code="home_unusable",
            hint="attune --home DIR … uses another home",
        ) from error
    _bring_up_to_date(store, home)
    settle_dead_hosts(store, home, settings)
    return store


def connect_again(home: Home, settings: Settings) -> Store:
    """Return a connection to a database that is there, and was checked when this process opened it first."""
    timeout_seconds = settings.busy_timeout_seconds
    return Store(
        connect(home.database, timeout_seconds=timeout_seconds),
        path=home.database,
        timeout_seconds=timeout_seconds,
    )


def open_store_for_reading(home: Home, settings: Settings) -> Store:
    """Open the home's database; where there is none, an empty one in memory with the core pack. Creates nothing."""
    if home.database.exists():
        if os.access(home.database, os.W_OK) and os.access(home.path, os.W_OK):
            return open_store(home, settings)
        return _open_read_only(home)
    check_not_lost(home.database)
    return open_empty_store(home)


def open_empty_store(home: Home) -> Store:
    """Open a database in memory with the core pack, whatever the home holds."""
    store = memory_store()
    _install_core_pack(store, home)
    return store


def _open_read_only(home: Home) -> Store:
    """Read a file that may not be written; where even its lock file cannot be used, as if nobody wrote it."""
    import sqlite3
    from urllib.parse import quote

    name = f"file:{quote(str(home.database))}"
    try:
        connection = connect(f"{name}?mode=ro", uri=True)
        check_version(connection, home.database)
    except (sqlite3.DatabaseError, UnavailableError):
        connection = connect(f"{name}?immutable=1", uri=True)
        check_version(connection, home.database)
    return Store(connection, path=home.database)


def _create(home: Home, settings: Settings) -> None:
    """Make the home: folders, schema, core pack. Under a lock, so that of many first commands one does it."""
    home.path.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
    with exclusive(home.path / "create.lock"):
        if home.database.exists():
            return
        check_not_lost(home.database)
        for folder in (home.packs, home.environments, home.runs, home.artifacts, home.hosts):
            folder.mkdir(exist_ok=True, mode=_PRIVATE)
        # Made under another name: a database that is there is whole.
        fresh = home.database.with_suffix(".new")
        for leftover in home.path.glob("attune.new*"):
            leftover.unlink()
        connection = connect(fresh, timeout_seconds=settings.busy_timeout_seconds)
        create_schema(connection)
        store = Store(connection, path=fresh)
        _install_core_pack(store, home)
        store.close()
        fresh.rename(home.database)


def _install_core_pack(store: Store, home: Home) -> None:
    from attune_cli.runtime.services.installation import install_core_pack

    with store.write(SystemClock().now()) as tx:
        install_core_pack(tx, home=home)


@contextlib.contextmanager
def exclusive(path: Path) -> Generator[None]:
    """Hold a lock file that the kernel frees when this process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bring_up_to_date(store: Store, home: Home) -> None:
    if check_version(store.connection, home.database) < SCHEMA_VERSION:
        migrate_alone(store, home)
    now = SystemClock().now()
    with store.read(now) as tx:
        at_home = is_at_home(tx, home.database)
        core = packs.get(tx, "core")
    if not at_home:
        with store.write(now) as tx:
            settle_in(tx, home.database)
    if core is not None and core.source != f"attune {__version__}":
        _install_core_pack(store, home)  # another version of attune made this home


def migrate_alone(store: Store, home: Home) -> list[int]:
    """Bring the file to this version and its guard in order, unless another host lives; see store.migrations."""
    from attune_cli.runtime.store.migrations import migrate

    def permit() -> None:
        if living_hosts(home):
            raise UnavailableError(
                "the database has to be migrated, and another attune is using it",
                code="migration_waits",
                hint="let the other commands end, then: attune db migrate",
            )

    return migrate(store, permit=permit)


def living_hosts(home: Home) -> list[str]:
    """Return the ids of the hosts whose process lives, by their locks alone: the database may be unreadable."""
    return sorted(lock.stem for lock in home.hosts.glob("*.lock") if is_alive(home.hosts, lock.stem))


def supervisor_works(home: Home) -> bool:
    """Tell whether runs of a daemon go on without it; waits a moment for a supervisor that is about to leave."""
    from attune_cli.runtime.supervisor import address

    give_up = monotonic_seconds() + _LEAVING_SECONDS
    while any(address.is_alive(home.hosts, name) for name in address.recorded(home.hosts)):
        if monotonic_seconds() >= give_up:
            return True
        pause(_LOOK_SECONDS)
    return False


def settle_dead_hosts(store: Store, home: Home, settings: Settings) -> None:
    """Settle the runs of hosts whose process is gone; what is not over becomes ownerless."""
    with store.read(SystemClock().now()) as tx:
        recorded = [host.id for host in hosts.all_hosts(tx)]
    dead = dead_hosts(home.hosts, recorded)
    if dead:
        _settle(store, home, settings, dead)


def _settle(store: Store, home: Home, settings: Settings, dead: list[str]) -> None:
    from attune_cli.runtime.engine.jobs import JobReader
    from attune_cli.runtime.engine.recovery import inspect, settle
    from attune_cli.runtime.runners.launch import Launcher
    from attune_cli.runtime.runners.process import ProcessRunner
    from attune_cli.runtime.store import workflows
    from attune_cli.runtime.store.sealing import Sealer

    clock = SystemClock()
    jobs = JobReader()
    launcher = Launcher(home, environment=os.environ)
    runner = ProcessRunner(home=home, settings=settings, launcher=launcher, report=lambda _fact: None)
    containers = docker_runner(
        home, settings, host="", pack_folder=launcher.pack_folder, report=lambda _fact: None
    )
    runners: dict[str, Runner] = {runner.kind: runner, containers.kind: containers}
    with store.read(clock.now()) as tx:
        inspected = inspect(tx, dead, jobs, runners, boot_id=boot_id())
    containers.close()
    with store.write(clock.now()) as tx:
        sealer = Sealer(home.secret_key)
        settle(
            tx,
            inspected,
            dead,
            heir=None,
            ask=lambda tx, execution, outcome: orchestrator(settings, sealer).ask(tx, execution, outcome),
        )
        if workflows.ownerless_canceling(tx):
            orchestrator(settings, sealer).end_ownerless(tx)
        left = {host.id for host in hosts.all_hosts(tx)}
    _forget(home, (set(dead) - left) | _never_recorded(home, left))


def has_dead_hosts(home: Home) -> bool:
    """Tell, by the locks alone, whether there may be anything to settle; a host that just begins looks dead too."""
    return any(not is_alive(home.hosts, lock.stem) for lock in home.hosts.glob("*.lock"))


def forget_unrecorded_hosts(store: Store, home: Home) -> None:
    """Remove the files of hosts that died before their row was committed: there is nothing else of them."""
    with store.read(SystemClock().now()) as tx:
        recorded = {host.id for host in hosts.all_hosts(tx)}
    _forget(home, _never_recorded(home, recorded))


def _forget(home: Home, host_ids: set[str]) -> None:
    for host_id in host_ids:
        for suffix in ("lock", "sock", "journal"):
            (home.hosts / f"{host_id}.{suffix}").unlink(missing_ok=True)


def settle_inquiries(store: Store, home: Home) -> None:
    """Close what nobody answered in time, and end what was answered, where nobody owns it: no engine would."""
    from attune_cli.runtime.services.inquiries import any_ownerless, settle_ownerless
    from attune_cli.runtime.store.sealing import Sealer

    now = SystemClock().now()
    with store.read(now) as tx:
        is_due = any_ownerless(tx)
    if is_due:
        with store.write(now) as tx:
            settle_ownerless(tx, sealer=Sealer(home.secret_key))


def _never_recorded(home: Home, recorded: set[str]) -> set[str]:
    """Return the hosts that died before their row was committed; a young one may only not be that far yet."""
    found: set[str] = set()
    for lock in home.hosts.glob("*.lock"):
        with contextlib.suppress(FileNotFoundError):
            is_old = lock.stat().st_mtime < SystemClock().now() / SECOND - _STARTING_SECONDS
            if is_old and lock.stem not in recorded and not is_alive(home.hosts, lock.stem):
                found.add(lock.stem)
    return found


def docker_runner(
    home: Home,
    settings: Settings,
    *,
    host: str,
    pack_folder: Callable[[JobDefinition], Path],
    report: Callable[[Fact], None],
    api: ServerVariables = no_server,
    keeps_warm: bool = False,
) -> DeferredRunner:
    """Return the runner of actions in containers for a host of this home; it is made when there is such an action.

    A host that `keeps_warm` starts containers of busy actions ahead.
    """
    from attune_cli.runtime.runners.deferred import DeferredRunner

    def make() -> DockerRunner:
        from attune_cli.runtime.runners.containers.runner import DockerRunner
        from attune_cli.runtime.store.identity import home_id

        with contextlib.closing(connect_again(home, settings)) as store:
            own_id = home_id(store.connection) or ""
        return DockerRunner(
            home=home,
            settings=settings,
            environment=os.environ,
            host=host,
            home_id=own_id,
            pack_folder=pack_folder,
            orphans=lambda found: _orphaned(home, settings, found),
            credentials=lambda registry: registry_credentials(home, settings, registry),
            report=report,
            api=api,
            keeps_warm=keeps_warm,
        )

    return DeferredRunner("docker", make)


def orchestrator(settings: Settings, sealer: Sealer) -> Orchestrator:
    """Return what moves workflows and inquiries on; only a home that has some pays for it."""
    from attune_cli.runtime.orchestration.orchestrator import Orchestration

    return Orchestration(settings=settings, sealer=sealer)


def registry_credentials(home: Home, settings: Settings, registry: str) -> dict[str, str] | None:
    """Return name and password of a registry from its key (`key_of`), NAME:PASSWORD; without one, None."""
    from attune_cli.runtime.runners.containers.faults import key_of
    from attune_cli.runtime.store import keys
    from attune_cli.runtime.store.sealing import Sealer

    ref = key_of(registry)
    with contextlib.closing(connect_again(home, settings)) as store, store.read(SystemClock().now()) as tx:
        key = keys.get(tx, ref)
        value = None if key is None else keys.read_value(key, Sealer(home.secret_key))
    if value is None:
        return None
    name, colon, password = str(value).partition(":")
    if not colon:
        raise UsageError(
            f"key {ref} holds no NAME:PASSWORD", code="image_denied", hint=f"attune key set {ref} -"
        )
    return {"username": name, "password": password}


def _orphaned(home: Home, settings: Settings, found: Sequence[Found]) -> list[str]:
    """Return the containers that no run names, and whose host is dead: a living one may be about to name it."""
    from attune_cli.runtime.store import executions

    dead = [one for one in found if not (one.host and is_alive(home.hosts, one.host))]
    with contextlib.closing(connect_again(home, settings)) as store, store.read(SystemClock().now()) as tx:
        named = {ref.rpartition(":")[2] for ref in executions.live_runner_refs(tx)}
    return [one.id for one in dead if one.id not in named]


def boot_id() -> str:
    """Return a name for this boot of the machine: another one means that no process of ours is left."""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - read at every start; pathlib would cost more
        return file.read().strip()
    return "unknown"


def wake(home: Home, host_id: str | None) -> None:
    """Tell the owner of something that an intent waits for it."""
    if host_id is not None:
        from attune_cli.runtime.engine.doorbell import ring_host

        ring_host(home.hosts, host_id)
