"""Where the Docker engine of this machine listens: as Docker's own command finds it, and as its users expect.

DOCKER_HOST, else the context that is in use (DOCKER_CONTEXT, or `docker context use`), else the usual socket, else that
of a rootless engine, where the usual one is not there or not for this user.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attune_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL = "unix:///var/run/docker.sock"


def engine_address(environment: Mapping[str, str]) -> str:
    """Return unix://PATH or tcp://HOST:PORT. Raises UnavailableError for what is neither."""
    address = environment.get("DOCKER_HOST") or _of_context(environment) or _local(environment)
    if address.startswith("unix:///") or (address.startswith("tcp://") and _is_local(address)):
        return address
    raise UnavailableError(
        f"the Docker engine at {address} cannot be used: it is not on this machine",
        code="no_container_engine",
        hint=f"export DOCKER_HOST={USUAL}",
    )


def gateway_of(pool: Mapping[str, str]) -> str:
    """Return the gateway of a network's address pool: as it says, else the first address, which engines take."""
    import ipaddress

    return pool.get("Gateway") or str(next(ipaddress.ip_network(pool["Subnet"]).hosts()))


def is_of_this_machine(address: str) -> bool:
    """Tell whether somebody here can listen at an address: that of a rootless engine is in a world of its own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _local(environment: Mapping[str, str]) -> str:
    runtime_folder = environment.get("XDG_RUNTIME_DIR")
    rootless = Path(runtime_folder) / "docker.sock" if runtime_folder else None
    if rootless is not None and rootless.exists() and not os.access(USUAL.removeprefix("unix://"), os.W_OK):
        return f"unix://{rootless}"
    return USUAL


def _is_local(address: str) -> bool:
    """Tell whether a host is this machine; one whose name nobody knows is none."""
    try:
        host = urlsplit(address).hostname or "localhost"
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, ValueError):
        return False
    return any(is_of_this_machine(str(place[0])) for *_, place in found)


def _of_context(environment: Mapping[str, str]) -> str | None:
    folder = Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "/") / ".docker")
    name = environment.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext")
    if not isinstance(name, str) or name in {"", "default"}:
        return None
    digest = hashlib.sha256(name.encode()).hexdigest()
    described = _read(folder / "contexts" / "meta" / digest / "meta.json")
    try:
        return str(described["Endpoints"]["docker"]["Host"])
    except (LookupError, TypeError):
        raise UnavailableError(
            f"there is no Docker context '{name}'", code="no_container_engine", hint="docker context ls"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
