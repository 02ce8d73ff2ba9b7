"""Inquiries: asked by executions, answered by the administrator's people and by executions of other trees (api.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.errors import ConflictError, DeniedError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.model.inquiries import InquiryStatus
from attune_cli.runtime.model.json_values import unfit
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.packs.questions import invalid_question, read_question
from attune_cli.runtime.server.answers import (
    administrator,
    anybody,
    id_in,
    number_in,
    one,
    page_of,
    read_object,
)
from attune_cli.runtime.server.desk import desk_of
from attune_cli.runtime.services import inquiries
from attune_cli.runtime.services.people import login
from attune_cli.runtime.store import executions
from attune_cli.runtime.store.inquiries import InquiryFilter

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from attune_cli.runtime.model.inquiries import Person
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.services.tokens import Caller
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable

_ANSWER = ("response", "comment", "responded_by")


# --- asking


async def create(request: Request) -> Response:
    """Take in what an execution that goes on asks; it reads the inquiry until there is an answer."""
    caller = _asker(request)
    document = await read_object(request)
    platform = desk_of(request).platform

    def ask(tx: Transaction) -> Record:
        question = read_question(_question(document), others=("execution",))
        asking = _asking(tx, caller, document["execution"])
        return inquiries.inquiry_record(tx, inquiries.ask(tx, asking, question, sealer=platform.sealer))

    return one(await desk_of(request).ask(ask), status=201, message="Inquiry created")


def _asker(request: Request) -> Caller:
    caller = anybody(request)
    if caller.kind == "sensor":
        raise DeniedError(f"the token of sensor {caller.name} does not reach so far", code="forbidden")
    return caller


def _question(document: dict[str, Any]) -> dict[str, Any]:
    """Return a request to ask; what is wrong with its execution is told with all that is wrong with the question."""
    execution = document.get("execution")
    if isinstance(execution, int) and not isinstance(execution, bool) and 0 < execution < 2**63:
        return document
    fault = Detail(
        "execution", "required (integer)" if execution is None else "expected the id of an execution"
    )
    try:
        read_question(document, others=("execution",))
    except UsageError as error:
        raise invalid_question([fault, *error.details]) from error
    raise invalid_question([fault])


def _asking(tx: Transaction, caller: Caller, execution_id: int) -> Startable:
    if caller.execution is not None and caller.execution != execution_id:
        raise DeniedError(f"execution {caller.execution} may ask for itself only", code="forbidden")
    execution = executions.startable(tx, execution_id)
    if execution is None:
        raise NotFoundError(f"no execution {execution_id}")
    if execution.status is not Status.RUNNING or execution.waits:
        what = "waits already" if execution.waits else f"is {execution.status}"
        raise ConflictError(f"execution {execution_id} {what}: only what runs may ask", code="not_running")
    return execution


# --- answering


async def respond(request: Request) -> Response:
    """Answer an inquiry; the answer comes after the commit."""
    caller = _asker(request)
    number = id_in(request, "inquiry")
    document = await read_object(request)
    _check_answer(document)
    platform = desk_of(request).platform

    def answer(tx: Transaction) -> Record:
        inquiry = inquiries.respond(
            tx,
            str(number),
            document["response"],
            by=_person(tx, caller, document.get("responded_by")),
            settings=platform.settings,
            sealer=platform.sealer,
            comment=document.get("comment"),
        )
        return inquiries.inquiry_record(tx, inquiry)

    return one(await desk_of(request).ask(answer), message="Response recorded")


def _check_answer(document: dict[str, Any]) -> None:
    """Raise UsageError with all that is wrong with the form of an answer; what is in it the inquiry's schema says."""
    faults = [] if "response" in document else [Detail("response", "required")]
    for name in ("comment", "responded_by"):
        value = document.get(name)
        if value is not None and not (isinstance(value, str) and unfit(value) is None and value.strip()):
            faults.append(Detail(name, "expected text"))
        elif name == "responded_by" and value is not None and not value.isprintable():
            faults.append(Detail(name, "expected a name"))
    for name in sorted(document.keys() - set(_ANSWER)):
        near = did_you_mean(name, _ANSWER)
        faults.append(Detail(name, f"unknown field; {near}" if near else "unknown field"))
    if faults:
        raise UsageError("this is no answer to an inquiry", code="invalid_field", details=faults)


def _person(tx: Transaction, caller: Caller, name: str | None) -> Person:
    """Return who answers. The administrator may do so for anybody, by name; an execution only for who asked for it."""
    if caller.execution is None:
        return inquiries.person(tx, login() if name is None else name.strip())
    if name is not None:
        raise DeniedError("an execution answers for whoever asked for it, not for others", code="forbidden")
    return inquiries.person(tx, None, inside=caller.execution)


# --- looking


async def list_inquiries(request: Request) -> Response:
    administrator(request)
    query = request.query_params
    wanted = InquiryFilter(
        statuses=_statuses(query.get("status") or None),
        assigned_to=query.get("assigned_to") or None,
        execution=number_in(request, "execution"),
    )
    return await _page(request, wanted)


async def list_by_status(request: Request) -> Response:
    administrator(request)
    return await _page(request, InquiryFilter(statuses=_statuses(str(request.path_params["status"]))))


async def list_of_execution(request: Request) -> Response:
    """Return what an execution, and what is below it, asked."""
    caller = _asker(request)
    number = id_in(request, "execution")
    desk = desk_of(request)
    is_there = await desk.feed.read(lambda tx: _is_of_tree(tx, caller, number))
    if not is_there:
        raise NotFoundError(f"no execution {number}")
    return await _page(request, InquiryFilter(execution=number))


async def show(request: Request) -> Response:
    caller = _asker(request)
    number = id_in(request, "inquiry")

    def look(tx: Transaction) -> Record:
        inquiry = inquiries.find(tx, str(number))
        _is_of_tree(tx, caller, inquiry.execution)
        return inquiries.inquiry_record(tx, inquiry)

    return one(await desk_of(request).feed.read(look))


def _is_of_tree(tx: Transaction, caller: Caller, execution_id: int) -> bool:
    """Tell whether there is such an execution; raises DeniedError for an execution that looks at other trees."""
    inside = caller.execution
    if inside is not None and executions.top_of(tx, inside) != executions.top_of(tx, execution_id):
        raise DeniedError(f"execution {inside} may look at its own tree only", code="forbidden")
    return executions.startable(tx, execution_id) is not None


def _statuses(status: str | None) -> tuple[str, ...]:
    if status is None:
        return ()
    known = [str(one) for one in InquiryStatus]
    if status not in known:
        near = did_you_mean(status, known)
        message = f"status: expected one of {', '.join(known)}, got {status!r}"
        raise UsageError(f"{message}; {near}" if near else message, code="invalid_query")
    return (status,)


async def _page(request: Request, wanted: InquiryFilter) -> Response:
    page = page_of(request)
    part = replace(wanted, limit=page.size, offset=page.offset)
    items, total = await desk_of(request).feed.read(lambda tx: inquiries.list_inquiries(tx, part))
    return page.answer(items, total)
