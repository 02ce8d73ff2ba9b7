"""Asking the daemon for another state of its sensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.declaring.rule_making import ring_daemon
from attune_cli.reading.words import read_words
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store
from attune_cli.runtime.services import sensors
from attune_cli.serving.condition import running_daemon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context


def switch(context: Context, words: Sequence[str], *, enabled: bool) -> None:
    """Enable or disable sensors; prints the refs that changed."""
    refs = list(dict.fromkeys(read_words(words)))
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        if context.dry_run:
            meant = [sensors.find(tx, ref).ref for ref in refs]
            context.out.note(f"would {'enable' if enabled else 'disable'} {', '.join(meant)}")
            return
        outcome = sensors.set_enabled(tx, refs, enabled=enabled)
    ring_daemon(context)
    context.out.outcome({"kind": "outcome", **outcome}, outcome["changed"])


def restart(context: Context, words: Sequence[str]) -> None:
    """Mark sensors so that the daemon starts them anew; raises UnavailableError when there is none."""
    running_daemon(context)
    refs = list(dict.fromkeys(read_words(words)))
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        if context.dry_run:
            context.out.note(f"would restart {', '.join(sensors.find(tx, ref).ref for ref in refs)}")
            return
        changed = sensors.restart(tx, refs)
    ring_daemon(context)
    context.out.outcome({"kind": "outcome", "restarted": changed}, changed)
