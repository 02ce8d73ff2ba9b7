"""A form: each member that a schema declares is asked for until it fits (cli.md 3.6)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.answering.editing import edited, editor
from attune_cli.errors import CancelledError, Detail
from attune_cli.runtime.model.parameters import (
    coerce,
    example_of,
    in_order,
    is_secret,
    shown,
    types_of,
    validate,
)

if TYPE_CHECKING:
    from attune_cli.answering.terminal import Terminal
    from attune_cli.runtime.model.actions import Json, Schema

_LEFT_OUT = object()
"""An optional member that was not given."""

_WHOLE = "response"
"""What is asked for where nothing is declared: the whole answer."""

_NOTHING: dict[str, Json] = {}
_ANYTHING: dict[str, dict[str, Json]] = {
    _WHOLE: {"type": "object", "default": _NOTHING, "description": "any object"}
}

_OPEN_EDITOR = "e"


def fill(schema: Schema, terminal: Terminal) -> dict[str, Json]:
    """Return the answers, by name; raises LeftError and WithdrawnError.

    Members are asked for in the order in which they are declared; where none is, any object is an answer.
    """
    if not schema:
        return cast("dict[str, Json]", _Field(_ANYTHING, _WHOLE, terminal).ask())
    answers = {name: _Field(schema, name, terminal).ask() for name, _ in in_order(schema)}
    return {name: value for name, value in answers.items() if value is not _LEFT_OUT}


class _Field:
    """One member of the form."""

    def __init__(self, schema: Schema, name: str, terminal: Terminal) -> None:
        self._schema = {name: schema[name]}
        self._name = name
        self._leaf: dict[str, Any] = schema[name]
        self._terminal = terminal
        self._is_secret = is_secret(schema, (name,))
        self._is_required = self._leaf.get("required") is True
        self._default: Json = self._leaf.get("default")
        self._types = types_of(self._leaf)
        choices = self._leaf.get("enum")
        self._choices = cast("list[Json]", choices) if isinstance(choices, list) else []

    def ask(self) -> Json:
        """Ask until the answer fits."""
        if self._leaf.get("description"):
            self._terminal.say(f"  {self._name}: {self._leaf['description']}", "dim")
        for number, choice in enumerate(self._choices, start=1):
            self._terminal.say(f"  {number:>3}  {choice if isinstance(choice, str) else json.dumps(choice)}")
        while True:
            text = self._terminal.ask(self._question(), hidden=self._is_secret)
            value = self._value_of(text)
            if not isinstance(value, Detail):
                return value
            got = "" if value.value is None else f", got {shown(value.value)}"
            self._terminal.say(f"  {value.message}{got}", "red")

    def _question(self) -> str:
        return f"  {self._name} ({self._expected()}){self._default_text()}: "

    def _expected(self) -> str:
        """Say in a few words what can be typed."""
        if self._choices:
            words = f"its number, 1-{len(self._choices)}, or name"
        elif self._types == ["boolean"]:
            words = "yes or no"
        elif self._is_structured:
            words = f"JSON, or {_OPEN_EDITOR} for {editor().split()[0].rpartition('/')[2]}"
        else:
            words = " or ".join(self._types) or "text"
        low, high = self._leaf.get("minimum"), self._leaf.get("maximum")
        if low is not None and high is not None:
            words += f", {low} to {high}"
        elif low is not None or high is not None:
            words += f", at least {low}" if high is None else f", at most {high}"
        if self._is_secret:
            words += ", hidden"
        return words if self._is_required or self._default is not None else f"{words}, optional"

    def _default_text(self) -> str:
        if self._default is None:
            return ""
        if self._is_secret:
            return " [as it is]"
        if isinstance(self._default, bool):
            return " [yes]" if self._default else " [no]"
        return f" [{self._default if isinstance(self._default, str) else shown(self._default)}]"

    @property
    def _is_structured(self) -> bool:
        return any(kind in ("array", "object") for kind in self._types)

    def _value_of(self, text: str) -> Json | Detail:
        """Read what was typed, and check it."""
        if not text:
            return self._unsaid()
        if self._is_structured and text == _OPEN_EDITOR:
            return self._edited()
        value = self._chosen(text) if self._choices else self._read(text)
        return value if isinstance(value, Detail) else self._checked(value)

    def _unsaid(self) -> Json | Detail:
        if self._default is not None:
            return self._default
        if not self._is_required:
            return _LEFT_OUT
        return self._edited() if self._is_structured else Detail(self._name, "required")

    def _chosen(self, text: str) -> Json | Detail:
        """A choice is its own text, or its number."""
        for choice in self._choices:
            if text == (choice if isinstance(choice, str) else json.dumps(choice)):
                return choice
        if text.isascii() and text.isdecimal() and 0 < int(text) <= len(self._choices):
            return self._choices[int(text) - 1]
        return Detail(
            self._name,
            f"expected a number, 1 to {len(self._choices)}, or one of the names",
            value=text,
        )

    def _read(self, text: str) -> Json | Detail:
        if self._types == ["boolean"] and text.lower() in ("y", "n"):
            return text.lower() == "y"
        value = coerce(self._schema, self._name, text)
        if isinstance(value, Detail) and self._types == ["boolean"]:
            return replace(value, message="expected yes or no")
        if isinstance(value, Detail) and self._is_structured:
            like = json.dumps(example_of(self._leaf), ensure_ascii=False)
            return replace(value, message=f"{value.message} like {like}")
        return value

    def _checked(self, value: Json) -> Json | Detail:
        faults = validate(self._schema, {self._name: value})
        return faults[0] if faults else value

    # --- in an editor

    def _edited(self) -> Json | Detail:
        """Let an array or an object be written in an editor, which is opened again until it fits."""
        import yaml

        from attune_cli.runtime.runners.yaml_values import read_yaml

        empty: Json = [] if "array" in self._types else {}
        known = None if self._is_secret else self._default
        start = known if known is not None else _outline(self._leaf) or empty
        text = yaml.safe_dump(start, allow_unicode=True, sort_keys=False)
        complaints: list[str] = []
        while True:
            before = text
            try:
                text = edited(text, complaints)
            except CancelledError as error:
                return Detail(self._name, error.message)
            if complaints and text == before:
                return Detail(self._name, f"left as it was: {complaints[0]}")
            try:
                value = read_yaml(text)
            except (ValueError, RecursionError) as error:
                complaints = [f"this is no YAML: {' '.join(str(error).split())}"]
                continue
            faults = validate(self._schema, {self._name: value})
            if not faults:
                return value
            complaints = [f"{fault.path}: {fault.message}" for fault in faults]


def _outline(leaf: dict[str, Any]) -> dict[str, Json]:
    """Return an object's members as they are declared, with their defaults, to begin with."""
    members = leaf.get("properties")
    if not isinstance(members, dict):
        return {}
    return {name: inner.get("default") for name, inner in cast("dict[str, dict[str, Json]]", members).items()}
