"""A stage for stories about workflows: actions without a program, and workflows made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.actions import WORKFLOW_RUNNER, ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.services.submission import Submission, submit
from attune_cli.runtime.store import definitions, packs, workflow_tasks
from tests.engine.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.store.workflow_tasks import TaskRow

Task = dict[str, Any]

OK = "{{ succeeded() }}"
BAD = "{{ failed() }}"


def task(name: str, *do: str, action: str = "demo.job", **fields: Any) -> Task:
    """Write a task that leads to others when it has succeeded."""
    following = [{"when": OK, "do": list(do)}] if do else []
    return {"name": name, "action": action, **({"next": following} if following else {}), **fields}


def good(data: object = None) -> Outcome:
    return Outcome(succeeded=True, exit_code=0, result={"exit_code": 0, "data": data, "succeeded": True})


def bad(message: str = "exited with 1", *, timed_out: bool = False) -> Outcome:
    return Outcome(
        succeeded=False,
        exit_code=1,
        timed_out=timed_out,
        error=RunError(type="exit", message=message),
        result={"exit_code": 1, "error": message, "succeeded": False},
    )


class WorkflowStage(Stage):
    """The pack `demo` with an action `demo.job` that takes anything."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **{"slots": 100} | settings)
        with self.store.write(self.clock.now()) as tx:
            self.pack = packs.upsert(
                tx, ref="demo", label="demo", version="1", description="", digest="1", link=None, source="",
                manifest={"ref": "demo", "label": "demo", "version": "1"}, is_standard=False,
            )  # fmt: skip
        self.define("runtime", RuntimeDefinition(ref="core.shell", pack_ref="demo"))
        self.action("demo.job")

    def define(self, kind: Any, definition: Any) -> None:
        with self.store.write(self.clock.now()) as tx:
            definitions.upsert(
                tx, kind, pack=self.pack, ref=definition.ref, label=definition.ref, description="",
                definition=definition.to_json(),
            )  # fmt: skip

    def action(self, ref: str, **fields: Any) -> None:
        self.define("action", ActionDefinition(ref=ref, pack_ref="demo", **fields))

    def workflow(
        self,
        *tasks: Task,
        ref: str = "demo.flow",
        retry: Any = None,
        concurrency: int | None = None,
        **fields: Any,
    ) -> None:
        """Define a workflow and the action that runs it."""
        made = WorkflowDefinition(ref=ref, pack_ref="demo", version="1", tasks=tasks, **fields)
        self.define("workflow", made)
        details: dict[str, Any] = {"concurrency": concurrency} | ({} if retry is None else {"retry": retry})
        self.action(
            ref, runner_type=WORKFLOW_RUNNER, parameters=made.parameters, output=made.output, **details
        )

    def begin(self, ref: str = "demo.flow", host: str | None = "a", **details: Any) -> int:
        """Ask for a run of a stored action, and let the hosts take notice."""
        with self.store.write(self.clock.now()) as tx:
            request = Submission(action_ref=ref, **details)
            made = submit(tx, request, settings=self.settings, sealer=self.sealer, host=host).id
        self.settle()
        return made

    def settle(self) -> None:
        """Let every host tick until nothing is due."""
        for _ in range(1000):
            self.tick()
            now = self.clock.now()
            if not any(e.next_due is not None and e.next_due <= now for e in self.engines.values()):
                return
        raise AssertionError("something is due again and again")

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.settle()

    # --- what is to be seen

    def rows(self, workflow: int) -> list[TaskRow]:
        with self.store.read(self.clock.now()) as tx:
            return workflow_tasks.all_of(tx, workflow)

    def tasks(self, workflow: int) -> dict[str, str]:
        """Return the status of each task, in the round it was begun in last."""
        return {row.name: str(row.status) for row in self.rows(workflow)}

    def children(self, workflow: int, name: str) -> list[int]:
        """Return the executions of a task in its latest round, each attempt of each item."""
        row = next(row for row in reversed(self.rows(workflow)) if row.name == name)
        query = "SELECT id FROM execution WHERE workflow_task = ? ORDER BY item, attempt"
        return [found[0] for found in self.store.connection.execute(query, (row.id,))]

    def live(self, workflow: int, name: str) -> list[int]:
        return [one for one in self.children(workflow, name) if not self.row(one).status.is_terminal]

    def parameters(self, workflow: int, name: str, place: int = 0) -> dict[str, Any]:
        """Return what the action of a task was given."""
        return self.runs.jobs[self.children(workflow, name)[place]].parameters

    # --- what happens

    def ends(
        self, workflow: int, name: str, outcome: Outcome | None = None, *, place: int = 0, host: str = "a"
    ) -> None:
        """One of the executions of a task that are not over ends."""
        self.end(self.live(workflow, name)[place], good() if outcome is None else outcome, host=host)
        self.settle()

    def error(self, execution: int) -> str:
        error = self.row(execution).error
        assert error is not None
        return error.message
