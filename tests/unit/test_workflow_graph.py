from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.expressions.expression import read_expression
from attune_cli.runtime.expressions.running import Run
from attune_cli.runtime.expressions.scope import RuleScope
from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.workflows.graph import MAX_ITERATIONS, Graph

SCOPE = RuleScope(event={}, pack_config={}, secret_config=frozenset(), system={}, key={}.__getitem__)


def graph(*tasks: dict[str, Any], **more: Any) -> Graph:
    definition = WorkflowDefinition(ref="demo.flow", pack_ref="demo", tasks=tasks, **more)
    return Graph.of(WorkflowDefinition.from_json(definition.to_json()))


def task(name: str, *targets: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "action": "core.noop", "next": [{"do": list(targets)}] if targets else [], **more}


def test_tasks_to_which_nothing_leads_begin() -> None:
    diamond = graph(task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d"), task("lone"))
    assert diamond.entry == ("a", "lone")
    assert diamond.inbound == {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "lone": ()}
    assert diamond.back_edges == frozenset()


def test_where_every_task_is_led_to_the_first_one_begins() -> None:
    ring = graph(task("a", "b"), task("b", "a"))
    assert ring.entry == ("a",)
    assert ring.back_edges == {("b", "a")}
    assert ring.inbound == {"a": (), "b": ("a",)}


def test_a_task_that_leads_to_itself_still_begins() -> None:
    polling = graph(task("poll", "poll", "done", max_iterations=5), task("done"))
    assert polling.entry == ("poll",)
    assert polling.is_back("poll", "poll")
    assert not polling.is_back("poll", "done")
    assert polling.same_cycle("poll", "poll")
    assert not polling.same_cycle("done", "done")


def test_tasks_are_in_a_cycle_together_where_each_leads_to_the_other() -> None:
    two = graph(task("a", "b"), task("b", "c", "a"), task("c", "d"), task("d", "c", "e"), task("e"))
    assert two.same_cycle("a", "b")
    assert two.same_cycle("c", "d")
    assert not two.same_cycle("b", "c")
    assert not two.same_cycle("d", "e")
    assert two.back_edges == {("b", "a"), ("d", "c")}


def test_a_bound_is_the_tasks_own_or_its_cycles_or_the_workflows() -> None:
    tasks = (
        task("a", "b", max_iterations=3),
        task("b", "a", "c"),
        task("c", "c"),
        task("d", "d", max_iterations=7),
    )
    assert [graph(*tasks, max_iterations=9).bound_of(name) for name in "abcd"] == [3, 3, 9, 7]
    assert graph(*tasks).bound_of("c") == MAX_ITERATIONS


def test_nested_tasks_are_among_the_tasks_and_lead_nowhere() -> None:
    inner = {"name": "both", "type": "parallel", "tasks": [task("x"), task("y")]}
    outer = {**inner, "name": "all", "tasks": [task("z"), inner], "next": [{"do": ["end"]}]}
    nested = graph(outer, task("end"))
    assert list(nested.tasks) == ["all", "z", "both", "x", "y", "end"]
    assert [nested.tasks[name].within for name in nested.tasks] == [None, "all", "all", "both", "both", None]
    assert nested.entry == ("all",)
    assert nested.inbound == {"all": (), "end": ("all",)}
    assert nested.tasks["all"].type == "parallel"


def test_what_a_task_says_is_read() -> None:
    written = {
        "name": "a", "type": "workflow", "action": "core.noop", "input": {"n": 1}, "when": True,
        "permission_set_ref": "standard", "with_items": "{{ parameters.all }}", "concurrency": 3, "batch_size": 2,
        "retry": {"count": 2, "delay": 1, "backoff": "linear", "max_delay": 9, "on_error": "busy"},
        "timeout": 60, "join": "all", "delay": 5, "max_iterations": 4,
    }  # fmt: skip
    read = graph(written).tasks["a"]
    assert (read.type, read.action, read.input, read.when) == ("action", "core.noop", {"n": 1}, "true")
    assert (read.with_items, read.concurrency, read.batch_size) == ("{{ parameters.all }}", 3, 2)
    assert read.retry == Retry(
        count=2, delay_seconds=1, backoff="linear", max_delay_seconds=9, on_error=("busy",)
    )
    assert (read.timeout_seconds, read.join, read.delay_seconds, read.max_iterations) == (60, "all", 5, 4)
    assert read.permission_set_refs == "standard"


def test_of_variables_published_twice_the_later_counts_and_a_bare_name_is_the_result() -> None:
    following = {"publish": [{"a": 1, "b": "{{ workflow.a }}"}, "kept", {"a": 2}]}
    published = graph(task("t", next=[following]), vars={"c": 0})
    assert published.tasks["t"].next[0].published == {
        "a": 2,
        "b": "{{ workflow.a }}",
        "kept": "{{ result() }}",
    }
    assert published.variables == {"a", "b", "c", "kept"}


# --- older keys


def legacy(**keys: Any) -> list[tuple[str | None, tuple[Any, ...], tuple[str, ...]]]:
    made = graph({"name": "t", "action": "core.noop", **keys}, task("a"), task("b"), task("c"), task("d"))
    return [(one.when, one.publish, one.do) for one in made.tasks["t"].next]


def test_older_keys_become_transitions() -> None:
    assert legacy(on_complete="c", on_failure="b", on_success="a", on_timeout="d", publish=[{"x": 1}]) == [
        ("{{ succeeded() }}", ({"x": 1},), ("a",)),
        ("{{ failed() }}", (), ("b",)),
        (None, (), ("c",)),
        ("{{ timed_out() }}", (), ("d",)),
    ]


def test_a_publish_with_no_success_to_go_with_gets_one() -> None:
    assert legacy(publish=["x"], on_failure="a") == [
        ("{{ succeeded() }}", ("x",), ()),
        ("{{ failed() }}", (), ("a",)),
    ]


def test_older_keys_do_not_count_beside_a_next() -> None:
    assert legacy(next=[{"do": ["a"]}], on_success="b", publish=["x"]) == [(None, (), ("a",))]


def test_of_a_decision_only_the_first_branch_that_fits_is_taken() -> None:
    branches = [
        {"when": "{{ 1 > 2 or 3 > 4 }}", "next": "a"},
        {"when": "5 > 4", "next": "b"},
        {"when": True, "next": "c"},
        {"default": True, "next": "d"},
    ]
    made = legacy(decision=branches)
    assert [do for _, _, do in made] == [("a",), ("b",), ("c",), ("d",)]
    held = [read_expression(when or "true").value(Run(SCOPE)) for when, _, _ in made]
    assert held == [False, True, False, False]


# --- whatever the graph


@st.composite
def definitions(draw: st.DrawFn) -> tuple[dict[str, Any], ...]:
    names = [f"t{index}" for index in range(draw(st.integers(1, 12)))]
    return tuple(
        task(name, *draw(st.lists(st.sampled_from(names), max_size=4)), join=draw(st.sampled_from([None, 1])))
        for name in names
    )


@given(definitions())
def test_without_its_back_edges_no_graph_has_a_cycle(tasks: tuple[dict[str, Any], ...]) -> None:
    made = graph(*tasks)
    forward = {
        (name, target)
        for name, one in made.tasks.items()
        for target in one.targets
        if not made.is_back(name, target)
    }
    left = set(made.tasks)
    while free := {name for name in left if not any(target == name for _, target in forward)}:
        left -= free
        forward = {edge for edge in forward if edge[0] in left}
    assert not left


@given(definitions())
def test_an_edge_leads_back_only_within_a_cycle(tasks: tuple[dict[str, Any], ...]) -> None:
    made = graph(*tasks)
    assert all(made.same_cycle(origin, target) for origin, target in made.back_edges)


@given(definitions())
def test_two_tasks_are_in_one_cycle_exactly_when_each_reaches_the_other(
    tasks: tuple[dict[str, Any], ...],
) -> None:
    made = graph(*tasks)
    reaches = {(name, target) for name, one in made.tasks.items() for target in one.targets}
    for middle in made.tasks:
        reaches |= {(a, d) for a, b in reaches if b == middle for c, d in reaches if c == middle}
    for one in made.tasks:
        for other in made.tasks:
            both = (one, other) in reaches and (other, one) in reaches
            assert made.same_cycle(one, other) is both


def test_a_long_chain_is_no_trouble() -> None:
    count = 5000
    chain = graph(
        *(task(f"t{n}", f"t{n + 1}") for n in range(count)), task(f"t{count}", "t0", max_iterations=2)
    )
    assert chain.back_edges == {(f"t{count}", "t0")}
    assert len(chain.cycles) == count + 1


@pytest.mark.parametrize("policy", ["allow_finish", "cancel_running"])
def test_a_definition_comes_through_json(policy: Any) -> None:
    made = graph(task("a"), cancellation_policy=policy, secret_vars=("s",), vars={"s": None}, output_map={})
    assert (made.cancellation_policy, made.secret_vars, made.output_map) == (policy, {"s"}, {})
