"""Conditions over time: what a rule remembers for each group of events, and what follows from it.

They go by when events were made, not by when they are judged, so that a daemon that was down for an hour comes to
the same verdicts. A clock that was set back by less than a window keeps the window closed; by more, it opens it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import SECOND, Instant, rfc3339
from attune_cli.runtime.model.quantities import format_duration
from attune_cli.runtime.store import rule_memory
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.automations import After
    from attune_cli.runtime.store.database import Transaction

AFTER, ONCE_WITHIN = "after", "once_within"


@immutable(kw_only=True)
class Remember:
    """Something a rule is to remember for a group; `value` None: it is to be forgotten."""

    name: str
    value: Any
    expires: Instant = 0


@immutable(kw_only=True)
class Window:
    """What a window says: open or not, in words and for the trace, and what to remember in either case."""

    is_open: bool
    reason: str
    trace: dict[str, Any]
    remember: Remember


def count_up(tx: Transaction, rule: int, group_key: str, after: After, instant: Instant) -> Window:
    """Count an event that was made at `instant`; open when it is the last of enough within the span."""
    span = round(after.within_seconds * SECOND)
    known: list[int] = rule_memory.get(tx, rule, AFTER, group_key) or []
    near = [*(one for one in known if abs(instant - one) <= span), instant][-after.count :]
    within = format_duration(after.within_seconds)
    is_open = len(near) >= after.count
    return Window(
        is_open=is_open,
        reason=f"{len(near)} of {after.count} events within {within}",
        trace={"held": is_open, "seen": len(near), "wanted": after.count, "note": f"events within {within}"},
        remember=Remember(name=AFTER, value=None)
        if is_open
        else Remember(name=AFTER, value=near, expires=max(instant, tx.now) + span),
    )


def once(tx: Transaction, rule: int, group_key: str, within_seconds: float, instant: Instant) -> Window:
    """Tell whether a rule that would fire at `instant` has not fired too lately; to remember when it does."""
    span = round(within_seconds * SECOND)
    last: int | None = rule_memory.get(tx, rule, ONCE_WITHIN, group_key)
    is_open = last is None or abs(instant - last) >= span
    within = format_duration(within_seconds)
    return Window(
        is_open=is_open,
        reason=f"it has fired less than {within} before",
        trace={
            "held": is_open,
            "seen": None if last is None else rfc3339(last),
            "wanted": f"not fired within {within}",
        },
        remember=Remember(name=ONCE_WITHIN, value=instant, expires=max(instant, tx.now) + span),
    )
