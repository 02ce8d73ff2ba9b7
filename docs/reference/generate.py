"""The generated parts of the reference: `make docs` writes them anew, `make lint` fails when they are out of date.

Each function returns Markdown made from the code that is in force, so that no page can say something else.
"""

from __future__ import annotations

import ast
import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import attune_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from attune_cli.config import Value
    from attune_cli.pages import Page, Parameter, Typers

SOURCE = Path(attune_cli.__file__).parent


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |\n" for row in cells)


# --- cli.md


def commands() -> str:
    """Return every command with its usage, arguments, options and examples."""
    from typer.main import get_group

    from attune_cli.context import tree_of
    from attune_cli.main import app

    root = get_group(app)
    ctx = root.context_class(root, info_name="attune", **root.context_settings)
    tree = tree_of(ctx)
    below = [page for page in tree.walk() if page is not tree]
    return "\n".join([_global_options(tree), *(_command(page, ctx) for page in below)])


def _global_options(root: Page) -> str:
    rows = [_option(one) for one in root.parameters if one.is_global]
    help_row = ("`-h`, `--help`", "The help page; the long form also lists these options.")
    return "## Global options\n\nBefore or behind the command, on every command.\n\n" + _table(
        ("option", "meaning"), [*rows, help_row]
    )


def _command(page: Page, ctx: Typers) -> str:
    own = [one for one in page.parameters if not one.is_global and "--help" not in one.names]
    parts = [f"{'###' if ' ' in page.path else '##'} {page.path}\n", f"{_paragraph(page.text)}\n"]
    if not page.children:
        parts.append(f"```text\n{_usage(page.path, ctx)}\n```\n")
    if own:
        parts.append(_table(("argument or option", "meaning"), [_option(one) for one in own]))
    if page.examples:
        parts.append("```bash\n" + "\n".join(page.examples) + "\n```\n")
    return "\n".join(parts)


def _usage(path: str, ctx: Typers) -> str:
    from attune_cli.pages import usage_words

    command = ctx.command
    for word in path.split():
        command = command.get_command(ctx, word)
    return " ".join(["attune", path, *usage_words(command)])


def _option(parameter: Parameter) -> tuple[str, str]:
    names = [parameter.value] if parameter.is_argument else sorted(parameter.names, key=len)
    if parameter.value and not parameter.is_argument:
        names[-1] += f" {parameter.value}"
    text = parameter.text
    if any(choice not in f"{text} {parameter.value}" for choice in parameter.choices):
        text = f"{text} One of {', '.join(parameter.choices)}."
    return ", ".join(f"`{name}`" for name in names), text


def _paragraph(text: str) -> str:
    return " ".join(text.split())


# --- states.md


def diagram() -> str:
    """Return the transition table as a Mermaid state diagram."""
    from attune_cli.runtime.model.states import TERMINAL, TRANSITIONS

    arrows = "".join(f"    {old} --> {new}\n" for old, new in TRANSITIONS)
    ends = "".join(f"    {status} --> [*]\n" for status in sorted(TERMINAL))
    return f"```mermaid\nstateDiagram-v2\n    [*] --> requested\n{arrows}{ends}```\n"


def statuses() -> str:
    from attune_cli.runtime.model.states import Status

    def yes(is_so: bool) -> str:
        return "yes" if is_so else ""

    rows = [(f"`{one}`", yes(one.is_terminal), yes(one.holds_slot)) for one in Status]
    return _table(("status", "ended", "holds a slot"), rows)


def transitions() -> str:
    from attune_cli.runtime.model.states import TRANSITIONS

    return _table(
        ("from", "to", "when"), [(f"`{old}`", f"`{new}`", why) for (old, new), why in TRANSITIONS.items()]
    )


# --- errors.md


def exit_codes() -> str:
    from attune_cli.commands.help import exit_codes

    rows = [(str(one["exit_code"]), f"`{one['name']}`", str(one["description"])) for one in exit_codes()]
    return _table(("code", "name", "meaning"), rows)


def error_classes() -> str:
    """Return the tree of errors as the module draws it, with what a script reads of each."""
    from attune_cli import errors

    classes = [errors.AttuneError, *errors.AttuneError.__subclasses__()]
    rows = [
        (f"`{one.__name__}`", f"`{one.default_code}`", str(one.exit_code), "yes" if one.retryable else "")
        for one in classes
        if one.__module__ == errors.__name__
    ]
    return _table(("class", "`code`", "exit code", "retrying may help"), rows)


# --- settings.md


def settings() -> str:
    from attune_cli.config import SETTINGS

    rows = [
        (f"`{name}`", _default(name, one.default), f"`ATTUNE_{name.upper()}`", one.metadata["help"])
        for name, one in SETTINGS.items()
    ]
    return _table(("setting", "default", "variable", "meaning"), rows)


def _default(name: str, value: Value) -> str:
    from attune_cli.runtime.model.quantities import format_size

    if name.endswith("_bytes"):
        return format_size(value)
    if name.endswith("_seconds"):
        return f"{value:g} s"
    return "none" if value == () else str(value)


# --- limits.md


def limits() -> str:
    """Return the constants of engine/limits.py, each with the reason that stands below it."""
    body = ast.parse((SOURCE / "runtime" / "engine" / "limits.py").read_text(encoding="utf-8")).body
    rows: list[tuple[str, str, str]] = []
    for constant, reason in pairwise(body):
        if isinstance(constant, ast.Assign) and isinstance(reason, ast.Expr):
            rows.append((f"`{ast.unparse(constant.targets[0])}`", ast.unparse(constant.value), _text(reason)))
    return _table(("limit", "value", "why"), rows)


def _text(expression: ast.Expr) -> str:
    return _paragraph(str(ast.literal_eval(expression.value)))


# --- schema.md


def schema() -> str:
    return f"```sql\n{(SOURCE / 'runtime' / 'store' / 'schema.sql').read_text(encoding='utf-8')}```\n"


def triggers() -> str:
    from attune_cli.runtime.store.guard import guard_statements

    rows = [re.match(r"CREATE TRIGGER (\w+) (.+?) ON (\w+)", one) for one in guard_statements()]
    return _table(
        ("trigger", "when"), [(f"`{row[1]}`", f"{row[2].lower()} of `{row[3]}`") for row in rows if row]
    )


# --- expressions.md


def workflow_names() -> str:
    from attune_cli.runtime.expressions.workflow_scope import FUNCTIONS, ROOTS

    names = [(", ".join(f"`{one}`" for one in words.split(", ")), text) for words, text in ROOTS.items()]
    return _table(
        ("name", "what it holds"), [*names, *((f"`{name}()`", text) for name, text in FUNCTIONS.items())]
    )


def condition_operators() -> str:
    from attune_cli.runtime.expressions.comparisons import OPERATORS

    return _table(
        ("operator", "holds where the field"), [(f"`{name}`", text) for name, (_, text) in OPERATORS.items()]
    )


def expression_operators() -> str:
    from attune_cli.runtime.expressions.operators import OPERATORS

    return _table(("operator", "meaning"), [(f"`{name}`", text) for name, text in OPERATORS.items()])


def functions() -> str:
    from attune_cli.runtime.expressions.functions import FUNCTIONS

    return _table(
        ("function", "gives"),
        [(f"`{_call(name, apply)}`", text) for name, (apply, text) in FUNCTIONS.items()],
    )


def filters() -> str:
    from attune_cli.runtime.expressions.filters import CHOOSERS, FILTERS

    rows = {name: (_call(name, apply, after=1), text) for name, (apply, text) in FILTERS.items()}
    rows |= {name: (name, text) for name, text in CHOOSERS.items()}
    return _table(("filter", "gives"), [(f"`{call}`", text) for _, (call, text) in sorted(rows.items())])


def tests() -> str:
    from attune_cli.runtime.expressions.filters import TESTS

    return _table(("test", "holds where"), [(f"`{name}`", text) for name, (_, text) in TESTS.items()])


def _call(name: str, apply: Callable[..., object], after: int = 0) -> str:
    """Return a call as it may be written: what may be left out stands in brackets."""
    parameters = list(inspect.signature(apply).parameters.values())[after:]
    words: list[str] = []
    for parameter in parameters:
        word = parameter.name.strip("_")
        if parameter.kind is parameter.VAR_POSITIONAL:
            words.append(f"{word}…")
        else:
            words.append(word if parameter.default is parameter.empty else f"[{word}]")
    return f"{name}({', '.join(words)})" if words or not after else name
