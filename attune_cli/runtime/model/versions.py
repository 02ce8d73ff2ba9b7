"""Versions and the constraints on them (semver.org 2.0; domain.md 1.2 and 1.10)."""

from __future__ import annotations

import re
from functools import total_ordering
from operator import eq, ge, gt, le, lt
from typing import TYPE_CHECKING

from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?",
    re.ASCII,
)
_PARTIAL = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9a-zA-Z.-]+))?(?:\+[0-9a-zA-Z.-]+)?", re.ASCII)
_CLAUSE = re.compile(r"(>=|<=|>|<|=|\^|~)?\s*(\S+)")


@total_ordering
@immutable
class Version:
    """A version with semver's order: a pre-release comes before its release, build data does not count."""

    major: int
    minor: int
    patch: int
    pre_release: tuple[str, ...] = ()

    def __str__(self) -> str:
        tail = f"-{'.'.join(self.pre_release)}" if self.pre_release else ""
        return f"{self.major}.{self.minor}.{self.patch}{tail}"

    def __lt__(self, other: Version) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[object, ...]:
        identifiers = tuple(
            (0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre_release
        )
        return (self.major, self.minor, self.patch, not self.pre_release, identifiers)


def is_semver(text: str) -> bool:
    """Tell whether `text` is strict semver, as a pack's version must be."""
    return _SEMVER.fullmatch(text) is not None


def parse_version(text: str) -> Version:
    """Read a version of one to three numbers, missing ones as 0; raises ValueError on anything else."""
    return _parse_partial(text)[0]


def _parse_partial(text: str) -> tuple[Version, int]:
    """Return the padded version and how many of its numbers were written."""
    found = _PARTIAL.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a version; write e.g. 1.4.2")
    numbers = [int(number) for number in found.group(1, 2, 3) if number is not None]
    major, minor, patch = [*numbers, 0, 0][:3]
    pre_release = tuple(found[4].split(".")) if found[4] else ()
    return Version(major, minor, patch, pre_release), len(numbers)


@immutable
class Constraint:
    """Which versions are wanted; an empty one allows all. `text` is what the user wrote."""

    text: str
    clauses: tuple[Callable[[Version], bool], ...] = ()

    def allows(self, version: Version) -> bool:
        return all(clause(version) for clause in self.clauses)


def parse_runtime_constraint(text: str) -> Constraint:
    """Read `>=3.9,<3.13`, `^1.2`, `3.12` (which means `~3.12`), `*`; raises ValueError (domain.md 1.10)."""
    return _parse_constraint(text, bare="~")


def parse_pack_constraint(text: str) -> Constraint:
    """Read the same operators, but a bare version is exact (domain.md 1.2); raises ValueError."""
    return _parse_constraint(text, bare="=")


def _parse_constraint(text: str, *, bare: str) -> Constraint:
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    return Constraint(text, tuple(_clause(part, bare) for part in parts if part != "*"))


def _clause(text: str, bare: str) -> Callable[[Version], bool]:
    found = _CLAUSE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a version constraint; write e.g. '>=1.2,<2'")
    low, written = _parse_partial(found[2])
    operator = found[1] or bare
    if operator == "~":
        return _between(low, _next_minor(low) if written > 1 else _next_major(low))
    if operator == "^":
        return _between(low, _next_breaking(low, written))
    holds = _COMPARISONS[operator]
    return lambda version: holds(version, low)


_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": ge,
    "<=": le,
    ">": gt,
    "<": lt,
    "=": eq,
}


def _between(low: Version, end: Version) -> Callable[[Version], bool]:
    return lambda version: low <= version < end


def _next_major(version: Version) -> Version:
    return Version(version.major + 1, 0, 0)


def _next_minor(version: Version) -> Version:
    return Version(version.major, version.minor + 1, 0)


def _next_breaking(version: Version, written: int) -> Version:
    """Return the end of `^`: the leftmost written number that is not zero may not change."""
    if version.major or written == 1:
        return _next_major(version)
    if version.minor or written == 2:  # noqa: PLR2004 - `^0.0` wrote two numbers
        return _next_minor(version)
    return Version(0, 0, version.patch + 1)


_REQUIREMENT = re.compile(r"([a-z][a-z0-9_-]*)\s*(.*)", re.DOTALL)


@immutable
class Requirement:
    """A pack or runtime that is needed, e.g. `core>=1.0` or `shell`."""

    name: str
    constraint: Constraint

    def __str__(self) -> str:
        return f"{self.name} {self.constraint.text}".strip()


def parse_requirement(text: str) -> Requirement:
    """Read `name` with an optional pack constraint behind it; raises ValueError (domain.md 1.2)."""
    found = _REQUIREMENT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a dependency; write e.g. 'core' or 'core>=1.2'")
    return Requirement(found[1], parse_pack_constraint(found[2].strip()))
