from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.services.executions import result_value
from attune_cli.runtime.services.records import execution_record
from tests.engine.workflows.stage import BAD, OK, WorkflowStage, good, task

if TYPE_CHECKING:
    from pathlib import Path


# --- sequence


def test_a_task_begins_when_the_one_before_it_has_succeeded_and_is_given_what_that_gave(
    stage: WorkflowStage,
) -> None:
    stage.workflow(
        task("make", "use", input={"what": "{{ parameters.what }}"}),
        task("use", input={"number": "{{ task.make.n }}", "same": "{{ task.make.result.data.n }}"}),
        output_map={"number": "{{ task.use.data }}"},
        parameters={"what": {"type": "string"}},
    )
    flow = stage.begin(parameters={"what": "tea"})
    assert stage.status(flow) == ["running"]
    assert stage.parameters(flow, "make") == {"what": "tea"}
    assert stage.tasks(flow) == {"make": "running"}
    stage.ends(flow, "make", good({"n": 3}))
    assert stage.parameters(flow, "use") == {"number": 3, "same": 3}
    stage.ends(flow, "use", good("done"))
    assert stage.tasks(flow) == {"make": "completed", "use": "completed"}
    assert stage.status(flow) == ["completed"]
    assert stage.row(flow).result == {"number": "done", "succeeded": True}


def test_a_workflow_without_an_output_map_gives_only_that_it_succeeded(stage: WorkflowStage) -> None:
    stage.workflow(task("one"))
    flow = stage.begin()
    stage.ends(flow, "one")
    assert stage.row(flow).result == {"succeeded": True}


def test_every_transition_that_holds_is_taken_and_publishes_in_order(stage: WorkflowStage) -> None:
    stage.workflow(
        {
            "name": "first",
            "action": "demo.job",
            "next": [
                {"when": OK, "publish": [{"n": "{{ result().n }}", "old": "{{ n }}"}, "whole"], "do": ["a"]},
                {"when": "{{ succeeded() and n > 2 }}", "publish": [{"big": True}], "do": ["b"]},
                {"when": "{{ not failed() and result().n > 5 }}", "do": ["c"]},
                {"when": BAD, "do": ["d"]},
            ],
        },
        task("a", input={"n": "{{ workflow.n }}", "old": "{{ vars.old }}", "whole": "{{ whole.data.n }}"}),
        task("b", input={"big": "{{ big }}"}),
        task("c"),
        task("d"),
        vars={"n": 0, "big": False},
    )
    flow = stage.begin()
    stage.ends(flow, "first", good({"n": 3}))
    assert stage.tasks(flow) == {"first": "completed", "a": "running", "b": "running"}
    assert stage.parameters(flow, "a") == {"n": 3, "old": 0, "whole": 3}
    assert stage.parameters(flow, "b") == {"big": True}


def test_what_a_workflow_gives_is_its_output_map_alone(stage: WorkflowStage, tmp_path: Path) -> None:
    stage.workflow(task("one"), output_map={"n": 1})
    flow = stage.begin()
    stage.ends(flow, "one")
    assert result_value(execution_record(stage.row(flow)), tmp_path / "stdout") == {"n": 1}
