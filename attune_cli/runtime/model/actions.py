"""Actions and the runtimes that run them, in the one internal form: all that starting a run needs (domain.md 1).

The other kinds of definition are in `definitions`, which a run does not import.
"""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Any, Literal

from attune_cli.values import immutable

Json = Any
Schema = dict[str, dict[str, Any]]
"""The flat parameter dialect of domain.md 2.2: name → {type, required, secret, default, …}."""

Delivery = Literal["stdin", "file"]
DocumentFormat = Literal["json", "dotenv", "yaml"]
OutputFormat = Literal["text", "json", "yaml", "jsonl"]
Backoff = Literal["constant", "linear", "exponential"]

HTTP_RUNNER = "core.http"
CONTAINER_RUNNER = "core.container"
WORKFLOW_RUNNER = "core.workflow"
INQUIRY_RUNNER = "core.inquiry"
WAITING_RUNNERS = frozenset({WORKFLOW_RUNNER, INQUIRY_RUNNER})
"""Their executions wait for others: for what they began, or for a person."""
BUILT_IN_RUNNERS = frozenset({HTTP_RUNNER, CONTAINER_RUNNER}) | WAITING_RUNNERS
"""Values of `runner_type` that are the engine's own; every other one is the ref of a runtime."""


@immutable(kw_only=True)
class Retry:
    """`count` additional attempts after a failure; delays in seconds (domain.md 5.7)."""

    count: int = 0
    delay_seconds: float = 0.0
    backoff: Backoff = "constant"
    max_delay_seconds: float | None = None
    on_error: tuple[str, ...] = ()
    """Patterns (RE2): only an error in which one is found is tried again. None of them means every error."""

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> Retry:
        known = dict(document)
        known["on_error"] = tuple(known.get("on_error") or ())
        return cls(**known)


@immutable(kw_only=True)
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

    @property
    def run_form(self) -> str:
        """The word between `attune run` and its ref."""
        return "workflow" if self.runner_type == WORKFLOW_RUNNER else "action"

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Json]) -> ActionDefinition:
        known = dict(document)
        known["retry"] = Retry.from_json(known.get("retry") or {})
        for name in ("concurrency_key", "tags", "permission_set_refs"):
            known[name] = tuple(known.get(name) or ())
        return cls(**known)


@immutable(kw_only=True)
class RuntimeVersion:
    """One version of a runtime; its execution_config replaces the runtime's own, whole (domain.md 1.10)."""

    version: str
    is_default: bool = False
    execution_config: dict[str, Json] = field(default_factory=dict[str, Json])
    distributions: dict[str, Json] = field(default_factory=dict[str, Json])


@immutable(kw_only=True)
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
