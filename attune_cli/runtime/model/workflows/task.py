"""A task of a workflow and what follows it, in the one internal form (domain.md 5.2, 5.3)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, cast

from attune_cli.runtime.model.actions import Json, Retry
from attune_cli.runtime.model.templates import without_braces
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator

TaskType = Literal["action", "parallel"]
Join = int | Literal["all"] | None

SUCCEEDED = "{{ succeeded() }}"
RESULT = "{{ result() }}"
LEGACY_CONDITIONS: dict[str, str | None] = {
    "on_success": SUCCEEDED,
    "on_failure": "{{ failed() }}",
    "on_complete": None,
    "on_timeout": "{{ timed_out() }}",
}
"""Older key that names one task → the condition of the transition that it stands for."""
FOLLOWING = frozenset({"next", "publish", "decision", *LEGACY_CONDITIONS})
"""Keys of a task that say what comes after it."""


@immutable(kw_only=True)
class Transition:
    """Where it goes on when a task has ended. Without `when` always."""

    when: str | None = None
    """One expression; braces around it do not matter."""
    publish: tuple[dict[str, Json] | str, ...] = ()
    do: tuple[str, ...] = ()

    @property
    def condition(self) -> str | None:
        """`when` without braces, its words one space apart; None where it always holds."""
        text = None if self.when is None else " ".join(without_braces(self.when)[0].split())
        return None if text == "true" else text

    @property
    def published(self) -> dict[str, Json]:
        """Return variable → its template: everything of `publish` together, a later one of a name wins."""
        merged: dict[str, Json] = {}
        for one in self.publish:
            merged |= {one: RESULT} if isinstance(one, str) else one
        return merged


@immutable(kw_only=True)
class Task:
    """One step. A nested task of a parallel one has neither `next` nor `join`; names are unique in a workflow."""

    name: str
    type: TaskType = "action"
    action: str | None = None
    """Ref in full; None for a parallel task."""
    input: dict[str, Json] = field(default_factory=dict[str, Json])
    permission_set_refs: Json = None
    """As written: refs, one ref, or a template for these; None leaves it to the action."""
    when: str | None = None
    with_items: Json = None
    """A template of a list, or a list with templates in it."""
    concurrency: int = 1
    batch_size: int | None = None
    retry: Retry | None = None
    timeout_seconds: float | None = None
    join: Join = None
    delay_seconds: float = 0.0
    max_iterations: int | None = None
    next: tuple[Transition, ...] = ()
    tasks: tuple[Task, ...] = ()
    within: str | None = None
    """The parallel task that this one is nested in."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the tasks that this one leads to, each once, in the order in which it says so."""
        return tuple(dict.fromkeys(name for transition in self.next for name in transition.do))

    @property
    def published(self) -> frozenset[str]:
        """Names of the variables that some transition of it sets."""
        return frozenset(name for transition in self.next for name in transition.published)


def task_of(written: dict[str, Json], within: str | None = None) -> Task:
    """Make a task of what a definition says; it has been checked where it was read."""
    name = written["name"]
    kind: TaskType = "parallel" if written.get("type") == "parallel" else "action"
    retry = written.get("retry")
    return Task(
        name=name,
        type=kind,
        action=written.get("action") if kind == "action" else None,
        input=written.get("input") or {},
        permission_set_refs=_first(written, "permission_set_refs", "permission_set_ref"),
        when=condition_of(written.get("when")),
        with_items=written.get("with_items"),
        concurrency=written.get("concurrency") or 1,
        batch_size=written.get("batch_size"),
        retry=None if retry is None else retry_of(retry),
        timeout_seconds=written.get("timeout"),
        join=written.get("join"),
        delay_seconds=written.get("delay") or 0.0,
        max_iterations=written.get("max_iterations"),
        next=tuple(_transitions(written)),
        tasks=tuple(task_of(one, name) for one in written.get("tasks") or ()) if kind == "parallel" else (),
        within=within,
    )


def retry_of(written: dict[str, Json]) -> Retry:
    """Make a retry of the keys of domain.md 5.7."""
    patterns = written.get("on_error") or ()
    return Retry(
        count=written.get("count") or 0,
        delay_seconds=written.get("delay") or 0.0,
        backoff=written.get("backoff") or "constant",
        max_delay_seconds=written.get("max_delay"),
        on_error=(patterns,) if isinstance(patterns, str) else tuple(patterns),
    )


def condition_of(written: Json) -> str | None:
    """Return a condition as text; `true` and `false` may stand there without quotes."""
    return str(written).lower() if isinstance(written, bool) else written


def _first(written: dict[str, Json], *names: str) -> Json:
    return next((written[name] for name in names if written.get(name) is not None), None)


# --- what follows ---


def _transitions(written: dict[str, Json]) -> Iterator[Transition]:
    """Yield the transitions; the older keys count only where there is no `next` (domain.md 5.2)."""
    if written.get("next"):
        for one in cast("list[dict[str, Json]]", written["next"]):
            yield Transition(
                when=condition_of(one.get("when")),
                publish=tuple(one.get("publish") or ()),
                do=tuple(one.get("do") or ()),
            )
        return
    publish = tuple(written.get("publish") or ())
    if publish and not written.get("on_success"):
        yield Transition(when=SUCCEEDED, publish=publish)
    for key, condition in LEGACY_CONDITIONS.items():
        if written.get(key):
            published = publish if key == "on_success" else ()
            yield Transition(when=condition, publish=published, do=(written[key],))
    yield from _decided(written.get("decision") or ())


def _decided(branches: Any) -> Iterator[Transition]:  # noqa: ANN401 - any JSON
    """Yield the branches of a decision: the first that fits is taken, so each one excludes those before it."""
    conditions = decisions([condition_of(branch.get("when")) for branch in branches])
    for branch, condition in zip(branches, conditions, strict=True):
        yield Transition(when=condition, do=(branch["next"],) if branch.get("next") else ())


def decisions(conditions: list[str | None]) -> list[str | None]:
    """Return conditions of which at most one holds, made from some that are asked in order; None always holds."""
    excluded: list[str] = []
    made: list[str | None] = []
    for condition in conditions:
        own = [] if condition is None else [f"({without_braces(condition)[0].strip()})"]
        made.append(" and ".join([*excluded, *own]) or None)
        excluded.append(f"not {own[0]}" if own else "false")
    return made
