"""What an engine says of itself (Engine API, `GET /info`) that a container's maker has to know (docs/adr/0070)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HELD = {"memory": "MemoryLimit", "cpus": "CpuCfsQuota", "pids": "PidsLimit"}
_MAPPING = ("name=rootless", "name=userns")

HINT = "docs.docker.com/engine/security/rootless/#limiting-resources"


def unheld_limits(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of an action that have no effect with an engine that describes itself so."""
    # Podman says what the machine could, but in a rootless one only cgroup v2 limits anything.
    if info.get("Rootless") and info.get("CgroupVersion") in {"v1", "1"}:
        return tuple(_HELD)
    return tuple(name for name, said in _HELD.items() if info.get(said) is False)


def maps_users(info: Mapping[str, Any]) -> bool:
    """Tell whether the users of its containers have other numbers on this machine."""
    options: Sequence[str] = info.get("SecurityOptions") or ()
    return bool(info.get("Rootless")) or any(one.startswith(_MAPPING) for one in options)


def explained(unheld: Sequence[str]) -> str:
    """Say what it means."""
    return f"this Docker engine does not limit {', '.join(unheld)} of its containers"
