"""The triggers by which rules react to the platform itself, and how a rule's `trigger_params` narrow them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.runtime.model.automations import RuleDefinition

EXECUTION_FINISHED = "core.execution_finished"
RULE_FIRED = "core.rule_fired"
INQUIRY_CREATED = "core.inquiry_created"
INQUIRY_RESPONDED = "core.inquiry_responded"

PLATFORM_TRIGGERS = (EXECUTION_FINISHED, RULE_FIRED, INQUIRY_CREATED, INQUIRY_RESPONDED)

_TIMED_OUT = "timeout"
"""As users know it: the status of such an execution is `failed` (domain.md, decisions)."""


def mismatch(rule: RuleDefinition, trigger_ref: str, payload: object) -> dict[str, Any] | None:
    """Return which of the rule's `trigger_params` a payload does not meet, or None.

    They narrow the platform's own triggers only: those of others configure their sensors (domain.md 4.1). A list
    allows any of its values, and a text may hold `*`.
    """
    if trigger_ref not in PLATFORM_TRIGGERS or not isinstance(payload, dict):
        return None
    told = cast("Mapping[str, Any]", payload)
    for name, wanted in rule.trigger_params.items():
        seen = told.get(name)
        allowed = cast("list[Any]", wanted) if isinstance(wanted, list) else [wanted]
        if wanted is not None and not any(_fits(one, name, seen, told) for one in allowed):
            return {"name": name, "wanted": wanted, "seen": seen}
    return None


def _fits(allowed: object, name: str, seen: object, told: Mapping[str, Any]) -> bool:
    if name == "status" and allowed == _TIMED_OUT:
        return seen == _TIMED_OUT or told.get("timed_out") is True
    if isinstance(allowed, str) and isinstance(seen, str):
        return fnmatchcase(seen, allowed)
    return allowed == seen


def is_its_own(rule: RuleDefinition, trigger_ref: str, payload: object) -> bool:
    """Tell whether what happened is the rule's own doing: it does not set itself off."""
    return (
        trigger_ref in PLATFORM_TRIGGERS
        and isinstance(payload, dict)
        and cast("Mapping[str, Any]", payload).get("rule_ref") == rule.ref
    )
