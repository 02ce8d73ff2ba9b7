"""`queues/*.yaml` (domain.md 1.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.automations import QueueDefinition
from attune_cli.runtime.model.refs import is_queue_ref, label_of, pack_of, qualify

if TYPE_CHECKING:
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

OPTIONS = ("accepting_new_items", "allow_pending_update", "update_strategy", "batch_mode")
TUNABLE_SOURCES = ("literal", "pack_config", "keystore")


def decode_queue(fields: Fields, reading: Reading) -> QueueDefinition:
    ref = _ref(fields, reading)
    dispatch_action = _dispatch_action(fields, reading)
    queue = QueueDefinition(
        ref=ref,
        pack_ref=reading.ref,
        label=fields.text("label") or label_of(ref),
        description=fields.text("description"),
        enabled=fields.flag("enabled", default=True),
        dispatch_action=dispatch_action,
        item_schema=fields.schema("item_schema"),
        action_params=fields.mapping("action_params"),
        config=_config(fields),
        options={name: fields.json(name) for name in OPTIONS if fields.has(name)},
        tags=fields.texts("tags"),
    )
    fields.finish(ignored={"meta", "examples"})
    return queue


def _dispatch_action(fields: Fields, reading: Reading) -> str:
    name = "dispatch_action_ref" if fields.has("dispatch_action_ref") else "dispatch_action"
    fields.require(name)
    ref = fields.other_ref(name, reading.ref)
    reading.refer("action", ref, fields, name)
    return ref


def _ref(fields: Fields, reading: Reading) -> str:
    """Read the queue's ref, which may have more than two parts."""
    ref = qualify(fields.text("ref"), reading.ref)
    if not is_queue_ref(ref):
        fields.error(f"'{ref}' is not a queue's ref: lowercase parts joined by dots", "ref")
    elif pack_of(ref) != reading.ref:
        fields.error(f"'{ref}' belongs to another pack; this one is '{reading.ref}'", "ref")
    return ref


def _config(fields: Fields) -> dict[str, object]:
    config = fields.optional("config")
    if config is None:
        return {}
    dispatch = config.optional("dispatch")
    if dispatch is not None:
        _check_dispatch(dispatch)
    contract = config.optional("ack_contract")
    if contract is not None:
        contract.integer("version", minimum=1)
        contract.finish()
    config.finish()
    return config.members


def _check_dispatch(dispatch: Fields) -> None:
    for name in ("concurrency", "batch_size"):
        tunable = dispatch.optional(name)
        if tunable is not None:
            _check_tunable(tunable)
    dispatch.integer("retry_limit")
    dispatch.seconds("inter_execution_delay_seconds")
    coalescing = dispatch.optional("coalescing")
    if coalescing is not None:
        if coalescing.flag("enabled"):
            coalescing.require("group_by_path")
        coalescing.text("group_by_path")
        coalescing.flag("across_priorities")
        coalescing.finish()
    dispatch.finish()


def _check_tunable(tunable: Fields) -> None:
    """Check a number that is written, or read from the pack's config or a key."""
    tunable.require("source")
    match tunable.choice("source", TUNABLE_SOURCES, default="literal"):
        case "literal":
            tunable.require("value")
            tunable.integer("value", minimum=1)
        case "pack_config":
            tunable.require("path")
        case _:
            tunable.require("key_ref")
            tunable.text("key_ref")
    tunable.text("path")
    tunable.integer("fallback", minimum=1)
    tunable.finish()
