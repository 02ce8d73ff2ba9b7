"""Histories of workflows: one of each kind, run until nothing more can happen, whatever crashes meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.config import Settings
from attune_cli.errors import ConflictError
from attune_cli.runtime.model.actions import (
    INQUIRY_RUNNER,
    WORKFLOW_RUNNER,
    ActionDefinition,
    RuntimeDefinition,
)
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.services import workflows as services
from attune_cli.runtime.services.submission import Submission, submit
from attune_cli.runtime.store import definitions, executions, packs
from attune_cli.runtime.store.sealing import Sealer
from tests.simulation.history import History
from tests.simulation.invariants import rows, unfinished
from tests.simulation.workflow_invariants import broken

if TYPE_CHECKING:
    from attune_cli.runtime.engine.tick import Engine
    from attune_cli.runtime.store.database import Store, Transaction

OK = "{{ succeeded() }}"
BAD = "{{ failed() }}"
RETRY = {"count": 1, "delay": 5}

Written = dict[str, Any]


def step(name: str, action: str = "sim.work", **fields: Any) -> Written:
    return {"name": name, "action": action, **fields}


def to(when: str | None, *do: str) -> Written:
    return {"when": when, "do": list(do)}


WORKFLOWS: dict[str, tuple[list[Written], Written]] = {
    "sequence": (
        [
            step("a", next=[to(OK, "b"), to(BAD, "repair")]),
            step("b", retry=RETRY, next=[to(OK, "c")]),
            step("c"),
            step("repair", delay=5, next=[to(None, "c")]),
        ],
        {"output_map": {"c": "{{ task.c.gone | default(1) }}"}},
    ),
    "items": (
        [
            step("each", with_items=[1, 2, 3, 4, 5], concurrency=2, retry=RETRY, next=[to(None, "after")]),
            step("after"),
        ],
        {"cancellation_policy": "cancel_running"},
    ),
    "join": (
        [
            step("a", next=[to(None, "b", "c")]),
            step("b", retry=RETRY, next=[to(OK, "d"), to(BAD, "d")]),
            step("c", next=[to(OK, "d")]),
            step("d", join="all"),
        ],
        {},
    ),
    "nested": (
        [
            {
                "name": "p",
                "type": "parallel",
                "tasks": [step("x"), step("y", "sim.join")],
                "next": [to(None, "z")],
            },
            step("z", "sim.sequence"),
        ],
        {},
    ),
    "loop": (
        [
            step("again", max_iterations=3, next=[to(BAD, "again"), to(OK, "out")]),
            step("out", when="{{ false }}", next=[to(OK, "end")]),
            step("end"),
        ],
        {},
    ),
    "question": (
        [
            step("ask", "sim.ask", timeout=20, next=[to("{{ timed_out() }}", "late"), to(OK, "on")]),
            step("late"),
            step("on"),
        ],
        {},
    ),
    "hurried": (
        [step("a", next=[to(None, "b")]), step("b", "sim.sequence", next=[to(None, "c")]), step("c")],
        {},
    ),
}
"""Each kind's tasks, and what else its definition says. `hurried` has a time limit."""

_LIMIT_SECONDS = 45.0
_SETTINGS = Settings()
_NO_SECRETS = Sealer(Path("no-secret.key"))


def define(store: Store) -> None:
    """Install the pack of all these workflows."""
    with store.write(1) as tx:
        pack = packs.upsert(
            tx, ref="sim", label="sim", version="1", description="", digest="1", link=None, source="",
            manifest={"ref": "sim", "label": "sim", "version": "1"}, is_standard=False,
        )  # fmt: skip

        def put(kind: Any, definition: Any) -> None:
            definitions.upsert(
                tx, kind, pack=pack, ref=definition.ref, label=definition.ref, description="",
                definition=definition.to_json(),
            )  # fmt: skip

        put("runtime", RuntimeDefinition(ref="core.shell", pack_ref="sim"))
        put("action", ActionDefinition(ref="sim.work", pack_ref="sim"))
        put("action", ActionDefinition(ref="sim.ask", pack_ref="sim", runner_type=INQUIRY_RUNNER))
        for name, (tasks, fields) in WORKFLOWS.items():
            ref = f"sim.{name}"
            put("workflow", WorkflowDefinition(ref=ref, pack_ref="sim", tasks=tuple(tasks), **fields))
            put("action", ActionDefinition(ref=ref, pack_ref="sim", runner_type=WORKFLOW_RUNNER))


@dataclass
class WorkflowHistory(History):
    """Starts `executions` workflows, one kind after another, `first` being the number of the first kind."""

    first: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        probe, self.database._probe = (
            self.database._probe,
            lambda _point: None,
        )  # the store is ours alone here
        define(self.database)
        self.database._probe = probe

    def _submit(self, engine: Engine, number: int) -> int:
        name = list(WORKFLOWS)[(self.first + number) % len(WORKFLOWS)]
        request = Submission(
            action_ref=f"sim.{name}", timeout_seconds=_LIMIT_SECONDS if name == "hurried" else None
        )

        def work(tx: Transaction) -> None:
            submit(tx, request, settings=_SETTINGS, sealer=_NO_SECRETS, host=engine.host.id)
            if number in self.cancels:
                executions.request_cancel(tx, number, "changed my mind")

        engine.request(work)
        return 1

    def _count_first_attempts(self) -> int:
        query = "SELECT count(*) FROM execution WHERE attempt = 1 AND parent IS NULL"
        return int(self.database.connection.execute(query).fetchone()[0])

    def _go_on(self, engine: Engine) -> bool:
        """Where nothing would happen any more, somebody lets go on what is paused."""
        if super()._go_on(engine):
            return True
        paused = rows(self.database, "SELECT execution FROM workflow_execution WHERE paused IS NOT NULL")
        going_on = {row[0] for row in unfinished(self.database)}
        again = [one for (one,) in paused if one in going_on]
        with self.database.write(self.world.now) as tx:
            for one in again:
                resume(tx, one)
        return bool(again)

    def _verdict(self) -> list[str]:
        return [*super()._verdict(), *broken(self.database)]


def pause(tx: Transaction, execution: object) -> None:
    _try(lambda: services.pause(tx, str(execution), "a stranger's wish"))


def resume(tx: Transaction, execution: object) -> None:
    _try(lambda: services.resume(tx, str(execution)))


def _try(change: Any) -> None:
    try:
        change()
    except ConflictError:
        return  # it is over, or another one was quicker
