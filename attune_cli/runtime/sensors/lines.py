"""What a sensor's line of stdout says: an event, a state to keep, or text for its log (domain.md 3.4).

An event is a JSON object with `trigger_ref` (or `trigger`) and `payload`; `trigger_instance_id` (`rule_<id>`) names
the one rule that is meant, and of two with the same `dedup_key` (or `id`) the second is the first. A state is a JSON
object with the one member `state`: `{"name": …, "value": …}`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard, cast

from attune_cli.runtime.model.json_values import unfit
from attune_cli.runtime.model.refs import qualify
from attune_cli.runtime.services.events import MAX_PAYLOAD_BYTES
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attune_cli.runtime.services.sensors import Assignment

MAX_LINE_BYTES = MAX_PAYLOAD_BYTES + 64 * 1024
"""The largest payload, and room for the rest of the line."""

SHOWN_BYTES = 4 * 1024
"""How much of a longer line the log keeps."""

MAX_KEY_LENGTH = 200


@immutable
class EventLine:
    """Something that has happened. `number` counts the lines of one process, from 1."""

    number: int
    trigger_ref: str
    payload: Any
    instance: str | None = None
    dedup_key: str | None = None


@immutable
class StateLine:
    """Something the sensor wants to find again at its next start."""

    number: int
    name: str
    value: Any


@immutable
class Refusal:
    """A line that was meant for us and cannot be taken, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"[attune] line {self.number} refused: {self.reason}"


Entry = EventLine | StateLine


class Lines:
    """Cuts a stream into lines, without their ends. A line that is too long is shortened, and says so."""

    def __init__(self, limit_bytes: int = MAX_LINE_BYTES) -> None:
        self._limit = limit_bytes
        self._held = bytearray()
        self._length = 0
        """Of the line that has begun; more than is held when it is too long."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are whole now."""
        *ends, rest = data.split(b"\n")
        found: list[bytes] = []
        for end in ends:
            self._hold(end)
            found.append(self._take())
        self._hold(rest)
        return found

    def rest(self) -> list[bytes]:
        """Return the line that has begun, if one has: the stream is over."""
        return [self._take()] if self._length else []

    def _take(self) -> bytes:
        line, length = bytes(self._held), self._length
        self._held.clear()
        self._length = 0
        if length > self._limit:
            kept = line[:SHOWN_BYTES]
            line = kept + f" [attune] cut: the line has {length} bytes, {self._limit} are allowed".encode()
        return line

    def _hold(self, piece: bytes) -> None:
        self._length += len(piece)
        room = self._limit - len(self._held)
        self._held += piece[:room]


def read_lines(
    lines: Iterable[bytes], assignment: Assignment, first_number: int
) -> list[Entry | Refusal | bytes]:
    """Tell entries from text; what is neither a good entry nor text is refused."""
    return [read_line(line, assignment, number) for number, line in enumerate(lines, first_number)]


def read_line(line: bytes, assignment: Assignment, number: int) -> Entry | Refusal | bytes:
    """Read one line; text is returned as it is."""
    if not line.lstrip().startswith(b"{"):
        return line
    try:
        document = _DECODER.decode(line.decode())
    except _ConstantError as error:
        return Refusal(number, str(error))
    except (ValueError, RecursionError):
        return line
    if "payload" in document and ("trigger_ref" in document or "trigger" in document):
        return _event(document, assignment, number)
    if document.keys() == {"state"}:
        return _state(document["state"], number)
    return line


class _ConstantError(Exception):
    pass


def _refuse_constant(word: str) -> NoReturn:
    raise _ConstantError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _event(document: dict[str, Any], assignment: Assignment, number: int) -> EventLine | Refusal:
    written = document.get("trigger_ref", document.get("trigger"))
    if not isinstance(written, str):
        return Refusal(number, "the trigger is no text")
    trigger_ref = qualify(written, assignment.definition.pack_ref)
    if trigger_ref not in assignment.trigger_refs:
        own = ", ".join(assignment.trigger_refs)
        return Refusal(number, f"{assignment.ref} may not fire trigger {trigger_ref!r}, only {own}")
    key: object = document.get("dedup_key", document.get("id"))
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    instance: object = document.get("trigger_instance_id")
    if not _is_key(key) or not _is_key(instance):
        name = "trigger_instance_id" if _is_key(key) else "dedup_key"
        return Refusal(number, f"{name}: expected text of 1 to {MAX_KEY_LENGTH} characters")
    return EventLine(number, trigger_ref, document["payload"], instance, key)


def _is_key(value: object) -> TypeGuard[str | None]:
    if value is None:
        return True
    return isinstance(value, str) and 0 < len(value) <= MAX_KEY_LENGTH and unfit(value) is None


def _state(state: object, number: int) -> StateLine | Refusal:
    members = cast("dict[str, Any]", state) if isinstance(state, dict) else {}
    if members.keys() != {"name", "value"} or not isinstance(members["name"], str):
        return Refusal(number, 'a state is {"state": {"name": "…", "value": …}}')
    return StateLine(number, members["name"], members["value"])
