"""Pack folders for tests, written from a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.packs.source import read_pack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from attune_cli.runtime.packs.source import PackSource

MANIFEST = "ref: demo\nversion: 1.0.0\n"
ACTION = "ref: demo.hello\nentry_point: hello.sh\n"
SCRIPT = "#!/bin/sh\necho hello\n"

GREENHOUSE: Mapping[str, str] = {
    "pack.yaml": """\
ref: greenhouse
label: Greenhouse
name: Greenhouse
version: 0.3.0
description: Valves, sensors and watering plans
conf_schema: &cs
  base_url: {type: string, required: true}
  api_token: {type: string, secret: true}
config_schema: *cs
tags: [iot]
keywords: [iot]
runtime_deps: ["python3>=3.9"]
dependencies: [core]
""",
    "actions/open_valve.yaml": """\
ref: greenhouse.open_valve
label: Open valve
runner_type: python
entry_point: open_valve.py
parameter_delivery: stdin
parameter_format: json
output_format: json
parameters:
  valve: {type: integer, required: true, minimum: 1}
  seconds: {type: integer, default: 30}
  bed: {type: string}
  pin: {type: string, secret: true}
output:
  opened: {type: boolean, required: true}
""",
    "actions/open_valve.py": "print('{}')\n",
    "actions/water.yaml": """\
ref: greenhouse.water
label: Water all beds
workflow_file: workflows/water.workflow.yaml
parameters:
  beds: {type: array, items: {type: string}, required: true}
output: {done: {type: integer}}
""",
    "actions/workflows/water.workflow.yaml": """\
version: 1.0.0
vars: {opened: 0}
tasks:
  - name: open
    action: greenhouse.open_valve
    with_items: "{{ parameters.beds }}"
    concurrency: 2
    input: {valve: "{{ index + 1 }}", bed: "{{ item }}"}
    timeout: 120
    retry: {count: 2, delay: 5, backoff: exponential, max_delay: 30}
    next:
      - when: "{{ succeeded() }}"
        publish: [{opened: "{{ length(parameters.beds) }}"}]
        do: [report]
      - when: "{{ failed() }}"
        do: [alarm]
  - name: report
    action: core.echo
    input: {message: "watered {{ workflow.opened }} beds"}
  - name: alarm
    action: core.echo
    input: {message: "a valve is stuck"}
output_map: {done: "{{ workflow.opened }}"}
""",
    "workflows/dry.workflow.yaml": "version: 1.0.0\ntasks: [{name: wait, action: core.sleep}]\n",
    "triggers/soil_dry.yml": """\
ref: greenhouse.soil_dry
label: Soil dry
parameters: {bed: {type: string, required: true}}
output:
  bed: {type: string, required: true}
  moisture: {type: number}
""",
    "sensors/soil_probe.yaml": """\
ref: greenhouse.soil_probe
label: Soil probe
runner_type: python
entry_point: soil_probe.py
trigger_types: [greenhouse.soil_dry]
""",
    "sensors/soil_probe.py": "",
    "rules/water_when_dry.yaml": """\
ref: greenhouse.water_when_dry
trigger_ref: greenhouse.soil_dry
action_ref: greenhouse.open_valve
trigger_params: {bed: north}
conditions: {expression: "event.payload.moisture < 20"}
action_params:
  valve: 3
  seconds: "{{ pack.config.default_seconds }}"
""",
    "queues/waterings.yaml": """\
ref: greenhouse.waterings
label: Waterings
dispatch_action: greenhouse.open_valve
item_schema: {valve: {type: integer, required: true}}
action_params: {valve: "{{ item.valve }}", queue_items: "{{ queue_items }}"}
config: {dispatch: {concurrency: {source: literal, value: 2}, retry_limit: 3}}
""",
    "permission_sets/reader.yaml": """\
ref: greenhouse.reader
label: Greenhouse reader
grants:
  - {resource: keys, actions: [read], constraints: {owner_types: [pack], owner_refs: [greenhouse]}}
""",
    "runtimes/lua.yaml": """\
ref: greenhouse.lua
name: Lua
aliases: [lua]
distributions: {verification: {commands: [{binary: lua, args: ["-v"], exit_code: 0, priority: 1}]}}
execution_config:
  interpreter: {binary: lua, args: [], file_extension: ".lua"}
  environment: {env_type: none}
""",
    "policies/one_valve_at_a_time.yaml": """\
ref: greenhouse.one_valve_at_a_time
action_ref: greenhouse.open_valve
method: enqueue
threshold: 1
parameters: [valve]
name: one_valve_at_a_time
""",
}
"""The example of domain.md 1 and 5, every kind of definition in it."""


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder; scripts (`#!`) become executable."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o755)
    return folder


def write_pack(parent: Path, files: Mapping[str, str] | None = None, *, ref: str = "demo") -> Path:
    """Write a small valid pack, with `files` beside or in place of its own."""
    own = {
        "pack.yaml": MANIFEST.replace("demo", ref),
        "actions/hello.yaml": ACTION.replace("demo", ref),
        "actions/hello.sh": SCRIPT,
    }
    return write_files(parent / ref, {**own, **(files or {})})


def findings_of(folder: Path) -> list[str]:
    return [f"{finding.severity} {finding}" for finding in read(folder).findings]


def read(folder: Path) -> PackSource:
    return read_pack(folder)
