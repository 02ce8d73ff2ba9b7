"""What the expressions of a workflow may use, and where their names lead (domain.md 5.6)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from attune_cli.runtime.expressions.foreign_names import FOREIGN_NAMES
from attune_cli.runtime.expressions.scope import TASKS, Found, in_pack
from attune_cli.runtime.expressions.vocabulary import Members, Vocabulary
from attune_cli.runtime.model.workflows.results import without_aliases
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from attune_cli.runtime.expressions.scope import Path
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.model.workflows.results import View

Place = Literal["task", "item", "transition"]
"""Where an expression stands: in a task or `output_map`, in what is made for each item, or in `next`."""

VARIABLES = ("workflow", "vars", "variables")
ITEMS = ("item", "index", "batch")
ENDED = ("succeeded", "failed", "timed_out")
_ROOTS = ("parameters", *VARIABLES, *TASKS, "config", "pack", "keystore", "system")
_ONLY_OF_ITEMS = "has a value only in a task with 'with_items'"
_ONLY_AFTERWARDS = "has a meaning only in 'when' and 'publish' of 'next'"

ROOTS: dict[str, str] = {
    "parameters": "what the workflow was given, defaults included",
    "workflow, vars, variables": "its variables; each may also be named alone",
    "task.NAME, tasks.NAME": "what a task gave; a list where it has `with_items`",
    "item, index": "in a task with `with_items`: the member, and its number from 0",
    "batch": "the same as `item`, which is a list where there is a `batch_size`",
    "result()": "in `next`: what the task gave that has just ended",
    "config, pack.config": "configuration of the workflow's pack",
    "keystore.NAME": "a key of the system, of the pack or of the workflow",
    "system": "`workflow_start`",
}
"""As the reference shows them."""
FUNCTIONS: dict[str, str] = {
    "succeeded": "in `next`: whether the task succeeded",
    "failed": "in `next`: whether it did not, a time-out included",
    "timed_out": "in `next`: whether it took too long",
    "now": "the present time, in UTC as RFC 3339",
}


def place_of_input(with_items: Json) -> Place:
    """Return what the input of a task may name: with items also the one that it is for."""
    return "task" if with_items is None else "item"


def vocabulary(
    place: Place, *, tasks: Iterable[str], variables: Iterable[str], parameters: Iterable[str] = ()
) -> Vocabulary:
    """Return the names for one place in a workflow with these tasks, variables and declared parameters."""
    known = frozenset(variables)
    declared = Members("parameter", frozenset(parameters))
    elsewhere = FOREIGN_NAMES | {name: f"is a function: {name}()" for name in ("result", *FUNCTIONS)}
    if place != "item":
        elsewhere |= dict.fromkeys(ITEMS, _ONLY_OF_ITEMS)
    if place != "transition":
        elsewhere |= dict.fromkeys([f"{name}()" for name in ("result", *ENDED)], _ONLY_AFTERWARDS)
    return Vocabulary(
        roots=(
            *_ROOTS,
            *(ITEMS if place == "item" else ()),
            *(("result()",) if place == "transition" else ()),
        ),
        written_out=frozenset({"keystore", *TASKS}),
        functions=frozenset({"now", *(ENDED if place == "transition" else ())}),
        variables=known,
        members={
            **dict.fromkeys(TASKS, Members("task", frozenset(tasks))),
            **dict.fromkeys(VARIABLES, Members("variable", known)),
            **({"parameters": declared} if declared.names else {}),
        },
        elsewhere=elsewhere,
        is_strict=True,
    )


def vocabulary_of(graph: Graph, place: Place) -> Vocabulary:
    """Return the names for one place in a workflow."""
    return vocabulary(place, tasks=graph.tasks, variables=graph.variables, parameters=graph.parameters)


@immutable(kw_only=True)
class Ended:
    """How the task ended that a transition follows."""

    result: View
    succeeded: bool
    timed_out: bool = False


@immutable(kw_only=True)
class WorkflowScope:
    """One workflow as an expression of it sees it. Secrets are JSON pointers into the value beside them."""

    parameters: View
    variables: View
    task: Callable[[str, Path], Found | None]
    """Return the view of what a task gave, with the path that leads on from it; None when it has not run.

    It may return one item of a list, with the index taken from the path.
    """
    config: View
    """Configuration of the workflow's pack, in the clear."""
    key: Callable[[str], Found]
    """Return a key, in the clear; raises LookupError when there is none."""
    system: dict[str, Any] = field(default_factory=dict[str, Any])
    """`workflow_start`."""
    now: str
    """The present time, the same throughout one step of the workflow."""
    item: View | None = None
    index: int | None = None
    ended: Ended | None = None

    def find(self, name: str, path: Path, /) -> Found | None:
        if name in TASKS:
            found = self.task(str(path[0]), path[1:]) if path else None
            return None if found is None else _in_result(found)
        if name == "result()":
            return None if self.ended is None else _in_result(_in(self.ended.result, path))
        if name in {"item", "batch"}:
            return None if self.item is None else _in(self.item, path)
        if name == "index":
            return None if self.index is None else Found(self.index, path)
        return self._elsewhere(name, path)

    def _elsewhere(self, name: str, path: Path) -> Found:
        if name == "parameters":
            return _in(self.parameters, path)
        if name == "config":
            return _in(self.config, path)
        if name == "pack":
            return in_pack(self.config.value, self.config.secrets, path)
        if name == "system":
            return Found(self.system, path)
        return _in(self.variables, path if name in VARIABLES else (name, *path))

    def call(self, function: str, /) -> Json:
        if function == "now":
            return self.now
        if self.ended is None:
            raise LookupError(function)
        answers = {
            "succeeded": self.ended.succeeded,
            "failed": not self.ended.succeeded,
            "timed_out": self.ended.timed_out,
        }
        return answers[function]

    def spent(self, work: int, /) -> None:
        """Who computes step by step counts the work around this scope."""


def _in(view: View, path: Path) -> Found:
    return Found(view.value, path, view.secrets)


def _in_result(found: Found) -> Found:
    return Found(found.value, without_aliases(found.value, found.rest), found.secrets)
