"""Events: told by executions, sensors and the administrator, and read by the latter (domain.md 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import NotFoundError, UsageError
from attune_cli.runtime.server.answers import (
    administrator,
    anybody,
    id_in,
    one,
    page_of,
    read_object,
    text_field,
)
from attune_cli.runtime.server.desk import desk_of
from attune_cli.runtime.services import tokens
from attune_cli.runtime.services.event_pages import event_page, whole_event
from attune_cli.runtime.services.events import NewEvent, rule_of_instance, take_in
from attune_cli.runtime.store import sensors
from attune_cli.runtime.store.events import EventFilter

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.services.tokens import Caller
    from attune_cli.runtime.store.database import Transaction


async def create(request: Request) -> Response:
    """Take in an event; the answer comes after its commit."""
    caller = anybody(request)
    document = await read_object(request)
    trigger_ref = text_field(document, "trigger_ref", "trigger_type", required=True)
    instance = text_field(document, "trigger_instance_id")
    key = text_field(document, "dedup_key")
    config: object = document.get("config") or {}
    if not isinstance(config, dict):
        raise UsageError("config is no object", code="invalid_field")

    def tell(tx: Transaction) -> tuple[Record, bool]:
        taken = take_in(
            tx,
            NewEvent(
                trigger_ref=str(trigger_ref),
                payload=document.get("payload"),
                config=cast("dict[str, Any]", config),
                source="sensor" if caller.kind == "sensor" else "api",
                source_ref=_teller(caller),
                rule_ref=_rule(tx, instance),
                dedup_key=key,
                cause=caller.execution,
                may_tell=tokens.triggers_of(tx, caller),
            ),
        )
        if caller.kind == "sensor":
            sensors.count(tx, caller.name, events=1, refused=0)
        return whole_event(tx, taken.id), taken.reused

    record, reused = await desk_of(request).ask(tell)
    return one(record, status=200 if reused else 201, message="Event created")


def _teller(caller: Caller) -> str:
    return caller.name if caller.kind == "sensor" else f"{caller.kind}:{caller.name}".rstrip(":")


def _rule(tx: Transaction, instance: str | None) -> str | None:
    """Return the rule that is meant alone. Naming one that is not there must not become meaning every rule."""
    if instance is None:
        return None
    rule_ref = rule_of_instance(tx, instance)
    if rule_ref is None and instance.startswith("rule_"):
        raise NotFoundError(f"no rule for trigger_instance_id {instance!r}")
    return rule_ref


async def list_events(request: Request) -> Response:
    administrator(request)
    query, page = request.query_params, page_of(request)
    wanted = EventFilter(
        trigger_ref=query.get("trigger_ref") or query.get("trigger") or None,
        rule_ref=query.get("rule_ref") or None,
        source=query.get("source") or None,
    )
    items, total = await desk_of(request).feed.read(
        lambda tx: event_page(tx, wanted, limit=page.size, offset=page.offset)
    )
    return page.answer(items, total)


async def show(request: Request) -> Response:
    administrator(request)
    event_id = id_in(request, "event")
    return one(await desk_of(request).feed.read(lambda tx: whole_event(tx, event_id)))
