"""What a machine lets a container do, asked before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import DeniedError, UsageError
from attune_cli.runtime.model.containers import policy_of, read_options, refusals

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.model.actions import ActionDefinition


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
