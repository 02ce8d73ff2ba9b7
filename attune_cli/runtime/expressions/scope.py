"""What a condition or a template of a rule may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable


@immutable(kw_only=True)
class Scope:
    """One event as seen by one rule."""

    event: dict[str, Any]
    """`id`, `trigger`, `trigger_ref`, `payload`, `created`."""
    pack_config: dict[str, Any]
    """Configuration of the rule's pack, in the clear."""
    secret_config: frozenset[str]
    """JSON pointers into it that are secret."""
    system: dict[str, Any]
    """`timestamp`, and `rule` with `id` and `ref`."""
    key: Callable[[str], Any]
    """Return the value of a key in the clear; raises LookupError when there is none."""
