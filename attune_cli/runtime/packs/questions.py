"""Reading a question, whoever asks it: the parameters of `core.ask`, an action's output, a request to the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import Detail, UsageError, did_you_mean
from attune_cli.runtime.clock import parse_rfc3339
from attune_cli.runtime.model.inquiries import (
    DEFAULT_PROMPT,
    Question,
    default_schema,
    missing_approvers,
    verdict_field,
)
from attune_cli.runtime.model.json_values import unfit
from attune_cli.runtime.model.parameters import normalise, prepare, shown
from attune_cli.runtime.model.quantities import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attune_cli.runtime.model.actions import Json, Schema

MEMBERS = (
    "prompt",
    "response_schema",
    "assigned_to",
    "approvals",
    "default_response",
    "remind_every",
    "timeout_seconds",
    "timeout_at",
)
_OF_APPROVALS = ("required", "from")
_MOST_APPROVALS = 100
_LEAST_SECONDS = 1.0
"""Of a reminder's rhythm: more often than that would be an alarm."""

Faults = list[Detail]


def read_question(document: Json, *, others: Sequence[str] = (), strict: bool = True) -> Question:
    """Return the question that a document asks; raises UsageError with all its faults.

    Besides MEMBERS and `others` a `strict` reading knows none: what nobody would read was meant for something.
    """
    if not isinstance(document, dict):
        raise UsageError(f"the question is no object, but {shown(document)}", code="invalid_question")
    question, faults = question_of(cast("dict[str, Json]", document))
    if strict:
        known = (*MEMBERS, *others)
        faults += [_unknown(name, known) for name in cast("dict[str, Json]", document) if name not in known]
    if faults:
        raise invalid_question(faults)
    return question


def invalid_question(faults: Faults) -> UsageError:
    told = sorted(faults, key=lambda fault: fault.path)
    return UsageError("the question cannot be asked", code="invalid_question", details=told)


def question_of(document: Mapping[str, Json]) -> tuple[Question, Faults]:
    """Return the question, and all that is wrong with it."""
    faults: Faults = [
        Detail(name, fault) for name in MEMBERS if (fault := unfit(document.get(name))) is not None
    ]
    if faults:
        document = {
            name: value for name, value in document.items() if name not in {one.path for one in faults}
        }
    schema = _schema(document.get("response_schema"), faults)
    required, approvers = _approvals(document.get("approvals"), schema, faults)
    question = Question(
        prompt=_text(document, "prompt", faults) or DEFAULT_PROMPT,
        response_schema=schema,
        assigned_to=_text(document, "assigned_to", faults),
        required=required,
        approvers=approvers,
        default_response=_default(document.get("default_response"), schema, faults),
        timeout_seconds=_seconds(document, "timeout_seconds", faults, least=0.0),
        timeout_at=_instant(document.get("timeout_at"), faults),
        reminder_seconds=_seconds(document, "remind_every", faults, least=_LEAST_SECONDS),
    )
    missing = missing_approvers(question, None)
    if missing is not None:
        faults.append(Detail("approvals", missing))
    return question, faults


def _unknown(name: str, known: Sequence[str]) -> Detail:
    suggestion = did_you_mean(name, known)
    return Detail(name, f"unknown field; {suggestion}" if suggestion else "unknown field")


def _text(document: Mapping[str, Json], name: str, faults: Faults) -> str | None:
    value = document.get(name)
    if value is None or (isinstance(value, str) and (value.strip() or name == "prompt")):
        return value
    faults.append(Detail(name, "expected text", value))
    return None


def _schema(raw: Json, faults: Faults) -> Schema:
    """Return the flat form of a response's schema; `{}` takes anything."""
    if raw is None or raw == default_schema():
        # Known to be sound: a daemon that waits for yes or no does without the schema checker.
        return default_schema()
    from attune_cli.runtime.packs.schemas import schema_faults

    found = [
        Detail(".".join(("response_schema", *(str(part) for part in fault.path))), fault.said)
        for fault in schema_faults(raw)
        if fault.severity == "error"
    ]
    faults += found
    return {} if found else normalise(raw)


def _approvals(raw: Json, schema: Schema, faults: Faults) -> tuple[int, tuple[str, ...] | None]:
    if raw is None:
        return 1, None
    if not isinstance(raw, dict):
        faults.append(
            Detail("approvals", "expected an object like {required: 2, from: [NAME, role:NAME]}", raw)
        )
        return 1, None
    members = cast("dict[str, Any]", raw)
    faults += [
        Detail(f"approvals.{one.path}", one.message)
        for one in (_unknown(name, _OF_APPROVALS) for name in members if name not in _OF_APPROVALS)
    ]
    required: Any = members.get("required", 1)
    if isinstance(required, bool) or not isinstance(required, int) or not 1 <= required <= _MOST_APPROVALS:
        faults.append(
            Detail("approvals.required", f"expected a whole number, 1 to {_MOST_APPROVALS}", required)
        )
        required = 1
    approvers: Any = members.get("from") or []
    if not _are_names(approvers):
        faults.append(
            Detail("approvals.from", "expected a list of persons and of roles like role:ops", approvers)
        )
        approvers = []
    is_faulty = any(fault.path.startswith("response_schema") for fault in faults)
    if not is_faulty and verdict_field(schema) is None:
        message = "needs an answer of yes or no: response_schema has no boolean 'approved', and not exactly one other"
        faults.append(Detail("approvals", message))
    return required, tuple(dict.fromkeys(cast("list[str]", approvers)))


def _are_names(value: Json) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) and one.strip() for one in cast("list[Json]", value)
    )


def _default(value: Json, schema: Schema, faults: Faults) -> Json:
    """Return the answer that counts when nobody gives one; it has to fit like any other."""
    if value is None or any(fault.path.startswith("response_schema") for fault in faults):
        return value
    answer, misfits = fitted(schema, value)
    faults += [Detail(f"default_response.{one.path}".rstrip("."), one.message, one.value) for one in misfits]
    return answer


def fitted(schema: Schema, response: Json) -> tuple[Json, Faults]:
    """Return an answer with its defaults filled in, and all that does not fit; an empty schema takes anything."""
    fault = unfit(response)
    if fault is not None:
        return response, [Detail("", fault)]
    if not schema:
        return response, []
    if not isinstance(response, dict):
        wanted = f"expected an object with {', '.join(schema)}"
        return response, [Detail("", wanted, response)]
    return prepare(schema, cast("dict[str, Json]", response), noun="field")


def _seconds(document: Mapping[str, Json], name: str, faults: Faults, *, least: float) -> float | None:
    value: Any = document.get(name)
    if value is None:
        return None
    try:
        seconds = parse_duration(str(value))
    except ValueError:
        seconds = 0.0
    if isinstance(value, bool) or seconds == 0 or seconds < least:
        bound = f", at least {least:g}" if least else ""
        faults.append(Detail(name, f"expected seconds, or a duration like 90m{bound}", value))
        return None
    return seconds


def _instant(value: Json, faults: Faults) -> int | None:
    if value is None:
        return None
    try:
        return parse_rfc3339(value)
    except (ValueError, TypeError, AttributeError):
        faults.append(Detail("timeout_at", "expected a time like 2026-05-01T09:00:00Z", value))
        return None
