"""Which names an expression may use, and what is said of one that it may not."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from attune_cli.errors import did_you_mean
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attune_cli.runtime.expressions.scope import Path

_WORD = re.compile(r"\w+")


@immutable
class Unknown:
    """A name that leads nowhere, found when an expression is read."""

    said: str
    offset: int
    """The place of the name in the text."""
    is_doubt: bool = False
    """It may still be meant: what is asked for is nothing, or may come from elsewhere."""


@immutable
class Members:
    """The names that may follow a root."""

    noun: str
    names: frozenset[str]
    is_complete: bool = True
    """Otherwise one that is not among them may be there too."""


@immutable(kw_only=True)
class Vocabulary:
    """The names of one kind of place."""

    roots: tuple[str, ...]
    """What a path may begin with; one that is called is written with `()`."""
    written_out: frozenset[str] = frozenset({"keystore"})
    """Roots that have no value themselves: the name behind them has to be written out."""
    functions: frozenset[str] = frozenset()
    """Functions without arguments that the scope answers."""
    variables: frozenset[str] = frozenset()
    """Names that may begin a path beside the roots."""
    members: dict[str, Members] = field(default_factory=dict[str, Members])
    elsewhere: dict[str, str] = field(default_factory=dict[str, str])
    """Names of other places, and functions with `()` behind: where they have a meaning."""
    is_strict: bool = False
    """What is missing is a fault; otherwise it is nothing, and a name that leads nowhere a doubt."""

    def is_plain_path(self, name: str, path: tuple[str, ...]) -> bool:
        """Tell whether words with dots between are one path, although a segment holds an operator.

        Where operators are usual that takes a name that is known: `task.health-check` where there is such a task.
        """
        if name not in self.roots and name not in self.variables:
            return False
        if not self.is_strict:
            return True
        first, rest = path[0], path[1:]
        is_known = name == "keystore" or (name in self.members and first in self.members[name].names)
        return all(map(_WORD.fullmatch, rest if is_known else path))

    def unknown(self, name: str, path: Path, offset: int) -> Unknown | None:
        """Say what is wrong with a path, or None."""
        if name in self.roots:
            return self._unknown_member(name, path, offset)
        if name in self.variables:
            return None
        if not self.is_strict:
            said = f"'{name}' leads nowhere: there are {', '.join(self.roots)}"
            return Unknown(said, offset, is_doubt=True)
        if "task" in self.members and name in self.members["task"].names:
            return Unknown(f"'{name}' is a task; did you mean task.{name}?", offset)
        if name in self.elsewhere:
            return Unknown(f"'{name}' {self.elsewhere[name]}", offset)
        known = [root for root in self.roots if not root.endswith("()")]
        return Unknown(_told("name or variable", name, [*self.variables, *known]), offset)

    def unknown_function(self, name: str, known: Iterable[str]) -> str:
        """Say what is wrong with a function that neither these tables nor the scope have."""
        called = f"{name}()"
        if called in self.elsewhere:
            return f"'{called}' {self.elsewhere[called]}"
        own = [root[:-2] for root in self.roots if root.endswith("()")]
        return _told("function", name, [*known, *self.functions, *own])

    def _unknown_member(self, name: str, path: Path, offset: int) -> Unknown | None:
        members = self.members.get(name)
        if members is None or not path or path[0] in members.names:
            return None
        told = _told(members.noun, str(path[0]), members.names)
        return Unknown(told, offset, is_doubt=not members.is_complete)


def _told(noun: str, name: str, known: Iterable[str]) -> str:
    suggestion = did_you_mean(name, known)
    return f"unknown {noun} '{name}'" + (f"; {suggestion}" if suggestion else "")


RULES = Vocabulary(roots=("event", "pack", "system", "keystore"))
"""What conditions and templates of rules may use (domain.md 4.2, 4.3)."""
