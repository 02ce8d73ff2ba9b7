"""What a workflow gives when it has succeeded: its `output_map` filled in (domain.md 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import UsageError
from attune_cli.runtime.model.entities import Outcome
from attune_cli.runtime.model.secret_places import exposed, take_out
from attune_cli.runtime.store.executions import dump

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.expressions.scope import Scope
    from attune_cli.runtime.orchestration.workflows.plans import Plan
    from attune_cli.runtime.store.sealing import Sealer


def output_of(plan: Plan, scope: Scope, sealer: Sealer, settings: Settings) -> Outcome:
    """Return the outcome, secret outputs sealed. Raises AttuneError naming every key that cannot be filled in."""
    template = plan.output()
    if template is None:
        return Outcome(succeeded=True, result={"succeeded": True})
    filled = template.fill(scope)
    values = cast("dict[str, Any]", filled.value)
    open_places = exposed(plan.definition.output, filled.secrets)
    if open_places:
        raise UsageError(
            f"output_map.{', output_map.'.join(open_places)}: a secret value may only be an output that is declared"
            " secret",
            code="secret_exposed",
        )
    hidden = take_out(values, filled.secrets)
    size = len(dump(values).encode())
    if size > settings.max_result_bytes:
        raise UsageError(
            f"output_map: the output takes {size} bytes, {settings.max_result_bytes} are allowed (max_result_bytes)",
            code="result_too_large",
        )
    return Outcome(
        succeeded=True,
        result={**values, "succeeded": True},
        result_sealed=sealer.seal(hidden) if hidden else None,
    )
