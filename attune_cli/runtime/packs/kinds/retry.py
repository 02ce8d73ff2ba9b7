"""The `retry` block of an action or a task (domain.md 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from attune_cli.runtime.model.actions import Backoff, Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.runtime.packs.fields import Fields

BACKOFFS: tuple[Backoff, ...] = get_args(Backoff)
MOST_ATTEMPTS = 100


def read_retry(fields: Fields, *, least: int = 0, instead: Mapping[str, str] | None = None) -> Retry | None:
    """Read the block `retry`, `count` of which is at least so much; None where there is none.

    `instead` is as `Fields.finish` takes it.
    """
    block = fields.optional("retry")
    if block is None:
        return None
    block.require("count")
    retry = Retry(
        count=block.integer("count", minimum=least, maximum=MOST_ATTEMPTS) or 0,
        delay_seconds=block.seconds("delay") or 0.0,
        backoff=block.choice("backoff", BACKOFFS, default="constant"),
        max_delay_seconds=block.seconds("max_delay"),
        on_error=block.texts("on_error"),
    )
    _check_patterns(block, retry.on_error)
    block.finish(instead=instead)
    return retry


def _check_patterns(block: Fields, patterns: tuple[str, ...]) -> None:
    if not patterns:
        return
    from attune_cli.runtime.expressions.faults import ExpressionError
    from attune_cli.runtime.expressions.patterns import compiled

    is_list = isinstance(block.members["on_error"], list)
    for index, pattern in enumerate(patterns):
        try:
            compiled(pattern)
        except ExpressionError as error:
            block.error(f"'on_error': '{pattern}' {error}", "on_error", *([index] if is_list else []))
