"""The parts of a condition, and what is seen when they are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attune_cli.runtime.expressions.faults import ExpressionError, MissingError
from attune_cli.runtime.expressions.json_values import Missing, type_of
from attune_cli.runtime.expressions.running import Run, given, walk
from attune_cli.runtime.model.parameters import shown
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.comparisons import Operator
    from attune_cli.runtime.expressions.expression import Expression
    from attune_cli.runtime.expressions.scope import RuleScope
    from attune_cli.runtime.model.actions import Json

Steps = tuple[str | int, ...]
Held = bool | None
"""None: it cannot be told."""

MAX_SEEN = 20
"""Values that a trace shows of one expression."""
_LONGEST_SEEN = 200

PREFIXES = ("event.payload.", "trigger.payload.", "trigger.")
"""What may stand before a path into the payload; the path as it is goes first, as the existing platform means it."""


@immutable
class Comparison:
    """`{field, operator, value}`."""

    steps: Steps
    field: str
    operator: Operator
    value: Json


@immutable
class Formula:
    """`{expression}`."""

    steps: Steps
    expression: Expression


@immutable
class Group:
    """`all`, `any` or `not` of other parts."""

    steps: Steps
    kind: Literal["all", "any", "not"]
    parts: tuple[Node, ...]


Node = Comparison | Formula | Group


class Judging:
    """Judges the parts for one event. Every part is judged, so that the trace tells of each."""

    def __init__(self, scope: RuleScope) -> None:
        self._scope = scope
        self.trace: dict[str, dict[str, Any]] = {}
        self.error: str | None = None
        """The first thing that made a part impossible to tell, other than a missing field."""

    def judge(self, node: Node) -> Held:
        if isinstance(node, Group):
            return self._group(node)
        entry = self.trace[_dotted(node.steps)] = {"held": None}
        held = self._comparison(node, entry) if isinstance(node, Comparison) else self._formula(node, entry)
        entry["held"] = held
        return held

    def _group(self, node: Group) -> Held:
        entry = self.trace[_dotted(node.steps)] = {"held": None, "wanted": _WANTED[node.kind]}
        parts = [self.judge(part) for part in node.parts]
        if node.kind == "not":
            held = None if parts[0] is None else not parts[0]
        else:
            decisive = node.kind == "any"
            held = decisive if decisive in parts else None if None in parts else not decisive
        entry["held"] = held
        return held

    def _comparison(self, node: Comparison, entry: dict[str, Any]) -> Held:
        entry["field"] = node.field
        entry["wanted"] = _wanted(node)
        seen = field_of(self._scope.event.get("payload"), node.field)
        if node.operator.name == "exists":
            entry["seen"] = "it is missing" if isinstance(seen, Missing) else _bounded(seen)
            return (not isinstance(seen, Missing)) is (node.value is not node.operator.negated)
        if isinstance(seen, Missing):
            entry["note"] = "the field is missing"
            return None
        entry["seen"] = _bounded(seen)
        try:
            return node.operator.judge(seen, node.value)
        except ExpressionError as error:
            return self._failed(node, entry, str(error))

    def _formula(self, node: Formula, entry: dict[str, Any]) -> Held:
        entry["wanted"] = _cut(node.expression.text)
        run = Run(self._scope)
        try:
            held = bool(given(node.expression.value(run)))
        except MissingError as error:
            entry["note"] = str(error)
            held = None
        except ExpressionError as error:
            held = self._failed(node, entry, str(error))
        entry["seen"] = {path: _bounded(value) for path, value in list(run.seen.items())[:MAX_SEEN]}
        if run.secret:
            entry["seen"]["…"] = "secret values, not shown"
        return held

    def _failed(self, node: Comparison | Formula, entry: dict[str, Any], reason: str) -> None:
        entry["note"] = reason
        self.error = self.error or f"{_dotted(node.steps)}: {reason}"


_WANTED = {"all": "all of them", "any": "at least one of them", "not": "that it does not hold"}


def field_of(payload: Json, field: str) -> Json:
    """Return what a dotted path leads to in a payload, or a Missing."""
    found = walk(payload, field.split("."))
    for prefix in PREFIXES:
        if isinstance(found, Missing) and field.startswith(prefix):
            found = walk(payload, field.removeprefix(prefix).split("."))
    return found


def _wanted(node: Comparison) -> str:
    name = node.operator.name
    if name == "exists":
        return "exists" if node.value is not node.operator.negated else "is missing"
    how = f"{name} (ignoring case)" if node.operator.ignore_case else name
    return _cut(f"{how} {shown(node.value)}")


def _bounded(value: Json) -> Json:
    """Keep a value that fits a trace, and tell of one that does not."""
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, (list, dict)):
        text = shown(value) if len(value) < _LONGEST_SEEN else "…"  # pyright: ignore[reportUnknownArgumentType] - any JSON
        return value if not text.endswith("…") else f"{type_of(value)} of {len(value)}"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
    return value


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SEEN else f"{text[: _LONGEST_SEEN - 1]}…"


def _dotted(steps: Steps) -> str:
    return ".".join(str(step) for step in steps)
