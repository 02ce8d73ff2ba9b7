from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.model.actions import ActionDefinition, Retry
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.model.workflows.graph import Graph
from attune_cli.runtime.packs.documents import parse_document
from attune_cli.runtime.packs.fields import Fields
from attune_cli.runtime.packs.findings import Finding, errors_of
from attune_cli.runtime.packs.kinds.workflow import companion_action, decode_workflow
from attune_cli.runtime.packs.reading import Reading
from attune_cli.runtime.packs.source import read_pack
from tests.pack_files import write_pack

WHOLE = """\
version: 1.0.0
parameters: {hosts: {type: array}, force: {type: boolean}}
vars: {done: 0, token: null}
secret_vars: [token]
max_iterations: 9
timeout: 600
output_map: {done: "{{ done }}"}
cancellation_policy: cancel_running
tasks:
  - name: first
    type: parallel
    when: "{{ parameters.force }}"
    tasks:
      - {name: left, type: workflow, action: other, delay: 2}
      - {name: both, type: parallel, tasks: [{name: right, action: core.noop}]}
    next: [{do: [each], publish: [{token: "{{ task.left.token }}"}, seen]}]
  - name: each
    action: core.echo
    with_items: "{{ parameters.hosts }}"
    concurrency: 4
    batch_size: 10
    input: {message: "{{ index }}: {{ batch | length }} {{ seen.n }}"}
    retry: {count: 3, delay: 1, on_error: [timed out, "^5\\\\d\\\\d"]}
    timeout: 30
    next: [{when: "failed() and not timed_out()", do: [each, last]}, {when: true, do: [last]}]
  - {name: last, action: core.noop, join: all}
"""


def read(text: str, action: ActionDefinition | None = None) -> tuple[WorkflowDefinition, list[Finding]]:
    findings: list[Finding] = []
    fields = Fields(parse_document(text.encode()), "flow.yaml", findings)
    reading = Reading("demo", Path("/nowhere"), {}, has_all_runtimes=True)
    return decode_workflow(fields, reading, "workflows/flow.yaml", action, "flow"), findings


def test_everything_that_a_workflow_may_say_is_read() -> None:
    workflow, findings = read(WHOLE)
    assert findings == []
    graph = Graph.of(workflow)
    assert (graph.secret_vars, graph.max_iterations, graph.cancellation_policy) == (
        {"token"},
        9,
        "cancel_running",
    )
    assert [task.action for task in graph.tasks["first"].tasks] == ["demo.other", None]
    assert graph.tasks["right"].within == "both"
    assert graph.tasks["each"].retry == Retry(count=3, delay_seconds=1, on_error=("timed out", "^5\\d\\d"))
    assert graph.tasks["last"].join == "all"
    assert graph.back_edges == {("each", "each")}
    assert companion_action(workflow).timeout_seconds == 600


def test_beside_an_action_the_time_of_the_whole_stands_there() -> None:
    text = "version: 1.0.0\ntimeout: 5\ntasks: [{name: a, action: core.noop}]\n"
    workflow, findings = read(text, ActionDefinition(ref="demo.flow", pack_ref="demo"))
    assert [finding.message for finding in findings] == ["'timeout' is ignored"]
    assert workflow.timeout_seconds is None


def test_a_parameter_that_the_action_declares_is_known_to_the_graph() -> None:
    text = 'version: 1.0.0\ntasks: [{name: a, action: core.noop, input: {x: "{{ parameters.hots }}"}}]\n'
    action = ActionDefinition(ref="demo.flow", pack_ref="demo", parameters={"hosts": {"type": "array"}})
    assert [str(finding) for finding in read(text, action)[1]] == [
        "flow.yaml:2:53: 'tasks.0.input.x': unknown parameter 'hots' (did you mean hosts?)"
    ]
    assert len(errors_of(read(text, action)[1])) == 1
    doubted = read(text.replace("hots", "hots | default(1)"), action)[1]
    assert [finding.severity for finding in doubted] == ["warning"]


def test_branches_of_a_decision_that_are_too_long_together_are_refused() -> None:
    branch = {"when": f"{{{{ parameters.x == '{'y' * 2000}' }}}}", "next": "a"}
    task = {"name": "t", "action": "core.noop", "decision": [branch, branch, branch]}
    text = json.dumps({"version": "1.0.0", "tasks": [task, {"name": "a", "action": "core.noop"}]})
    assert [finding.message for finding in read(text)[1]] == [
        "'tasks.0.decision.2': with those before it longer than 4096 characters; use 'next'"
    ]


def test_a_graph_in_a_folder_that_is_not_read_fails_the_load(tmp_path: Path) -> None:
    files = {
        "actions/flow.yaml": "ref: flow\nworkflow_file: ../node_modules/flow.yaml\n",
        "node_modules/flow.yaml": "version: 1.0.0\ntasks: [{name: a, action: core.noop}]\n",
    }
    assert [str(finding) for finding in read_pack(write_pack(tmp_path, files)).errors] == [
        "node_modules/flow.yaml:1:1: is not read: the folder is no part of a pack"
    ]


def test_a_graph_that_cannot_be_parsed_fails_the_load(tmp_path: Path) -> None:
    files = {
        "actions/flow.yaml": "ref: flow\nworkflow_file: workflows/flow.yaml\n",
        "actions/workflows/flow.yaml": "version: 1.0.0\ntasks: [\n",
    }
    assert len(read_pack(write_pack(tmp_path, files)).errors) == 1


def test_a_file_of_more_than_a_mebibyte_is_refused(tmp_path: Path) -> None:
    files = {"workflows/flow.yaml": f"version: 1.0.0\n# {'x' * 1024 * 1024}\ntasks: []\n"}
    assert [str(finding) for finding in read_pack(write_pack(tmp_path, files)).errors] == [
        "workflows/flow.yaml:1:1: larger than 1024 KiB"
    ]


# --- whatever is written

KEYS = [
    "name", "type", "action", "input", "when", "with_items", "concurrency", "retry", "join", "next", "publish", "do",
    "tasks", "decision", "on_success", "max_iterations", "vars", "secret_vars", "output_map", "default", "delay",
]  # fmt: skip
WORDS = [
    "a",
    "b",
    "parallel",
    "all",
    "core.noop",
    "{{ a }}",
    "{{ task.b.c }}",
    "{{ item",
    "succeeded()",
    "1 +",
]
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)
tasks = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"])},
    optional={
        "type": st.sampled_from(["action", "parallel", "workflow"]), "action": st.just("core.noop"),
        "next": st.lists(
            st.fixed_dictionaries({}, optional={"do": st.lists(st.sampled_from(["a", "b", "c"]), max_size=2)}),
            max_size=2,
        ),
        "join": st.sampled_from([1, 2, "all"]), "max_iterations": st.integers(1, 3), "tasks": values,
        "with_items": values, "decision": values, "on_success": st.sampled_from(["a", "b"]),
    },
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(KEYS), values, max_size=6)
    | st.fixed_dictionaries({"tasks": st.lists(tasks)})
)
@settings(max_examples=300)
def test_reading_tells_faults_and_never_raises_and_what_has_none_is_a_graph(written: dict[str, Any]) -> None:
    workflow, findings = read(json.dumps({"version": "1.0.0", **written}))
    if not errors_of(findings):
        graph = Graph.of(WorkflowDefinition.from_json(json.loads(json.dumps(workflow.to_json()))))
        assert graph.entry
        assert all(graph.bound_of(name) for name in graph.tasks)
