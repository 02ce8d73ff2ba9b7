"""From a rule's decision to an execution, or to the reason why there can be none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import AttuneError
from attune_cli.runtime.model import secret_places
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.model.inquiries import parameters_of
from attune_cli.runtime.model.parameters import secret_pointers
from attune_cli.runtime.model.pointers import put_at
from attune_cli.runtime.services.submission import (
    FAULTY_PARAMETERS,
    Origin,
    Submission,
    check_start,
    submit,
    submit_faulty,
)
from attune_cli.runtime.services.workflow_checks import check_tasks
from attune_cli.runtime.store import enforcements, executions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.config import Settings
    from attune_cli.runtime.expressions.templates import Filled
    from attune_cli.runtime.model.events import EnforcementStatus, Event
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.reactions.rulebook import Rule, RuleBook
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

_CANNOT_ACT = {"not_found": "is gone", "disabled": "is disabled"}


@immutable(kw_only=True)
class Starter:
    """What an execution is started with besides what its rule says. `host` owns it; None leaves it to the daemon."""

    book: RuleBook
    settings: Settings
    sealer: Sealer
    host: str | None = None


@immutable(kw_only=True)
class Enforced:
    """What came of an enforcement: an execution, or an error. Both None: it waits for its turn."""

    enforcement: int
    execution: int | None = None
    error: str | None = None


def enforce(tx: Transaction, starter: Starter, rule: Rule, event: Event, filled: Filled) -> Enforced:
    """Write down that a rule acts on an event, and start its action, unless the rule's mode lets it wait."""
    enforcement = enforcements.insert(
        tx,
        event=event.id,
        rule=rule.id,
        rule_ref=rule.ref,
        trigger_ref=event.trigger_ref,
        conditions=rule.definition.conditions,
    )
    if _has_to_wait(tx, rule, enforcement):
        return Enforced(enforcement=enforcement)
    return carry_out(tx, starter, rule, event, filled, enforcement)


def carry_out(
    tx: Transaction, starter: Starter, rule: Rule, event: Event, filled: Filled, enforcement: int
) -> Enforced:
    """Start the action of an enforcement whose turn has come."""
    job = _job(tx, starter.book, rule, filled)
    if isinstance(job, _Obstacle):
        return close(tx, enforcement, job.status, job.reason)
    parameters = cast("dict[str, Any]", filled.value)
    submission = Submission(
        action_ref=job.action.ref,
        pinned=job,
        parameters=parameters,
        origin=Origin(
            enforcement=enforcement, rule_ref=rule.ref, trigger_ref=event.trigger_ref, depth=event.depth + 1
        ),
    )
    try:
        started = submit(tx, submission, settings=starter.settings, sealer=starter.sealer, host=starter.host)
    except AttuneError as error:
        if error.code not in FAULTY_PARAMETERS:
            return close(tx, enforcement, "processed", error.message)
        started = submit_faulty(tx, submission, error=error, sealer=starter.sealer, host=starter.host)
    enforcements.resolve(
        tx,
        enforcement,
        "processed",
        config=_redacted(parameters_of(job.action, parameters), parameters),
        execution=started.id,
    )
    return Enforced(enforcement=enforcement, execution=started.id)


def foresee(tx: Transaction, starter: Starter, rule: Rule, filled: Filled) -> Foreseen:
    """Tell what carrying out would come to, without writing anything."""
    job = _job(tx, starter.book, rule, filled)
    if isinstance(job, _Obstacle):
        return Foreseen(refusal=job.reason)
    given = cast("dict[str, Any]", filled.value)
    try:
        check_tasks(tx, job)
        check_start(tx, job, given, settings=starter.settings, sealer=starter.sealer)
    except AttuneError as error:
        is_run = error.code in FAULTY_PARAMETERS
        return Foreseen(failure=error.in_words) if is_run else Foreseen(refusal=error.message)
    return Foreseen()


@immutable(kw_only=True)
class Foreseen:
    """Why no execution would come of it, or why the one that comes would fail at once. Both None: it would start."""

    refusal: str | None = None
    failure: str | None = None


@immutable
class _Obstacle:
    """Why an enforcement comes to nothing, and how it ends."""

    status: EnforcementStatus
    reason: str


def _job(tx: Transaction, book: RuleBook, rule: Rule, filled: Filled) -> JobDefinition | _Obstacle:
    """Return what a rule's action is started with, or what forbids that."""
    try:
        job = book.job(tx, rule.definition.action_ref)
    except AttuneError as error:
        if error.code not in _CANNOT_ACT:
            return _Obstacle("processed", error.message)
        return _Obstacle("disabled", f"action '{rule.definition.action_ref}' {_CANNOT_ACT[error.code]}")
    exposed = secret_places.exposed(job.action.parameters, filled.secrets)
    if exposed:
        return _Obstacle("processed", f"{', '.join(exposed)}: {secret_places.EXPOSED}")
    foreign = secret_places.keys_named_by_others(
        job.action.parameters,
        rule.definition.action_params,
        cast("dict[str, Any]", filled.value),
        filled.secrets,
    )
    if foreign:
        reason = f"{', '.join(foreign)}: what an event says may not name a key; the rule itself may"
        return _Obstacle("processed", reason)
    return job


def close(tx: Transaction, enforcement: int, status: EnforcementStatus, error: str) -> Enforced:
    """End an enforcement that comes to nothing."""
    enforcements.resolve(tx, enforcement, status, error=error)
    return Enforced(enforcement=enforcement, error=error)


def _has_to_wait(tx: Transaction, rule: Rule, enforcement: int) -> bool:
    """Do what the rule's mode says of runs that go on; tells whether they have to end first."""
    if rule.definition.mode not in {"queued", "replace"}:
        return False
    running = executions.live_of_rule(tx, rule.ref)
    before = [one for one in enforcements.waiting_of(tx, rule.id) if one != enforcement]
    if rule.definition.mode == "replace":
        for one in before:
            close(tx, one, "disabled", f"replaced by enforcement {enforcement}")
        for execution in running:
            executions.request_cancel(tx, execution, f"replaced by a newer run of rule '{rule.ref}'")
        return bool(running)
    return bool(running or before)


def _redacted(schema: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters as they may be written down in the clear."""
    pointers = secret_pointers(schema, parameters)
    if not pointers:
        return parameters
    import json

    copy: dict[str, Any] = json.loads(executions.dump(parameters))
    for pointer in pointers:
        put_at(copy, pointer, dict(REDACTED))
    return copy
