"""A pack's manifest, and the policies that a start has to ask (domain.md 1.2, 1.11)."""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Any, Literal

from attune_cli.runtime.model.actions import Json, Schema
from attune_cli.values import immutable

PolicyMethod = Literal["cancel", "enqueue"]


@immutable(kw_only=True)
class PackManifest:
    """`pack.yaml`, both dialects in one form (domain.md 1.2). `dependencies` and `runtime_deps` as written."""

    ref: str
    label: str = ""
    version: str = ""
    description: str = ""
    conf_schema: Schema = field(default_factory=dict[str, dict[str, Any]])
    config: dict[str, Json] = field(default_factory=dict[str, Json])
    """Default values, without the user's own."""
    meta: dict[str, Json] = field(default_factory=dict[str, Json])
    tags: tuple[str, ...] = ()
    runtime_deps: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    is_standard: bool = False
    enabled: bool = True
    about: dict[str, str] = field(default_factory=dict[str, str])
    """`author email license homepage repository`, where given."""
    testing: dict[str, Json] = field(default_factory=dict[str, Json])
    max_stdout_bytes: int | None = None
    max_stderr_bytes: int | None = None
    """Limits for the logs of the pack's actions that set none themselves."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> PackManifest:
        return cls(**with_tuples(document, "tags", "runtime_deps", "dependencies"))


@immutable(kw_only=True)
class PolicyDefinition:
    """How many executions of an action (of its pack, when `action_ref` is None) may run at once (domain.md 1.11).

    `parameters` are dot paths; executions that agree on their values form one group with its own limit.
    """

    ref: str
    pack_ref: str
    label: str = ""
    description: str = ""
    enabled: bool = True
    action_ref: str | None = None
    method: PolicyMethod = "enqueue"
    threshold: int = 1
    parameters: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> PolicyDefinition:
        return cls(**with_tuples(document, "parameters", "tags"))


def with_tuples(document: dict[str, Json], *names: str) -> dict[str, Json]:
    """Turn the lists that JSON knows back into the tuples of a frozen value."""
    return {
        name: tuple(value) if name in names and value is not None else value
        for name, value in document.items()
    }
