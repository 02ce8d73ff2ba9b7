from __future__ import annotations

from typing import Any

from attune_cli.runtime.model.facts import RunEnded
from attune_cli.runtime.services.submission import Submission, submit
from tests.engine.workflows.stage import BAD, OK, WorkflowStage, bad, good, task


def diamond(join: Any, **of_c: Any) -> list[dict[str, Any]]:
    return [task("a", "b", "c"), task("b", "d"), task("c", "d") | of_c, task("d", join=join)]


def test_a_join_of_all_waits_for_each_task_that_leads_to_it(stage: WorkflowStage) -> None:
    stage.workflow(*diamond("all"))
    flow = stage.begin()
    stage.ends(flow, "a")
    stage.ends(flow, "b")
    assert stage.tasks(flow)["d"] == "waiting"
    stage.ends(flow, "c")
    assert stage.tasks(flow)["d"] == "running"
    stage.ends(flow, "d")
    assert stage.status(flow) == ["completed"]
    assert len(stage.children(flow, "d")) == 1


def test_without_a_join_the_first_that_arrives_begins_a_task_and_the_second_changes_nothing(
    stage: WorkflowStage,
) -> None:
    stage.workflow(*diamond(None))
    flow = stage.begin()
    stage.ends(flow, "a")
    stage.ends(flow, "b")
    assert stage.tasks(flow)["d"] == "running"
    stage.ends(flow, "c")
    stage.ends(flow, "d")
    assert stage.status(flow) == ["completed"]
    assert len(stage.children(flow, "d")) == 1


def test_two_that_end_in_the_same_tick_begin_their_join_once(stage: WorkflowStage) -> None:
    stage.workflow(*diamond("all"))
    flow = stage.begin()
    stage.ends(flow, "a")
    engine = stage.engines["a"]
    for name in ("b", "c"):
        (child,) = stage.live(flow, name)
        ref = f"run-{child}"
        stage.runs.alive.pop(ref)
        engine.report(RunEnded(execution=child, ref=ref, outcome=good()))
    stage.settle()
    assert len(stage.children(flow, "d")) == 1


def test_a_join_of_a_number_is_met_when_so_many_are_over(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a", "b", "c", "e"), task("b", "d"), task("c", "d"), task("e", "d"), task("d", join=2)
    )
    flow = stage.begin()
    stage.ends(flow, "a")
    stage.ends(flow, "b")
    stage.ends(flow, "e")
    assert stage.tasks(flow)["d"] == "running"
    stage.ends(flow, "d")
    assert stage.status(flow) == ["running"]
    stage.ends(flow, "c")
    assert stage.status(flow) == ["completed"]
    assert len(stage.children(flow, "d")) == 1


def test_a_join_that_can_no_longer_be_met_fails_the_workflow_and_says_what_it_waited_for(
    stage: WorkflowStage,
) -> None:
    stage.workflow(
        task("a", "b", "c"),
        task("b", "d"),
        {"name": "c", "action": "demo.job", "next": [{"when": "{{ result().go }}", "do": ["d"]}]},
        task("d", join="all"),
    )
    flow = stage.begin()
    stage.ends(flow, "a")
    stage.ends(flow, "b")
    (child,) = stage.live(flow, "c")
    stage.cancel(child)
    stage.end(child, bad())
    stage.settle()
    assert stage.tasks(flow) == {"a": "completed", "b": "completed", "c": "cancelled", "d": "cancelled"}
    assert "join of task 'd' was never satisfied: it waits for all of b, c; only b completed" in stage.error(
        flow
    )


def test_a_failure_that_led_elsewhere_counts_for_a_join(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a", "b", "c"),
        task("b", "d"),
        {
            "name": "c",
            "action": "demo.job",
            "next": [{"when": BAD, "do": ["repair"]}, {"when": OK, "do": ["d"]}],
        },
        task("repair", "d"),
        task("d", join="all"),
    )
    flow = stage.begin()
    stage.ends(flow, "a")
    stage.ends(flow, "b")
    stage.ends(flow, "c", bad())
    assert stage.tasks(flow)["d"] == "waiting"
    stage.ends(flow, "repair")
    assert stage.tasks(flow)["d"] == "running"
    stage.ends(flow, "d")
    assert stage.status(flow) == ["completed"]


def test_a_failure_that_only_waits_for_a_join_is_not_handled(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a", "b", "c"),
        task("b", "d"),
        {"name": "c", "action": "demo.job", "next": [{"do": ["d"]}]},
        task("d", join=2),
    )
    flow = stage.begin()
    stage.ends(flow, "a")
    stage.ends(flow, "c", bad("stuck"))
    stage.ends(flow, "b")
    assert stage.status(flow) == ["failed"]
    assert stage.error(flow).startswith("Workflow failed: task 'c': stuck; join of task 'd'")


# --- cycles


def loop(**fields: Any) -> list[dict[str, Any]]:
    return [
        task("start", "ask"),
        {
            "name": "ask",
            "action": "demo.job",
            "next": [
                {"when": "{{ result().again }}", "publish": [{"n": "{{ n + 1 }}"}], "do": ["ask"]},
                {"when": "{{ not result().again }}", "do": ["done"]},
            ],
        }
        | fields,
        task("done", input={"n": "{{ n }}"}),
    ]


def test_a_cycle_goes_round_with_a_row_for_each_round(stage: WorkflowStage) -> None:
    stage.workflow(*loop(max_iterations=5), vars={"n": 0})
    flow = stage.begin()
    stage.ends(flow, "start")
    for again in (True, True, False):
        stage.ends(flow, "ask", good({"again": again}))
    assert stage.parameters(flow, "done") == {"n": 2}
    stage.ends(flow, "done")
    assert stage.status(flow) == ["completed"]
    assert [(row.name, row.iteration) for row in stage.rows(flow)] == [
        ("start", 1), ("ask", 1), ("ask", 2), ("ask", 3), ("done", 3),
    ]  # fmt: skip


def test_a_cycle_over_its_bound_fails_the_workflow_and_names_task_and_bound(stage: WorkflowStage) -> None:
    stage.workflow(*loop(max_iterations=2), vars={"n": 0})
    flow = stage.begin()
    stage.ends(flow, "start")
    stage.ends(flow, "ask", good({"again": True}))
    stage.ends(flow, "ask", good({"again": True}))
    assert stage.status(flow) == ["failed"]
    expected = "task 'ask' would run more often than its bound allows: max_iterations is 2"
    assert stage.error(flow) == f"Workflow failed: {expected}"


def test_a_second_loop_counts_its_own_rounds(stage: WorkflowStage) -> None:
    again = {"when": "{{ result().again }}"}
    on = {"when": "{{ not result().again }}"}
    stage.workflow(
        {
            "name": "x",
            "action": "demo.job",
            "max_iterations": 3,
            "next": [again | {"do": ["x"]}, on | {"do": ["y"]}],
        },
        {"name": "y", "action": "demo.job", "max_iterations": 3, "next": [again | {"do": ["y"]}]},
    )
    flow = stage.begin()
    for name in ("x", "y"):
        for more in (True, True, False):
            stage.ends(flow, name, good({"again": more}))
    assert stage.status(flow) == ["completed"]


def test_a_join_within_a_cycle_waits_in_each_round_for_those_of_that_round(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a", "b", "c", max_iterations=3),
        task("b", "d"),
        task("c", "d"),
        {
            "name": "d",
            "action": "demo.job",
            "join": "all",
            "next": [{"when": "{{ result().again }}", "do": ["a"]}],
        },
    )
    flow = stage.begin()
    for more in (True, False):
        stage.ends(flow, "a")
        stage.ends(flow, "b")
        assert stage.tasks(flow)["d"] == "waiting"
        stage.ends(flow, "c")
        stage.ends(flow, "d", good({"again": more}))
    assert stage.status(flow) == ["completed"]
    assert [(r.name, r.iteration) for r in stage.rows(flow) if r.name == "d"] == [("d", 1), ("d", 2)]


def test_a_loop_that_does_nothing_gives_others_their_turn(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a", when="{{ false }}", max_iterations=1500) | {"next": [{"do": ["b"]}]},
        task("b", when="{{ false }}") | {"next": [{"do": ["a"]}]},
    )
    with stage.store.write(stage.clock.now()) as tx:
        flow = submit(
            tx, Submission(action_ref="demo.flow"), settings=stage.settings, sealer=stage.sealer, host="a"
        ).id
    ticks = 0
    while not stage.row(flow).status.is_terminal:
        rows = len(stage.rows(flow))
        stage.tick()
        ticks += 1
        assert len(stage.rows(flow)) - rows <= 25 * 41
    assert ticks > 2
    assert "max_iterations is 1500" in stage.error(flow)
