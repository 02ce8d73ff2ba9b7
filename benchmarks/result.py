"""What a benchmark says: a ratio, what it is against, and the promise it is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Result:
    """`value` is a ratio or a count; `promise` is its bound, from above (`at most`) or below (`at least`)."""

    name: str
    value: float
    bound: Literal["at least", "at most"]
    promise: float
    against: str

    @property
    def kept(self) -> bool:
        return self.value >= self.promise if self.bound == "at least" else self.value <= self.promise


def table(results: list[Result]) -> str:
    lines = ["| what | measured | promise | kept | against |", "| --- | ---: | --- | --- | --- |"]
    for one in results:
        kept = "yes" if one.kept else "no"
        lines.append(
            f"| {one.name} | {one.value:.2f} | {one.bound} {one.promise:g} | {kept} | {one.against} |"
        )
    return "\n".join(lines) + "\n"
