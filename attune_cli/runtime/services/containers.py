"""Actions in containers: what a machine lets them do, asked before anything is started, and others moved into one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.errors import DeniedError, UsageError
from attune_cli.runtime.model.actions import CONTAINER_RUNNER, HTTP_RUNNER, WAITING_RUNNERS
from attune_cli.runtime.model.containers import policy_of, read_options, refusals

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.model.actions import ActionDefinition, Json
    from attune_cli.runtime.model.jobs import JobDefinition


def check_container(action: ActionDefinition, settings: Settings) -> None:
    """Raise with everything that is wrong with an action's container: what means nothing, or what is refused."""
    options, faults = read_options(action.container)
    if faults:
        raise UsageError(
            f"the container of {action.ref} is described wrongly", code="invalid_container", details=faults
        )
    refused = refusals(options, policy_of(settings))
    if refused:
        raise DeniedError(
            f"this machine refuses the container of {action.ref}",
            code="container_refused",
            details=refused,
            hint="attune config list",
        )


def in_container(definition: JobDefinition, image: str) -> JobDefinition:
    """Return the same job in a container of `image`; raises UsageError where a container means nothing."""
    action = definition.action
    if action.runner_type in {HTTP_RUNNER, *WAITING_RUNNERS}:
        raise UsageError(f"{action.ref} cannot run in a container: its runner is {action.runner_type}")
    container: dict[str, Json] = {name: value for name, value in action.container.items() if name != "build"}
    container["image"] = image
    if action.runner_type != CONTAINER_RUNNER:
        container["runtime"] = _interpreter(definition)
    moved = replace(action, runner_type=CONTAINER_RUNNER, container=container)
    return replace(definition, kind="docker", action=moved, runtime=None)


def _interpreter(definition: JobDefinition) -> str:
    """Return what runs the entry point: a runtime's name, or the command line that its pack gives it."""
    runtime = definition.runtime
    if runtime is None or runtime.pack_ref == "core":
        return definition.action.runner_type
    interpreter: dict[str, Json] = runtime.execution_config.get("interpreter") or {}
    return " ".join([interpreter.get("binary") or "native", *(interpreter.get("args") or ())])
