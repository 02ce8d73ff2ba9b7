"""Names that expressions of other tools (Orquesta, GitHub Actions) have, and what is written here."""

from __future__ import annotations

_GIVEN = "leads nowhere: what the workflow was given is in parameters.NAME"
_GAVE = "leads nowhere: what a task gave is in task.NAME"
_KEYS = "leads nowhere: a key is read as keystore.NAME"
_VARIABLES = "is of another tool: write workflow.NAME for a variable, parameters.NAME for what was given"
FOREIGN_NAMES: dict[str, str] = {
    **dict.fromkeys(("inputs", "input", "params", "args"), _GIVEN),
    **dict.fromkeys(("steps", "needs", "jobs", "outputs", "output", "results"), _GAVE),
    **dict.fromkeys(("secrets", "secret", "st2kv", "kv"), _KEYS),
    **dict.fromkeys(("ctx", "ctx()", "_"), _VARIABLES),
    **dict.fromkeys(("env", "env()", "github", "runner"), "leads nowhere: declare a parameter for it"),
    **dict.fromkeys(("matrix", "matrix()", "item()", "loop"), "is of another tool: write item, and index"),
    **dict.fromkeys(
        ("always()", "task_status()"), "is of another tool: without 'when' a transition is always taken"
    ),
    **dict.fromkeys(("task()", "outputs()", "output()"), "is no function: write task.NAME"),
    **dict.fromkeys(("st2kv()", "secret()"), "is no function: write keystore.NAME"),
    **dict.fromkeys(("default()", "get()"), "is no function: write NAME | default(VALUE)"),
}
"""Name in an expression elsewhere, functions with `()` behind → what is said of it."""
