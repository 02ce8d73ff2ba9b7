"""What of an earlier run of a workflow holds for the next one, and what has to be done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.workflows.cycles import reached_from
from attune_cli.runtime.model.workflows.states import FAILURES, FAULTY
from attune_cli.runtime.services.workflow_reads import reads_after, reads_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.services.workflow_reads import Reads
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.workflow_tasks import TaskRow


@immutable(kw_only=True)
class Redone:
    """Names of what is not simply kept."""

    stale: frozenset[str] = frozenset()
    """Tasks that begin again, with all their items: what they read is other than it was."""
    causes: frozenset[str] = frozenset()
    """Tasks that begin again where they failed: the failure was handled, and did not end well."""
    followed: frozenset[str] = frozenset()
    """Tasks whose results are kept, and what comes after them is looked at again."""
    behind: frozenset[str] = frozenset()
    """Tasks that those lead to: they are done again when they are led to again."""
    variables: frozenset[str] = frozenset()
    """What these published; it is again what it was at the beginning."""

    @property
    def begins(self) -> frozenset[str]:
        return self.stale | self.causes


def causes_of(graph: Graph, rows: Sequence[TaskRow]) -> frozenset[str]:
    """Return the tasks whose handled failure led to a failure in the end.

    Where no task failed unhandled, the result of the workflow could not be made: every handled failure counts then.
    """
    latest = {row.name: row for row in rows if row.within is None and row.name in graph.tasks}
    handled = {name for name, row in latest.items() if row.handled and row.status in FAULTY}
    failing = [row for row in latest.values() if row.status in FAILURES and not row.handled]
    if not failing:
        return frozenset(handled)
    led: dict[str, list[str]] = {
        name: [] if row.triggered_by is None else [row.triggered_by] for name, row in latest.items()
    }
    bad = [row.name for row in failing if row.status in FAULTY]
    return frozenset(handled & reached_from(bad, led))


class Keeping:
    """Compares what the tasks of a workflow read with what is other than it was in the earlier run."""

    def __init__(self, tx: Transaction, graph: Graph) -> None:
        self._graph = graph
        self._edges = graph.edges
        self._reads = {name: reads_of(tx, graph, graph.tasks[name]) for name in self._edges}
        self._after = {name: reads_after(graph, graph.tasks[name]) for name in self._edges}
        self._reached = {name: reached_from(targets, self._edges) for name, targets in self._edges.items()}

    def redone(self, replaced: frozenset[str], causes: frozenset[str]) -> Redone:
        """Return what is done again where some parameters were replaced, and some tasks begin again anyway."""
        stale = {name for name, reads in self._reads.items() if reads.parameters & replaced}
        followed = {name for name, reads in self._after.items() if reads.parameters & replaced}
        while True:
            found = self._redone(stale, causes, followed)
            more_stale = {
                name for name in self._kept(found) if self._is_touched(name, self._reads[name], found)
            }
            more_followed = {
                name
                for name in self._kept(found) - followed
                if self._is_touched(name, self._after[name], found)
                or self._published([name]) & found.variables
            }
            if not more_stale and not more_followed:
                return found
            stale |= more_stale
            followed |= more_followed

    def _redone(self, stale: set[str], causes: frozenset[str], followed: set[str]) -> Redone:
        behind: set[str] = set()
        for name in stale | causes | followed:
            behind |= self._reached[name]
        again = stale | causes | followed | behind
        variables = self._published(again)
        return Redone(
            stale=frozenset(stale),
            causes=causes - frozenset(stale),
            followed=frozenset(followed - stale - causes),
            behind=frozenset(behind),
            variables=variables,
        )

    def _kept(self, found: Redone) -> set[str]:
        return set(self._edges) - found.begins - found.behind

    def _is_touched(self, name: str, reads: Reads, found: Redone) -> bool:
        """Tell whether a kept task read what is made anew; what comes only after it, it cannot have read."""
        makers = (found.begins | found.followed | found.behind) - self._reached[name] - {name}
        given = (makers - found.followed) | (found.followed & found.behind)
        published = self._published(makers)
        return bool(reads.tasks & given or reads.variables & published)

    def _published(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self._graph.tasks[name].published for name in names))
