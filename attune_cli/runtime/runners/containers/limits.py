"""Which limits an engine takes and does not hold: nobody says so when a container is made (docs/adr/0070)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HELD = {"memory": "MemoryLimit", "cpus": "CpuCfsQuota", "pids": "PidsLimit"}
"""What an engine says of itself (Engine API, `GET /info`)."""

HINT = "docs.docker.com/engine/security/rootless/#limiting-resources"


def unheld_limits(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of an action that have no effect with an engine that describes itself so."""
    # Podman says what the machine could, but in a rootless one only cgroup v2 limits anything.
    if info.get("Rootless") and info.get("CgroupVersion") in {"v1", "1"}:
        return tuple(_HELD)
    return tuple(name for name, said in _HELD.items() if info.get(said) is False)


def explained(unheld: Sequence[str]) -> str:
    """Say what it means."""
    return f"this Docker engine does not limit {', '.join(unheld)} of its containers"
