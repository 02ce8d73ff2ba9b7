"""The parts of a workflow that runs: its tasks' changes as the outbox tells them, and the logs of what they began."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.workflows.states import FAULTY
from attune_cli.runtime.services.workflow_causes import why_failed
from attune_cli.runtime.store import notifications, workflow_trees
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.states import Status
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.notifications import Notification
    from attune_cli.runtime.store.workflow_trees import Part


@immutable(kw_only=True)
class TaskChange:
    """A task came to a status; `path` names it, below the tasks whose sub-workflows it is in: `audit/greet`."""

    workflow: int
    path: str
    iteration: int
    status: str
    reason: str | None
    """Why it failed, where it did."""
    at: Instant
    sequence: int | None


class TreeParts:
    """What is known of a tree; each look tells what is new since the last."""

    def __init__(self, workflow: int) -> None:
        self._paths: dict[int, str] = {workflow: ""}
        self._newest_part = 0
        self._sequence: int | None = None
        self.names: dict[int, str] = {}
        """Execution that runs (and waits for nobody) → the task it is for, with its item."""

    def look(self, tx: Transaction) -> list[TaskChange]:
        """Learn what was begun, and return the changes of tasks, in order."""
        self._learn(tx)
        if self._sequence is None:
            self._sequence = notifications.newest(tx)
            return list(self._as_they_stand(tx))
        return list(self._news(tx))

    def statuses(self, tx: Transaction, executions: list[int]) -> dict[int, Status]:
        return workflow_trees.statuses(tx, executions)

    def _learn(self, tx: Transaction) -> None:
        found = workflow_trees.parts_since(tx, list(self._paths), self._newest_part)
        newest = self._newest_part
        while found:
            self._newest_part = max(self._newest_part, found[-1].id)
            fresh = [part.id for part in found if self._name(part)]
            # What a new sub-workflow has begun is new as well, and may have lower ids than what its parent has.
            found = workflow_trees.parts_since(tx, fresh, newest)

    def _name(self, part: Part) -> bool:
        """Keep the name of a part; tells whether it is one that waits, and so may have parts itself."""
        if part.id in self._paths or part.id in self.names:
            return False
        path = f"{self._paths[part.parent]}{part.task}"
        name = path if part.item is None else f"{path}[{part.item}]"
        if part.waits:
            self._paths[part.id] = f"{name}/"
        else:
            self.names[part.id] = name
        return part.waits

    def _as_they_stand(self, tx: Transaction) -> Iterator[TaskChange]:
        for workflow, path in self._paths.items():
            for task in workflow_trees.tasks(tx, workflow):
                yield TaskChange(
                    workflow=workflow,
                    path=f"{path}{task.name}",
                    iteration=task.iteration,
                    status=task.status,
                    reason=_reason(tx, workflow, task.name, task.iteration, task.status),
                    at=task.finished or task.started or task.created,
                    sequence=None,
                )

    def _news(self, tx: Transaction) -> Iterator[TaskChange]:
        while found := notifications.since(tx, self._sequence or 0):
            self._sequence = found[-1].sequence
            yield from self._of_tasks(tx, found)

    def _of_tasks(self, tx: Transaction, found: Iterable[Notification]) -> Iterator[TaskChange]:
        for news in found:
            if news.entity_type != "workflow_execution" or news.entity_id not in self._paths:
                continue
            payload: dict[str, Any] = json.loads(news.payload)
            name, iteration, status = payload["task_name"], payload["iteration"], payload["status"]
            yield TaskChange(
                workflow=news.entity_id,
                path=f"{self._paths[news.entity_id]}{name}",
                iteration=iteration,
                status=status,
                reason=_reason(tx, news.entity_id, name, iteration, status),
                at=news.created,
                sequence=news.sequence,
            )


def _reason(tx: Transaction, workflow: int, name: str, iteration: int, status: str) -> str | None:
    return why_failed(tx, workflow, name, iteration) if status in FAULTY else None


def is_of_task(name: str, task: str | None) -> bool:
    """Tell whether a part is of a task: `checks[3]` and `checks/lint` are of `checks`."""
    return task is None or name == task or name.startswith((f"{task}[", f"{task}/"))
