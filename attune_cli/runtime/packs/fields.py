"""Reading the keys of one mapping: each with its type, every fault noted, nothing raised.

A decoder asks for the keys it knows; `finish` then reports the ones nobody asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attune_cli.errors import did_you_mean
from attune_cli.runtime.model.parameters import normalise, shown
from attune_cli.runtime.model.quantities import LONGEST_SECONDS, parse_duration
from attune_cli.runtime.model.refs import REF_RULE, is_ref, pack_of, qualify
from attune_cli.runtime.packs.findings import Finding
from attune_cli.runtime.packs.schemas import schema_faults

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from attune_cli.runtime.expressions.faults import Fault
    from attune_cli.runtime.model.actions import Json, Schema
    from attune_cli.runtime.packs.documents import Document, Path, Position
    from attune_cli.runtime.packs.findings import Severity

Option = TypeVar("Option", bound=str)

REMARKS = frozenset(
    {"description", "label", "title", "notes", "comment", "tags", "metadata", "meta", "color", "icon"}
)
"""Keys that say something of what they stand in: no slip for one that does something."""

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*")
_BOOLEAN_WORDS = {"yes": True, "on": True, "no": False, "off": False}


class Fields:
    """The members of the mapping at `path` of a document. A null member counts as absent."""

    def __init__(self, document: Document, shown_as: str, findings: list[Finding], path: Path = ()) -> None:
        self._document = document
        self.shown_as = shown_as
        self._findings = findings
        self._asked: set[str] = set()
        self._missing: list[str] = []
        self.path = path
        self.members = self._members_at(path)

    def _members_at(self, path: Path) -> dict[str, Json]:
        value = self._document.value
        for part in path:
            value = value[part]
        if isinstance(value, dict):
            return cast("dict[str, Json]", value)
        self._add("error", f"expected a mapping of keys, got {shown(value)}", self.position(path))
        self._findings = []  # what else it lacks follows from that
        return {}

    # --- reporting ---

    def position(self, path: Path) -> Position:
        return self._document.position_of_value(path)

    def _add(
        self, severity: Severity, message: str, position: Position, suggestion: str | None = None
    ) -> None:
        self._findings.append(Finding(self.shown_as, *position, severity, message, suggestion))

    def error(self, message: str, *inner: str | int, suggestion: str | None = None) -> None:
        """Note an error at the value of a member, or of something within it."""
        self._add("error", message, self.position((*self.path, *inner)), suggestion)

    def warn(self, message: str, *inner: str | int, suggestion: str | None = None) -> None:
        """Note a warning at a value."""
        self._add("warning", message, self.position((*self.path, *inner)), suggestion)

    def error_of_key(self, message: str, *inner: str | int, suggestion: str | None = None) -> None:
        position = self._document.position_of_key((*self.path, *inner))
        self._add("error", message, position, suggestion)

    def warn_of_key(self, message: str, *inner: str | int, suggestion: str | None = None) -> None:
        position = self._document.position_of_key((*self.path, *inner))
        self._add("warning", message, position, suggestion)

    @property
    def has_errors(self) -> bool:
        """Tell whether something was found by now that makes the file unfit."""
        return any(finding.severity == "error" for finding in self._findings)

    def note(self, faults: Iterable[Fault], severity: Severity = "error") -> None:
        """Note faults of expressions within this mapping, each at its place in the file."""
        for fault in faults:
            path = (*self.path, *fault.steps)
            position = (
                self._document.position_within(path, fault.line, fault.column)
                if fault.line
                else self.position(path)
            )
            where = ".".join(str(step) for step in fault.steps)
            got = "" if fault.value is None else f", got {shown(fault.value)}"
            said, _, suggestion = fault.said.partition("; did you mean ")
            tail = f"did you mean {suggestion}" if suggestion else None
            self._add(severity, f"'{where}': {said}{got}", position, tail)

    def finish(self, ignored: Collection[str] = (), *, instead: Mapping[str, str] | None = None) -> None:
        """Report the keys that were not asked for: known ones that have no meaning here, and unknown ones.

        With `instead`, which says what to write for words of other tools, these and slips are errors.
        """
        for key in self.members:
            if key in ignored:
                self.warn_of_key(f"'{key}' is ignored", key)
            elif key in self._asked:
                continue
            else:
                self._finish_unknown(key, instead)

    def _finish_unknown(self, key: str, instead: Mapping[str, str] | None) -> None:
        suggestion = None if key in REMARKS else did_you_mean(key, self._asked)
        if instead is not None:
            suggestion = instead.get(key, suggestion)
        if instead is None or suggestion is None:
            self.warn_of_key(f"unknown key '{key}'", key, suggestion=suggestion)
            return
        self.error_of_key(f"unknown key '{key}'", key, suggestion=suggestion)
        for name in self._missing:  # what is written in other words is not missing as well
            if (
                suggestion == f"did you mean {name}?"
                or f"write {name}:" in suggestion
                or f"'{name}'" in suggestion
            ):
                missing = Finding(self.shown_as, *self.position(self.path), "error", f"missing key '{name}'")
                self._findings[:] = [one for one in self._findings if one != missing]

    # --- values ---

    def has(self, *names: str) -> bool:
        return any(self.members.get(name) is not None for name in names)

    def _take(self, *names: str) -> tuple[str, Json]:
        """Return the first of `names` that is there, with its value; the others are spellings of it."""
        self._asked.update(names)
        for name in names:
            if self.members.get(name) is not None:
                return name, self.members[name]
        return names[0], None

    def _wrong(self, name: str, wanted: str, value: Json, *inner: int, suggestion: str | None = None) -> None:
        where = f"'{name}[{inner[0]}]'" if inner else f"'{name}'"
        self.error(f"{where}: expected {wanted}, got {shown(value)}", name, *inner, suggestion=suggestion)

    def json(self, *names: str) -> Json:
        return self._take(*names)[1]

    def require(self, name: str) -> None:
        if not self.has(name):
            self._missing.append(name)
            self.error(f"missing key '{name}'")

    def text(self, *names: str, default: str = "") -> str:
        name, value = self._take(*names)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        self._wrong(name, "text (put it in quotes)", value)
        return default

    def flag(self, *names: str, default: bool = False) -> bool:
        name, value = self._take(*names)
        if value is None:
            return default
        if isinstance(value, str):
            value = _BOOLEAN_WORDS.get(value.lower(), value)
        if isinstance(value, bool):
            return value
        self._wrong(name, "true or false", value)
        return default

    def integer(self, *names: str, minimum: int = 0, maximum: int | None = None) -> int | None:
        name, value = self._take(*names)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            if value >= minimum and (maximum is None or value <= maximum):
                return value
            bounds = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
            self._wrong(name, f"a whole number {bounds}", value)
        else:
            self._wrong(name, "a whole number", value)
        return None

    def seconds(self, *names: str, above_zero: bool = False) -> float | None:
        """Read a number of seconds, or a duration such as `1h30m`."""
        name, value = self._take(*names)
        if value is None:
            return None
        seconds = _seconds_of(value)
        if seconds is not None and (seconds > 0 or (seconds == 0 and not above_zero)):
            return seconds
        above = " above 0" if above_zero else ""
        self._wrong(name, f"a number of seconds{above}, or a duration such as 45s, 10m or 1h30m", value)
        return None

    def duration(self, *names: str) -> float | None:
        """Read `45s`, `10m`, `1h30m`, or a number of seconds; more than none at all."""
        name, value = self._take(*names)
        if value is None:
            return None
        seconds = _seconds_of(value)
        if seconds is not None and 0 < seconds <= LONGEST_SECONDS:
            return seconds
        self._wrong(name, "a duration above 0 such as 45s, 10m or 1h30m", value)
        return None

    def choice(self, name: str, options: Sequence[Option], default: Option) -> Option:
        _, value = self._take(name)
        if value is None:
            return default
        if value in options:
            return cast("Option", value)
        suggestion = did_you_mean(value, options) if isinstance(value, str) else None
        message = f"'{name}': expected one of {', '.join(options)}, got {shown(value)}"
        self.error(message, name, suggestion=suggestion)
        return default

    def texts(self, *names: str) -> tuple[str, ...]:
        """Read a list of texts; a single text is a list of one."""
        name, value = self._take(*names)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list):
            self._wrong(name, "a list of texts", value)
            return ()
        items = list(enumerate(cast("list[Json]", value)))
        for index, item in items:
            if not isinstance(item, str):
                self._wrong(name, "text", item, index)
        return tuple(item for _, item in items if isinstance(item, str))

    def mapping(self, *names: str) -> dict[str, Json]:
        name, value = self._take(*names)
        if value is None:
            return {}
        if isinstance(value, dict):
            return cast("dict[str, Json]", value)
        self._wrong(name, "a mapping of keys", value)
        return {}

    def items(self, *names: str, suggestion: str | None = None) -> list[Json]:
        """Read a list; `suggestion` says how a mapping in its place is written."""
        name, value = self._take(*names)
        if value is None:
            return []
        if isinstance(value, list):
            return cast("list[Json]", value)
        self._wrong(name, "a list", value, suggestion=_as_list(name, value, suggestion))
        return []

    # --- inner mappings, schemas, refs ---

    def within(self, *inner: str | int) -> Fields:
        """Return the fields of the mapping at a member (or deeper), which has to be there."""
        self._asked.update(part for part in inner[:1] if isinstance(part, str))
        return Fields(self._document, self.shown_as, self._findings, (*self.path, *inner))

    def optional(self, name: str) -> Fields | None:
        self._asked.add(name)
        return self.within(name) if self.has(name) else None

    def each(self, name: str) -> Iterator[Fields]:
        """Yield the fields of each mapping in a list."""
        for index in range(len(self.items(name))):
            yield self.within(name, index)

    def schema(self, *names: str) -> Schema:
        """Read a schema in the parameter dialect, flat or JSON-Schema-shaped (domain.md 2.2)."""
        name, value = self._take(*names)
        if value is None:
            return {}
        faults = schema_faults(value)
        for fault in faults:
            place = ".".join(str(part) for part in (name, *fault.path))
            note = self.error if fault.severity == "error" else self.warn_of_key
            note(f"'{place}': {fault.message}", name, *fault.path, suggestion=fault.suggestion)
        return {} if any(fault.severity == "error" for fault in faults) else normalise(value)

    def own_ref(self, pack_ref: str) -> str:
        """Read `ref`, the name of what this file defines; it has to belong to the pack."""
        ref = qualify(self.text("ref"), pack_ref)
        if not is_ref(ref):
            self.error(f"'{ref}' is not a ref: {REF_RULE}", "ref")
        elif pack_of(ref) != pack_ref:
            message = f"'{ref}' belongs to another pack; this one is '{pack_ref}'"
            self.error(message, "ref", suggestion=f"did you mean {pack_ref}.{ref.partition('.')[2]}?")
        return ref

    def other_ref(self, name: str, pack_ref: str) -> str:
        """Read the ref of something else, which may lie in another pack; '' when absent."""
        value = self.text(name)
        return self.checked_ref(value, pack_ref, name) if value else ""

    def other_refs(self, *names: str, pack_ref: str) -> tuple[str, ...]:
        name, _ = self._take(*names)
        return tuple(self.checked_ref(ref, pack_ref, name) for ref in self.texts(*names))

    def checked_ref(self, value: str, pack_ref: str, *inner: str | int) -> str:
        ref = qualify(value, pack_ref)
        if not is_ref(ref):
            self.error(f"'{value}' is not a ref: {REF_RULE}", *inner)
        return ref


def text_members(members: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in members.items() if isinstance(value, str)}


def _seconds_of(value: Json) -> float | None:
    """Return seconds of a number, or of a text such as `45s`; None for what is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return parse_duration(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _as_list(name: str, value: Json, mapping: str | None) -> str | None:
    """Say how one thing is written as a list, where that is short; of a `mapping` the caller knows it."""
    if isinstance(value, dict) and value:
        return mapping or "begin each member of the list with '- '"
    if not isinstance(value, str) or "{{" in value:
        return None
    names = [part.strip() for part in value.split(",")]
    return f"write {name}: [{', '.join(names)}]" if all(map(_PLAIN.fullmatch, names)) else None
