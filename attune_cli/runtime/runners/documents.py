"""How parameters reach a process: one document on stdin or in a file (domain.md 2.3)."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from attune_cli.runtime.model.actions import DocumentFormat

SHELL_OWN = frozenset(
    {"IFS", "UID", "EUID", "PPID", "GROUPS", "OPTIND", "SHELLOPTS", "BASHOPTS", "PATH", "HOME"}
)
_NOT_IN_NAMES = re.compile(r"\W", re.ASCII)


def parameter_document(parameters: Mapping[str, Any], document_format: DocumentFormat) -> bytes:
    """Return the document, ended by one newline."""
    match document_format:
        case "json":
            text = json.dumps(parameters, separators=(",", ":"), ensure_ascii=False)
        case "yaml":
            import yaml

            text = yaml.safe_dump(dict(parameters), allow_unicode=True, sort_keys=False).rstrip("\n")
        case "dotenv":
            text = "\n".join(_dotenv_lines(parameters))
    return text.encode("utf-8", "surrogateescape") + b"\n"


def _dotenv_lines(parameters: Mapping[str, Any]) -> list[str]:
    pairs = sorted(_flat("", parameters))
    return [f"{name}='{_text(value).replace(chr(39), _ESCAPED_QUOTE)}'" for name, value in pairs]


_ESCAPED_QUOTE = "'\\''"


def _flat(prefix: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", cast("dict[str, Any]", value))
        else:
            yield f"{prefix}{name}", value


def _text(value: object) -> str:
    """Return a value as shells see it: strings as they are, null empty, anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def inline_shell_script(code: str, parameters: Mapping[str, Any], environment: Collection[str]) -> bytes:
    """Return inline code with its parameters before it, as unexported variables PARAM_<NAME> and <name> (api.md).

    The bare name is left out where it would change a variable of the environment or of the shell itself.
    """
    lines = ["exec </dev/null", "set -e"]
    for name, value in parameters.items():
        word = shlex.quote(_text(value))
        variable = _NOT_IN_NAMES.sub("_", name)
        lines += [f"PARAM_{spelling}={word}" for spelling in sorted({variable, variable.upper()})]
        bare = variable if not variable[:1].isdigit() else f"_{variable}"
        if bare not in SHELL_OWN and bare not in environment and not bare.startswith("BASH"):
            lines.append(f"{bare}={word}")
    return "\n".join([*lines, code, ""]).encode("utf-8", "surrogateescape")


def context_variables(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return ATTUNE_CONTEXT_<KEY> for the entries of a `context` object among the parameters (domain.md 2.4)."""
    context = parameters.get("context")
    if not isinstance(context, dict):
        return {}
    entries = cast("dict[str, object]", context)
    return {
        f"ATTUNE_CONTEXT_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in entries.items()
        if name and "=" not in name and "\0" not in name and "\0" not in str(value)
    }
