# ruff: noqa: E501 - a flow mapping of YAML reads best in one line
"""The pack of the workflow stories: actions that leave marks in a diary, and a workflow for each story."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

_ACTIONS = {
    "pack.yaml": "ref: flow\nversion: 1.0.0\n",
    # Says when it begins and when it ends, so that who looks can tell what went on at the same time.
    "actions/step.yaml": """\
ref: flow.step
runner_type: python
entry_point: step.py
output_format: json
parameters:
  name: {type: string, required: true}
  diary: {type: string, required: true}
  meets: {type: integer, default: 0, description: How many have to be under way before it ends.}
""",
    "actions/step.py": """\
import json, pathlib, sys, time

asked = json.load(sys.stdin)
diary = pathlib.Path(asked["diary"])
def note(word):
    with diary.open("a") as file:
        file.write(json.dumps({"word": word, "name": asked["name"]}) + "\\n")
def begun():
    return sum(json.loads(line)["word"] == "begun" for line in diary.read_text().splitlines())
note("begun")
deadline = time.monotonic() + 20
while begun() < asked["meets"] and time.monotonic() < deadline:
    time.sleep(0.01)
note("ended")
print(json.dumps({"name": asked["name"], "length": len(asked["name"])}))
""",
    "actions/fail.yaml": "ref: flow.fail\nrunner_type: shell\nentry_point: |\n  echo 'the valve is stuck' >&2\n  exit 3\n",
    # Fails until it has been tried often enough.
    "actions/flaky.yaml": """\
ref: flow.flaky
runner_type: shell
entry_point: |
  echo x >> "$diary"
  test "$(wc -l < "$diary")" -ge "$succeeds_at"
parameters:
  diary: {type: string, required: true}
  succeeds_at: {type: integer, required: true}
""",
    "actions/sleep.yaml": """\
ref: flow.sleep
runner_type: shell
entry_point: |
  echo begun >> "$diary"
  while [ ! -e "$gate" ]; do sleep 0.05; done
  echo ended >> "$diary"
parameters:
  diary: {type: string, required: true}
  gate: {type: string, required: true}
""",
    "actions/post.yaml": """\
ref: flow.post
runner_type: python
entry_point: post.py
parameters:
  url: {type: string, required: true}
  body: {type: object, required: true}
""",
    "actions/post.py": """\
import json, sys, urllib.request

asked = json.load(sys.stdin)
request = urllib.request.Request(asked["url"], json.dumps(asked["body"]).encode(), {"Content-Type": "application/json"})
urllib.request.urlopen(request, timeout=10).close()
""",
}

_WORKFLOWS = {
    "sequence": """\
parameters: {name: {type: string, required: true}, diary: {type: string, required: true}}
vars: {length: 0}
tasks:
  - name: first
    action: flow.step
    input: {name: "{{ parameters.name }}", diary: "{{ parameters.diary }}"}
    next:
      - {when: "{{ succeeded() }}", publish: [{length: "{{ result().data.length }}"}], do: [second]}
  - name: second
    action: flow.step
    input: {name: "{{ task.first.data.name }}!{{ length }}", diary: "{{ parameters.diary }}"}
output_map: {name: "{{ task.second.name }}", length: "{{ workflow.length }}"}
""",
    "items": """\
parameters: {diary: {type: string, required: true}, names: {type: array, required: true}, meets: {type: integer, default: 0}}
tasks:
  - name: each
    action: flow.step
    with_items: "{{ parameters.names }}"
    concurrency: CONCURRENCY
    input: {name: "{{ item }}", diary: "{{ parameters.diary }}", meets: "{{ parameters.meets }}"}
output_map: {names: "{{ task.each | map(attribute='name') | list }}"}
""",
    "outer": """\
parameters: {name: {type: string, required: true}, diary: {type: string, required: true}}
tasks:
  - {name: middle, action: flow.middle, input: {name: "{{ parameters.name }}", diary: "{{ parameters.diary }}"}}
output_map: {found: "{{ task.middle.found }} by outer"}
""",
    "middle": """\
parameters: {name: {type: string, required: true}, diary: {type: string, required: true}}
tasks:
  - {name: inner, action: flow.sequence, input: {name: "{{ parameters.name }}", diary: "{{ parameters.diary }}"}}
output_map: {found: "{{ task.inner.name }} by middle"}
""",
    "handled": """\
parameters: {diary: {type: string, required: true}}
tasks:
  - name: breaks
    action: flow.fail
    next:
      - {when: "{{ succeeded() }}", do: [goes_on]}
      - {when: "{{ failed() }}", publish: [{why: "{{ result().error }}"}], do: [mends]}
  - {name: goes_on, action: flow.step, input: {name: goes_on, diary: "{{ parameters.diary }}"}}
  - {name: mends, action: flow.step, input: {name: mends, diary: "{{ parameters.diary }}"}}
vars: {why: null}
output_map: {why: "{{ workflow.why }}"}
""",
    "unhandled": "tasks:\n  - {name: breaks, action: flow.fail, input: {}}\n",
    "retried": """\
parameters: {diary: {type: string, required: true}}
tasks:
  - name: tries
    action: flow.flaky
    input: {diary: "{{ parameters.diary }}", succeeds_at: 3}
    retry: {count: 3, delay: 0.1, backoff: exponential}
""",
    "late": """\
parameters: {diary: {type: string, required: true}}
tasks:
  - name: waits
    action: flow.sleep
    timeout: 1
    input: {diary: "{{ parameters.diary }}", gate: /nonexistent}
    next:
      - {when: "{{ timed_out() }}", do: [told]}
  - {name: told, action: core.echo, input: {message: "it took too long"}}
""",
    "asks": """\
tasks:
  - name: confirm
    action: core.ask
    input:
      prompt: Open the valve?
      response_schema: {approved: {type: boolean, required: true}, litres: {type: integer, default: 5}}
    timeout: PATIENCE
    next:
      - {when: "{{ succeeded() and result().response.approved }}", publish: [{litres: "{{ result().response.litres }}"}], do: [open]}
      - {when: "{{ succeeded() and not result().response.approved }}", publish: [{how: declined}]}
      - {when: "{{ timed_out() }}", do: [give_up]}
  - {name: open, action: core.echo, input: {message: "{{ workflow.litres }} litres"}}
  - {name: give_up, action: core.echo, input: {message: "nobody answered"}}
vars: {litres: 0, how: ""}
output_map: {litres: "{{ workflow.litres }}", how: "{{ workflow.how }}"}
""",
    "two_approvals": """\
parameters: {diary: {type: string, required: true}}
tasks:
  - {name: engineer, action: core.ask, input: {prompt: "Is it tested?"}, next: [{when: "{{ succeeded() and result().response.approved }}", do: [owner]}]}
  - {name: owner, action: core.ask, input: {prompt: "May it go live?"}, next: [{when: "{{ succeeded() and result().response.approved }}", do: [goes_live]}]}
  - {name: goes_live, action: flow.step, input: {name: live, diary: "{{ parameters.diary }}"}}
""",
    "watering": """\
parameters: {bed: {type: string, required: true}, moisture: {type: number, required: true}, diary: {type: string, required: true}}
tasks:
  - name: ask
    action: core.ask
    input: {prompt: "Water {{ parameters.bed }} ({{ parameters.moisture }} percent)?"}
    next: [{when: "{{ result().response.approved }}", do: [water]}]
  - name: water
    action: flow.step
    input: {name: "{{ parameters.bed }}", diary: "{{ parameters.diary }}"}
    next: [{when: "{{ succeeded() }}", do: [remember]}]
  - name: remember
    action: flow.remember
    input: {bed: "{{ parameters.bed }}"}
""",
    "three_steps": """\
parameters: {diary: {type: string, required: true}, gate: {type: string, required: true}}
tasks:
  - {name: one, action: flow.step, input: {name: one, diary: "{{ parameters.diary }}.steps"}, next: [{do: [two]}]}
  - {name: two, action: flow.sleep, input: {diary: "{{ parameters.diary }}", gate: "{{ parameters.gate }}"}, next: [{when: "{{ succeeded() }}", do: [three]}]}
  - {name: three, action: core.ask, input: {prompt: Go on?}, next: [{do: [four]}]}
  - {name: four, action: flow.step, input: {name: four, diary: "{{ parameters.diary }}.steps"}}
output_map: {last: "{{ task.four.name }}"}
""",
}

_REMEMBER = """\
ref: flow.remember
runner_type: shell
entry_point: |
  printf '%s' "$bed" | attune key set flow.watered -
parameters: {bed: {type: string, required: true}}
"""


def write_workflow_pack(parent: Path, **replaced: object) -> Path:
    """Write the pack; words in capitals of its workflows are replaced."""
    words = {"CONCURRENCY": 5, "PATIENCE": 60} | replaced
    files = {**_ACTIONS, "actions/remember.yaml": _REMEMBER}
    for name, text in _WORKFLOWS.items():
        written = text
        for word, value in words.items():
            written = written.replace(word, str(value))
        files[f"workflows/{name}.yaml"] = f"version: 1.0.0\n{written}"
    return write_files(parent / "flow", files)


def diary_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def most_at_once(path: Path) -> int:
    """Return how many steps were under way at the same time, at most."""
    under_way = most = 0
    for line in diary_of(path):
        under_way += 1 if line["word"] == "begun" else -1
        most = max(most, under_way)
    return most
