"""What leads to what, as languages for drawings want it: nodes with numbers, groups, and arrows between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.drawing.words import condition, state_words, words_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from attune_cli.drawing.text import Drawing
    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.model.workflows.task import Task

COLORS: Mapping[str, str] = {
    "completed": "#2e7d32",
    "failed": "#c62828",
    "timed_out": "#c62828",
    "running": "#0277bd",
    "cancelled": "#f9a825",
    "skipped": "#9e9e9e",
    "waiting": "#9e9e9e",
}
"""State of a task → the colour of its border."""


@immutable(kw_only=True)
class Arrow:
    origin: str
    target: str
    text: str
    is_back: bool


def arrows_of(graph: Graph) -> Iterator[Arrow]:
    """Yield an arrow for each task that another leads to, in the order in which they say so."""
    for task in graph.tasks.values():
        for transition in task.next:
            said = [] if transition.when is None else [condition(transition.when)]
            said += [f"sets {', '.join(transition.published)}"] if transition.publish else []
            for target in transition.do:
                back = graph.is_back(task.name, target)
                bound = [f"at most {graph.bound_of(target)} times"] if back else []
                yield Arrow(origin=task.name, target=target, text=" · ".join([*said, *bound]), is_back=back)


def texts_of(graph: Graph, task: Task, drawing: Drawing) -> list[str]:
    """Return the lines of a node, its name first."""
    words = [*words_of(graph, task, is_workflow=drawing.is_workflow)]
    if drawing.states is not None:
        words.append(" · ".join(state_words(drawing.states.get(task.name), drawing.now)))
    return [task.name, *words]


def color_of(task: Task, drawing: Drawing) -> str | None:
    """Return the colour that tells the state of a task; None in a drawing without states."""
    if drawing.states is None:
        return None
    record = drawing.states.get(task.name)
    return COLORS.get("waiting" if record is None else str(record["status"]))


def tasks_at(graph: Graph, within: str | None) -> list[Task]:
    """Return the tasks of one parallel task, or those that are in none."""
    return [task for task in graph.tasks.values() if task.within == within]
