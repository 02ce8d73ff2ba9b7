"""A runtime's `execution_config`, typed (domain.md 1.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Json

Operation = Literal["set", "prepend", "append"]

_NO_ENVIRONMENT = frozenset({None, "", "none"})


@immutable
class Variable:
    """One of `env_vars`: what a variable is set to, or what is put before or behind its value."""

    value: str
    operation: Operation = "set"
    separator: str = ":"


@immutable(kw_only=True)
class ExecutionConfig:
    """How files of a runtime are run. Texts hold the placeholders as written."""

    binary: str | None = None
    """None runs the file itself."""
    args: tuple[str, ...] = ()
    file_extension: str = ""
    has_environment: bool = False
    create_command: tuple[str, ...] = ()
    interpreter_path: str | None = None
    manifest_file: str | None = None
    install_command: tuple[str, ...] = ()
    variables: dict[str, Variable]

    @classmethod
    def of(cls, document: dict[str, Json]) -> ExecutionConfig:
        """Read a document that the pack's decoder has checked."""
        interpreter, environment = _section(document, "interpreter"), _section(document, "environment")
        dependencies = _section(document, "dependencies")
        variables = _section(document, "env_vars")
        return cls(
            binary=interpreter.get("binary"),
            args=tuple(interpreter.get("args") or ()),
            file_extension=interpreter.get("file_extension") or "",
            has_environment=environment.get("env_type") not in _NO_ENVIRONMENT,
            create_command=tuple(environment.get("create_command") or ()),
            interpreter_path=environment.get("interpreter_path"),
            manifest_file=dependencies.get("manifest_file"),
            install_command=tuple(dependencies.get("install_command") or ()),
            variables={name: _variable(written) for name, written in variables.items()},
        )


def _section(document: dict[str, Json], name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", document.get(name) or {})


def _variable(written: Json) -> Variable:
    if isinstance(written, str):
        return Variable(written)
    entry = cast("dict[str, Any]", written)
    return Variable(entry["value"], entry.get("operation") or "set", entry.get("separator") or ":")
