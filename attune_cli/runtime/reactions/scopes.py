"""What a rule may see of an event, of its pack and of the platform, made from the transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.expressions.scope import Found, RuleScope, found_key
from attune_cli.runtime.store import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.model.automations import RuleDefinition
    from attune_cli.runtime.model.events import Event
    from attune_cli.runtime.reactions.rulebook import Rule, RuleBook
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer


def scope_of(tx: Transaction, book: RuleBook, rule: Rule, event: Event, sealer: Sealer) -> RuleScope:
    """Return the event as one rule sees it (domain.md 4.2, 4.3)."""
    config = book.config(tx, rule.definition.pack_ref)
    return RuleScope(
        event={
            "id": event.id,
            "trigger": event.trigger_ref,
            "trigger_ref": event.trigger_ref,
            "payload": event.payload,
            "created": rfc3339(event.created),
        },
        pack_config=config.values,
        secret_config=config.secret,
        system={"timestamp": rfc3339(tx.now), "rule": {"id": rule.id, "ref": rule.ref}},
        key=_reader(tx, rule.definition, sealer),
        spend=book.effort.spend,
    )


def _reader(tx: Transaction, rule: RuleDefinition, sealer: Sealer) -> Callable[[str], Found]:
    """Return what reads keys for a rule: the system's, its pack's, and those of the action it starts."""
    visible = {("system", ""), ("pack", rule.pack_ref), ("action", rule.action_ref)}

    def read(ref: str) -> Found:
        key = keys.get(tx, ref)
        if key is None or (key.owner_type, key.owner) not in visible:
            raise LookupError(ref)
        return found_key(keys.read_value(key, sealer), is_secret=key.encrypted)

    return read
