"""What an action asks of its container, and what the machine allows: known before anything starts."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from attune_cli.errors import Detail
from attune_cli.runtime.model.quantities import format_size, parse_size
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Pull = Literal["missing", "always", "never"]
PULLS: tuple[Pull, ...] = get_args(Pull)

CONTAINER_KEYS = (
    *("image", "build", "command", "runtime", "network", "user", "memory", "cpus", "pids"),
    *("read_only", "tmpfs", "mounts", "pull"),
)

NEVER_ALLOWED = {
    "privileged": "a privileged container is the machine itself",
    "cap_add": "capabilities are dropped, all of them",
    "capabilities": "capabilities are dropped, all of them",
    "devices": "no device of the machine is given to a container",
    "pid": "the processes of the machine are not shown to a container",
    "ipc": "the shared memory of the machine is not given to a container",
    "security_opt": "the seccomp profile and no-new-privileges hold for every container",
}
"""Keys that other tools know and that no setting allows."""

PACK_FOLDER = "/pack"
TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - a folder within the container

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?(?::[A-Za-z0-9_][A-Za-z0-9_.-]*\$?)?", re.ASCII)
"""A name or a number, and a group. Engines read more (`+0`, `:5`), some of it as root."""

_SOCKETS = ("/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
"""Who can speak to one of them has the machine."""

_LEAST_MEMORY_BYTES = 6 * 1024 * 1024
"""Docker refuses less."""

_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
    r"|sha256:[0-9a-f]{64}|[0-9a-f]{12,64}"
)
"""What names an image (the distribution specification's grammar, and an image's id)."""


@immutable
class Mount:
    """A folder or file of the machine that a container sees."""

    source: str
    target: str
    writable: bool = False


@immutable(kw_only=True)
class ContainerOptions:
    """The container keys of an action (domain.md 1.4); None is the machine's default."""

    image: str = ""
    build: str = ""
    command: tuple[str, ...] = ()
    runtime: str = ""
    network: str = "none"
    user: str = ""
    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None
    read_only: bool = True
    tmpfs: dict[str, int | None] = field(default_factory=dict[str, "int | None"])
    """Folders in memory, with the bytes they may hold."""
    mounts: tuple[Mount, ...] = ()
    pull: Pull | None = None


@immutable(kw_only=True)
class ContainerPolicy:
    """What the machine gives a container, and the most that it allows; the settings `container_*`."""

    memory_bytes: int
    cpus: float
    pids: int
    tmpfs_bytes: int
    max_memory_bytes: int
    max_cpus: float
    max_pids: int
    max_tmpfs_bytes: int
    networks: tuple[str, ...]
    mounts: tuple[str, ...]
    root: bool
    pull: Pull


_FIELDS = fields(ContainerPolicy)


# --- what an action asks for


def read_options(given: Mapping[str, Any]) -> tuple[ContainerOptions, list[Detail]]:
    """Return the container keys of an action as they are meant, and the faults of those that mean nothing."""
    faults: list[Detail] = []
    read: dict[str, Any] = {}
    for key, value in given.items():
        if value is None:
            continue
        name, reader = _READERS[key]
        try:
            read[name] = reader(value)
        except ValueError as error:
            faults.append(Detail(key, str(error), value))
    return ContainerOptions(**read), faults


def _text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError("expected text (put it in quotes)")


def _image(value: object) -> str:
    text = _text(value)
    if not _IMAGE.fullmatch(text):
        raise ValueError(
            f"'{text}' is no name of an image, such as python:3.12-slim or registry:5000/name@sha256:…"
        )
    return text


def _build(value: object) -> str:
    folder = os.path.normpath(_text(value))
    if folder.startswith(("/", "..")):
        raise ValueError("expected a folder of the pack, with a Dockerfile")
    return folder


def _command(value: object) -> tuple[str, ...]:
    if isinstance(value, str) and value.strip():
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise ValueError(f"cannot be split into words: {error}") from error
    words = cast("list[object]", value) if isinstance(value, list) else []
    if words and all(isinstance(word, str) for word in words):
        return tuple(cast("list[str]", words))
    raise ValueError("expected a command line: text, or a list of texts")


def _user(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    if not _USER.fullmatch(text):
        raise ValueError("expected a user's name or number, with :GROUP if need be")
    return text


def _memory(value: object) -> int:
    size = _size(value)
    if size < _LEAST_MEMORY_BYTES:
        raise ValueError(f"a container needs {format_size(_LEAST_MEMORY_BYTES)} of memory at least")
    return size


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str):
        return parse_size(value)
    raise ValueError("expected a size such as 512MiB")


def _cpus(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0.01:  # noqa: PLR2004 - Docker's least
        return float(value)
    raise ValueError("expected a number of processors such as 0.5 or 2")


def _count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("expected a whole number of at least 1")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def _tmpfs(value: object) -> dict[str, int | None]:
    """Read a folder, a list of them, or a mapping of folders to sizes."""
    if isinstance(value, dict):
        sizes = cast("dict[str, object]", value)
        return {_folder(path): None if size is None else _size(size) for path, size in sizes.items()}
    paths = cast("list[object]", value) if isinstance(value, list) else [value]
    return {_folder(path): None for path in paths}


def _folder(value: object) -> str:
    if isinstance(value, str) and value.startswith("/") and ":" not in value:
        return os.path.normpath(value)
    raise ValueError("expected an absolute path within the container")


def _mounts(value: object) -> tuple[Mount, ...]:
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    mounts = tuple(map(_mount, entries))
    targets = [mount.target for mount in mounts]
    twice = next((target for target in targets if targets.count(target) > 1), None)
    if twice is not None:
        raise ValueError(f"there are two mounts at {twice}")
    if PACK_FOLDER in targets:
        raise ValueError(f"the pack itself lies at {PACK_FOLDER}")
    return mounts


def _mount(value: object) -> Mount:
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) not in {2, 3} or (len(parts) == 3 and parts[2] not in {"ro", "rw"}):  # noqa: PLR2004 - source, target, mode
        raise ValueError("expected SOURCE:TARGET, or SOURCE:TARGET:rw for one that may be written")
    source, target = parts[:2]
    if not source.startswith("/") or not target.startswith("/"):
        raise ValueError("expected absolute paths, SOURCE:TARGET")
    if os.path.normpath(target) == "/":
        raise ValueError("the root of a container cannot be mounted over")
    return Mount(os.path.normpath(source), os.path.normpath(target), parts[2:] == ["rw"])


def _pull(value: object) -> str:
    if value in PULLS:
        return str(value)
    raise ValueError(f"expected one of {', '.join(PULLS)}")


_READERS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "image": ("image", _image),
    "build": ("build", _build),
    "command": ("command", _command),
    "runtime": ("runtime", _text),
    "network": ("network", _text),
    "user": ("user", _user),
    "memory": ("memory_bytes", _memory),
    "cpus": ("cpus", _cpus),
    "pids": ("pids", _count),
    "read_only": ("read_only", _flag),
    "tmpfs": ("tmpfs", _tmpfs),
    "mounts": ("mounts", _mounts),
    "pull": ("pull", _pull),
}


# --- what the machine allows


def policy_of(settings: object) -> ContainerPolicy:
    """Return what the machine gives and allows; each field has its setting, `container_<field>`."""
    return ContainerPolicy(**{one.name: getattr(settings, f"container_{one.name}") for one in _FIELDS})


def refusals(options: ContainerOptions, policy: ContainerPolicy) -> list[Detail]:
    """Return everything that the policy refuses, each with its field and the setting that would allow it."""
    found: list[Detail] = []
    if options.network not in policy.networks:
        allowed = ", ".join(policy.networks) or "none"
        found.append(_refused("network", f"'{options.network}' is not among {allowed}", "container_networks"))
    if options.user and is_root(options.user) and not policy.root:
        found.append(_refused("user", "root is not allowed", "container_root"))
    found += _too_much(
        "memory", options.memory_bytes, policy.max_memory_bytes, "max_memory_bytes", format_size
    )
    found += _too_much("cpus", options.cpus, policy.max_cpus, "max_cpus", "{:g}".format)
    found += _too_much("pids", options.pids, policy.max_pids, "max_pids", str)
    sizes = [size or policy.tmpfs_bytes for size in options.tmpfs.values()]
    found += _too_much("tmpfs", sum(sizes), policy.max_tmpfs_bytes, "max_tmpfs_bytes", format_size)
    for mount in options.mounts:
        fault = mount_fault(mount, policy.mounts)
        if fault is not None:
            found.append(_refused("mounts", fault, "container_mounts"))
    return found


def is_root(user: str) -> bool:
    """Tell whether a user is root in every image; what is no user's name an engine may take for root too."""
    name = user.partition(":")[0]
    return not _USER.fullmatch(user) or name == "root" or (name.isdecimal() and int(name) == 0)


def is_root_among(accounts: str, user: str) -> bool:
    """Tell whether a user is root by an /etc/passwd, in which whoever has no number that can be read is root too."""
    name = user.partition(":")[0]
    lines = [line.strip().split(":") for line in accounts.splitlines()]
    numbers = ["".join(line[2:3]) for line in lines if line[0] == name]
    return not all(number.isdecimal() and int(number) for number in numbers)


def mount_fault(mount: Mount, roots: tuple[str, ...]) -> str | None:
    """Say why a mount is refused. Links are followed: a declared root is no way out of it."""
    source = os.path.realpath(mount.source)
    if not any(_within(source, os.path.realpath(root)) for root in roots):
        return f"{mount.source} lies in none of the declared roots ({', '.join(roots) or 'there are none'})"
    if any(_within(os.path.realpath(socket), source) for socket in _SOCKETS):
        return f"{mount.source} gives the engine's socket away, which no setting allows"
    return None


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _too_much(
    name: str, asked: float | None, most: float, setting: str, shown: Callable[[Any], str]
) -> list[Detail]:
    if asked is None or asked <= most:
        return []
    return [_refused(name, f"{shown(asked)} is more than {shown(most)}", f"container_{setting}")]


def _refused(name: str, reason: str, setting: str) -> Detail:
    return Detail(name, f"{reason}; setting {setting}")
