"""How many executions may run at once: which limit applies to one, and the refusal where that does not let it wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.actions import WAITING_RUNNERS, ActionDefinition
from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.model.templates import look_up
from attune_cli.runtime.store import admissions, definitions, executions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.definitions import PolicyDefinition, PolicyMethod
    from attune_cli.runtime.store.database import Transaction


@immutable(kw_only=True)
class Limit:
    """At most `size` executions of a group go on at once; `method` says what becomes of further ones."""

    group: str
    size: int
    method: PolicyMethod = "enqueue"

    def refuses(self, tx: Transaction) -> bool:
        """Tell whether a further execution is not even to wait."""
        return self.method == "cancel" and executions.count_group_live(tx, self.group) >= self.size


def limit_of(
    tx: Transaction, action: ActionDefinition, parameters: dict[str, Any], *, parent: int | None
) -> Limit | None:
    """Return the limit that applies: the action's own, else the nearest policy's.

    Below an execution of the same group there is none: that one has a place, and keeps it until this one is over.
    """
    if action.concurrency is not None:
        found = Limit(group=_group(action.ref, action.concurrency_key, parameters), size=action.concurrency)
    elif (policy := _nearest_policy(tx, action)) is not None:
        group = _group(policy.ref, policy.parameters, parameters)
        found = Limit(group=group, size=policy.threshold, method=policy.method)
    else:
        return None
    return None if parent is not None and admissions.is_in_group(tx, parent, found.group) else found


def refuse(tx: Transaction, execution_id: int, limit: Limit) -> None:
    """End an execution that its limit does not let wait."""
    execution = executions.startable(tx, execution_id)
    if execution is not None:
        message = f"policy: {limit.size} executions of {limit.group} run already"
        outcome = Outcome(
            succeeded=False,
            error=RunError(type="policy", message=message),
            result={"succeeded": False, "cancelled": True, "error": message},
        )
        executions.finish(tx, execution, Status.CANCELLED, outcome)


def _nearest_policy(tx: Transaction, action: ActionDefinition) -> PolicyDefinition | None:
    """The most specific wins: of the action, of its pack (domain.md 2.9).

    That of a pack limits what runs; what waits for others, a workflow or a question, takes no place in it.
    """
    rows = definitions.enabled(tx, "policy")
    if not rows:
        return None
    from attune_cli.runtime.model.definitions import PolicyDefinition

    known = [PolicyDefinition.from_json(row.definition) for row in rows]
    for_action = [policy for policy in known if policy.action_ref == action.ref]
    for_pack = [
        policy
        for policy in known
        if policy.action_ref is None
        and policy.pack_ref == action.pack_ref
        and action.runner_type not in WAITING_RUNNERS
    ]
    return next(iter([*for_action, *for_pack]), None)


def _group(name: str, paths: tuple[str, ...], parameters: dict[str, Any]) -> str:
    """Name the group of these values; by a digest, since one of them may be secret."""
    if not paths:
        return name
    import hashlib

    values = [look_up(path.removeprefix("parameters."), parameters) for path in paths]
    return f"{name} {hashlib.sha256(executions.dump(values).encode()).hexdigest()[:16]}"
