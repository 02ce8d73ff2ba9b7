"""What the world reports to the engine. A fact is believed once, by (kind, ref), and never argued with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.entities import Outcome


@immutable(kw_only=True)
class Prepared:
    """What the execution needs stands ready; `ref` will name its run."""

    execution: int
    ref: str


@immutable(kw_only=True)
class PrepareFailed:
    """What the execution needs cannot be made."""

    execution: int
    outcome: Outcome


@immutable(kw_only=True)
class RunEnded:
    """The run named `ref` is over, and this came of it."""

    execution: int
    ref: str
    outcome: Outcome


Fact = Prepared | PrepareFailed | RunEnded
