"""Workflows under limits: what waits for others keeps its place, and never waits for itself."""

from __future__ import annotations

import pytest

from attune_cli.runtime.model.definitions import PolicyDefinition
from tests.engine.workflows.stage import WorkflowStage, task


def test_a_workflow_with_a_limit_runs_once_at_a_time(stage: WorkflowStage) -> None:
    stage.workflow(task("a"), concurrency=1)
    first, second = stage.begin(), stage.begin()
    assert stage.status(first, second) == ["running", "requested"]
    stage.ends(first, "a")
    assert stage.status(first, second) == ["completed", "running"]


def test_a_workflow_within_its_own_limit_does_not_wait_for_itself(stage: WorkflowStage) -> None:
    number = {"n": {"type": "integer", "default": 2}}
    again = task(
        "again", action="demo.flow", when="{{ parameters.n > 0 }}", input={"n": "{{ parameters.n - 1 }}"}
    )
    stage.workflow(again, parameters=number, concurrency=1)
    assert stage.status(stage.begin()) == ["completed"]


def test_what_a_limited_run_starts_of_its_own_kind_stands_in_its_place(stage: WorkflowStage) -> None:
    stage.action("demo.one", concurrency=1)
    outer = stage.begin("demo.one")
    inner = stage.begin("demo.one", parent=outer)
    other = stage.begin("demo.one")
    assert stage.status(outer, inner, other) == ["running", "running", "requested"]
    stage.end(inner)
    stage.settle()
    assert stage.status(other) == ["requested"]
    stage.end(outer)
    stage.settle()
    assert stage.status(other) == ["running"]


@pytest.mark.parametrize("method", ["enqueue", "cancel"])
def test_a_limit_of_a_pack_counts_what_runs_and_not_the_workflows_around(
    stage: WorkflowStage, method: str
) -> None:
    stage.define("policy", PolicyDefinition(ref="demo.single", pack_ref="demo", method=method))  # pyright: ignore[reportArgumentType] - one of two texts
    stage.workflow(task("work"), ref="demo.inner")
    stage.workflow(task("down", "after", action="demo.inner"), task("after"))
    flow = stage.begin()
    (inner,) = stage.children(flow, "down")
    stage.ends(inner, "work")
    stage.ends(flow, "after")
    assert stage.status(flow, inner) == ["completed", "completed"]


def test_tasks_of_one_group_run_one_after_another(stage: WorkflowStage) -> None:
    stage.define("policy", PolicyDefinition(ref="demo.single", pack_ref="demo"))
    stage.workflow(task("a"), task("b"))
    flow = stage.begin()
    assert len(stage.runs.alive) == 1
    stage.ends(flow, "a")
    assert len(stage.runs.alive) == 1
    stage.ends(flow, "b")
    assert stage.status(flow) == ["completed"]
