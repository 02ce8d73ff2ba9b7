from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.model.facts import RunEnded
from attune_cli.runtime.services.records import execution_record
from tests.engine.workflows.stage import BAD, OK, WorkflowStage, bad, good, task

if TYPE_CHECKING:
    from pathlib import Path

REDACTED = {"$attune_secret": True, "redacted": True}


@pytest.fixture
def stage(tmp_path: Path) -> WorkflowStage:
    made = WorkflowStage(tmp_path, max_items=300)
    made.host()
    return made


def each(items: Any, **fields: Any) -> dict[str, Any]:
    return task("each", with_items=items, input={"it": "{{ item }}", "at": "{{ index }}"}) | fields


def given(stage: WorkflowStage, flow: int) -> list[dict[str, Any]]:
    return [stage.runs.jobs[one].parameters for one in stage.children(flow, "each")]


def test_items_are_taken_one_after_another_unless_more_may_run_at_once(stage: WorkflowStage) -> None:
    stage.workflow(each("{{ [5, 6, 7] }}"))
    flow = stage.begin()
    assert given(stage, flow) == [{"it": 5, "at": 0}]
    stage.ends(flow, "each")
    assert len(stage.live(flow, "each")) == 1
    stage.ends(flow, "each")
    stage.ends(flow, "each")
    assert stage.status(flow) == ["completed"]
    assert given(stage, flow) == [{"it": 5, "at": 0}, {"it": 6, "at": 1}, {"it": 7, "at": 2}]


def test_as_many_items_run_at_once_as_concurrency_says(stage: WorkflowStage) -> None:
    stage.workflow(each(list(range(12)), concurrency=5))
    flow = stage.begin()
    while stage.status(flow) == ["running"]:
        running = stage.live(flow, "each")
        assert len(running) == min(5, 12 - (len(stage.children(flow, "each")) - len(running)))
        stage.ends(flow, "each", place=len(running) - 1)
    assert len(stage.children(flow, "each")) == 12


def test_what_a_task_with_items_gives_is_a_list_in_their_order(stage: WorkflowStage) -> None:
    stage.workflow(
        each("{{ parameters.beds }}", concurrency=3)
        | {"next": [{"publish": [{"n": "{{ length(result()) }}"}], "do": ["after"]}]},
        task("after", input={"all": "{{ task.each }}", "last": "{{ task.each[-1].n }}", "n": "{{ n }}"}),
        parameters={"beds": {"type": "array"}},
    )
    flow = stage.begin(parameters={"beds": ["x", "y", "z"]})
    for place, n in ((2, 30), (0, 10), (0, 20)):
        stage.ends(flow, "each", good({"n": n}), place=place)
    seen = stage.parameters(flow, "after")
    assert [one["n"] for one in seen["all"]] == [10, 20, 30]
    assert (seen["last"], seen["n"]) == (30, 3)


def test_an_empty_list_is_done_at_once_and_gives_an_empty_list(stage: WorkflowStage) -> None:
    stage.workflow(
        each("{{ [] }}") | {"next": [{"when": OK, "do": ["after"]}]},
        task("after", input={"all": "{{ task.each }}"}),
    )
    flow = stage.begin()
    assert stage.tasks(flow) == {"each": "completed", "after": "running"}
    assert stage.parameters(flow, "after") == {"all": []}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{{ parameters.v }}", "with_items: expected a list, got a string"),
        ("{{ null }}", "with_items: expected a list, got null"),
        ("{{ 3 }}", "with_items: expected a list, got a number"),
        ("{{ range(301) }}", "with_items has 301 items, more than max_items allows (300)"),
        ("{{ parameters.gone }}", "with_items: {{ parameters.gone }}: parameters.gone is missing"),
    ],
)
def test_what_is_no_list_or_too_long_a_one_fails_the_task(
    stage: WorkflowStage, value: str, said: str
) -> None:
    stage.workflow(each(value))
    flow = stage.begin(parameters={"v": "text"})
    assert stage.tasks(flow) == {"each": "failed"}
    assert stage.error(flow) == f"Workflow failed: task 'each': {said}"


def test_all_items_run_though_an_early_one_fails_and_the_failed_branch_is_taken(stage: WorkflowStage) -> None:
    stage.workflow(
        each([1, 2, 3]) | {"next": [{"when": OK, "do": ["fine"]}, {"when": BAD, "do": ["repair"]}]},
        task("fine"),
        task("repair", input={"which": "{{ task.each[0].error }}", "last": "{{ task.each[2].n }}"}),
    )
    flow = stage.begin()
    stage.ends(flow, "each", bad("no water"))
    stage.ends(flow, "each")
    stage.ends(flow, "each", good({"n": 3}))
    assert stage.tasks(flow) == {"each": "failed", "repair": "running"}
    assert stage.parameters(flow, "repair") == {"which": "no water", "last": 3}
    stage.ends(flow, "repair")
    assert stage.status(flow) == ["completed"]


def test_batches_are_lists_and_the_last_one_may_be_shorter(stage: WorkflowStage) -> None:
    stage.workflow(each("{{ range(5) }}", batch_size=2, input={"b": "{{ batch }}", "i": "{{ index }}"}))
    flow = stage.begin()
    for _ in range(3):
        stage.ends(flow, "each")
    assert given(stage, flow) == [{"b": [0, 1], "i": 0}, {"b": [2, 3], "i": 1}, {"b": [4], "i": 2}]
    assert stage.status(flow) == ["completed"]


def test_an_item_that_is_tried_again_keeps_its_place_meanwhile(stage: WorkflowStage) -> None:
    stage.workflow(each([1, 2], retry={"count": 1, "delay": 60}))
    flow = stage.begin()
    stage.ends(flow, "each", bad())
    assert [stage.row(one).item for one in stage.children(flow, "each")] == [0, 0]
    stage.advance(60)
    stage.ends(flow, "each", good({"n": 1}))
    assert [stage.row(one).item for one in stage.children(flow, "each")] == [0, 0, 1]
    stage.ends(flow, "each")
    assert stage.status(flow) == ["completed"]


def test_an_item_whose_input_cannot_be_filled_in_fails_alone(stage: WorkflowStage) -> None:
    stage.workflow(each([{"n": 1}, {}, {"n": 3}], input={"n": "{{ item.n }}"}))
    flow = stage.begin()
    stage.ends(flow, "each")
    assert len(stage.children(flow, "each")) == 3
    stage.ends(flow, "each")
    assert stage.status(*stage.children(flow, "each")) == ["completed", "failed", "completed"]
    assert "input.n: {{ item.n }}: item.n is missing" in stage.error(flow)


def test_items_that_are_secret_are_written_down_sealed_and_go_where_secrets_may(stage: WorkflowStage) -> None:
    stage.action("demo.login", parameters={"pin": {"type": "string", "secret": True}})
    stage.workflow(
        each("{{ parameters.pins }}", action="demo.login", input={"pin": "{{ item }}"}),
        parameters={"pins": {"type": "array", "items": {"type": "string"}, "secret": True}},
    )
    flow = stage.begin(parameters={"pins": ["hush-one", "hush-two"]})
    assert given(stage, flow) == [{"pin": "hush-one"}]
    stage.ends(flow, "each")
    assert given(stage, flow)[1] == {"pin": "hush-two"}
    stage.ends(flow, "each")
    assert "hush" not in "\n".join(stage.store.connection.iterdump())


def test_a_secret_item_given_to_an_open_parameter_fails_the_task(stage: WorkflowStage) -> None:
    stage.workflow(
        each("{{ [parameters.pin, 'b'] }}"), parameters={"pin": {"type": "string", "secret": True}}
    )
    flow = stage.begin(parameters={"pin": "hush-hush"})
    assert stage.children(flow, "each") == []
    assert "input.it: a secret value may only be given to a parameter that is declared secret" in stage.error(
        flow
    )
    assert "hush" not in "\n".join(stage.store.connection.iterdump())


def test_the_retries_of_a_task_are_those_of_each_item(stage: WorkflowStage) -> None:
    stage.action("demo.own", retry=Retry(count=3))
    stage.workflow(each([1], action="demo.own", retry={"count": 1, "on_error": ["^busy"]}))
    flow = stage.begin()
    stage.ends(flow, "each", bad("busy: come again"))
    stage.ends(flow, "each", bad("busy: come again"))
    assert len(stage.children(flow, "each")) == 2
    assert stage.status(flow) == ["failed"]


def test_the_work_for_each_item_does_not_grow_with_their_number(tmp_path: Path) -> None:
    def statements(count: int) -> float:
        folder = tmp_path / str(count)
        folder.mkdir()
        stage = WorkflowStage(folder)
        stage.host()
        stage.workflow(
            each("{{ range(parameters.n) }}", concurrency=50), parameters={"n": {"type": "integer"}}
        )
        flow = stage.begin(parameters={"n": count})
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        stage.store.connection.set_progress_handler(step, 100)
        while stage.runs.alive:
            for ref, execution in list(stage.runs.alive.items()):
                del stage.runs.alive[ref]
                stage.runs.ended[ref] = good()
                stage.engines["a"].report(RunEnded(execution=execution, ref=ref, outcome=good()))
            stage.settle()
        stage.store.connection.set_progress_handler(None, 0)
        assert stage.status(flow) == ["completed"]
        return steps / count

    assert statements(2000) < 1.3 * statements(500)


def test_an_execution_says_which_task_item_and_attempt_it_is(stage: WorkflowStage) -> None:
    stage.workflow(
        task("first", "each"), each([1, 2], concurrency=2, retry={"count": 3, "delay": 9}, timeout=5)
    )
    flow = stage.begin()
    stage.ends(flow, "first")
    stage.ends(flow, "each", bad(), place=1)
    again = stage.children(flow, "each")[-1]
    record = execution_record(stage.row(again))["workflow_task"]
    assert record | {"next_retry_at": None} == {
        "workflow_execution": flow,
        "task_name": "each",
        "task_index": 1,
        "iteration": 1,
        "triggered_by": "first",
        "retry_count": 1,
        "max_retries": 3,
        "next_retry_at": None,
        "timeout_seconds": 5,
        "timed_out": False,
        "started_at": None,
        "completed_at": None,
        "duration_ms": None,
    }
    assert record["next_retry_at"] is not None
    assert execution_record(stage.row(flow))["workflow_task"] is None
