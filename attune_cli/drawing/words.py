"""What a drawing says of a task and of what leads from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from attune_cli.runtime.clock import SECOND, parse_rfc3339
from attune_cli.runtime.model.quantities import format_duration
from attune_cli.runtime.model.templates import without_braces
from attune_cli.table import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.actions import Retry
    from attune_cli.runtime.model.workflows.graph import Graph
    from attune_cli.runtime.model.workflows.task import Task, Transition

Record = dict[str, Any]

_LONGEST_MESSAGE = 500


def words_of(graph: Graph, task: Task, *, is_workflow: Callable[[str], bool]) -> Iterator[str]:
    """Yield what a task is: what it runs, for which items, when, and what is done when it fails."""
    if task.type == "parallel":
        yield "parallel: all at once"
    elif task.action is not None:
        yield f"workflow {task.action}" if is_workflow(task.action) else task.action
    yield from _conditions(graph, task)
    if task.with_items is not None:
        yield f"for each of {_expression(task.with_items)}"
        yield f"{task.concurrency} at a time"
        if task.batch_size:
            yield f"in batches of {task.batch_size}"
    if task.retry is not None:
        yield _retry(task.retry)
    if task.timeout_seconds is not None:
        yield f"timeout {_span(task.timeout_seconds)}"
    if task.delay_seconds:
        yield f"after {_span(task.delay_seconds)}"


def _conditions(graph: Graph, task: Task) -> Iterator[str]:
    if task.when is not None:
        yield f"only when {condition(task.when)}"
    if task.join is not None:
        inbound = graph.inbound.get(task.name, ())
        yield f"join {task.join if task.join == len(inbound) else f'{task.join} of {len(inbound)}'}"
    for origin in graph.tasks:
        if graph.is_back(origin, task.name):
            yield f"↺ from {origin}"


def _span(seconds: float) -> str:
    """Return a span as people write it: what is whole has no smaller part."""
    text = format_duration(seconds).replace(".0s", "s")
    return text[:-3] if text.endswith(("m00s", "h00m", "d00h")) else text


def _retry(retry: Retry) -> str:
    after = f" after {_span(retry.delay_seconds)}" if retry.delay_seconds else ""
    growing = "" if retry.backoff == "constant" else f", {retry.backoff}"
    only = f", on {' or '.join(retry.on_error)}" if retry.on_error else ""
    return f"retry ×{retry.count}{after}{growing}{only}"


def state_words(record: Record | None, now: Instant) -> Iterator[str]:
    """Yield how a task stands in one execution: status, items, rounds, attempts, how long it took."""
    if record is None:
        yield "not begun"
        return
    yield str(record["status"]).replace("_", " ")
    items = record["items"]
    if items is not None:
        yield f"{record['completed_items']}/{items} items"
        if record["failed_items"]:
            yield f"{record['failed_items']} failed"
    if record["attempts"] > 1:
        yield f"{record['attempts']} attempts"
    if record["iteration"] > 1:
        yield f"round {record['iteration']}"
    yield from duration_words(record, now)


def duration_words(record: Record, now: Instant) -> Iterator[str]:
    """Yield how long something took, or has taken so far."""
    if record["duration_ms"] is not None:
        yield format_duration(record["duration_ms"] / 1000)
    elif record["started_at"] is not None and record["finished_at"] is None:
        yield format_duration(max(0, now - parse_rfc3339(record["started_at"])) / SECOND)


def transition_words(graph: Graph, task: Task, transition: Transition, *, with_targets: bool) -> list[str]:
    """Return what is said of a transition: when, where to, what it publishes."""
    found = [] if transition.when is None else [condition(transition.when)]
    back = [target for target in transition.do if graph.is_back(task.name, target)]
    ahead = [target for target in transition.do if target not in back]
    targets = ([f"→ {', '.join(ahead)}"] if ahead and with_targets else []) + [
        f"↺ {target}, at most {graph.bound_of(target)} times" for target in back
    ]
    if targets:
        found = [" ".join([*found, targets[0]]), *targets[1:]]
    if transition.publish:
        found.append(f"sets {', '.join(transition.published)}")
    return found


def first_line(message: str) -> str:
    """Return the beginning of a message, for a line that has more to say."""
    return cut(message.partition("\n")[0], _LONGEST_MESSAGE)


def condition(text: str) -> str:
    """Return a condition in one line, without its braces."""
    return " ".join(without_braces(text)[0].split())


def _expression(value: Any) -> str:  # noqa: ANN401 - a template or a list
    if isinstance(value, str):
        return condition(value)
    return f"{len(cast('list[Any]', value))} values" if isinstance(value, list) else json.dumps(value)


def latest(records: list[Record]) -> Mapping[str, Record]:
    """Return the last round of each task, those within parallel ones too."""
    found: dict[str, Record] = {}
    for record in records:
        if record["name"] not in found or found[record["name"]]["iteration"] <= record["iteration"]:
            found[record["name"]] = record
        found |= latest(record["tasks"])
    return found
