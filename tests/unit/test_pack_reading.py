from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attune_cli.errors import NotFoundError
from attune_cli.runtime.model.actions import ActionDefinition, Retry
from attune_cli.runtime.model.automations import (
    DEFINITIONS,
    RuleDefinition,
    SensorDefinition,
    WorkflowDefinition,
)
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.packs.documents import parse_document
from attune_cli.runtime.packs.reading import Installed
from attune_cli.runtime.packs.source import read_pack, without_faulty
from tests.pack_files import ACTION, GREENHOUSE, MANIFEST, findings_of, read, write_files, write_pack


def test_the_example_of_every_kind_is_read_without_a_finding(tmp_path: Path) -> None:
    source = read(write_files(tmp_path / "greenhouse", GREENHOUSE))
    assert source.findings == ()
    assert {kind: [one.ref for one in group] for kind, group in source.definitions.items()} == {
        "permission_set": ["greenhouse.reader"],
        "runtime": ["greenhouse.lua"],
        "trigger": ["greenhouse.soil_dry"],
        "action": ["greenhouse.open_valve", "greenhouse.water", "greenhouse.dry"],
        "workflow": ["greenhouse.water", "greenhouse.dry"],
        "queue": ["greenhouse.waterings"],
        "rule": ["greenhouse.water_when_dry"],
        "sensor": ["greenhouse.soil_probe"],
        "policy": ["greenhouse.one_valve_at_a_time"],
    }


def test_every_definition_survives_being_stored(tmp_path: Path) -> None:
    source = read(write_files(tmp_path / "greenhouse", GREENHOUSE))
    for kind, group in source.definitions.items():
        for definition in group:
            stored = json.loads(json.dumps(definition.to_json()))
            assert DEFINITIONS[kind].from_json(stored) == definition
    manifest = json.loads(json.dumps(source.manifest.to_json()))
    assert PackManifest.from_json(manifest) == source.manifest


def test_both_dialects_of_the_manifest_come_to_the_same(tmp_path: Path) -> None:
    core = "ref: demo\nlabel: My Demo\nversion: 1.0.0\nconf_schema: {a: {type: string}}\nmeta: {x: 1}\ntags: [t]\n"
    api = core.replace("label", "name").replace("conf_schema", "config_schema")
    api = api.replace("meta", "metadata").replace("tags", "keywords")
    first = read(write_files(tmp_path / "one", {"pack.yaml": core}))
    second = read(write_files(tmp_path / "two", {"pack.yml": api}))
    assert (first.findings, second.findings) == ((), ())
    assert first.manifest == second.manifest
    assert first.manifest.label == "My Demo"


def test_needs_of_a_manifest_are_read_in_every_spelling(tmp_path: Path) -> None:
    text = MANIFEST + 'python: "3.9"\nnodejs: "18"\nruntime_deps: [shell]\n'
    text += 'dependencies: [{ref: core, version: ">=0.1"}, {ref: other}]\n'
    manifest = read(write_files(tmp_path, {"pack.yaml": text})).manifest
    assert manifest.runtime_deps == ("shell", "python3>=3.9", "nodejs>=18")
    assert manifest.dependencies == ("core >=0.1", "other")


def test_short_refs_get_the_packs_prefix_everywhere(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path,
        {
            "actions/hello.yaml": ACTION.replace("demo.hello", "hello"),
            "triggers/t.yaml": "ref: fired\n",
            "rules/r.yaml": "ref: r\ntrigger_ref: fired\naction_ref: hello\npermission_set_ref: standard\n",
            "sensors/s.yaml": "ref: s\nrunner_type: shell\nentry_point: date\ntrigger_type: fired\n",
            "workflows/w.yaml": "ref: w\nversion: 1.0.0\ntasks: [{name: a, action: hello}]\n",
            "queues/q.yaml": "ref: q\ndispatch_action: hello\n",
        },
    )
    source = read(folder)
    assert source.findings == ()
    (rule,) = source.of(RuleDefinition)
    assert (rule.ref, rule.trigger_ref, rule.action_ref) == ("demo.r", "demo.fired", "demo.hello")
    assert rule.permission_set_refs == ("standard",)
    assert source.of(SensorDefinition)[0].trigger_types == ("demo.fired",)
    assert source.of(WorkflowDefinition)[0].tasks[0]["action"] == "demo.hello"


def test_what_is_omitted_is_told_from_what_is_empty(tmp_path: Path) -> None:
    rule = "ref: {}\ntrigger_ref: core.alert\naction_ref: core.echo\n"
    files = {
        "rules/a.yaml": rule.format("a"),
        "rules/b.yaml": rule.format("b") + "permission_set_refs: []\n",
        "rules/c.yaml": rule.format("c") + "permission_set_refs: core.viewer\n",
    }
    rules = read(write_pack(tmp_path, files)).of(RuleDefinition)
    assert [one.permission_set_refs for one in rules] == [None, (), ("core.viewer",)]


def test_every_key_of_ours_reaches_the_action(tmp_path: Path) -> None:
    text = ACTION + (
        "timeout: 1.5\nretry: {count: 3, delay: 2, backoff: linear, max_delay: 9}\nconcurrency: 2\n"
        "concurrency_key: [host]\nmax_stdout_bytes: 10\nmax_stderr_bytes: 20\nenabled: no\ntags: [a]\n"
        "output_schema: {ok: {type: boolean}}\nlog_retention_policy: days\nlog_retention_limit: 3\n"
        "worker_selector: {zone: a}\nrequired_worker_runtimes: {python: '>=3.9', node: '*'}\n"
    )
    source = read(write_pack(tmp_path, {"actions/hello.yaml": text}))
    assert source.findings == ()
    (action,) = source.of(ActionDefinition)
    assert action.retry == Retry(count=3, delay_seconds=2, backoff="linear", max_delay_seconds=9)
    assert (action.timeout_seconds, action.concurrency, action.concurrency_key) == (1.5, 2, ("host",))
    assert (action.max_stdout_bytes, action.max_stderr_bytes, action.enabled) == (10, 20, False)
    assert action.output == {"ok": {"type": "boolean"}}
    assert action.retention == {"log_retention_policy": "days", "log_retention_limit": 3}
    assert action.placement == {"worker_selector": {"zone": "a"}}


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        *[(word, "core.shell") for word in ("shell", "bash", "SH", "core.shell")],
        *[(word, "core.python") for word in ("python", "Python3")],
        *[(word, "core.nodejs") for word in ("node", "nodejs", "node.js", "Node.js")],
        ("rb", "core.ruby"),
        ("Rscript", "core.r"),
        ("Lua", "demo.lua"),
        ("demo.lua", "demo.lua"),
    ],
)
def test_runner_types_become_refs_of_runtimes(tmp_path: Path, written: str, canonical: str) -> None:
    files = {
        "runtimes/lua.yaml": "ref: lua\nname: LUA\nexecution_config: {interpreter: {binary: lua}}\n",
        "actions/hello.yaml": f"{ACTION}runner_type: {written}\n",
    }
    source = read(write_pack(tmp_path, files))
    assert source.findings == ()
    assert source.of(ActionDefinition)[0].runner_type == canonical


def test_inline_code_is_no_missing_file(tmp_path: Path) -> None:
    files = {
        "actions/hello.yaml": "ref: hello\nentry_point: echo $PARAM_NAME\n",
        "actions/code.yaml": 'ref: code\nrunner_type: python\nentry_point: "import sys\\nprint(1.5)\\n"\n',
        "actions/long.yaml": f"ref: long\nentry_point: 'echo {'x' * 5000}'\n",
    }
    assert findings_of(write_pack(tmp_path, files)) == []


def test_http_and_container_actions_need_no_file(tmp_path: Path) -> None:
    files = {
        "actions/web.yaml": "ref: web\nrunner_type: http\nhttp: {url: 'https://x/{{ id }}', expected_status: [200]}\n",
        "actions/box.yaml": "ref: box\nrunner_type: container\nimage: alpine\ncommand: [date]\nnetwork: bridge\n",
        "actions/meta.yaml": "ref: meta\nrunner_type: shell\nentry_point: x\nmetadata: {container_image: alpine}\n",
    }
    source = read(write_pack(tmp_path, files))
    assert source.findings == ()
    by_ref = {action.ref: action for action in source.of(ActionDefinition)}
    assert by_ref["demo.web"].http == {"url": "https://x/{{ id }}", "expected_status": [200]}
    assert by_ref["demo.box"].container == {"image": "alpine", "command": ["date"], "network": "bridge"}
    assert by_ref["demo.meta"].runner_type == "core.container"


def test_a_workflow_in_both_places_is_taken_from_beside_the_actions(tmp_path: Path) -> None:
    graph = "version: 1.0.0\ntasks: [{{name: {}, action: core.noop}}]\n"
    files = {
        "workflows/w.workflow.yaml": graph.format("old"),
        "actions/workflows/w.workflow.yaml": graph.format("new"),
    }
    source = read(write_pack(tmp_path, files))
    assert [str(finding) for finding in source.findings] == [
        "workflows/w.workflow.yaml:1:1: 'demo.w' is already defined in actions/workflows/w.workflow.yaml"
    ]
    assert [task["name"] for task in source.of(WorkflowDefinition)[0].tasks] == ["new"]
    (action,) = [one for one in source.of(ActionDefinition) if one.ref == "demo.w"]
    assert action.runner_type == "core.workflow"
    assert action.workflow_file == "actions/workflows/w.workflow.yaml"


def _faults() -> list[tuple[str, str, list[str]]]:
    """Read the cases of pack_faults.txt: file, its text, and the findings it gives."""
    cases: list[tuple[str, str, list[str]]] = []
    for block in Path(__file__).with_name("pack_faults.txt").read_text("utf-8").split("\n== ")[1:]:
        file, *lines = block.rstrip("\n").split("\n")
        text = "".join(f"{line}\n" for line in lines if not line.startswith("-> "))
        found = [line.removeprefix("-> ") for line in lines if line.startswith("-> ")]
        cases.append((file, text.replace("\\t", "\t"), found))
    return cases


@pytest.mark.parametrize(("file", "text", "findings"), _faults())
def test_each_fault_says_where_it_is_and_what_may_be_meant(
    tmp_path: Path, file: str, text: str, findings: list[str]
) -> None:
    assert findings
    assert findings_of(write_pack(tmp_path, {file: text})) == findings


def test_all_faults_of_a_pack_are_told_together_and_in_order(tmp_path: Path) -> None:
    files = {
        "pack.yaml": "version: x\n",
        "actions/hello.yaml": "ref: demo.hello\ntimeout: soon\noutput_format: x\n",
        "rules/r.yaml": "ref: [\n",
    }
    places = [
        finding.partition(" ")[2].split(": ")[0] for finding in findings_of(write_pack(tmp_path, files))
    ]
    assert places == [
        "actions/hello.yaml:1:1",
        "actions/hello.yaml:2:10",
        "actions/hello.yaml:3:16",
        "pack.yaml:1:1",
        "pack.yaml:1:10",
        "rules/r.yaml:2:1",
    ]


def test_a_folder_without_a_manifest_says_so(tmp_path: Path) -> None:
    assert findings_of(write_files(tmp_path / "demo", {"README.md": ""})) == [
        "error pack.yaml:1:1: a pack needs this file"
    ]
    with pytest.raises(NotFoundError):
        read(tmp_path / "gone")


def test_a_link_that_leaves_the_pack_is_refused_and_one_within_is_not(tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    (folder / "within.sh").symlink_to("actions/hello.sh")
    (folder / "absolute").symlink_to(folder / "actions")
    assert findings_of(folder) == []
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("../..")
    os.mkfifo(folder / "pipe")
    assert findings_of(folder) == [
        "error passwd:1:1: the link leaves the pack folder",
        "error pipe:1:1: neither a file nor a folder",
        "error up:1:1: the link leaves the pack folder",
    ]


def test_a_native_entry_point_has_to_be_executable(tmp_path: Path) -> None:
    files = {
        "actions/hello.yaml": ACTION.replace("hello.sh", "tool") + "runner_type: native\n",
        "actions/tool": "x",
    }
    folder = write_pack(tmp_path, files)
    assert findings_of(folder) == [
        "error actions/hello.yaml:2:14: entry point 'tool' is not executable (chmod +x actions/tool)"
    ]
    (folder / "actions/tool").chmod(0o755)
    assert findings_of(folder) == []


def test_what_is_installed_decides_which_other_packs_refs_are_known(tmp_path: Path) -> None:
    files = {"rules/r.yaml": "ref: r\ntrigger_ref: other.fired\naction_ref: hello\n"}
    folder = write_pack(tmp_path, files)
    (doubtful,) = read_pack(folder).findings
    assert (doubtful.severity, doubtful.said) == (
        "warning",
        "unknown trigger 'other.fired': there is no pack 'other' (name it under 'dependencies' in pack.yaml)",
    )
    (unknown,) = read_pack(folder, installed=Installed(is_complete=True)).errors
    assert unknown.message == "unknown trigger 'other.fired': there is no pack 'other'"
    there = Installed(frozenset({"other"}), {"trigger": frozenset({"other.fired"})}, is_complete=True)
    assert read_pack(folder, installed=there).findings == ()
    (folder / "pack.yaml").write_text(MANIFEST + 'dependencies: ["other>=1.0.0"]\n')
    assert read_pack(folder).findings == ()


def test_a_task_is_not_blamed_for_an_action_whose_file_cannot_be_read(tmp_path: Path) -> None:
    files = {
        "actions/broken.yaml": "ref: [",
        "workflows/w.yaml": "version: 1.0.0\ntasks: [{name: a, action: broken}, {name: b, action: gone}]\n",
    }
    told = [(one.path, one.line) for one in read_pack(write_pack(tmp_path, files)).errors]
    assert told == [("actions/broken.yaml", 2), ("workflows/w.yaml", 2)]


def test_what_tasks_give_to_actions_of_installed_packs_is_checked(tmp_path: Path) -> None:
    task = "{name: a, action: other.act, input: {colour: red, pin: key://x}}"
    folder = write_pack(tmp_path, {"workflows/w.yaml": f"version: 1.0.0\ntasks: [{task}]\n"})
    secret = {"type": "integer", "secret": True, "required": True}
    other = ActionDefinition(
        ref="other.act",
        pack_ref="other",
        parameters={"color": {"type": "string", "required": True}, "pin": secret, "pon": secret},
    )
    known = Installed(
        frozenset({"other"}), {"action": frozenset({"other.act"})}, actions={"other.act": other}
    )
    assert [str(one) for one in read_pack(folder, installed=known).errors] == [
        "workflows/w.yaml:2:54: 'tasks.0.input.colour': unknown parameter of other.act (did you mean color?)"
    ]


def test_a_runtime_of_another_pack_is_found_by_its_name(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, {"actions/hello.yaml": ACTION + "runner_type: Lua\n"})
    installed = Installed(frozenset({"lang"}), {}, {"lua": "lang.lua"}, is_complete=True)
    assert read_pack(folder, installed=installed).of(ActionDefinition)[0].runner_type == "lang.lua"


def test_leaving_out_faulty_files_keeps_a_workflow_and_its_action_together(tmp_path: Path) -> None:
    graph = "version: 1.0.0\ntasks: [{name: a, action: core.noop, join: x}]\n"
    files = {
        "actions/flow.yaml": "ref: flow\nworkflow_file: workflows/flow.yaml\n",
        "actions/workflows/flow.yaml": graph,
        "actions/broken.yaml": "ref: [",
        "triggers/t.yaml": "ref: t\n",
    }
    left, skipped = without_faulty(read(write_pack(tmp_path, files)))
    assert left.errors == []
    assert skipped == ["demo.flow", "actions/broken.yaml"]
    kept = {kind: [one.ref for one in group] for kind, group in left.definitions.items() if group}
    assert kept == {"action": ["demo.hello"], "trigger": ["demo.t"]}


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, child in inner for deeper in _paths(child, (*path, key)))]


def _replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


DOCUMENTS = {
    name: parse_document(text.encode()).value
    for name, text in GREENHOUSE.items()
    if name.endswith((".yaml", ".yml"))
}
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.just("../x"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_file_is_a_finding_and_never_a_crash(
    tmp_path: Path, data: st.DataObject
) -> None:
    folder = tmp_path / "greenhouse"
    if not folder.exists():
        write_files(folder, GREENHOUSE)
    name = data.draw(st.sampled_from(sorted(DOCUMENTS)))
    path = data.draw(st.sampled_from(_paths(DOCUMENTS[name])))
    changed = json.dumps(_replaced(DOCUMENTS[name], path, data.draw(anything)))
    (folder / name).write_text(changed, encoding="utf-8")
    try:
        source = read(folder)
    finally:
        (folder / name).write_text(GREENHOUSE[name], encoding="utf-8")
    assert all(finding.line >= 1 and finding.message for finding in source.findings)
    for group in source.definitions.values():
        for definition in group:
            json.dumps(definition.to_json())
