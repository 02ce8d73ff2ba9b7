"""Options of the form NAME=VALUE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import Detail, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_pairs(option: str, pairs: Sequence[str]) -> dict[str, str]:
    """Read `--label k=v` and `--env K=V`; raises UsageError with every fault."""
    found: dict[str, str] = {}
    faults: list[Detail] = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            faults.append(Detail(option, f"expected NAME=VALUE, got {pair!r}"))
        found[name] = value
    if faults:
        raise UsageError(f"{option} cannot be read", details=faults)
    return found
