"""`permission_sets/*.yaml` (domain.md 1.9 and 9.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import did_you_mean
from attune_cli.runtime.model.automations import PermissionSetDefinition
from attune_cli.runtime.model.refs import label_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

RESOURCES = (
    *("packs", "actions", "queues", "rules", "triggers", "executions", "events", "enforcements"),
    *("inquiries", "keys", "artifacts", "runtimes", "workers", "retention", "identities"),
    *("permissions", "audit_log"),
)
RIGHTS = (
    *("read", "create", "install", "configure", "update", "delete", "execute"),
    *("cancel", "respond", "manage", "decrypt"),
)
CONSTRAINTS = (
    *("pack_refs", "owner", "owner_types", "owner_refs", "visibility", "execution_scope"),
    *("refs", "ids", "encrypted", "attributes"),
)


def decode_permission_set(fields: Fields, reading: Reading) -> PermissionSetDefinition:
    ref = fields.own_ref(reading.ref)
    fields.require("grants")
    for grant in fields.each("grants"):
        _check_grant(grant)
    permission_set = PermissionSetDefinition(
        ref=ref,
        pack_ref=reading.ref,
        label=fields.text("label") or label_of(ref),
        description=fields.text("description"),
        grants=tuple(fields.items("grants")),
    )
    fields.finish(ignored={"tags", "meta"})
    return permission_set


def _check_grant(grant: Fields) -> None:
    """Check the words of one grant. An unknown word grants nothing, so it is only a warning."""
    grant.require("resource")
    grant.require("actions")
    _check_words(grant, "resource", (grant.text("resource"),), RESOURCES)
    _check_words(grant, "actions", grant.texts("actions"), RIGHTS)
    _check_words(grant, "constraints", grant.mapping("constraints"), CONSTRAINTS)
    grant.finish()


def _check_words(grant: Fields, name: str, words: Collection[str], known: Collection[str]) -> None:
    for word in words:
        if word and word not in known:
            grant.warn(f"'{name}': unknown word '{word}'", name, suggestion=did_you_mean(word, known))
