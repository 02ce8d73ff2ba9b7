"""What a failed workflow says of why it failed: its cause, once, wherever that lies."""

from __future__ import annotations

from dataclasses import replace

from tests.engine.workflows.stage import BAD, WorkflowStage, bad, good, task


def test_the_failure_that_was_first_is_named_though_its_task_stands_last(stage: WorkflowStage) -> None:
    stage.workflow(task("a"), task("b"), task("c"))
    flow = stage.begin()
    stage.ends(flow, "c", bad("no water"))
    stage.advance(1)
    stage.ends(flow, "a", bad("no light"))
    stage.ends(flow, "b")
    assert stage.error(flow) == "Workflow failed: task 'c': no water; a failed too"


def test_of_failures_learnt_of_in_one_tick_the_run_that_ended_first_is_named(stage: WorkflowStage) -> None:
    stage.workflow(task("a"), task("b"))
    flow = stage.begin()
    now = stage.clock.now()
    (a,), (b,) = stage.live(flow, "a"), stage.live(flow, "b")
    stage.end(a, replace(bad("no light"), finished=now - 1))
    stage.end(b, replace(bad("no water"), finished=now - 2))
    stage.settle()
    assert stage.error(flow) == "Workflow failed: task 'b': no water; a failed too"


def test_a_failure_on_the_way_of_one_that_was_handled_names_that_too(stage: WorkflowStage) -> None:
    stage.workflow(
        {
            "name": "check",
            "action": "demo.job",
            "with_items": [1, 2],
            "next": [{"when": BAD, "do": ["back"]}],
        },
        task("back", "give_up"),
        task("give_up"),
    )
    flow = stage.begin()
    stage.ends(flow, "check")
    stage.ends(flow, "check", bad("web2 answers 500"))
    stage.ends(flow, "back")
    stage.ends(flow, "give_up", bad("not released"))
    assert stage.error(flow) == (
        "Workflow failed: task 'give_up': not released, after task 'check[1]' failed: web2 answers 500"
    )


def test_the_cause_is_said_once_however_deep_it_lies(stage: WorkflowStage) -> None:
    stage.workflow(task("work"), task("idle"), ref="demo.three")
    stage.workflow(task("down", action="demo.three", with_items=[1, 2], concurrency=2), ref="demo.two")
    stage.workflow(task("down", action="demo.two"), task("other"))
    flow = stage.begin()
    (two,) = stage.children(flow, "down")
    first, second = stage.children(two, "down")
    stage.ends(flow, "other")
    stage.ends(second, "work", bad("no water"))
    for three, name in ((first, "work"), (first, "idle"), (second, "idle")):
        stage.ends(three, name)
    assert stage.error(second) == "Workflow failed: task 'work': no water"
    assert stage.error(two) == "Workflow failed: task 'down[1]/work': no water"
    assert stage.error(flow) == "Workflow failed: task 'down/down[1]/work': no water"


def test_of_a_long_path_only_the_ends_are_named(stage: WorkflowStage) -> None:
    stage.workflow(task("again", action="demo.flow"))
    flow = stage.begin()
    assert stage.error(flow) == (
        "Workflow failed: task 'again/… 18 more …/again': workflows may be nested 20 deep, and this one is"
    )


def test_a_sub_workflow_that_failed_between_its_tasks_is_the_cause_itself(stage: WorkflowStage) -> None:
    stage.workflow(task("work"), ref="demo.inner", output_map={"n": "{{ task.work.gone }}"})
    stage.workflow(task("down", action="demo.inner"))
    flow = stage.begin()
    (inner,) = stage.children(flow, "down")
    stage.ends(inner, "work", good())
    assert stage.error(flow) == (
        "Workflow failed: task 'down': output_map.n: {{ task.work.gone }}: task.work.gone is missing"
    )


def test_of_a_long_error_there_is_a_whole_line_and_where_to_read_the_rest(stage: WorkflowStage) -> None:
    stage.workflow(task("a"), task("b"), task("c"))
    told: list[str] = []
    for message in (
        "x" * 300 + "\nmore",
        "y" * 1000,
        "Traceback (most recent call last):\n  File\nKeyError: 1",
    ):
        flow = stage.begin()
        (run,) = stage.children(flow, "a")
        stage.ends(flow, "a", bad(message))
        stage.ends(flow, "b")
        stage.ends(flow, "c")
        told.append(stage.error(flow).removeprefix("Workflow failed: task 'a': ").replace(str(run), "ID"))
    rest = "… (attune execution show ID)"
    assert told == [f"{'x' * 300} {rest}", f"{'y' * 500} {rest}", f"KeyError: 1 {rest}"]


def test_a_condition_of_a_task_that_cannot_be_told_names_its_expression(stage: WorkflowStage) -> None:
    stage.workflow(task("a", when="{{ parameters.gone > 3 }}"))
    flow = stage.begin()
    assert stage.error(flow) == (
        "Workflow failed: task 'a': when: {{ parameters.gone > 3 }}: parameters.gone is missing"
    )


def test_a_faulty_input_of_an_item_says_its_reason_once(stage: WorkflowStage) -> None:
    stage.workflow(task("a", with_items=[1], input={"n": "{{ 1 / 0 }}", "m": "{{ parameters.gone }}"}))
    flow = stage.begin()
    (item,) = stage.children(flow, "a")
    assert stage.error(item) == (
        "input.n: {{ 1 / 0 }}: nothing can be divided by zero; "
        "input.m: {{ parameters.gone }}: parameters.gone is missing"
    )
