"""Words of other tools (Orquesta, Mistral, GitHub Actions, Ansible) that people write into a workflow, and ours."""

from __future__ import annotations

_INPUT = "write input: {NAME: VALUE}"
_ITEMS = 'write with_items: "{{ parameters.NAME }}"'
_AFTER = "a task names what comes after it: next: [{do: [THIS TASK]}] in the one before"
_WHEN = 'write when: "{{ … }}"'
_SCRIPT = "put it into an action, actions/NAME.yaml, and name that with 'action'"
_TIME = "write timeout: 10m"
_RETRY = "write retry: {count: 3, delay: 5}"
_PUBLISH = 'write next: [{publish: [{NAME: "{{ result() }}"}]}]'
_NEXT = "write next: [{do: [TASK]}]"
_PARAMETERS = "write parameters: {NAME: {type: string}}"
_RULE = "a rule starts a workflow: rules/NAME.yaml with trigger_ref and action_ref"

OF_WORKFLOWS: dict[str, str] = {
    **dict.fromkeys(("jobs", "steps", "states", "nodes"), "write tasks: [{name: NAME, action: PACK.ACTION}]"),
    **dict.fromkeys(("input", "inputs", "params", "args"), _PARAMETERS),
    **dict.fromkeys(("on", "triggers", "trigger", "schedule", "cron"), _RULE),
    **dict.fromkeys(("env", "variables", "variable"), "write vars: {NAME: VALUE}"),
    **dict.fromkeys(("outputs", "result", "results"), 'write output_map: {NAME: "{{ task.TASK.KEY }}"}'),
    **dict.fromkeys(("entry", "start", "begin"), "it begins at the tasks to which no other leads"),
    "name": "write label, and ref: PACK.NAME",
}
"""Key of a workflow elsewhere → what to write here."""
OF_TASKS: dict[str, str] = {
    **dict.fromkeys(("needs", "depends_on", "dependsOn", "depends", "after", "requires", "upstream"), _AFTER),
    **dict.fromkeys(("if", "condition", "unless"), _WHEN),
    **dict.fromkeys(("run", "script", "shell", "command", "cmd", "entry_point"), _SCRIPT),
    **dict.fromkeys(("uses", "workflow", "call", "ref"), "write action: PACK.NAME"),
    **dict.fromkeys(("args", "arguments", "parameters", "params", "inputs", "action_params"), _INPUT),
    **dict.fromkeys(("env", "environment"), _INPUT),
    "with": f"{_INPUT}; for a list of items {_ITEMS}",
    **dict.fromkeys(("loop", "items", "for_each", "foreach", "each", "matrix", "strategy"), _ITEMS),
    **dict.fromkeys(("retries", "max_retries", "attempts"), _RETRY),
    **dict.fromkeys(("timeout_seconds", "timeout-minutes", "timeout_minutes"), _TIME),
    **dict.fromkeys(("register", "outputs", "output", "save", "set", "vars"), _PUBLISH),
    **dict.fromkeys(("then", "goto", "do", "transitions"), _NEXT),
    **dict.fromkeys(
        ("continue-on-error", "continue_on_error", "ignore_errors", "on_error", "on-error", "catch"),
        'write next: [{when: "{{ failed() }}", do: [TASK]}]',
    ),
    **dict.fromkeys(("wait", "wait-before", "wait_before", "sleep"), "write delay: 10s"),
    "steps": "write type: parallel and tasks, or tasks of their own",
    "id": "write name: NAME",
}
OF_TRANSITIONS: dict[str, str] = {
    **dict.fromkeys(("if", "condition"), _WHEN),
    **dict.fromkeys(
        ("to", "task", "tasks", "goto", "then", "call", "run", "next", "action"), "write do: [TASK]"
    ),
    **dict.fromkeys(("set", "vars", "output", "register"), 'write publish: [{NAME: "{{ result() }}"}]'),
}
OF_RETRIES: dict[str, str] = {
    **dict.fromkeys(("attempts", "max", "max_attempts", "limit", "times"), "write count: 3"),
    **dict.fromkeys(("interval", "wait", "seconds"), "write delay: 5"),
    **dict.fromkeys(("when", "if", "break-on"), "write on_error: [PATTERN]"),
}
