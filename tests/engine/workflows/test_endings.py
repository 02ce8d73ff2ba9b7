from __future__ import annotations

from typing import Any

import pytest

from attune_cli.errors import ConflictError
from attune_cli.runtime.engine.limits import WORKFLOW_NESTING
from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.services import executions
from attune_cli.runtime.services import workflows as services
from attune_cli.runtime.store import definitions
from tests.engine.workflows.stage import BAD, OK, WorkflowStage, bad, good, task

# --- failure


def test_a_failure_that_nothing_handles_lets_the_other_branches_end_first(stage: WorkflowStage) -> None:
    stage.workflow(task("a"), task("b", "c"), task("c"))
    flow = stage.begin()
    stage.ends(flow, "a", bad("no water"))
    stage.ends(flow, "b")
    assert stage.status(flow) == ["running"]
    stage.ends(flow, "c")
    assert stage.status(flow) == ["failed"]
    message = "Workflow failed: task 'a': no water"
    assert stage.error(flow) == message
    assert stage.row(flow).result == {"error": message, "succeeded": False}


def test_a_failure_that_led_to_another_task_is_handled(stage: WorkflowStage) -> None:
    stage.workflow(
        {"name": "a", "action": "demo.job", "next": [{"when": BAD, "do": ["alarm"]}]},
        task("alarm", input={"why": "{{ task.a.error }}"}),
    )
    flow = stage.begin()
    stage.ends(flow, "a", bad("no water"))
    assert stage.parameters(flow, "alarm") == {"why": "no water"}
    stage.ends(flow, "alarm")
    assert stage.status(flow) == ["completed"]


def test_a_lost_run_is_a_failure_like_any_other(stage: WorkflowStage) -> None:
    stage.workflow(
        {"name": "a", "action": "demo.job", "next": [{"when": BAD, "do": ["alarm"]}]}, task("alarm")
    )
    flow = stage.begin()
    stage.dies("a", with_its_runs=True)
    stage.host("b", kind="daemon", dead=("a",))
    stage.settle()
    assert stage.status(*stage.children(flow, "a")) == ["abandoned"]
    assert stage.tasks(flow) == {"a": "failed", "alarm": "running"}


def test_an_action_that_is_gone_disabled_or_wrongly_called_fails_its_task_which_may_be_handled(
    stage: WorkflowStage,
) -> None:
    for ref in ("demo.off", "demo.gone"):
        stage.action(ref)
    stage.action("demo.strict", parameters={"n": {"type": "integer", "required": True}})
    stage.workflow(
        task("first", "gone", "off", "wrong", "caught"),
        task("gone", action="demo.gone"),
        task("off", action="demo.off"),
        task("wrong", action="demo.strict", input={"n": "{{ 'many' }}"}),
        {"name": "caught", "action": "demo.gone", "next": [{"when": BAD, "do": ["repair"]}]},
        task("repair", input={"why": "{{ task.caught.error }}"}),
    )
    flow = stage.begin()
    with stage.store.write(stage.clock.now()) as tx:
        definitions.set_enabled(tx, "action", "demo.off", enabled=False)
        definitions.delete(tx, "action", "demo.gone")
    stage.ends(flow, "first")
    assert stage.parameters(flow, "repair")["why"].startswith("no action 'demo.gone'")
    stage.ends(flow, "repair")
    assert stage.status(*stage.children(flow, "wrong")) == ["failed"]
    assert (stage.children(flow, "gone"), stage.children(flow, "off")) == ([], [])
    assert stage.error(flow).startswith("Workflow failed: task 'gone': no action 'demo.gone'")
    assert stage.error(flow).endswith("; off, wrong failed too")


def test_a_condition_that_cannot_be_told_is_not_taken_and_fails_the_workflow_at_its_end(
    stage: WorkflowStage,
) -> None:
    stage.workflow(
        {
            "name": "a",
            "action": "demo.job",
            "next": [{"when": "{{ result().gone > 1 }}", "do": ["b"]}, {"when": OK, "do": ["c"]}],
        },
        task("b"),
        task("c"),
    )
    flow = stage.begin()
    stage.ends(flow, "a")
    assert stage.tasks(flow) == {"a": "completed", "c": "running"}
    stage.ends(flow, "c")
    assert stage.status(flow) == ["failed"]
    assert "task 'a', next.0.when: {{ result().gone > 1 }}: result().gone is missing" in stage.error(flow)


def test_what_cannot_be_published_is_not_and_leads_nowhere(stage: WorkflowStage) -> None:
    publish = [{"n": "{{ result().gone }}", "m": 1}]
    stage.workflow(
        {"name": "a", "action": "demo.job", "next": [{"publish": publish, "do": ["b"]}]}, task("b")
    )
    flow = stage.begin()
    stage.ends(flow, "a")
    assert stage.tasks(flow) == {"a": "completed"}
    assert "task 'a', next.0.publish.n: {{ result().gone }}: result().gone is missing" in stage.error(flow)


def test_every_output_that_cannot_be_filled_in_is_named(stage: WorkflowStage) -> None:
    stage.workflow(task("a"), output_map={"x": "{{ task.a.gone }}", "fine": 1, "y": "{{ parameters.gone }}"})
    flow = stage.begin()
    stage.ends(flow, "a")
    assert stage.error(flow) == (
        "Workflow failed: output_map.x: {{ task.a.gone }}: task.a.gone is missing; "
        "output_map.y: {{ parameters.gone }}: parameters.gone is missing"
    )


def test_a_task_is_tried_again_with_back_off_and_its_last_attempt_counts(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a", "b", retry={"count": 2, "delay": 10, "backoff": "exponential"}),
        task("b", input={"n": "{{ task.a.n }}"}),
    )
    flow = stage.begin()
    stage.ends(flow, "a", bad())
    stage.advance(10)
    stage.ends(flow, "a", bad())
    stage.advance(19)
    assert stage.tasks(flow) == {"a": "running"}
    stage.advance(1)
    stage.ends(flow, "a", good({"n": 3}))
    assert stage.parameters(flow, "b") == {"n": 3}


def test_a_workflow_that_fails_is_tried_again_as_a_whole(stage: WorkflowStage) -> None:
    stage.workflow(task("a"), retry=Retry(count=1))
    flow = stage.begin()
    stage.ends(flow, "a", bad())
    again = stage.row(flow).next_attempt
    assert again is not None
    stage.ends(again, "a")
    assert stage.status(flow, again) == ["failed", "completed"]


# --- time


def test_a_task_that_takes_too_long_is_both_failed_and_timed_out(stage: WorkflowStage) -> None:
    stage.workflow(
        {
            "name": "a",
            "action": "demo.job",
            "timeout": 7,
            "next": [
                {"when": "{{ timed_out() }}", "do": ["late"]},
                {"when": "{{ failed() }}", "do": ["any"]},
            ],
        },
        task("late"),
        task("any"),
    )
    flow = stage.begin()
    assert stage.row(stage.children(flow, "a")[0]).timeout_seconds == 7
    stage.ends(flow, "a", bad("timed out", timed_out=True))
    assert stage.tasks(flow) == {"a": "timed_out", "late": "running", "any": "running"}


def test_a_workflow_that_takes_too_long_stops_all_below_it_and_fails(stage: WorkflowStage) -> None:
    stage.workflow(task("in"), ref="demo.inner")
    stage.workflow(task("a"), task("b", action="demo.inner"))
    flow = stage.begin(timeout_seconds=60)
    assert stage.engines["a"].next_due == stage.clock.now() + 60_000_000
    (inner,) = stage.children(flow, "b")
    stage.advance(60)
    assert stage.status(flow) == ["running"]
    stage.ends(inner, "in", bad())
    stage.ends(flow, "a", bad())
    assert stage.status(inner, flow) == ["cancelled", "failed"]
    assert stage.row(flow).timed_out
    assert stage.error(flow) == "the workflow took longer than 60 s"


def test_a_task_may_begin_later_than_what_leads_to_it(stage: WorkflowStage) -> None:
    stage.workflow(task("a", delay=30))
    flow = stage.begin()
    (child,) = stage.children(flow, "a")
    assert stage.status(child) == ["requested"]
    stage.advance(29)
    assert stage.status(child) == ["requested"]
    stage.advance(1)
    assert stage.status(child) == ["running"]


# --- conditions of tasks, parallel tasks, workflows in workflows


def test_a_task_whose_condition_does_not_hold_is_skipped_and_what_follows_its_success_goes_on(
    stage: WorkflowStage,
) -> None:
    stage.workflow(
        task("a", when="{{ parameters.really }}")
        | {
            "next": [
                {"when": OK, "publish": [{"x": "{{ result().n }}"}], "do": ["b"]},
                {"when": BAD, "do": ["c"]},
            ]
        },
        task("b", input={"x": "{{ x }}", "a": "{{ task.a }}"}),
        task("c"),
        vars={"x": "as before"},
    )
    flow = stage.begin(parameters={"really": False})
    assert stage.tasks(flow) == {"a": "skipped", "b": "running"}
    assert stage.parameters(flow, "b") == {"x": "as before", "a": None}
    stage.ends(flow, "b")
    assert stage.status(flow) == ["completed"]


def parallel(name: str, *tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "parallel", "tasks": list(tasks), **fields}


def test_the_tasks_of_a_parallel_one_run_at_once_and_it_is_over_when_all_are(stage: WorkflowStage) -> None:
    stage.workflow(
        parallel(
            "both",
            task("x"),
            parallel("inner", task("y"), task("z", with_items=[1, 2], concurrency=2)),
            next=[{"when": OK, "do": ["after"]}],
        ),
        task(
            "after",
            input={"x": "{{ task.both.x.n }}", "z": "{{ task.both.inner.z[1].n }}", "y": "{{ task.y.n }}"},
        ),
    )
    flow = stage.begin()
    assert len(stage.runs.alive) == 4
    stage.ends(flow, "x", good({"n": 1}))
    stage.ends(flow, "y", good({"n": 2}))
    stage.ends(flow, "z", good({"n": 3}))
    assert stage.tasks(flow)["both"] == "running"
    stage.ends(flow, "z", good({"n": 4}))
    assert stage.parameters(flow, "after") == {"x": 1, "z": 4, "y": 2}
    stage.ends(flow, "after")
    assert stage.status(flow) == ["completed"]


def test_a_parallel_task_fails_when_one_within_it_does_and_the_error_is_that_one(
    stage: WorkflowStage,
) -> None:
    stage.workflow(parallel("both", task("x"), task("y")))
    flow = stage.begin()
    stage.ends(flow, "y", bad("dry"))
    assert stage.tasks(flow) == {"both": "running", "x": "running", "y": "failed"}
    stage.ends(flow, "x")
    assert stage.error(flow) == "Workflow failed: task 'y': dry"


def test_results_come_up_through_three_workflows(stage: WorkflowStage) -> None:
    stage.workflow(
        task("work", input={"n": "{{ parameters.n }}"}),
        ref="demo.three",
        output_map={"n": "{{ task.work.n + 1 }}"},
        parameters={"n": {"type": "integer"}},
    )
    for ref, below in (("demo.two", "demo.three"), ("demo.one", "demo.two")):
        stage.workflow(
            task("down", action=below),
            ref=ref,
            output_map={"n": "{{ task.down.n * 2 }}"},
            parameters={"n": {"type": "integer"}},
        )
    flow = stage.begin("demo.one", parameters={"n": 5})
    (two,) = stage.children(flow, "down")
    (three,) = stage.children(two, "down")
    assert stage.parameters(three, "work") == {"n": 5}
    stage.ends(three, "work", good({"n": 10}))
    assert stage.status(flow, two, three) == ["completed"] * 3
    assert stage.row(flow).result == {"n": 44, "succeeded": True}


def test_a_workflow_that_begins_itself_ends_at_the_bound_of_nesting(stage: WorkflowStage) -> None:
    stage.workflow(task("again", action="demo.flow"))
    flow = stage.begin()
    assert stage.status(flow) == ["failed"]
    assert len(stage.all_ids()) == WORKFLOW_NESTING
    assert stage.error(flow).endswith("workflows may be nested 20 deep, and this one is")


# --- cancel


def test_a_cancelled_workflow_begins_nothing_more_and_lets_what_runs_end(stage: WorkflowStage) -> None:
    stage.workflow(task("in", "never"), task("never"), ref="demo.inner")
    stage.workflow(task("a", "b"), task("b"), task("c", action="demo.inner"), task("d", delay=60))
    flow = stage.begin()
    (inner,) = stage.children(flow, "c")
    stage.cancel(flow)
    stage.settle()
    assert stage.status(flow, inner) == ["canceling", "canceling"]
    assert stage.runs.stopped == []
    assert stage.status(*stage.children(flow, "d")) == ["cancelled"]
    stage.ends(inner, "in")
    assert stage.status(flow, inner) == ["canceling", "cancelled"]
    stage.ends(flow, "a")
    assert stage.status(flow) == ["cancelled"]
    assert stage.tasks(flow) == {"a": "completed", "c": "cancelled", "d": "cancelled"}
    assert stage.row(flow).result == {"error": "Workflow cancelled", "succeeded": False}


def test_a_cancelled_workflow_stops_what_runs_where_its_policy_says_so(stage: WorkflowStage) -> None:
    stage.workflow(task("a"), cancellation_policy="cancel_running")
    flow = stage.begin()
    (child,) = stage.children(flow, "a")
    stage.cancel(flow)
    stage.settle()
    assert stage.runs.stopped == [f"run-{child}"]
    stage.end(child, bad())
    stage.settle()
    assert stage.status(child, flow) == ["cancelled", "cancelled"]


def test_a_tree_that_nobody_owns_is_cancelled_whole_in_one_transaction(stage: WorkflowStage) -> None:
    stage.workflow(task("wait", delay=3600), ref="demo.inner")
    stage.workflow(task("down", action="demo.inner"))
    flow = stage.begin()
    (inner,) = stage.children(flow, "down")
    (child,) = stage.children(inner, "wait")
    stage.engines.pop("a").leave()
    with stage.store.write(stage.clock.now()) as tx:
        executions.cancel_ownerless(tx, executions.cancel(tx, str(flow), "enough"))
    assert stage.status(flow, inner, child) == ["cancelled"] * 3
    assert stage.tasks(flow) == {"down": "cancelled"}
    assert stage.row(flow).cancel_reason == "enough"


def test_what_a_dead_host_was_cancelling_ends_when_nothing_of_it_runs_any_more(stage: WorkflowStage) -> None:
    stage.workflow(task("work"), ref="demo.inner")
    stage.workflow(task("down", action="demo.inner"))
    flow = stage.begin()
    (inner,) = stage.children(flow, "down")
    stage.cancel(flow)
    stage.settle()
    assert stage.status(flow, inner) == ["canceling", "canceling"]
    stage.dies("a", with_its_runs=True)
    stage.host("b", dead=("a",))
    assert stage.status(flow, inner) == ["cancelled", "cancelled"]


def test_time_that_is_over_stops_what_sub_workflows_would_let_end(stage: WorkflowStage) -> None:
    stage.workflow(task("work"), ref="demo.inner", cancellation_policy="allow_finish")
    stage.workflow(task("down", action="demo.inner"))
    flow = stage.begin(timeout_seconds=60)
    (inner,) = stage.children(flow, "down")
    (work,) = stage.children(inner, "work")
    stage.advance(60)
    assert stage.runs.stopped == [f"run-{work}"]
    stage.end(work, bad())
    stage.settle()
    assert stage.status(work, inner, flow) == ["cancelled", "cancelled", "failed"]
    assert stage.row(flow).timed_out


def test_a_child_that_is_cancelled_alone_is_a_failure_of_its_task(stage: WorkflowStage) -> None:
    stage.workflow(task("a", delay=60), task("b"))
    flow = stage.begin()
    stage.cancel(stage.children(flow, "a")[0])
    stage.settle()
    stage.ends(flow, "b")
    assert stage.tasks(flow) == {"a": "cancelled", "b": "completed"}
    assert stage.status(flow) == ["failed"]


# --- pause


def test_a_paused_workflow_begins_nothing_more_until_it_is_resumed(stage: WorkflowStage) -> None:
    stage.workflow(task("in", "more"), task("more"), ref="demo.inner")
    stage.workflow(task("a", "b"), task("b"), task("c", action="demo.inner"))
    flow = stage.begin()
    (inner,) = stage.children(flow, "c")
    with stage.store.write(stage.clock.now()) as tx:
        assert services.pause(tx, str(flow), "a look at it") == [flow, inner]
    stage.ends(flow, "a")
    stage.ends(inner, "in")
    assert (stage.tasks(flow), stage.tasks(inner)) == (
        {"a": "completed", "c": "running", "b": "waiting"},
        {"in": "completed", "more": "waiting"},
    )
    assert stage.engines["a"].next_due is None
    with stage.store.write(stage.clock.now()) as tx:
        assert services.resume(tx, str(flow)) == [flow, inner]
    stage.settle()
    assert (stage.tasks(flow)["b"], stage.tasks(inner)["more"]) == ("running", "running")


def test_a_paused_workflow_shows_what_is_over_and_begins_no_more_items(stage: WorkflowStage) -> None:
    stage.workflow(task("each", "after", with_items=[1, 2], concurrency=1), task("bad"), task("after"))
    flow = stage.begin()
    with stage.store.write(stage.clock.now()) as tx:
        services.pause(tx, str(flow))
    stage.ends(flow, "each")
    stage.ends(flow, "bad", bad("no water"))
    assert stage.tasks(flow) == {"each": "running", "bad": "failed"}
    assert len(stage.children(flow, "each")) == 1
    with stage.store.write(stage.clock.now()) as tx:
        services.resume(tx, str(flow))
    stage.settle()
    stage.ends(flow, "each")
    stage.ends(flow, "after")
    assert stage.error(flow) == "Workflow failed: task 'bad': no water"


def test_a_paused_workflow_starts_neither_what_is_delayed_nor_what_is_to_be_tried_again(
    stage: WorkflowStage,
) -> None:
    stage.workflow(task("in"), ref="demo.inner")
    stage.workflow(
        task("late", delay=10),
        task("deep", action="demo.inner", delay=10),
        task("tries", retry={"count": 1, "delay": 10}),
    )
    flow = stage.begin()
    stage.ends(flow, "tries", bad())
    with stage.store.write(stage.clock.now()) as tx:
        services.pause(tx, str(flow))
    begun = list(stage.runs.started)
    stage.advance(60)
    assert stage.runs.started == begun
    assert stage.engines["a"].next_due is None
    with stage.store.write(stage.clock.now()) as tx:
        services.resume(tx, str(flow))
    stage.settle()
    assert len(stage.runs.started) == len(begun) + 3


def test_what_does_not_go_on_cannot_be_paused_nor_resumed(stage: WorkflowStage) -> None:
    stage.workflow(task("a"))
    flow = stage.begin()
    with stage.store.write(stage.clock.now()) as tx, pytest.raises(ConflictError, match="is not paused"):
        services.resume(tx, str(flow))
    with stage.store.write(stage.clock.now()) as tx:
        services.pause(tx, str(flow))
    with stage.store.write(stage.clock.now()) as tx, pytest.raises(ConflictError, match="is paused already"):
        services.pause(tx, str(flow))
    (child,) = stage.children(flow, "a")
    with (
        stage.store.write(stage.clock.now()) as tx,
        pytest.raises(ConflictError, match="no workflow that goes on"),
    ):
        services.pause(tx, str(child))


# --- hosts


def test_a_workflow_outlives_its_host_and_a_daemon_goes_on_with_it(stage: WorkflowStage) -> None:
    stage.workflow(task("a", "b"), task("b", "c"), task("c"))
    flow = stage.begin()
    stage.dies("a")
    stage.host("b", kind="daemon", dead=("a",))
    stage.settle()
    stage.ends(flow, "a", host="b")
    stage.engines.pop("b").leave()
    assert stage.row(flow).host is None
    stage.host("c", kind="daemon", dead=("b",))
    stage.ends(flow, "b", host="c")
    stage.ends(flow, "c", host="c")
    assert stage.status(flow) == ["completed"]
    assert [len(stage.children(flow, name)) for name in "abc"] == [1, 1, 1]


def test_what_fails_after_its_workflow_was_cancelled_is_not_tried_again(stage: WorkflowStage) -> None:
    stage.workflow(task("a", retry={"count": 3}))
    flow = stage.begin()
    stage.cancel(flow)
    stage.settle()
    stage.ends(flow, "a", bad())
    assert stage.status(*stage.children(flow, "a"), flow) == ["failed", "cancelled", "cancelled"]
    assert len(stage.runs.started) == 1
