from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.services.submission import Submission, submit
from tests.engine.workflows.stage import WorkflowStage, good, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def steps(stage: WorkflowStage, act: Callable[[], Any]) -> int:
    """Return how much SQLite has to do for something, in hundreds of its own steps."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    stage.store.connection.set_progress_handler(step, 100)
    act()
    stage.store.connection.set_progress_handler(None, 0)
    return count


def add_sleeping(stage: WorkflowStage, like: int, count: int, due: int | None) -> None:
    """Put many workflows beside one: they run, and nothing of them ends."""
    with stage.store.write(stage.clock.now()) as tx:
        tx.execute(
            """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
               INSERT INTO execution (action_ref, job, host, due, waits, status, created, updated)
               SELECT 'demo.flow', (SELECT job FROM execution WHERE id = ?), 'a', 0, 1, 'requested', 1, 1 FROM n""",
            (count, like),
        )
        tx.execute("UPDATE execution SET status = 'running' WHERE status = 'requested'")
        tx.execute(
            """INSERT INTO workflow_execution (execution, due)
               SELECT id, ? FROM execution WHERE waits AND id NOT IN (SELECT execution FROM workflow_execution)""",
            (due,),
        )
        tx.execute(
            """INSERT INTO workflow_task (workflow, name, status, created)
               SELECT execution, 'a', 'running', 1 FROM workflow_execution
               WHERE execution NOT IN (SELECT workflow FROM workflow_task)"""
        )


def test_ten_thousand_sleeping_workflows_cost_a_tick_nothing(tmp_path: Path) -> None:
    stage = WorkflowStage(tmp_path)
    stage.host(kind="daemon")
    stage.host("b")
    stage.workflow(task("a", "b"), task("b"))
    flow = stage.begin()
    alone = steps(stage, stage.tick)
    add_sleeping(stage, flow, 5000, None)
    add_sleeping(stage, flow, 5000, stage.clock.now() + 10**12)
    assert steps(stage, stage.tick) <= alone + 5
    other = stage.begin(host="b")
    assert steps(stage, lambda: stage.ends(other, "a", host="b")) < 400
    assert stage.tasks(other) == {"a": "completed", "b": "running"}


def test_a_step_of_a_long_chain_costs_what_one_of_a_short_chain_does(tmp_path: Path) -> None:
    stage = WorkflowStage(tmp_path)
    stage.host()
    names = [f"t{number}" for number in range(400)]
    stage.workflow(*(task(name, *names[place + 1 : place + 2]) for place, name in enumerate(names)))
    flow = stage.begin()

    def go_on(tasks: int) -> None:
        for _ in range(tasks):
            (running,) = stage.runs.alive.values()
            stage.end(running, good())

    go_on(10)
    early = steps(stage, lambda: go_on(20))
    go_on(340)
    late = steps(stage, lambda: go_on(20))
    assert late < 1.2 * early
    go_on(10)
    assert stage.status(flow) == ["completed"]


def test_expressions_that_take_much_work_are_spread_over_ticks_and_leave_others_their_turn(
    tmp_path: Path,
) -> None:
    stage = WorkflowStage(tmp_path)
    engine = stage.host(kind="daemon")
    text = "x" * 500_000
    costly = {"n": "{{ length(upper(lower(parameters.text))) }}"}
    branches = [task(f"branch{number}", input=costly) for number in range(20)]
    stage.workflow(
        task("each", with_items=list(range(20)), concurrency=20, input=costly),
        {"name": "both", "type": "parallel", "tasks": [task(f"in{n}", input=costly) for n in range(20)]},
        *branches,
        parameters={"text": {"type": "string"}},
    )
    stage.workflow(task("a"), ref="demo.light")
    with stage.store.write(stage.clock.now()) as tx:
        asked = (
            Submission(action_ref="demo.flow", parameters={"text": text}),
            Submission(action_ref="demo.light"),
        )
        heavy, light = (
            submit(tx, one, settings=stage.settings, sealer=stage.sealer, host="a").id for one in asked
        )
    begun = [0]
    while engine.next_due is None or engine.next_due <= stage.clock.now():
        engine.tick()
        begun.append(len(stage.runs.started))
        if len(begun) == 4:
            assert stage.tasks(light) == {"a": "running"}
        if begun[-1] == 61:
            break
    assert max(after - before for before, after in pairwise(begun)) <= 20
    assert set(stage.tasks(heavy).values()) == {"running"}
