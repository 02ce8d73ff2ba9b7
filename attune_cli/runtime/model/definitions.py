"""What packs define, in the one internal form. Readers are tolerant, this form is canonical (domain.md 1)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Json = Any
Schema = dict[str, dict[str, Any]]
"""The flat parameter dialect of domain.md 2.2: name → {type, required, secret, default, …}."""

Delivery = Literal["stdin", "file"]
DocumentFormat = Literal["json", "dotenv", "yaml"]
OutputFormat = Literal["text", "json", "yaml", "jsonl"]
Backoff = Literal["constant", "linear", "exponential"]
CancellationPolicy = Literal["allow_finish", "cancel_running"]
PolicyMethod = Literal["cancel", "enqueue"]

HTTP_RUNNER = "core.http"
CONTAINER_RUNNER = "core.container"
WORKFLOW_RUNNER = "core.workflow"
BUILT_IN_RUNNERS = frozenset({HTTP_RUNNER, CONTAINER_RUNNER, WORKFLOW_RUNNER})
"""Values of `runner_type` that are the engine's own; every other one is the ref of a runtime."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """`count` additional attempts after a failure; delays in seconds (domain.md 5.7)."""

    count: int = 0
    delay_seconds: float = 0.0
    backoff: Backoff = "constant"
    max_delay_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class ActionDefinition:
    """An action as `actions/*.yaml` defines it (domain.md 1.4).

    `runner_type` is a runtime's ref or one of BUILT_IN_RUNNERS; `entry_point` is relative to `actions/` (or
    is inline code); `workflow_file` is relative to the pack folder.
    """

    ref: str
    pack_ref: str
    label: str = ""
    description: str = ""
    runner_type: str = "core.shell"
    entry_point: str = ""
    parameters: Schema = field(default_factory=dict[str, dict[str, Any]])
    output: Schema = field(default_factory=dict[str, dict[str, Any]])
    parameter_delivery: Delivery = "stdin"
    parameter_format: DocumentFormat = "json"
    output_format: OutputFormat = "text"
    runtime_version: str | None = None
    workflow_file: str | None = None
    timeout_seconds: float | None = None
    retry: Retry = field(default_factory=Retry)
    concurrency: int | None = None
    concurrency_key: tuple[str, ...] = ()
    max_stdout_bytes: int | None = None
    max_stderr_bytes: int | None = None
    enabled: bool = True
    tags: tuple[str, ...] = ()
    required_worker_runtimes: dict[str, str] = field(default_factory=dict[str, str])
    permission_set_refs: tuple[str, ...] = ()
    placement: dict[str, Json] = field(default_factory=dict[str, Json])
    """`worker_selector`, `worker_tolerations`, `worker_affinity` as written."""
    retention: dict[str, Json] = field(default_factory=dict[str, Json])
    """`log_retention_*` and `artifact_retention_*` as written."""
    http: dict[str, Json] = field(default_factory=dict[str, Json])
    """`method url headers body auth expected_status` of an `http` action, templates unrendered."""
    container: dict[str, Json] = field(default_factory=dict[str, Json])
    """`image build command network …` of a `container` action as written."""
    accesses_mcp: bool = False

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> ActionDefinition:
        known = dict(document)
        retry: dict[str, Json] = known.get("retry") or {}
        known["retry"] = Retry(**retry)
        for name in ("concurrency_key", "tags", "permission_set_refs"):
            known[name] = tuple(known.get(name) or ())
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
class RuntimeVersion:
    """One version of a runtime; its execution_config replaces the runtime's own, whole (domain.md 1.10)."""

    version: str
    is_default: bool = False
    execution_config: dict[str, Json] = field(default_factory=dict[str, Json])
    distributions: dict[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, kw_only=True)
class RuntimeDefinition:
    """How files of one language are run (domain.md 1.10). An empty execution_config runs the file itself."""

    ref: str
    pack_ref: str
    name: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()
    distributions: dict[str, Json] = field(default_factory=dict[str, Json])
    execution_config: dict[str, Json] = field(default_factory=dict[str, Json])
    versions: tuple[RuntimeVersion, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> RuntimeDefinition:
        known = dict(document)
        known["aliases"] = tuple(known.get("aliases") or ())
        known["versions"] = tuple(RuntimeVersion(**version) for version in known.get("versions") or ())
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
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
        return cls(**_with_tuples(document, "tags", "runtime_deps", "dependencies"))


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class SensorDefinition:
    """A long-running process that makes events (domain.md 1.6). `entry_point` is relative to `sensors/`."""

    ref: str
    pack_ref: str
    label: str = ""
    description: str = ""
    enabled: bool = True
    runner_type: str = "core.native"
    entry_point: str = ""
    trigger_types: tuple[str, ...] = ()
    parameters: Schema = field(default_factory=dict[str, dict[str, Any]])
    config: dict[str, Json] = field(default_factory=dict[str, Json])
    runtime_version: str | None = None
    placement: dict[str, Json] = field(default_factory=dict[str, Json])
    retention: dict[str, Json] = field(default_factory=dict[str, Json])

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> SensorDefinition:
        return cls(**_with_tuples(document, "trigger_types"))


@dataclass(frozen=True, kw_only=True)
class RuleDefinition:
    """When this trigger fires and the conditions hold, run that action (domain.md 1.7)."""

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

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> RuleDefinition:
        return cls(**_with_tuples(document, "permission_set_refs"))


@dataclass(frozen=True, kw_only=True)
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
    tasks: tuple[dict[str, Json], ...] = ()
    """As written, with full action refs and checked targets (domain.md 5.2, 5.3)."""
    output_map: dict[str, Json] | None = None
    cancellation_policy: CancellationPolicy = "allow_finish"
    tags: tuple[str, ...] = ()
    file: str = ""
    """Where the graph lies, relative to the pack folder."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> WorkflowDefinition:
        return cls(**_with_tuples(document, "tasks", "tags"))


@dataclass(frozen=True, kw_only=True)
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
        return cls(**_with_tuples(document, "tags"))


@dataclass(frozen=True, kw_only=True)
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
        return cls(**_with_tuples(document, "grants"))


@dataclass(frozen=True, kw_only=True)
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
        return cls(**_with_tuples(document, "parameters", "tags"))


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


def _with_tuples(document: dict[str, Json], *names: str) -> dict[str, Json]:
    """Turn the lists that JSON knows back into the tuples of a frozen value."""
    return {
        name: tuple(value) if name in names and value is not None else value
        for name, value in document.items()
    }
