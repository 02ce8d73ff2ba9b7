"""`runtimes/*.yaml` (domain.md 1.10)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attune_cli.runtime.model.actions import RuntimeDefinition, RuntimeVersion
from attune_cli.runtime.model.parameters import shown
from attune_cli.runtime.model.refs import label_of
from attune_cli.runtime.model.versions import parse_version

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.packs.reading import Reading

STRATEGIES = ("direct", "temp_file")
OPERATIONS = ("set", "prepend", "append")


def decode_runtime(fields: Fields, reading: Reading) -> RuntimeDefinition:
    ref = fields.own_ref(reading.ref)
    fields.text("pack_ref")  # informative: the folder says whose it is
    runtime = RuntimeDefinition(
        ref=ref,
        pack_ref=reading.ref,
        name=fields.text("name", "label") or label_of(ref),
        description=fields.text("description"),
        aliases=fields.texts("aliases"),
        distributions=_distributions(fields),
        execution_config=_execution_config(fields),
        versions=tuple(_version(inner) for inner in fields.each("versions")),
    )
    fields.finish(ignored={"installation", "tags", "meta"})
    return runtime


def _version(fields: Fields) -> RuntimeVersion:
    fields.require("version")
    version = fields.text("version")
    try:
        parse_version(version or "0")
    except ValueError as fault:
        fields.error(str(fault), "version")
    decoded = RuntimeVersion(
        version=version,
        is_default=fields.flag("is_default"),
        execution_config=_execution_config(fields),
        distributions=_distributions(fields),
    )
    fields.finish(ignored={"meta"})
    return decoded


def _execution_config(fields: Fields) -> dict[str, Json]:
    """Check how files are run and return it as written; an empty one runs the file itself."""
    config = fields.optional("execution_config")
    if config is None:
        return {}
    for name, check in _SECTIONS.items():
        section = config.optional(name)
        if section is not None:
            check(section)
            section.finish()
    for name in config.mapping("env_vars"):
        _check_variable(config, name)
    config.finish()
    return config.members


def _check_interpreter(section: Fields) -> None:
    section.require("binary")
    section.text("binary")
    section.texts("args")
    section.text("file_extension")


def _check_inline_execution(section: Fields) -> None:
    section.choice("strategy", STRATEGIES, default="direct")
    section.text("extension")
    section.flag("inject_shell_helpers")


def _check_environment(section: Fields) -> None:
    section.text("env_type")
    section.text("dir_name")
    section.texts("create_command")
    section.text("interpreter_path")


def _check_dependencies(section: Fields) -> None:
    section.text("manifest_file")
    section.texts("install_command")


_SECTIONS = {
    "interpreter": _check_interpreter,
    "inline_execution": _check_inline_execution,
    "environment": _check_environment,
    "dependencies": _check_dependencies,
}


def _check_variable(config: Fields, name: str) -> None:
    value = config.members["env_vars"][name]
    if isinstance(value, str):
        return
    if not isinstance(value, dict):
        config.error(f"'env_vars.{name}': expected text or a mapping, got {shown(value)}", "env_vars", name)
        return
    variable = config.within("env_vars", name)
    variable.require("value")
    variable.text("value")
    variable.choice("operation", OPERATIONS, default="set")
    variable.text("separator")
    variable.finish()


def _distributions(fields: Fields) -> dict[str, Json]:
    distributions = fields.optional("distributions")
    if distributions is None:
        return {}
    verification = distributions.optional("verification")
    if verification is not None:
        for command in verification.each("commands"):
            _check_command(command)
        verification.flag("always_available")
        verification.flag("check_required")
        verification.finish()
    distributions.text("min_version")
    distributions.text("recommended_version")
    distributions.finish()
    return distributions.members


def _check_command(command: Fields) -> None:
    command.require("binary")
    command.text("binary")
    command.texts("args")
    command.integer("exit_code", maximum=255)
    command.integer("priority")
    command.flag("optional")
    pattern = command.text("pattern")
    try:
        re.compile(pattern)
    except re.error as fault:
        command.error(f"'pattern': not a regular expression: {fault}", "pattern")
    command.finish()
