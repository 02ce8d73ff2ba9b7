"""What those who approve an inquiry have said so far, and that who comes later approves the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import ConflictError, Detail
from attune_cli.runtime.model.agreement import differing
from attune_cli.runtime.model.parameters import is_secret, shown
from attune_cli.runtime.model.pointers import put_back
from attune_cli.runtime.store import inquiries

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.inquiries import Inquiry, Vote
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer

DIFFERING = "differing_approval"


def earlier_values(tx: Transaction, inquiry: Inquiry, sealer: Sealer) -> dict[str, Json]:
    """Return what the approvals of an inquiry say together, secret values too; of free text the latest."""
    if inquiry.approvers is None:
        return {}
    values: dict[str, Json] = {}
    for vote in inquiries.votes(tx, inquiry.id):
        values |= _values(vote, sealer)
    return values


def _values(vote: Vote, sealer: Sealer) -> dict[str, Json]:
    answer: object = vote.response
    if not isinstance(answer, dict):
        return {}
    document: dict[str, Any] = {"response": answer}
    if vote.sealed is not None:
        put_back(document, sealer.unseal(vote.sealed))
    return cast("dict[str, Json]", answer)


def check_agreement(
    tx: Transaction, inquiry: Inquiry, earlier: dict[str, Json], answer: dict[str, Json]
) -> None:
    """Raise ConflictError for an approval of other values than those that others have approved."""
    fields = differing(inquiry.response_schema, earlier, answer) if earlier else []
    if not fields:
        return
    people = ", ".join(vote.person for vote in inquiries.votes(tx, inquiry.id))

    def told(field: str) -> str:
        if is_secret(inquiry.response_schema, (field,)):
            return f"{people} approved another value (secret)"
        before = shown(earlier[field]) if field in earlier else "none"
        return f"{people} approved {before}, not {shown(answer[field]) if field in answer else 'none'}"

    raise ConflictError(
        f"inquiry {inquiry.id} is approved with the same values by all, or not at all",
        code=DIFFERING,
        details=[Detail(field, told(field)) for field in fields],
        hint=f"attune inquiry respond {inquiry.id} --approve approves the same; --reject ends it",
    )
