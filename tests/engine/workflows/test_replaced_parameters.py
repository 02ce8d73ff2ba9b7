from __future__ import annotations

from typing import Any

import pytest

from attune_cli.drawing.marks import UNICODE
from attune_cli.drawing.tree import TreeDrawing
from attune_cli.runtime.services.records import execution_record
from attune_cli.runtime.services.workflow_trees import tree
from attune_cli.runtime.store import executions
from tests.engine.workflows.stage import BAD, OK, WorkflowStage, bad, good, task
from tests.engine.workflows.test_resuming import again

HOSTS: dict[str, Any] = {"parameters": {"hosts": {"type": "array"}, "note": {"type": "string"}}}


def checked(stage: WorkflowStage, **fields: Any) -> None:
    follow = [
        {"when": OK, "publish": [{"checked": "{{ length(result()) }}"}], "do": []},
        {"when": BAD, "do": ["alarm"]},
    ]
    items = {"with_items": "{{ parameters.hosts }}", "input": {"host": "{{ item }}"}}
    stage.workflow(
        {"name": "check", "action": "demo.job", "next": follow, **items},
        task("alarm", input={"note": "{{ parameters.note | default('') }}"}),
        output_map={"checked": "{{ checked }}"},
        **HOSTS,
        **fields,
    )


@pytest.mark.parametrize("replaced", [{"hosts": ["web1", "web9"]}, {}])
def test_a_handled_failure_begins_again_where_it_kept_the_workflow_from_its_result(
    stage: WorkflowStage, replaced: dict[str, Any]
) -> None:
    checked(stage)
    flow = stage.begin(parameters={"hosts": ["web1", "bad"]})
    stage.ends(flow, "check", good())
    stage.ends(flow, "check", bad())
    stage.ends(flow, "alarm")
    assert stage.status(flow) == ["failed"]
    second = again(stage, flow, **replaced)
    assert stage.tasks(second) == {"check": "running"}
    for _ in range(2 if replaced else 1):
        stage.ends(second, "check", good())
    assert (stage.status(second), stage.tasks(second)) == (["completed"], {"check": "completed"})


def test_what_read_a_replaced_parameter_begins_again_and_what_comes_after_it(stage: WorkflowStage) -> None:
    stage.workflow(
        task("before", "reads", input={"x": 1}),
        task("reads", "after", input={"note": "{{ parameters.note }}"}),
        task("after", "fails", input={"x": 1}),
        task("fails", input={"x": 1}),
        task("apart", input={"x": 2}),
        **HOSTS,
    )
    flow = stage.begin(parameters={"note": "a"})
    for name in ("before", "reads", "after", "apart"):
        stage.ends(flow, name)
    stage.ends(flow, "fails", bad())
    same = again(stage, flow, note="a")
    assert stage.tasks(same)["fails"] == "running"
    stage.ends(same, "fails", bad())
    second = again(stage, same, note="b")
    assert stage.tasks(second) == {"before": "completed", "reads": "running", "apart": "completed"}
    assert stage.parameters(second, "reads") == {"note": "b"}
    for name in ("reads", "after", "fails"):
        stage.ends(second, name)
    assert stage.status(second) == ["completed"]


def test_what_was_published_by_a_task_that_begins_again_is_what_it_was_at_first(stage: WorkflowStage) -> None:
    count = {"publish": [{"count": "{{ count + 1 }}"}]}
    stage.workflow(
        task("a", input={"note": "{{ parameters.note }}"}, next=[{"when": OK, "do": ["b"], **count}]),
        task("b", "c", input={"x": 1}),
        task("c", input={"count": "{{ count }}"}),
        vars={"count": 0},
        **HOSTS,
    )
    flow = stage.begin(parameters={"note": "a"})
    stage.ends(flow, "a")
    stage.ends(flow, "b")
    stage.ends(flow, "c", bad())
    second = again(stage, flow, note="b")
    stage.ends(second, "a")
    stage.ends(second, "b")
    assert stage.parameters(second, "c") == {"count": 1}


def test_a_condition_on_a_replaced_parameter_is_asked_again_and_its_task_is_kept(
    stage: WorkflowStage,
) -> None:
    follow = [
        {"when": "{{ parameters.note == 'a' }}", "do": ["left"]},
        {"when": "{{ parameters.note == 'b' }}", "do": ["right"]},
    ]
    stage.workflow(
        task("a", input={"x": 1}, next=follow),
        task("left", input={"x": 1}),
        task("right", input={"x": 1}),
        **HOSTS,
    )
    flow = stage.begin(parameters={"note": "a"})
    stage.ends(flow, "a")
    stage.ends(flow, "left", bad())
    second = again(stage, flow, note="b")
    assert stage.tasks(second) == {"a": "completed", "right": "running"}
    assert stage.children(second, "a") == []


def test_a_join_behind_what_begins_again_waits_for_it_and_counts_what_is_kept(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a", "both", input={"note": "{{ parameters.note }}"}),
        task("b", "both", input={"x": 1}),
        task("both", join="all", input={"x": 1}),
        **HOSTS,
    )
    flow = stage.begin(parameters={"note": "a"})
    stage.ends(flow, "a")
    stage.ends(flow, "b")
    stage.ends(flow, "both", bad())
    second = again(stage, flow, note="b")
    assert stage.tasks(second) == {"a": "running", "b": "completed", "both": "waiting"}
    stage.ends(second, "a")
    stage.ends(second, "both")
    assert stage.status(second) == ["completed"]


def test_all_items_begin_again_where_a_replaced_parameter_is_read_for_each(stage: WorkflowStage) -> None:
    stage.workflow(
        task("each", with_items=[1, 2], concurrency=2, input={"note": "{{ parameters.note }}"}), **HOSTS
    )
    flow = stage.begin(parameters={"note": "a"})
    stage.ends(flow, "each")
    stage.ends(flow, "each", bad())
    second = again(stage, flow, note="b")
    assert [stage.parameters(second, "each", place) for place in range(2)] == [{"note": "b"}] * 2


def drawn(stage: WorkflowStage, execution: int) -> list[str]:
    with stage.store.read(stage.clock.now()) as tx:
        found = executions.get(tx, execution)
        assert found is not None
        record = execution_record(found) | tree(tx, found)
    return TreeDrawing(width=200, marks=UNICODE, now=stage.clock.now()).lines(record)


def test_a_tree_shows_failed_items_that_were_kept_and_which_part_of_a_task_was(stage: WorkflowStage) -> None:
    stage.workflow(
        {
            "name": "each",
            "action": "demo.job",
            "with_items": [1, 2],
            "next": [{"do": ["after"]}],
            "concurrency": 2,
        },
        task("apart", input={"x": 1}),
        task("after", input={"x": 1}),
    )
    flow = stage.begin()
    stage.ends(flow, "each", good())
    stage.ends(flow, "each", bad())
    stage.ends(flow, "apart", bad())
    stage.ends(flow, "after")
    second = again(stage, flow)
    kept = drawn(stage, second)
    assert any("each" in line and "1/2 items · 1 failed" in line and line.count("kept from") for line in kept)
    assert [line.split("#")[0].strip(" │├╰─✔✖") for line in kept if "[" in line] == ["[0]", "[1]"]
    stage.ends(second, "apart")
    assert stage.status(second) == ["completed"]


def test_a_tree_says_how_many_items_of_a_task_were_kept(stage: WorkflowStage) -> None:
    stage.workflow(task("each", with_items=[1, 2], concurrency=2, input={"x": "{{ item }}"}))
    flow = stage.begin()
    stage.ends(flow, "each", good())
    stage.ends(flow, "each", bad())
    second = again(stage, flow)
    stage.ends(second, "each")
    (line,) = (line for line in drawn(stage, second) if " each " in line)
    assert f"2/2 items · 0ms · 1 item kept from execution {flow}" in line
