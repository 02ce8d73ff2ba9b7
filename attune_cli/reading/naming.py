"""Saying which of the names a filter was given nothing has: an empty list does not tell why it is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import did_you_mean
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.model.notices import Subjects
from attune_cli.runtime.store import definitions, packs

if TYPE_CHECKING:
    from typing import Literal

    from attune_cli.context import Context
    from attune_cli.runtime.store.database import Transaction

    Kind = Literal["pack", "rule", "action", "trigger"]


def named(
    *, pack: str | None = None, rule: str | None = None, action: str | None = None, trigger: str | None = None
) -> Subjects:
    """Return what a filter names, each at most once."""
    return Subjects(packs=_one(pack), rules=_one(rule), actions=_one(action), triggers=_one(trigger))


def _one(ref: str | None) -> tuple[str, ...]:
    return () if ref is None else (ref,)


def warn_of_unknown(context: Context, meant: Subjects) -> None:
    """Warn of each name that nothing has; `pack.*` names a pack."""
    given: list[tuple[Kind, str]] = [
        *(("pack", ref) for ref in meant.packs),
        *(("rule", ref) for ref in meant.rules),
        *(("action", ref) for ref in meant.actions),
        *(("trigger", ref) for ref in meant.triggers),
    ]
    if not given:
        return
    store = open_store_for_reading(context.home, context.settings)
    try:
        with store.read(SystemClock().now()) as tx:
            for kind, ref in given:
                _warn(context, tx, kind, ref)
    finally:
        store.close()


def _warn(context: Context, tx: Transaction, kind: Kind, ref: str) -> None:
    if ref.endswith(".*"):
        kind, ref = "pack", ref.removesuffix(".*")
    known = [pack.ref for pack in packs.all_packs(tx)] if kind == "pack" else definitions.refs(tx, kind)
    if ref not in known:
        near = did_you_mean(ref, known)
        context.out.warning(f"there is no {kind} '{ref}'; {near or f'attune {kind} list'}")
