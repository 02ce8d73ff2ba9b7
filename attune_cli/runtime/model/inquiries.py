"""Inquiries: a question to people, who may answer it, and what their answers come to (domain.md 6). Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.actions import INQUIRY_RUNNER
from attune_cli.runtime.model.entities import QUESTION
from attune_cli.runtime.model.parameters import normalise, types_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.actions import ActionDefinition, Json, Schema

DEFAULT_PROMPT = "Approval required"
APPROVED = "approved"
ROLE_PREFIX = "role:"
"""What stands before the name of a role where a person could be named."""


def default_schema() -> Schema:
    """Return what an answer has to be where a question does not say."""
    return {APPROVED: {"type": "boolean", "required": True}}


def parameters_of(action: ActionDefinition, given: Mapping[str, Json]) -> Schema:
    """Return how an action's parameters are declared: what a question takes by default is declared as its answer."""
    if action.runner_type != INQUIRY_RUNNER or "default_response" not in given:
        return action.parameters
    answer: dict[str, Any] = {"type": "object", "properties": normalise(given.get("response_schema"))}
    return {**action.parameters, "default_response": answer}


class InquiryStatus(StrEnum):
    """The status of an inquiry: pending, or closed for good."""

    PENDING = "pending"
    RESPONDED = "responded"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


@immutable(kw_only=True)
class Question:
    """What an execution asks. Without `approvers` one answer is enough, from anybody it is not assigned away from."""

    prompt: str
    response_schema: Schema
    assigned_to: str | None = None
    required: int = 1
    approvers: tuple[str, ...] | None = None
    """Persons and roles; empty: anybody. None: it is no approval."""
    default_response: Json = None
    timeout_seconds: float | None = None
    timeout_at: Instant | None = None
    reminder_seconds: float | None = None


@immutable(kw_only=True)
class Inquiry:
    """A question that was asked; field names are the columns', instants microseconds UTC."""

    id: int
    execution: int
    root: int
    action_ref: str
    prompt: str
    response_schema: Schema
    assigned_to: str | None
    status: InquiryStatus
    required: int
    approvers: tuple[str, ...] | None
    response: Json
    sealed: bytes | None
    default_response: Json
    comment: str | None
    requester: str | None
    responded_by: str | None
    responded_at: Instant | None
    timeout_at: Instant | None
    reminder_seconds: float | None
    next_reminder: Instant | None
    due: Instant | None
    created: Instant
    updated: Instant
    parent_ref: str | None
    """What the execution that asks was begun by."""
    task: str | None
    """Its task, where that is a workflow."""

    @property
    def asker(self) -> str:
        """Name what asks, for people: `deploy.release/approve` is a task, `exec.sh/core.ask` a run inside another."""
        return (
            self.action_ref
            if self.parent_ref is None
            else f"{self.parent_ref}/{self.task or self.action_ref}"
        )

    @property
    def is_pending(self) -> bool:
        return self.status is InquiryStatus.PENDING

    def is_late(self, now: Instant) -> bool:
        """Tell whether its time is over, whoever has noticed."""
        return self.is_pending and self.timeout_at is not None and self.timeout_at <= now


@immutable(kw_only=True)
class Vote:
    """What one person said to a question that needs approvals."""

    person: str
    approved: bool
    response: Json
    sealed: bytes | None
    comment: str | None
    created: Instant


# --- who may answer


@immutable(kw_only=True)
class Person:
    """Who answers: a name that is taken on trust, and the execution from inside which the answer comes."""

    name: str | None
    inside: int | None = None
    """The top of the tree that the answer comes from."""

    @property
    def shown(self) -> str:
        return self.name or (f"execution:{self.inside}" if self.inside is not None else "nobody")


def refusal(inquiry: Inquiry, person: Person, members: Callable[[str], Collection[str]]) -> str | None:
    """Say why a person may not answer a pending inquiry, or None; `members` tells who has a role."""
    if person.inside == inquiry.root:
        return "it was asked by the run that would answer it"
    if inquiry.assigned_to is not None and not is_one_of(person.name, [inquiry.assigned_to], members):
        return f"it is assigned to {inquiry.assigned_to}, not to {person.shown}"
    return (
        None if inquiry.approvers is None else _refusal_of_vote(inquiry, inquiry.approvers, person, members)
    )


def _refusal_of_vote(
    inquiry: Inquiry,
    approvers: tuple[str, ...],
    person: Person,
    members: Callable[[str], Collection[str]],
) -> str | None:
    if person.name is None:
        return "it needs the approval of persons"
    if person.name == inquiry.requester:
        return f"{person.name} asked for the run, and may not approve it"
    if approvers and not is_one_of(person.name, approvers, members):
        return f"it needs the approval of {', '.join(approvers)}, not of {person.name}"
    return None


def is_one_of(name: str | None, wanted: Sequence[str], members: Callable[[str], Collection[str]]) -> bool:
    """Tell whether a person is among persons and members of roles."""
    return name is not None and any(
        name in members(one.removeprefix(ROLE_PREFIX)) if one.startswith(ROLE_PREFIX) else name == one
        for one in wanted
    )


def missing_approvers(question: Question, requester: str | None) -> str | None:
    """Say that a question can never get its approvals, where that can be known: roles may gain members."""
    named = None if question.approvers is None else _named(question.approvers, question.assigned_to)
    if named is None:
        return None
    able = sorted(named - {requester or ""})
    if len(able) >= question.required:
        return None
    is_one = question.required == 1
    required, them = ("1 approval is", "it") if is_one else (f"{question.required} approvals are", "them")
    who = f"only {', '.join(able)} may give {them}" if able else f"nobody may give {them}"
    reasons = [f"{requester} asked for the run"] if requester in named else []
    if question.assigned_to is not None and not question.assigned_to.startswith(ROLE_PREFIX):
        reasons.append(f"it is assigned to {question.assigned_to}")
    told = f", because {' and '.join(reasons)}" if reasons else ""
    return f"{required} required, and {who}{told}"


def _named(approvers: Sequence[str], assigned_to: str | None) -> set[str] | None:
    """Return all who may approve, by name; None where it is anybody, or who has a role."""
    is_open = not approvers or any(one.startswith(ROLE_PREFIX) for one in approvers)
    if assigned_to is None or assigned_to.startswith(ROLE_PREFIX):
        return None if is_open else set(approvers)
    return {assigned_to} if is_open or assigned_to in approvers else set()


# --- what answers come to


def verdict_field(schema: Schema) -> str | None:
    """Return the member of an answer that says yes or no: `approved`, else the only boolean; None without one."""
    booleans = [name for name, leaf in schema.items() if types_of(leaf) == ["boolean"]]
    if APPROVED in booleans:
        return APPROVED
    return booleans[0] if len(booleans) == 1 else None


def is_approval(schema: Schema, response: Json) -> bool:
    """Tell whether an answer says yes; one to a question without a yes or no is as good as one."""
    if not schema:
        return not (isinstance(response, dict) and cast("dict[str, Json]", response).get(APPROVED) is False)
    field = verdict_field(schema)
    if field is None or not isinstance(response, dict):
        return True
    return cast("dict[str, Json]", response).get(field) is True


def is_decided(inquiry: Inquiry, votes: Sequence[Vote]) -> bool:
    """Tell whether nobody else has to be heard: one rejection ends it, or enough have approved."""
    return any(not vote.approved for vote in votes) or len(votes) >= inquiry.required


# --- when it has to be looked at


def due_of(timeout_at: Instant | None, next_reminder: Instant | None) -> Instant | None:
    return min((one for one in (timeout_at, next_reminder) if one is not None), default=None)


def reminder_after(inquiry: Inquiry, now: Instant) -> Instant | None:
    """Return the next instant of its rhythm after now: those that were missed are not made good."""
    if inquiry.reminder_seconds is None or inquiry.next_reminder is None:
        return None
    step = max(1, round(inquiry.reminder_seconds * SECOND))
    missed = max(0, now - inquiry.next_reminder) // step
    return inquiry.next_reminder + (missed + 1) * step


# --- questions in the output of actions


def question_in(data: Json) -> Json | None:
    """Return what stands under `__inquiry` in an action's data, or in the last line of several; None without."""
    last: object = cast("list[Json]", data)[-1] if isinstance(data, list) and data else cast("object", data)
    return cast("Mapping[str, Json]", last).get(QUESTION) if isinstance(last, dict) else None


def without_question(data: Json) -> Json:
    """Return an action's data without the question, which was no result."""
    if isinstance(data, list):
        return [*cast("list[Json]", data)[:-1]]
    members = cast("dict[str, Any]", data)
    return {name: value for name, value in members.items() if name != QUESTION}
