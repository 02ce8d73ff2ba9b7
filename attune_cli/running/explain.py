"""The help page of an action: its parameters, their types and defaults, and an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.model.parameters import in_order
from attune_cli.runtime.services.submission import pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.model.actions import ActionDefinition


def explain_action(context: Context, arguments: Sequence[str]) -> str:
    """Return the parameters of the action a help page is asked for, and an example."""
    ref = next(
        (word for word in arguments if "." in word and "=" not in word and not word.startswith("-")), None
    )
    if ref is None:
        return ""
    try:
        store = open_store_for_reading(context.home, context.settings)
        with store.read(SystemClock().now()) as tx:
            action = pin(tx, ref).action
    except AttuneError as error:
        return error.message
    lines = [f"{action.ref}: {action.description or action.label}"]
    if action.parameters:
        width = max(map(len, action.parameters))
        lines += [
            "",
            "Parameters:",
            *(_parameter_line(name, leaf, width) for name, leaf in in_order(action.parameters)),
        ]
    return "\n".join(
        [*lines, "", "Example:", f"  attune run {action.run_form} {action.ref}{_example(action)}"]
    )


def _parameter_line(name: str, leaf: dict[str, Any], width: int) -> str:
    facts = [str(leaf.get("type", "any"))]
    if leaf.get("required"):
        facts.append("required")
    if leaf.get("default") is not None:
        facts.append(f"default {leaf['default']}")
    if leaf.get("enum"):
        facts.append("one of " + ", ".join(map(str, leaf["enum"])))
    if leaf.get("secret"):
        facts.append("secret")
    return f"  {name:<{width}}  {', '.join(facts)}. {leaf.get('description', '')}".rstrip()


def _example(action: ActionDefinition) -> str:
    needed = [name for name, leaf in in_order(action.parameters) if leaf.get("required")]
    return "".join(f" {name}=…" for name in needed)
