"""What a rule may see of an event, of its pack and of the platform, made from the transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.expressions.scope import RuleScope
from attune_cli.runtime.services.readable_keys import read_key

if TYPE_CHECKING:
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
        key=lambda ref: read_key(
            tx, ref, sealer, pack_ref=rule.definition.pack_ref, action_ref=rule.definition.action_ref
        ),
        spend=book.effort.spend,
    )
