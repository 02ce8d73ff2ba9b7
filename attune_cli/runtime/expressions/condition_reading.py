"""Reading conditions in every form they are written in (domain.md 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from attune_cli.errors import did_you_mean
from attune_cli.runtime.expressions.comparisons import OPERATORS, operator_named, value_fault
from attune_cli.runtime.expressions.condition_nodes import PREFIXES, Comparison, Formula, Group
from attune_cli.runtime.expressions.expression import read_expression
from attune_cli.runtime.expressions.faults import Fault, ParseError, fault_at, place_of
from attune_cli.runtime.expressions.json_values import type_of
from attune_cli.runtime.expressions.paths import Mention
from attune_cli.runtime.expressions.templates import mentioned, unknown_names
from attune_cli.runtime.model.templates import without_braces

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.condition_nodes import Node, Steps
    from attune_cli.runtime.expressions.paths import WrittenPath
    from attune_cli.runtime.model.actions import Json

MAX_DEPTH = 20
MAX_PARTS = 1000
"""Of one rule: more belong into an action."""

_FIELDS = ("field", "key")
_OPERATORS = ("operator", "op", "type")
_VALUES = ("value", "pattern")
_GROUPS = ("all", "any", "not")
_KEYS = (*_GROUPS, "expression", *_FIELDS, *_OPERATORS, *_VALUES)
_FORMS = "conditions are a list of {field, operator, value}, {expression: …}, or {all, any, not: …} of these"


class ConditionReader:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.doubts: list[Fault] = []
        self.mentions: list[Mention] = []
        self._parts = 0

    def read(self, written: Json, steps: Steps) -> Node | None:
        """Read what stands under `conditions`; None matches everything."""
        if written is None or written in ({}, []):
            return None
        return self._node(written, steps, 0)

    def _node(self, written: Json, steps: Steps, depth: int) -> Node | None:
        self._parts += 1
        if depth > MAX_DEPTH or self._parts > MAX_PARTS:
            if self._parts <= MAX_PARTS + 1:
                self._fault(steps, f"more than {MAX_DEPTH} levels or {MAX_PARTS} parts of conditions")
            self._parts = max(self._parts, MAX_PARTS + 1)
            return None
        if isinstance(written, str):
            return self._formula(written, steps, steps)
        if isinstance(written, list):
            return self._group("all", cast("list[Any]", written), steps, steps, depth)
        if isinstance(written, dict):
            return self._mapping(cast("dict[str, Any]", written), steps, depth)
        self._fault(steps, f"{_FORMS}; got {type_of(written)}")
        return None

    def _mapping(self, written: dict[str, Any], steps: Steps, depth: int) -> Node | None:
        if not written:
            return Group(steps, "all", ())
        if any(name in written for name in (*_FIELDS, *_OPERATORS)):
            return self._comparison(written, steps)
        if _is_criteria(written):
            parts = [self._criterion(name, inner, (*steps, name)) for name, inner in written.items()]
            return Group(steps, "all", tuple(part for part in parts if part is not None))
        parts: list[Node | None] = []
        for name, inner in written.items():
            here = (*steps, name)
            if name == "expression":
                parts.append(self._formula(inner, steps, here))
            elif name == "not":
                part = self._node(inner, here, depth + 1)
                parts.append(None if part is None else Group(steps, "not", (part,)))
            elif name in {"all", "any"}:
                parts.append(self._members(cast("Literal['all', 'any']", name), inner, steps, here, depth))
            else:
                suggestion = did_you_mean(name, _KEYS)
                self._fault(here, f"unknown key; {suggestion or _FORMS}")
        known = tuple(part for part in parts if part is not None)
        return known[0] if len(known) == 1 else Group(steps, "all", known)

    def _members(
        self, kind: Literal["all", "any"], written: Json, steps: Steps, here: Steps, depth: int
    ) -> Node | None:
        if written == [] or not isinstance(written, list):
            got = "none" if written == [] else type_of(written)
            self._fault(here, f"expected a list of conditions, got {got}")
            return None
        return self._group(kind, cast("list[Any]", written), steps, here, depth)

    def _group(
        self, kind: Literal["all", "any"], written: list[Any], steps: Steps, here: Steps, depth: int
    ) -> Group:
        parts = [self._node(one, (*here, index), depth + 1) for index, one in enumerate(written)]
        return Group(steps, kind, tuple(part for part in parts if part is not None))

    def _formula(self, written: Json, steps: Steps, here: Steps) -> Formula | None:
        if not isinstance(written, str):
            self._fault(here, f"expected an expression in text, got {type_of(written)}")
            return None
        text, start = without_braces(written)
        try:
            expression = read_expression(text)
        except ParseError as error:
            self._fault(here, f"expression: {error.message}", place=place_of(written, start + error.offset))
            return None
        self.doubts.extend(fault for _, fault in unknown_names(expression.unknown, written, here, start))
        self.mentions.extend(mentioned(expression.paths, written, here, start))
        return Formula(here if here == steps else steps, expression)

    def _comparison(self, written: dict[str, Any], steps: Steps) -> Comparison | None:
        before = len(self.faults)
        for name in written:
            if name not in (*_FIELDS, *_OPERATORS, *_VALUES):
                self._fault(
                    (*steps, name),
                    f"unknown key; {did_you_mean(name, _KEYS) or 'expected field, operator, value'}",
                )
        field_key, field = _first(written, _FIELDS)
        if field_key is None:
            self._fault(steps, "'field' is required")
        elif not isinstance(field, str) or not field.strip("."):
            self._fault((*steps, field_key), "expected a path into the payload, e.g. user.name")
        else:
            self.mentions.append(Mention(_path_of(field), (*steps, field_key)))
        return self._compared(str(field), written, steps, before)

    def _criterion(self, field: str, written: Json, steps: Steps) -> Comparison | None:
        """Read StackStorm's form: a path, and under it `type` and `pattern`."""
        self.mentions.append(Mention(_path_of(field), steps))
        return self._compared(field, cast("dict[str, Any]", written), steps, len(self.faults))

    def _compared(self, field: str, written: dict[str, Any], steps: Steps, before: int) -> Comparison | None:
        """Read operator and value; `before` counts the faults there were before this condition."""
        operator_key, word = _first(written, _OPERATORS)
        value_key, value = _first(written, _VALUES)
        if operator_key is None:
            self._fault(steps, "'operator' is required")
            return None
        operator = operator_named(word) if isinstance(word, str) else None
        if operator is None:
            suggestion = did_you_mean(str(word), OPERATORS)
            known = suggestion or f"there are {', '.join(OPERATORS)}"
            self._fault((*steps, operator_key), f"unknown operator; {known}", value=word)
            return None
        if value_key is None and operator.name != "exists":
            self._fault(steps, f"'value' is required for '{operator.name}'")
        value = True if value_key is None else value
        fault = value_fault(operator, value) if value_key is not None else None
        if fault is not None:
            self._fault((*steps, value_key or "value"), fault)
        return None if len(self.faults) > before else Comparison(steps, field, operator, value)

    def _fault(
        self, steps: Steps, said: str, *, value: object = None, place: tuple[int, int] | None = None
    ) -> None:
        self.faults.append(fault_at(steps, said, value=value, place=place))


def _first(written: dict[str, Any], names: tuple[str, ...]) -> tuple[str | None, Any]:
    return next(((name, written[name]) for name in names if name in written), (None, None))


def _path_of(field: str) -> WrittenPath:
    """Return the path that a field means, which may be written with the names before it."""
    prefix = next((one for one in PREFIXES if field.startswith(one)), "")
    return "event", "payload", *field.removeprefix(prefix).split(".")


def _is_criteria(written: dict[str, Any]) -> bool:
    return not any(name in written for name in (*_GROUPS, "expression")) and all(
        isinstance(inner, dict) and "type" in inner for inner in written.values()
    )
