from __future__ import annotations

from typing import Any

import pytest

from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.packs.workflow_branch_doubts import branch_doubts


def task(name: str, *follow: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "action": "p.a", "next": list(follow), **fields}


def to(*do: str, when: str | None = None, **publish: str) -> dict[str, Any]:
    return {"when": when, "do": list(do), "publish": [publish] if publish else []}


OK, BAD = "{{ succeeded() }}", "{{ failed() }}"


def doubts(tasks: list[dict[str, Any]], **fields: Any) -> list[str]:
    workflow = WorkflowDefinition(ref="p.w", pack_ref="p", tasks=tuple(tasks), **fields)
    found = branch_doubts({"tasks": tasks, "output_map": fields.get("output_map")}, workflow)
    return [f"{'.'.join(map(str, one.steps))}: {one.said}" for one in found]


FORK = [
    task("a", to("b", when="result().x"), to("c", when="not result().x")),
    task("b", to("d")),
    task("c", to("d")),
    task("d"),
]


def test_an_output_of_a_branch_is_doubted_once_and_what_is_surely_there_is_not() -> None:
    output = {"b": "{{ task.b.x }}", "again": "{{ task.b.y }}", "a": "{{ task.a.x }}", "d": "{{ task.d.x }}"}
    assert doubts(FORK, output_map=output) == [
        "output_map.b: task 'b' need not have run; write task.b.x | default(…)"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{{ task.b.x | default(1) }}",
        "{{ task.b.x if task.a.x else 0 }}",
        "{{ task.b.x is defined }}",
        "{{ task.a.x and task.b.x }}",
    ],
)
def test_what_stands_under_a_default_or_a_condition_is_not_doubted(text: str) -> None:
    assert doubts(FORK, output_map={"b": text}) == []


def test_an_input_is_doubted_where_the_branch_need_not_have_been_taken() -> None:
    reads = {"input": {"x": "{{ task.b.x }}"}}
    assert doubts([*FORK[:1], task("b", to("e")), task("c"), task("e", **reads)]) == []
    assert doubts([*FORK[:3], task("d", **reads)]) == [
        "tasks.3.input.x: task 'b' need not have run; write task.b.x | default(…)"
    ]
    assert doubts([*FORK[:3], task("d", join="all", **reads)]) == []
    assert doubts([*FORK[:3], task("d", when="{{ task.b is defined }}", **reads)]) == []


def test_a_variable_of_one_transition_is_doubted_unless_vars_begin_with_it() -> None:
    tasks = [task("a", to(when=OK, n="{{ 1 }}"), to("alarm", when=BAD)), task("alarm")]
    said = "output_map.n: variable 'n' need not be set: only one transition of task 'a' publishes it"
    assert doubts(tasks, output_map={"n": "{{ n }}"}) == [f"{said}; write n | default(…)"]
    assert doubts(tasks, output_map={"n": "{{ n }}"}, vars={"n": 0}) == []
    assert doubts([task("a", to("b", when=OK, n="1")), task("b")], output_map={"n": "{{ n }}"}) == []
    follows = task("b", input={"n": "{{ n }}"})
    assert doubts([task("a", to("b", when=OK, n="1"), to("c", when=BAD)), follows, task("c")]) == []
