"""Enabling and disabling actions, all of those named or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import UsageError
from attune_cli.reading.words import read_words
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store
from attune_cli.runtime.services import actions, packs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context


def switch_actions(
    context: Context, words: Sequence[str], *, pack: str | None, everything: bool, enabled: bool
) -> None:
    """Enable or disable the actions named, those of a pack, or all; prints the refs that changed."""
    if not words and pack is None and not everything:
        raise UsageError("no action named", hint=f"attune {context.command} REF, --pack P or --all")
    store = open_store(context.home, context.settings)
    with store.write(SystemClock().now()) as tx:
        refs = read_words(words)
        if pack is not None:
            refs += _refs_of(actions.list_actions(tx, pack_ref=packs.find(tx, pack).ref))
        if everything:
            refs += _refs_of(actions.list_actions(tx))
        refs = list(dict.fromkeys(refs))
        if context.dry_run:
            meant = [actions.find(tx, ref).ref for ref in refs]
            context.out.note(f"would {context.command.rpartition(' ')[2]} {', '.join(meant)}")
            return
        outcome = actions.set_enabled(tx, refs, enabled=enabled)
    context.out.outcome({"kind": "outcome", **outcome}, outcome["changed"])


def _refs_of(records: list[dict[str, str]]) -> list[str]:
    return [record["ref"] for record in records]
