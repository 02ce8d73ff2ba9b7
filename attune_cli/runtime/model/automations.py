"""What packs define to react to events, to string actions together, and to say who may (domain.md 1).

Apart from `definitions`, because starting an action needs none of it, and each class costs start-up time.
"""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Any, Literal

from attune_cli.runtime.model.actions import ActionDefinition, Json, RuntimeDefinition, Schema
from attune_cli.runtime.model.definitions import PolicyDefinition, with_tuples
from attune_cli.values import immutable

CancellationPolicy = Literal["allow_finish", "cancel_running"]

RuleChanges = Literal["restart", "stdin"]
"""How a running sensor learns that the rules on its triggers have changed."""

RuleMode = Literal["parallel", "single", "queued", "replace"]
"""What happens when a rule fires while a run that it started goes on: both run, the new one is left out, it waits,
or it takes the other's place."""


@immutable(kw_only=True)
class TriggerDefinition:
    """A kind of event (domain.md 1.5). `parameters` shapes a rule's trigger_params, `output` the payload."""

    ref: str
    pack_ref: str
    label: str = ""
    description: str = ""
    enabled: bool = True
    parameters: Schema = field(default_factory=dict[str, dict[str, Any]])
    output: Schema = field(default_factory=dict[str, dict[str, Any]])

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> TriggerDefinition:
        return cls(**document)


@immutable(kw_only=True)
class SensorDefinition:
    """A long-running process that makes events (domain.md 1.6). `entry_point` is relative to `sensors/`.

    One of the core pack without an entry point is the engine itself.
    """

    ref: str
    pack_ref: str
    label: str = ""
    description: str = ""
    enabled: bool = True
    runner_type: str = "core.native"
    entry_point: str = ""
    trigger_types: tuple[str, ...] = ()
    rule_changes: RuleChanges = "restart"
    parameters: Schema = field(default_factory=dict[str, dict[str, Any]])
    config: dict[str, Json] = field(default_factory=dict[str, Json])
    runtime_version: str | None = None
    placement: dict[str, Json] = field(default_factory=dict[str, Json])
    retention: dict[str, Json] = field(default_factory=dict[str, Json])

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> SensorDefinition:
        return cls(**with_tuples(document, "trigger_types"))


@immutable(kw_only=True)
class After:
    """A rule fires with the event that is the `count`th within the span, and begins to count anew."""

    count: int
    within_seconds: float


@immutable(kw_only=True)
class Unless:
    """A rule waits for the span, and fires unless an event of `trigger_ref` that meets `conditions` comes in it."""

    trigger_ref: str
    within_seconds: float
    conditions: Json = None


@immutable(kw_only=True)
class RuleDefinition:
    """When this trigger fires and the conditions hold, run that action (domain.md 1.7).

    `mode`, `group_by`, `once_within_seconds`, `after`, `unless`, `notify` and `timer` are ours.
    """

    ref: str
    pack_ref: str
    trigger_ref: str
    action_ref: str
    label: str = ""
    description: str = ""
    enabled: bool = True
    conditions: Json = None
    action_params: dict[str, Json] = field(default_factory=dict[str, Json])
    trigger_params: dict[str, Json] = field(default_factory=dict[str, Json])
    permission_set_refs: tuple[str, ...] | None = None
    """None inherits the action's list; an empty one means none."""
    mode: RuleMode = "parallel"
    group_by: tuple[str, ...] = ()
    """Paths into the event, e.g. `event.payload.host`: the conditions over time count for each group apart."""
    once_within_seconds: float | None = None
    """After it has fired for a group, it does not again for so long."""
    after: After | None = None
    unless: Unless | None = None
    notify: tuple[str, ...] = ()
    """Names of channels that are told when it fires; `all` means every one."""
    timer: dict[str, Json] = field(default_factory=dict[str, Json])
    """`misfire`, `misfire_bound`, `jitter_seconds`, `past` of a rule on a core timer."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> RuleDefinition:
        fields = with_tuples(document, "permission_set_refs", "group_by", "notify")
        after, unless = fields.get("after"), fields.get("unless")
        fields["after"] = None if after is None else After(**after)
        fields["unless"] = None if unless is None else Unless(**unless)
        return cls(**fields)


@immutable(kw_only=True)
class WorkflowDefinition:
    """A graph of tasks (domain.md 5.1). `ref` is also that of the action which runs it."""

    ref: str
    pack_ref: str
    label: str = ""
    description: str = ""
    version: str = ""
    parameters: Schema = field(default_factory=dict[str, dict[str, Any]])
    output: Schema = field(default_factory=dict[str, dict[str, Any]])
    vars: dict[str, Json] = field(default_factory=dict[str, Json])
    secret_vars: tuple[str, ...] = ()
    """Variables that may hold secrets, and are shown to nobody (ours)."""
    tasks: tuple[dict[str, Json], ...] = ()
    """As written, with full action refs and checked targets (domain.md 5.2, 5.3)."""
    output_map: dict[str, Json] | None = None
    cancellation_policy: CancellationPolicy = "allow_finish"
    max_iterations: int | None = None
    """How often a task of a cycle may run where neither it nor its cycle says so (ours)."""
    timeout_seconds: float | None = None
    """How long it may take as a whole, where it stands alone; otherwise its action says so (ours)."""
    tags: tuple[str, ...] = ()
    file: str = ""
    """Where the graph lies, relative to the pack folder."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> WorkflowDefinition:
        return cls(**with_tuples(document, "secret_vars", "tasks", "tags"))


@immutable(kw_only=True)
class QueueDefinition:
    """A work queue and the action that takes its items (domain.md 1.8)."""

    ref: str
    pack_ref: str
    label: str = ""
    description: str = ""
    enabled: bool = True
    dispatch_action: str = ""
    item_schema: Schema = field(default_factory=dict[str, dict[str, Any]])
    action_params: dict[str, Json] = field(default_factory=dict[str, Json])
    config: dict[str, Json] = field(default_factory=dict[str, Json])
    options: dict[str, Json] = field(default_factory=dict[str, Json])
    """`accepting_new_items allow_pending_update update_strategy batch_mode` as written."""
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> QueueDefinition:
        return cls(**with_tuples(document, "tags"))


@immutable(kw_only=True)
class PermissionSetDefinition:
    """What its holder may do: items of `resource`, `actions` and `constraints` (domain.md 1.9, 9.3)."""

    ref: str
    pack_ref: str
    label: str = ""
    description: str = ""
    grants: tuple[dict[str, Json], ...] = ()

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> PermissionSetDefinition:
        return cls(**with_tuples(document, "grants"))


Definition = (
    ActionDefinition
    | RuntimeDefinition
    | TriggerDefinition
    | SensorDefinition
    | RuleDefinition
    | WorkflowDefinition
    | QueueDefinition
    | PermissionSetDefinition
    | PolicyDefinition
)

DEFINITIONS: dict[str, type[Definition]] = {
    "permission_set": PermissionSetDefinition,
    "runtime": RuntimeDefinition,
    "trigger": TriggerDefinition,
    "action": ActionDefinition,
    "workflow": WorkflowDefinition,
    "queue": QueueDefinition,
    "rule": RuleDefinition,
    "sensor": SensorDefinition,
    "policy": PolicyDefinition,
}
"""What a pack can define, by the name of its table, in load order (domain.md 1.1)."""
