from __future__ import annotations

from typing import Any

import pytest

from attune_cli.errors import ConflictError, UsageError
from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.services import executions as services
from attune_cli.runtime.services.reruns import rerun
from attune_cli.runtime.services.submission import submit
from attune_cli.runtime.store.execution_search import Filter
from attune_cli.runtime.store.identity import renew
from tests.engine.workflows.stage import OK, WorkflowStage, bad, good, task


def again(stage: WorkflowStage, execution: int, **parameters: Any) -> int:
    with stage.store.write(stage.clock.now()) as tx:
        submission = rerun(tx, str(execution), parameters, stage.sealer, from_failed=True)
        made = submit(tx, submission, settings=stage.settings, sealer=stage.sealer, host="a").id
    stage.settle()
    return made


def prune(stage: WorkflowStage) -> list[int]:
    gone: list[int] = []
    with stage.store.write(stage.clock.now()) as tx:
        gone += services.prune(tx, Filter(), keep=0, limit=1000).gone
    return gone


def test_a_run_from_failed_keeps_what_succeeded_and_begins_again_what_failed(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a") | {"next": [{"publish": [{"x": "{{ result().n }}"}], "do": ["b", "c"]}]},
        task("b", "d", input={"x": "{{ x }}"}),
        task("c", "d", with_items=[1, 2]),
        task("d", join="all", input={"a": "{{ task.a.n }}", "c": "{{ task.c[1].n }}"}),
    )
    flow = stage.begin()
    stage.ends(flow, "a", good({"n": 1}))
    stage.ends(flow, "b", bad())
    stage.ends(flow, "c", good({"n": 2}))
    stage.ends(flow, "c", good({"n": 3}))
    assert stage.status(flow) == ["failed"]
    second = again(stage, flow)
    assert stage.tasks(second) == {"a": "completed", "b": "running", "c": "completed", "d": "waiting"}
    assert stage.row(second).rerun_of == flow
    assert stage.parameters(second, "b") == {"x": 1}
    stage.ends(second, "b", bad())
    third = again(stage, second)
    stage.ends(third, "b")
    assert stage.parameters(third, "d") == {"a": 1, "c": 3}
    stage.ends(third, "d")
    assert stage.status(third) == ["completed"]
    assert [stage.children(third, name) for name in "ac"] == [[], []]


def test_of_a_task_with_items_only_those_that_failed_begin_again(stage: WorkflowStage) -> None:
    stage.workflow(
        task("each", "after", with_items=["x", "y", "z"], concurrency=3, input={"bed": "{{ item }}"}),
        task(
            "after",
            input={"all": "{{ task.each | map(attribute='n') | list }}", "last": "{{ task.each[-1].n }}"},
        ),
    )
    flow = stage.begin()
    stage.ends(flow, "each", good({"n": 1}))
    stage.ends(flow, "each", bad())
    stage.ends(flow, "each", bad())
    second = again(stage, flow)
    assert [stage.parameters(second, "each", place) for place in range(2)] == [{"bed": "y"}, {"bed": "z"}]
    stage.ends(second, "each", good({"n": 2}))
    stage.ends(second, "each", bad("no water"))
    assert stage.error(second) == "Workflow failed: task 'each[2]': no water"
    third = again(stage, second)
    assert len(stage.children(third, "each")) == 1
    stage.ends(third, "each", good({"n": 3}))
    assert stage.parameters(third, "after") == {"all": [1, 2, 3], "last": 3}
    stage.ends(third, "after")
    assert stage.status(third) == ["completed"]


def test_a_task_that_begins_again_with_other_items_begins_with_the_first(stage: WorkflowStage) -> None:
    stage.workflow(
        task("each", with_items="{{ parameters.beds }}", input={"bed": "{{ item }}"}),
        parameters={"beds": {"type": "array"}},
    )
    flow = stage.begin(parameters={"beds": ["x", "y"]})
    stage.ends(flow, "each", good({"n": 1}))
    stage.ends(flow, "each", bad())
    second = again(stage, flow, beds=["z"])
    assert stage.parameters(second, "each") == {"bed": "z"}
    stage.ends(second, "each", good({"n": 1}))
    assert stage.status(second) == ["completed"]


def test_what_was_cancelled_before_its_next_task_began_goes_on_there(stage: WorkflowStage) -> None:
    stage.workflow(task("a", "b"), task("b"))
    flow = stage.begin()
    stage.cancel(flow)
    stage.ends(flow, "a", good())
    assert (stage.status(flow), stage.tasks(flow)) == (["cancelled"], {"a": "completed"})
    second = again(stage, flow)
    assert stage.tasks(second) == {"a": "completed", "b": "running"}
    assert stage.children(second, "a") == []


def test_a_parallel_task_that_succeeded_is_kept_with_those_in_it(stage: WorkflowStage) -> None:
    stage.workflow(
        {
            "name": "both",
            "type": "parallel",
            "tasks": [task("x"), task("y")],
            "next": [{"when": OK, "do": ["z"]}],
        },
        task("z", input={"x": "{{ task.both.x.n }}", "y": "{{ task.y.n }}"}),
    )
    flow = stage.begin()
    stage.ends(flow, "x", good({"n": 1}))
    stage.ends(flow, "y", good({"n": 2}))
    stage.ends(flow, "z", bad())
    second = again(stage, flow)
    assert stage.parameters(second, "z") == {"x": 1, "y": 2}
    stage.ends(second, "z")
    assert stage.status(second) == ["completed"]


def test_a_condition_that_could_not_be_told_is_asked_again(stage: WorkflowStage) -> None:
    follow: list[dict[str, Any]] = [{"when": "{{ config.wanted }}", "do": ["b"]}]
    stage.workflow({"name": "a", "action": "demo.job", "next": follow}, task("b"))
    flow = stage.begin()
    stage.ends(flow, "a")
    assert "config.wanted is missing" in stage.error(flow)
    stage.workflow({"name": "a", "action": "demo.job", "next": [{"do": ["b"]}]}, task("b"))
    second = again(stage, flow)
    assert stage.tasks(second) == {"a": "completed", "b": "running"}


def test_there_is_nothing_to_go_on_from_in_what_succeeded_goes_on_or_is_no_workflow(
    stage: WorkflowStage,
) -> None:
    stage.workflow(task("a"))
    flow = stage.begin()
    (child,) = stage.children(flow, "a")
    for execution, said in ((flow, "goes on"), (child, "is no workflow that has begun")):
        with pytest.raises(ConflictError, match=said):
            again(stage, execution)
    stage.ends(flow, "a")
    with pytest.raises(ConflictError, match="has not failed"):
        again(stage, flow)
    assert stage.all_ids() == [flow, child]


def test_results_that_a_later_run_still_needs_are_not_pruned(stage: WorkflowStage) -> None:
    stage.workflow(task("a", "b"), task("b", input={"n": "{{ task.a.n }}"}, retry={"count": 1, "delay": 10}))
    flow = stage.begin()
    stage.ends(flow, "a", good({"n": 1}))
    stage.ends(flow, "b", bad())
    stage.advance(10)
    stage.ends(flow, "b", bad())
    (kept,) = stage.children(flow, "a")
    second = again(stage, flow)
    prune(stage)
    assert {flow, kept} <= set(stage.all_ids())
    stage.ends(second, "b")
    prune(stage)
    prune(stage)
    assert stage.all_ids() == []


def test_a_run_whose_kept_results_were_pruned_is_refused_and_names_their_tasks(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a", "empty"),
        task("empty", "each", with_items=[]),
        task("each", "b", with_items=[1, 2], concurrency=2),
        task("b", input={"n": "{{ length(task.each) }}"}),
    )
    flow = stage.begin()
    stage.ends(flow, "a")
    stage.ends(flow, "each")
    stage.ends(flow, "each")
    stage.ends(flow, "b", bad())
    with stage.store.write(stage.clock.now()) as tx:
        services.prune(tx, Filter(statuses=("completed",)), keep=2, limit=1)
    before = stage.all_ids()
    with pytest.raises(ConflictError, match=r"what its tasks gave was deleted \(each\)"):
        again(stage, flow)
    with stage.store.write(stage.clock.now()) as tx:
        services.prune(tx, Filter(statuses=("completed",)), keep=0, limit=9)
    with pytest.raises(ConflictError, match=r"\(a, each\)"):
        again(stage, flow)
    assert stage.all_ids() == [before[0], before[-1]]


@pytest.mark.parametrize("how", ["begin_at", "from_failed"])
def test_a_workflow_begun_in_its_midst_that_is_tried_again_goes_on_where_it_failed(
    stage: WorkflowStage, how: str
) -> None:
    tasks = (task("a", "b"), task("b", "c"), task("c"))
    stage.workflow(*tasks)
    if how == "begin_at":
        stage.workflow(*tasks, retry=Retry(count=1))
        flow = stage.begin(begin_at="b")
    else:
        first = stage.begin()
        stage.ends(first, "a")
        stage.ends(first, "b", bad())
        stage.workflow(*tasks, retry=Retry(count=1))
        flow = again(stage, first)
    stage.ends(flow, "b")
    stage.ends(flow, "c", bad())
    second = stage.row(flow).next_attempt
    assert second is not None
    stage.settle()
    assert stage.tasks(second)["c"] == "running"
    assert [stage.children(second, name) for name in "ab"] == [[], []]
    stage.ends(second, "c")
    assert stage.status(flow, second) == ["failed", "completed"]


def test_a_copy_leaves_no_task_open_and_its_workflows_can_go_on_from_there(stage: WorkflowStage) -> None:
    stage.workflow(task("in"), ref="demo.inner")
    stage.workflow(task("a", "b"), task("b", action="demo.inner"), task("c", "d"), task("d"))
    flow = stage.begin()
    stage.ends(flow, "a")
    (inner,) = stage.children(flow, "b")
    with stage.store.write(stage.clock.now()) as tx:
        renew(tx, "its database was copied")
    assert stage.tasks(flow) == {"a": "completed", "b": "cancelled", "c": "cancelled"}
    assert stage.tasks(inner) == {"in": "cancelled"}
    assert stage.store.connection.execute("SELECT max(due) FROM workflow_execution").fetchone() == (None,)
    second = again(stage, flow)
    assert stage.tasks(second) == {"a": "completed", "b": "running", "c": "running"}


def test_a_workflow_may_begin_at_a_task_and_what_is_not_behind_it_counts_as_done(
    stage: WorkflowStage,
) -> None:
    stage.workflow(
        task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d", "e", join="all"), task("e"),
        vars={"x": 1}, secret_vars=("x",),
    )  # fmt: skip
    flow = stage.begin(begin_at="b")
    assert stage.tasks(flow) == {"a": "skipped", "c": "skipped", "b": "running"}
    stage.ends(flow, "b")
    stage.ends(flow, "d")
    stage.ends(flow, "e")
    assert stage.status(flow) == ["completed"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("bb", "cannot begin at 'bb': that task does not exist"), ("x", "that task is nested in 'p'")],
)
def test_a_workflow_cannot_begin_at_a_task_it_has_not(stage: WorkflowStage, name: str, said: str) -> None:
    stage.workflow(task("b"), {"name": "p", "type": "parallel", "tasks": [task("x")]})
    with pytest.raises(UsageError, match=said):
        stage.begin(begin_at=name)
    assert stage.all_ids() == []
    with pytest.raises(UsageError, match="is no workflow"):
        stage.begin("demo.job", begin_at="b")


def test_a_workflow_does_not_begin_where_what_surely_runs_reads_what_is_left_out(
    stage: WorkflowStage,
) -> None:
    share = {"next": [{"when": OK, "publish": [{"share": "{{ 1 }}"}], "do": ["notify"]}]}
    stage.workflow(
        task("approve", input={"x": 1}) | share,
        task("notify", "after", "asks", input={"x": "{{ task.approve.n | default(0) }}"}),
        task("after", input={"x": "{{ task.approve.n }}", "share": "{{ share }}"}),
        task("asks", input={"x": "{{ task.approve.n }}"}, when="{{ task.approve is defined }}"),
        output_map={"n": "{{ task.approve.n }}"},
    )
    with pytest.raises(UsageError, match="cannot begin at 'notify'") as error:
        stage.begin(begin_at="notify")
    assert [(one.path, one.message) for one in error.value.details] == [
        ("after.input.x", "reads task.approve.n, and --from notify leaves out task 'approve'"),
        ("after.input.share", "reads share, and --from notify leaves out 'approve', which sets it"),
        ("output_map.n", "reads task.approve.n, and --from notify leaves out task 'approve'"),
    ]
    assert stage.all_ids() == []
    assert stage.tasks(stage.begin(begin_at="notify", is_alone=True))["notify"] == "running"
