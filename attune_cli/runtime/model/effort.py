"""How much several computations may do together."""

from __future__ import annotations


class Effort:
    """What is left of an allowance. It may be overdrawn by the computation that uses it up: that one is not torn."""

    def __init__(self, allowed: int) -> None:
        self._left = allowed

    def spend(self, work: int) -> None:
        self._left -= work

    @property
    def is_spent(self) -> bool:
        return self._left <= 0
