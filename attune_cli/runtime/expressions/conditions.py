"""The conditions of a rule: read once, judged for each event, explained by a trace (domain.md 4.2).

Each part of a condition holds, does not, or cannot be told; the last counts as no match, whatever stands around it,
unless the rest decides alone.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.expressions.condition_nodes import Judging
from attune_cli.runtime.expressions.condition_reading import ConditionReader
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.condition_nodes import Node
    from attune_cli.runtime.expressions.faults import Fault
    from attune_cli.runtime.expressions.paths import Mention
    from attune_cli.runtime.expressions.scope import RuleScope
    from attune_cli.runtime.model.actions import Json

MAX_TRACED = 100
"""Parts of a condition that a trace tells of."""


@immutable
class Judgement:
    holds: bool
    error: str | None
    """Why it could not be told; a field that is missing is no error, only no match."""
    trace: dict[str, Any]
    """For each part, by its path in what was written: `held` (null where it could not be told), `seen` and `wanted`
    of those that look at something, and `note`."""


class Condition:
    """The conditions of one rule. May be used by several threads at once."""

    def __init__(
        self, at: str, node: Node | None, doubts: tuple[Fault, ...], mentions: tuple[Mention, ...]
    ) -> None:
        self._at = at
        self._node = node
        self.doubts = doubts
        """Names in expressions that lead nowhere: what needs them can never hold."""
        self.mentions = mentions

    def judge(self, scope: RuleScope) -> Judgement:
        """Tell whether the event meets the conditions. Never raises."""
        if self._node is None:
            return Judgement(holds=True, error=None, trace={})
        if scope.event.get("payload") is None:
            entry = {
                "held": True,
                "seen": None,
                "wanted": "a payload",
                "note": "an event without payload matches",
            }
            return Judgement(holds=True, error=None, trace={self._at: entry})
        judging = Judging(scope)
        held = judging.judge(self._node)
        trace = dict(islice(judging.trace.items(), MAX_TRACED))
        if len(judging.trace) > MAX_TRACED:
            trace["…"] = {"held": None, "note": f"{len(judging.trace) - MAX_TRACED} more"}
        return Judgement(holds=held is True, error=judging.error if held is None else None, trace=trace)


def read_conditions(written: Json, at: str = "conditions") -> tuple[Condition, list[Fault]]:
    """Compile what was written; returns what could be, and every fault. `at` begins their paths."""
    reader = ConditionReader()
    node = reader.read(written, tuple(at.split(".")))
    return Condition(at, node, tuple(reader.doubts), tuple(reader.mentions)), reader.faults
