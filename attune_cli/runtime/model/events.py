"""Events, what rules make of them, and what comes of that (domain.md 3.3, 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant

EventSource = Literal["user", "api", "webhook", "timer", "sensor", "attune"]
"""Who says that it happened; `attune` for what the platform itself did."""

EnforcementStatus = Literal["created", "processed", "disabled"]

Outcome = Literal[
    "fired",  # an enforcement was made
    "no_match",  # the conditions do not hold
    "error",  # they cannot be judged, or the parameters cannot be filled in
    "skipped",  # mode single, and a run goes on
    "once_within",  # it has fired too lately for this group
    "after",  # not yet enough events
    "waiting",  # fires at `due`, unless something comes between
    "averted",  # something came between
    "too_deep",  # a loop of rules
    "unready",  # the rule was disabled, changed or deleted while it waited
]

MAX_DEPTH = 10
"""So many rules may set each other off in a row; a longer chain is taken for a loop."""


@immutable(kw_only=True)
class Event:
    """Something that happened. `payload` is None when there is none."""

    id: int
    trigger_ref: str
    payload: Any
    config: dict[str, Any]
    source: EventSource
    source_ref: str | None
    rule_ref: str | None
    dedup_key: str | None
    cause: int | None
    depth: int
    pending: bool
    created: Instant


@immutable(kw_only=True)
class Verdict:
    """What one rule made of one event. `trace` tells what was seen and what was wanted (runtime/expressions)."""

    id: int
    event: int
    rule: int
    rule_ref: str
    outcome: Outcome
    reason: str
    trace: dict[str, Any]
    group_key: str
    due: Instant | None
    enforcement: int | None
    created: Instant
    updated: Instant


@immutable(kw_only=True)
class Enforcement:
    """A rule's decision to act. `config` holds the parameters, filled in and redacted."""

    id: int
    event: int
    rule: int
    rule_ref: str
    trigger_ref: str
    status: EnforcementStatus
    config: dict[str, Any]
    conditions: Any
    error: str | None
    execution: int | None
    created: Instant
    resolved: Instant | None
