"""`actions/*.yaml` (domain.md 1.4)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast, get_args

from attune_cli.runtime.model.actions import (
    CONTAINER_RUNNER,
    HTTP_RUNNER,
    WAITING_RUNNERS,
    WORKFLOW_RUNNER,
    ActionDefinition,
    Delivery,
    DocumentFormat,
    OutputFormat,
    Retry,
)
from attune_cli.runtime.model.containers import CONTAINER_KEYS, NEVER_ALLOWED, read_options, refusals
from attune_cli.runtime.model.refs import label_of, looks_like_file
from attune_cli.runtime.model.versions import parse_runtime_constraint
from attune_cli.runtime.packs.fields import text_members
from attune_cli.runtime.packs.kinds.retry import read_retry

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

DELIVERIES: tuple[Delivery, ...] = get_args(Delivery)
DOCUMENT_FORMATS: tuple[DocumentFormat, ...] = get_args(DocumentFormat)
OUTPUT_FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
RETENTION_POLICIES = ("versions", "days", "hours", "minutes")
PLACEMENT = ("worker_selector", "worker_tolerations", "worker_affinity")
IGNORED = frozenset({"max_retries", "examples", "meta"})
INLINE_RUNNERS = frozenset({"core.shell", "core.python"})
"""Runners whose entry point may be code instead of the name of a file."""
RESERVED_PERMISSION_SET = "standard"


def decode_action(fields: Fields, reading: Reading) -> ActionDefinition:
    """Read one action; the graph of a workflow action is read by its caller."""
    ref = fields.own_ref(reading.ref)
    workflow_file = _workflow_file(fields, reading)
    container = _container(fields, reading)
    runner_type = _runner(fields, reading, workflow_file, container)
    action = ActionDefinition(
        ref=ref,
        pack_ref=reading.ref,
        label=fields.text("label") or label_of(ref),
        description=fields.text("description"),
        runner_type=runner_type,
        entry_point=fields.text("entry_point"),
        parameters=fields.schema("parameters"),
        output=fields.schema("output", "output_schema"),
        parameter_delivery=fields.choice("parameter_delivery", DELIVERIES, default="stdin"),
        parameter_format=fields.choice("parameter_format", DOCUMENT_FORMATS, default="json"),
        output_format=fields.choice("output_format", OUTPUT_FORMATS, default="text"),
        runtime_version=runtime_version(fields),
        workflow_file=workflow_file,
        timeout_seconds=fields.seconds("timeout", "timeout_seconds", above_zero=True),
        retry=read_retry(fields) or Retry(),
        concurrency=fields.integer("concurrency", minimum=1),
        concurrency_key=fields.texts("concurrency_key"),
        max_stdout_bytes=fields.integer("max_stdout_bytes", minimum=1),
        max_stderr_bytes=fields.integer("max_stderr_bytes", minimum=1),
        enabled=fields.flag("enabled", default=True),
        tags=fields.texts("tags"),
        required_worker_runtimes=_required_runtimes(fields),
        permission_set_refs=permission_sets(fields, reading, "default_execution_permission_set_refs"),
        placement=placement(fields),
        retention=retention(fields),
        http=_http(fields, runner_type),
        container=container,
        accesses_mcp=fields.flag("accesses_mcp"),
    )
    if runner_type not in {HTTP_RUNNER, CONTAINER_RUNNER, *WAITING_RUNNERS}:
        check_entry_point(fields, reading, "actions", runner_type)
    fields.finish(ignored=IGNORED)
    return action


def _runner(fields: Fields, reading: Reading, workflow_file: str | None, container: dict[str, Json]) -> str:
    runner_type = reading.runner(fields, default="shell")
    if workflow_file is not None:
        return WORKFLOW_RUNNER
    return CONTAINER_RUNNER if container else runner_type


def check_entry_point(fields: Fields, reading: Reading, folder: str, runner_type: str) -> None:
    """Report an entry point that is missing, leaves the pack, or is native and cannot be executed."""
    entry_point = fields.text("entry_point")
    if not entry_point:
        if reading.ref != "core" or runner_type != "core.native":  # the engine itself is core's native code
            fields.error("missing key 'entry_point'")
        return
    is_there = reading.is_file(folder, entry_point)
    # Of a runner that is not known, which is told apart, it is not known either what it takes.
    takes_code = runner_type in INLINE_RUNNERS or not reading.has_runtime(runner_type)
    is_code = takes_code and not looks_like_file(entry_point)
    if is_code and not is_there:
        return
    if reading.leaves(folder, entry_point):
        fields.error(f"entry point '{entry_point}' leaves the pack folder", "entry_point")
    elif not is_there:
        fields.error(f"entry point '{folder}/{entry_point}' does not exist", "entry_point")
    elif runner_type == "core.native" and not os.access(reading.folder / folder / entry_point, os.X_OK):
        hint = f"chmod +x {folder}/{entry_point}"
        fields.error(f"entry point '{entry_point}' is not executable", "entry_point", suggestion=hint)


def _workflow_file(fields: Fields, reading: Reading) -> str | None:
    """Return the graph's path within the pack; as written it is relative to `actions/`."""
    written = fields.text("workflow_file")
    if not written:
        return None
    if reading.leaves("actions", written):
        fields.error(f"workflow file '{written}' leaves the pack folder", "workflow_file")
    elif not reading.is_file("actions", written):
        fields.error(f"workflow file 'actions/{written}' does not exist", "workflow_file")
    return os.path.normpath(f"actions/{written}")


def _container(fields: Fields, reading: Reading) -> dict[str, Json]:
    """Collect the container keys of an action that runs in one; {} for every other."""
    metadata = fields.mapping("metadata")
    image = metadata.get("container_image")
    written = fields.text("runner_type")
    is_container = written.lower() in {"container", "docker", CONTAINER_RUNNER}
    if not is_container and image is None:
        if metadata:
            fields.warn("'metadata' is ignored, but for 'container_image'", "metadata")
        return {}
    given = {name: fields.json(name) for name in CONTAINER_KEYS if fields.has(name)}
    from_metadata = {
        "image": image,
        "command": metadata.get("container_command"),
        "runtime": None if is_container else written or None,
    }
    for name, value in from_metadata.items():
        if value is not None:
            given.setdefault(name, value)
    _check_container(fields, reading, given)
    return given


def _check_container(fields: Fields, reading: Reading, given: dict[str, Json]) -> None:
    """Report what means nothing, what no machine allows, and what this one refuses."""
    for name, reason in NEVER_ALLOWED.items():
        if fields.has(name):
            fields.json(name)
            fields.error(f"'{name}' is refused, and no setting allows it: {reason}", name)
    if "image" not in given and "build" not in given:
        fields.error("a container action needs 'image' or 'build'")
    options, faults = read_options(given)
    refused = [] if reading.policy is None else refusals(options, reading.policy)
    for fault in [*faults, *refused]:
        fields.error(f"'{fault.path}': {fault.message}", fault.path if fields.has(fault.path) else "metadata")
    if options.build and not reading.is_file(options.build, "Dockerfile"):
        fields.error(f"'build': there is no file '{options.build}/Dockerfile'", "build")
    entry_point = fields.text("entry_point")
    if looks_like_file(entry_point) and not reading.is_file("actions", entry_point):
        fields.error(f"entry point 'actions/{entry_point}' does not exist", "entry_point")


def _http(fields: Fields, runner_type: str) -> dict[str, Json]:
    block = fields.optional("http")
    if block is None:
        return {}
    if runner_type != HTTP_RUNNER:
        fields.warn("'http' has a meaning only with runner_type: http", "http")
    block.require("url")
    block.text("url")
    block.text("method")
    block.mapping("headers")
    block.json("body")
    block.mapping("auth")
    _expected_status(block)
    block.finish()
    return block.members


def _expected_status(block: Fields) -> None:
    value = block.json("expected_status")
    statuses = cast("list[Json]", value) if isinstance(value, list) else [value]
    if any(type(status) is not int for status in statuses if status is not None):
        block.error("'expected_status': expected a status code or a list of them", "expected_status")


def runtime_version(fields: Fields) -> str | None:
    constraint = fields.text("runtime_version")
    if constraint:
        check_constraint(fields, constraint, "runtime_version")
    return constraint or None


def check_constraint(fields: Fields, constraint: str, *inner: str) -> None:
    try:
        parse_runtime_constraint(constraint)
    except ValueError as fault:
        fields.error(str(fault), *inner)


def _required_runtimes(fields: Fields) -> dict[str, str]:
    required = text_members(fields.mapping("required_worker_runtimes"))
    for name, constraint in required.items():
        check_constraint(fields, constraint, "required_worker_runtimes", name)
    return required


def permission_sets(fields: Fields, reading: Reading, *names: str) -> tuple[str, ...]:
    """Read refs of permission sets; `standard` is the engine's own (domain.md 9.3)."""
    return tuple(
        ref if ref == RESERVED_PERMISSION_SET else fields.checked_ref(ref, reading.ref, names[0])
        for ref in fields.texts(*names)
    )


def placement(fields: Fields) -> dict[str, Json]:
    return {name: fields.json(name) for name in PLACEMENT if fields.has(name)}


def retention(fields: Fields) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for what in ("log", "artifact"):
        policy, limit = f"{what}_retention_policy", f"{what}_retention_limit"
        if fields.has(policy):
            kept[policy] = fields.choice(policy, RETENTION_POLICIES, default="versions")
        if fields.has(limit):
            kept[limit] = fields.integer(limit, minimum=1)
    return kept
