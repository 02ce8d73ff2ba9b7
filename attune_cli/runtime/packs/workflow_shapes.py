"""Walking a workflow file as it is written: whatever has a wrong shape is passed over, its own reader tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attune_cli.runtime.model.workflows.task import LEGACY_CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.model.actions import Json

Steps = tuple[str | int, ...]


def mappings(value: Json) -> Iterator[tuple[int, dict[str, Json]]]:
    """Yield the mappings of a list, each with its index."""
    for index, item in enumerate(members(value)):
        if isinstance(item, dict):
            yield index, cast("dict[str, Json]", item)


def members(value: Json) -> list[Json]:
    return cast("list[Json]", value) if isinstance(value, list) else []


def tasks_in(document: dict[str, Json]) -> Iterator[tuple[Steps, dict[str, Json], str | None]]:
    """Yield every task with the steps to it and the name of the parallel task that it is nested in."""
    pending: list[tuple[Steps, Json, str | None]] = [((), document, None)]
    while pending:
        around, holder, within = pending.pop(0)
        for index, task in mappings(holder.get("tasks")):
            steps = (*around, "tasks", index)
            yield steps, task, within
            if task.get("type") == "parallel":
                pending.append((steps, task, str(task.get("name"))))


def targets_of(task: dict[str, Json]) -> Iterator[tuple[str, Steps]]:
    """Yield each task that this one leads to, and where below it that is written."""
    if task.get("next"):
        for steps, transition in _transitions(task["next"]):
            written = transition.get("do")
            if isinstance(written, str):  # its own fault, and what it names is meant to follow
                yield from ((name.strip(), (*steps, "do")) for name in written.split(","))
            for place, to in enumerate(members(written)):
                if isinstance(to, str):
                    yield to, (*steps, "do", place)
        return
    for key in LEGACY_CONDITIONS:
        to = task.get(key)
        if isinstance(to, str):
            yield to, (key,)
    for index, branch in mappings(task.get("decision")):
        to = branch.get("next")
        if isinstance(to, str):
            yield to, ("decision", index, "next")


def _transitions(written: Json) -> Iterator[tuple[Steps, dict[str, Json]]]:
    """Yield what follows a task; names and a mapping in place of the list have their own fault, and are meant so."""
    for index, one in enumerate(members(written) or [written]):
        steps = ("next", index) if isinstance(written, list) else ("next",)
        if isinstance(one, dict):
            yield steps, cast("dict[str, Json]", one)
        elif isinstance(one, str):
            yield steps, {"do": one}


def published_by(task: dict[str, Json]) -> Iterator[tuple[str, Steps]]:
    """Yield each variable that a task publishes, and where below it that is written."""
    holders: list[tuple[Steps, dict[str, Json]]] = [((), task)]
    holders += [(("next", index), transition) for index, transition in mappings(task.get("next"))]
    for around, holder in holders:
        written = holder.get("publish")
        if isinstance(written, dict):  # its own fault, and no reason to call its variables unknown
            yield from ((name, (*around, "publish", name)) for name in cast("dict[str, Json]", written))
        for place, item in enumerate(members(written)):
            steps = (*around, "publish", place)
            if isinstance(item, str):
                yield item, steps
            elif isinstance(item, dict):
                yield from ((name, (*steps, name)) for name in cast("dict[str, Json]", item))


def variables_in(document: dict[str, Json]) -> Iterator[tuple[str, Steps]]:
    """Yield each variable of the workflow, those of `vars` first, and where it is written."""
    first = document.get("vars")
    if isinstance(first, dict):
        yield from ((name, ("vars", name)) for name in cast("dict[str, Json]", first))
    for index, one in mappings(first):  # its own fault, and no reason to call its variables unknown
        yield from ((name, ("vars", index, name)) for name in one)
    for steps, task, _ in tasks_in(document):
        yield from ((name, (*steps, *below)) for name, below in published_by(task))
