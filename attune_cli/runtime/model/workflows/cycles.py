"""Walking a graph of tasks: what leads back, and which tasks lie in a cycle together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Edges = dict[str, tuple[str, ...]]
"""From each task to those that it leads to, in the order in which it says so."""
Edge = tuple[str, str]


def back_edges(starts: Iterable[str], edges: Edges) -> frozenset[Edge]:
    """Return the edges that close a cycle when the graph is walked in depth from `starts`, in their order.

    Without them nothing leads back to where it came from.
    """
    return _walk(starts, edges)[1]


def cycles_of(names: Sequence[str], edges: Edges) -> dict[str, int]:
    """Return, for each task in a cycle, a number that those have in common which lead to each other."""
    left, _ = _walk(names, edges)
    inbound = reversed_edges(names, edges)
    found: dict[str, int] = {}
    seen: set[str] = set()
    for number, start in enumerate(reversed(left)):
        members = list(_reached(start, inbound, seen))
        if len(members) > 1 or start in edges.get(start, ()):
            found |= dict.fromkeys(members, number)
    return found


def reached_from(starts: Iterable[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the tasks that `starts` lead to, and those themselves."""
    seen: set[str] = set()
    for start in starts:
        for _ in _reached(start, edges, seen):
            pass
    return seen


def reversed_edges(names: Iterable[str], edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return, for each task, those that lead to it, in the order in which they are declared."""
    inbound: dict[str, list[str]] = {name: [] for name in names}
    for origin, targets in edges.items():
        for target in dict.fromkeys(targets):
            inbound[target].append(origin)
    return inbound


def _walk(starts: Iterable[str], edges: Edges) -> tuple[list[str], frozenset[Edge]]:
    """Walk in depth; returns the tasks in the order in which they were left, and the edges that led back."""
    left: list[str] = []
    back: set[Edge] = set()
    within: set[str] = set()
    seen: set[str] = set()
    for start in starts:
        if start in seen:
            continue
        stack = [(start, iter(edges.get(start, ())))]
        while stack:
            name, following = stack[-1]
            if name not in seen:
                seen.add(name)
                within.add(name)
            target = next(following, None)
            if target is None:
                stack.pop()
                within.discard(name)
                left.append(name)
            elif target in within:
                back.add((name, target))
            elif target not in seen:
                stack.append((target, iter(edges.get(target, ()))))
    return left, frozenset(back)


def _reached(start: str, edges: Mapping[str, Sequence[str]], seen: set[str]) -> Iterator[str]:
    """Yield what a task leads to that was not seen, itself included, and note it as seen."""
    pending = [start]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        pending.extend(edges.get(name, ()))
