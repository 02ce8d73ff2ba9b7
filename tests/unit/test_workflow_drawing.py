from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from attune_cli.drawing.dot import dot
from attune_cli.drawing.lanes import Row, rows_of, tasks_in_order
from attune_cli.drawing.marks import ASCII, DOWN, UNICODE, UP
from attune_cli.drawing.mermaid import mermaid
from attune_cli.drawing.text import Drawing
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.workflows.graph import Graph
from attune_cli.table import display_width

if TYPE_CHECKING:
    from collections.abc import Sequence


def graph(*tasks: dict[str, Any], **more: Any) -> Graph:
    return Graph.of(WorkflowDefinition(ref="ops.deploy", pack_ref="ops", tasks=tasks, **more))


def task(name: str, *following: dict[str, Any], action: str = "core.echo", **more: Any) -> dict[str, Any]:
    return {"name": name, "action": action, "next": list(following), **more}


def to(*targets: str, when: str | None = None, publish: Sequence[Any] = ()) -> dict[str, Any]:
    return {"when": when, "do": list(targets), "publish": list(publish)}


DEPLOY = graph(
    task(
        "build",
        to(
            "lint", "test", "audit", when="{{ succeeded() }}", publish=[{"version": "{{ result().version }}"}]
        ),
        to("alarm", when="{{ failed() }}"),
        action="ci.build",
        retry={"count": 3, "delay": 5, "backoff": "exponential", "on_error": "timeout"},
    ),
    task("lint", to("approve")),
    task("test", to("approve"), with_items="{{ parameters.suites }}", concurrency=5),
    task("audit", to("approve"), action="ops.audit"),
    task(
        "approve",
        to("rollout", when="{{ result().response.approved }}"),
        to("alarm", when="{{ not result().response.approved or timed_out() }}"),
        action="core.ask",
        join="all",
        timeout=3600,
    ),
    task("rollout", to("wait", when="{{ succeeded() }}"), to("rollback", when="{{ failed() }}")),
    task(
        "wait",
        to("rollout", when="{{ not result().healthy }}"),
        to("notify", when="{{ result().healthy }}"),
        max_iterations=30,
        delay=10,
    ),
    task("rollback", to("alarm")),
    task("alarm", to("notify")),
    task("notify"),
)

AT_80 = """\
●       build     ci.build · retry ×3 after 5s, exponential, on timeout
├─┬─╮   succeeded() → lint, test, audit · sets version
├─│─│─╮ failed() → alarm
● │ │ │ lint      core.echo
│ │ │ │
│ ● │ │ test      core.echo · for each of parameters.suites · 5 at a time
├─╯ │ │
│   ● │ audit     workflow ops.audit
├───╯ │
●     │ approve   core.ask · join all of 3 · timeout 1h
│     │ result().response.approved → rollout
├─────┤ not result().response.approved or timed_out() → alarm
●     │ rollout   core.echo · ↺ from wait
│     │ succeeded() → wait
├─╮   │ failed() → rollback
● │   │ wait      core.echo · after 10s
│ │   │ not result().healthy ↺ rollout, at most 30 times
│ │   │ result().healthy → notify
│ ●   │ rollback  core.echo
│ ╰───┤
│     ● alarm     core.echo
├─────╯
●       notify    core.echo
"""

ASCII_AT_56 = """\
*       build     ci.build
|                 retry x3 after 5s, exponential, on
|                   timeout
+-+-.   succeeded() -> lint, test, audit - sets version
+-|-|-. failed() -> alarm
* | | | lint      core.echo
| | | |
| * | | test      core.echo
| | | |           for each of parameters.suites
| | | |           5 at a time
+-' | |
|   * | audit     workflow ops.audit
+---' |
*     | approve   core.ask - join all of 3 - timeout 1h
|     | result().response.approved -> rollout
+-----+ not result().response.approved or timed_out() ->
|     |   alarm
*     | rollout   core.echo - ^ from wait
|     | succeeded() -> wait
+-.   | failed() -> rollback
* |   | wait      core.echo - after 10s
| |   | not result().healthy ^ rollout, at most 30 times
| |   | result().healthy -> notify
| *   | rollback  core.echo
| `---+
|     * alarm     core.echo
+-----'
*       notify    core.echo
"""


def drawn(of: Graph, **how: Any) -> str:
    how = {"width": 80, "marks": UNICODE, **how}
    return "".join(f"{line}\n" for line in Drawing(**how).lines(of))


def test_a_deploy_with_parallel_checks_is_drawn_in_80_columns() -> None:
    assert drawn(DEPLOY, is_workflow={"ops.audit"}.__contains__) == AT_80


def test_what_does_not_fit_goes_on_in_the_next_line_and_ascii_stands_for_lines() -> None:
    shown = drawn(DEPLOY, width=56, marks=ASCII, is_workflow={"ops.audit"}.__contains__)
    assert shown == ASCII_AT_56
    assert shown.isascii()


def test_nested_tasks_of_a_parallel_one_are_its_branches() -> None:
    parallel = graph(
        task("a", to("checks")),
        {
            "name": "checks",
            "type": "parallel",
            "tasks": [
                task("x"),
                {"name": "y", "type": "parallel", "tasks": [task("y1"), task("y2")]},
                task("z", with_items=[1, 2, 3]),
            ],
            "next": [to("b", when="{{ succeeded() }}")],
        },
        task("b"),
    )
    assert (
        drawn(parallel)
        == """\
● a       core.echo
│
● checks  parallel: all at once
│ ├─● x       core.echo
│ ├─● y       parallel: all at once
│ │  ├─● y1      core.echo
│ │  ╰─● y2      core.echo
│ ╰─● z       core.echo · for each of 3 values · 1 at a time
│ succeeded()
● b       core.echo
"""
    )


def record(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "status": status, "items": None, "completed_items": None, "failed_items": None,
        "attempts": 1, "iteration": 1, "duration_ms": None, "started_at": None, "finished_at": None,
        "error": None, "tasks": [], **more,
    }  # fmt: skip


STATES = {
    "build": record("build", "completed", duration_ms=12_300, attempts=2),
    "lint": record("lint", "failed", duration_ms=900),
    "test": record("test", "running", items=40, completed_items=12, failed_items=3),
    "audit": record("audit", "skipped"),
}


def test_the_states_of_an_execution_stand_before_what_a_task_is() -> None:
    lines = drawn(DEPLOY, states=STATES).splitlines()
    assert lines[0] == "✔       build     completed · 2 attempts · 12s · ci.build"
    assert lines[4] == "✖ │ │ │ lint      failed · 900ms · core.echo"
    text = "\n".join(lines)
    assert "│ ● │ │ test      running · 12/40 items · 3 failed · core.echo\n" in text
    assert "│   » │ audit     skipped · ops.audit\n" in text
    assert "○     │ approve   not begun · core.ask · join all of 3" in text


def test_colours_change_no_character() -> None:
    import re

    painted = drawn(DEPLOY, states=STATES, color=True)
    assert "\x1b[32m✔\x1b[0m" in painted
    assert re.sub("\x1b\\[[0-9]+m", "", painted) == drawn(DEPLOY, states=STATES)


def test_a_name_that_would_drive_a_terminal_is_shown_as_what_it_is() -> None:
    shown = drawn(graph(task("a\x1b[2J", to("b", when="{{ '\x1b[31m' == 'x' }}")), task("b")))
    assert "\x1b" not in shown
    assert "a␛[2J" in shown


def _of_numbers(targets: list[list[set[int]]]) -> Graph:
    """Make a graph of which each task leads to those numbers, one transition for each set."""
    names = [f"t{number}" for number in range(len(targets))]
    return graph(
        *(
            task(name, *(to(*(names[one % len(names)] for one in sorted(some))) for some in following))
            for name, following in zip(names, targets, strict=True)
        )
    )


def graphs() -> st.SearchStrategy[Graph]:
    following = st.lists(st.sets(st.integers(0, 8), max_size=3), max_size=3)
    return st.lists(following, min_size=1, max_size=9).map(_of_numbers)


@given(graphs())
def test_every_task_stands_below_all_that_lead_to_it(of: Graph) -> None:
    order = [one.name for one in tasks_in_order(of)]
    assert sorted(order) == sorted(of.tasks)
    for name, origins in of.inbound.items():
        assert all(order.index(origin) < order.index(name) for origin in origins)


@given(graphs())
def test_no_line_of_a_drawing_ends_or_begins_in_the_air(of: Graph) -> None:
    above: set[int] = set()
    for row in rows_of(of):
        up = {column for column, ways in enumerate(row.columns) if ways & UP}
        if row.transition is None:
            assert (row.at in above) == bool(of.inbound[row.task.name])
            up = up - {row.at} | (above & {row.at})
        assert up == above
        above = set(row.below)
        _check_down(row)
    assert above == set()


def _check_down(row: Row) -> None:
    down = {column for column, ways in enumerate(row.columns) if ways & DOWN}
    if row.transition is None:
        assert row.below - {row.at} == down - {row.at}
    else:
        assert row.below == down


@given(graphs(), st.integers(40, 120))
def test_a_drawing_fits_as_long_as_its_lanes_leave_room(of: Graph, width: int) -> None:
    rail = max(len(row.columns) for row in rows_of(of)) * 2
    limit = max(width, rail + 24 + 4 + 2)
    assert all(display_width(line) <= limit for line in drawn(of, width=width).splitlines())


def test_mermaid_has_nodes_with_numbers_groups_and_dashed_arrows_back() -> None:
    text = mermaid(
        graph(
            task("end", to("both", when='{{ result().x == "y" }}')),
            {"name": "both", "type": "parallel", "tasks": [task("x")], "next": [to("end")]},
            max_iterations=4,
        ),
        Drawing(width=80, marks=UNICODE, states={"end": record("end", "failed")}),
    )
    assert (
        text
        == """\
flowchart TD
  t1["end<br/>core.echo<br/>↺ from both<br/>failed"]
  subgraph t2["both<br/>parallel: all at once<br/>not begun"]
    t3["x<br/>core.echo<br/>not begun"]
  end
  t1 -->|"result().x == #quot;y#quot;"| t2
  t2 -.->|"at most 4 times"| t1
  style t1 stroke:#c62828,stroke-width:2px
  style t2 stroke:#9e9e9e,stroke-width:2px
  style t3 stroke:#9e9e9e,stroke-width:2px
"""
    )


def test_dot_quotes_whatever_stands_in_names_and_conditions() -> None:
    text = dot(
        graph(task('a"b\\', to("c", when='{{ result().x == "y, z" }}')), task("c")),
        Drawing(width=80, marks=UNICODE),
    )
    assert '"a\\"b\\\\" [label="a\\"b\\\\\\ncore.echo"];' in text
    assert '-> "c" [label="result().x == \\"y, z\\""];' in text
