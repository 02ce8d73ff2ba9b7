"""From a runtime's definition to the program, the variables and the environment of one pack (domain.md 1.10)."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.runtime.model.refs import name_of
from attune_cli.runtime.packs.interpreters import choose
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.config import Home
    from attune_cli.runtime.model.actions import RuntimeDefinition
    from attune_cli.runtime.model.versions import Constraint
    from attune_cli.runtime.packs.environments import Environment
    from attune_cli.runtime.packs.interpreters import Choice, Interpreters

_BELONGING = {"package.json": ("package-lock.json", "npm-shrinkwrap.json", ".npmrc")}
"""Files beside a manifest that belong to it; the installer wants them all inside the environment."""


@immutable
class Toolchain:
    """How one pack's files of one runtime are run."""

    interpreter: tuple[str, ...]
    """Program and arguments; empty runs the file itself."""
    variables: dict[str, str]
    environment: Environment | None
    """Has to be ready before the first run; None when nothing has to be installed."""

    def command(self, script: str) -> tuple[str, ...]:
        """Return the command line for a file; it stands where `{action_file}` is written, else last."""
        if any("{action_file}" in word for word in self.interpreter):
            return tuple(word.replace("{action_file}", script) for word in self.interpreter)
        return (*self.interpreter, script)


def toolchain_for(
    home: Home,
    interpreters: Interpreters,
    runtime: RuntimeDefinition,
    *,
    pack_ref: str,
    pack_folder: Path,
    constraint: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Toolchain:
    """Work out interpreter, environment and variables; `variables` are those to put values before or behind.

    Raises NotFoundError when no interpreter fits.
    """
    choice = choose(runtime, _wanted(constraint), interpreters)
    environment = _environment(home, choice, runtime.ref, pack_ref, pack_folder)
    places = _places(choice, environment, pack_folder)
    argv = _interpreter_words(choice, environment, places)
    return Toolchain(argv, _variables(choice, places, variables or {}), environment)


def _wanted(constraint: str | None) -> Constraint | None:
    if not constraint:
        return None
    from attune_cli.runtime.model.versions import parse_runtime_constraint

    return parse_runtime_constraint(constraint)


def _environment(
    home: Home, choice: Choice, runtime_ref: str, pack_ref: str, pack_folder: Path
) -> Environment | None:
    config = choice.config
    if not config.has_environment or not config.manifest_file:
        return None
    manifest = pack_folder / config.manifest_file
    if not manifest.is_file():
        return None
    from attune_cli.runtime.packs.environments import Environment
    from attune_cli.runtime.packs.files import leaves

    if leaves(pack_folder, config.manifest_file):
        return None
    beside = [manifest.with_name(name) for name in _BELONGING.get(manifest.name, ())]
    copied = (manifest, *(path for path in beside if path.is_file())) if beside else ()
    # The runtime's part holds no dash, so that the pack can be read out of the name again.
    runtime_name = name_of(runtime_ref).replace("-", "_")
    digest = _digest(choice, runtime_ref, copied or (manifest,))
    folder = home.environments / f"{pack_ref}-{runtime_name}-{digest}"
    bare = Environment(folder, pack_ref, runtime_ref, manifest, (), copied)
    return replace(bare, commands=_commands(choice, bare, pack_folder))


def _digest(choice: Choice, runtime_ref: str, files: tuple[Path, ...]) -> str:
    """Name an environment by all that makes it: manifest, interpreter and commands."""
    import hashlib

    content = [path.read_bytes().decode("latin-1") for path in files]
    interpreter = asdict(choice.interpreter) if choice.interpreter else None
    commands = [choice.config.create_command, choice.config.install_command]
    identity = json.dumps([runtime_ref, content, interpreter, commands], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _places(choice: Choice, environment: Environment | None, pack_folder: Path) -> dict[str, str]:
    """Return the values of the placeholders; `{env_dir}` only where there is an environment."""
    places = {"{pack_dir}": str(pack_folder)}
    if choice.interpreter:
        places["{interpreter}"] = choice.interpreter.path
    if environment:
        places["{env_dir}"] = str(environment.folder)
        places["{manifest_path}"] = str(environment.manifest)
    return places


def _fill(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(name, value)
    return text


def _interpreter_words(
    choice: Choice, environment: Environment | None, places: dict[str, str]
) -> tuple[str, ...]:
    if choice.interpreter is None:
        return ()
    own = choice.config.interpreter_path
    program = _fill(own, places) if environment and own else choice.interpreter.path
    return (program, *(_fill(argument, places) for argument in choice.config.args))


def _variables(choice: Choice, places: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    """Return the runtime's variables; one that speaks of an environment that is not needed is left out."""
    made: dict[str, str] = {}
    for name, variable in choice.config.variables.items():
        value, present = _fill(variable.value, places), current.get(name)
        if "{env_dir}" in value:
            continue
        if present and variable.operation == "prepend":
            value = f"{value}{variable.separator}{present}"
        elif present and variable.operation == "append":
            value = f"{present}{variable.separator}{value}"
        made[name] = value
    return made


# --- the commands that build an environment


def _commands(choice: Choice, environment: Environment, pack_folder: Path) -> tuple[tuple[str, ...], ...]:
    config = choice.config
    uv = _uv() if _is_plain_python(config.create_command, config.install_command) else None
    if uv and choice.interpreter:
        inner = str(environment.folder / "bin" / "python3")
        return (
            (uv, "venv", "--no-project", "--python", choice.interpreter.path, str(environment.folder)),
            (uv, "pip", "install", "--no-progress", "--python", inner, "-r", str(environment.manifest)),
        )
    outside = _places(choice, environment, pack_folder)
    inner = _fill(config.interpreter_path or "{interpreter}", outside)
    inside = {**outside, "{interpreter}": inner}
    commands = (
        _filled(config.create_command, choice, outside),
        _filled(config.install_command, choice, inside),
    )
    return tuple(command for command in commands if command)


def _filled(command: tuple[str, ...], choice: Choice, places: Mapping[str, str]) -> tuple[str, ...]:
    """Fill the placeholders in; the interpreter's bare name means the one that was chosen."""
    words = tuple(_fill(word, places) for word in command)
    return (places["{interpreter}"], *words[1:]) if words and words[0] == choice.config.binary else words


def _is_plain_python(create: tuple[str, ...], install: tuple[str, ...]) -> bool:
    """Tell whether uv does the same, faster: a bare venv, and an install from the manifest."""
    plain = tuple(word for word in create[1:] if word != "--copies") == ("-m", "venv", "{env_dir}")
    return plain and install[1:] == ("-m", "pip", "install", "-r", "{manifest_path}")


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")
