"""Where everything of one engine lies, and the settings with their sources (cli.md 3.7)."""

from __future__ import annotations

import sys
from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.model.quantities import parse_duration, parse_size
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

PROJECT_FILE = "attune.toml"
MACHINE_FILE = Path("/etc/attune/config.toml")

MEBIBYTE = 1024 * 1024
_LAST_PORT = 65535
_LEAST_PROCESSORS = 0.01

Value = Any
"""A setting as the program has it: int, float, str or a tuple of str."""


@immutable
class Home:
    """The folder that holds one engine: database, packs, environments, runs, key and sockets."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "attune.db"

    @property
    def packs(self) -> Path:
        return self.path / "packs"

    @property
    def environments(self) -> Path:
        return self.path / "envs"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def containers(self) -> Path:
        """Is there when this home has made a container."""
        return self.path / "containers"

    def progress(self, execution: int) -> Path:
        """Holds a line that tells what is being made for an execution in a container, as long as it is."""
        return self.containers / f"{execution}.progress"

    @property
    def container_hosts(self) -> Path:
        """What a container without a network finds as its /etc/hosts."""
        return self.containers / "hosts"

    def parameter_file(self, execution: int) -> Path:
        """Holds the parameters of an execution that are delivered by file, as long as it runs."""
        return self.runs / f"{execution}.parameters"

    @property
    def hosts(self) -> Path:
        return self.path / "hosts"

    @property
    def daemon_log(self) -> Path:
        return self.path / "daemon.log"

    @property
    def secret_key(self) -> Path:
        return self.path / "secret.key"

    @property
    def administrator_token(self) -> Path:
        return self.path / "admin.token"

    @classmethod
    def resolve(cls, *, option: Path | None, directory: Path | None, environment: Mapping[str, str]) -> Home:
        """Return the home of `--home`, else ATTUNE_HOME, else the project's, else the user's. Creates nothing."""
        if option is not None:
            return cls(option.absolute())
        if environment.get("ATTUNE_HOME"):
            return cls(Path(environment["ATTUNE_HOME"]).absolute())
        project = find_project(directory, environment)
        return cls(project / ".attune" if project else _user_folder("data", environment))


def find_project(directory: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Return the nearest folder upwards with an attune.toml, from `-C`, ATTUNE_PROJECT or here; or None."""
    start = (directory or Path(environment.get("ATTUNE_PROJECT") or ".")).absolute()
    if not start.is_dir():
        raise NotFoundError(f"no directory {str(start)!r}")
    return next((folder for folder in (start, *start.parents) if (folder / PROJECT_FILE).is_file()), None)


def user_config_file(environment: Mapping[str, str]) -> Path:
    return _user_folder("config", environment) / "config.toml"


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return where reports of internal errors go."""
    return _user_folder("state", environment)


_XDG = {"data": ".local/share", "config": ".config", "state": ".local/state"}


def _user_folder(kind: str, environment: Mapping[str, str]) -> Path:
    """Return the user's folder of one kind (XDG Base Directory Specification 0.8, and its cousins elsewhere)."""
    named = environment.get(f"XDG_{kind.upper()}_HOME", "")
    if named.startswith("/"):
        return Path(named) / "attune"
    if sys.platform == "linux":
        return Path(environment.get("HOME") or Path.home()) / _XDG[kind] / "attune"
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("attune", appauthor=False))


# --- settings


def _duration(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError("expected a duration such as 45s, 5m or 1h30m")


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        return parse_size(value)
    raise ValueError("expected a size such as 512kB or 10MiB")


def _count(value: object) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("expected a whole number of at least 1")


def _count_or_none(value: object) -> int:
    return 0 if value == "0" or (value == 0 and not isinstance(value, bool)) else _count(value)


def _port(value: object) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LAST_PORT:
        return value
    raise ValueError(f"expected a port, 0 to {_LAST_PORT}")


def _processors(value: object) -> float:
    try:
        amount = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        amount = 0.0
    if amount >= _LEAST_PROCESSORS:
        return amount
    raise ValueError("expected a number of processors such as 0.5 or 2")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "yes", "on", "false", "no", "off"}:
        return value.lower() in {"true", "yes", "on"}
    raise ValueError("expected true or false")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("expected text")


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    if isinstance(value, list) and all(isinstance(name, str) for name in value):  # pyright: ignore[reportUnknownVariableType] - TOML gives list[Unknown]; the test makes it list[str]
        return tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - as above
    raise ValueError("expected names: a list, or text with commas between them")


Roles = tuple[tuple[str, tuple[str, ...]], ...]
"""Names of roles, and who has each."""


def _roles(value: object) -> Roles:
    """Read a table of lists, or text like `ops=anna,ben;dev=carl`."""
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.split(";") if part.strip()]
        if not all(equals and name.strip() for name, equals, _ in parts):
            raise ValueError("expected roles such as ops=anna,ben;dev=carl")
        return tuple((name.strip(), _names(people)) for name, _, people in parts)
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return tuple((name, _names(people)) for name, people in table.items())
    raise ValueError("expected a table of roles such as ops = ['anna', 'ben']")


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value in choices:
            return str(value)
        raise ValueError(f"expected one of {', '.join(choices)}")

    return read


def _setting(default: Value, read: Callable[[object], Value], help_text: str) -> Value:
    return field(default=default, metadata={"read": read, "help": help_text})


@immutable
class Settings:
    """Every setting: its name in files (as here) and in the environment (ATTUNE_<NAME>), default and meaning."""

    slots: int = _setting(10, _count, "How many actions may run at once in one home")
    timeout_seconds: float = _setting(300.0, _duration, "Time limit of an action that declares none")
    grace_seconds: float = _setting(5.0, _duration, "Time between asking a process to stop and killing it")
    max_stdout_bytes: int = _setting(
        10 * MEBIBYTE, _size, "Stdout kept of one execution; the rest is counted"
    )
    max_stderr_bytes: int = _setting(
        10 * MEBIBYTE, _size, "Stderr kept of one execution; the rest is counted"
    )
    max_result_bytes: int = _setting(MEBIBYTE, _size, "Largest result an execution may have")
    max_parameters_bytes: int = _setting(MEBIBYTE, _size, "Largest parameters an execution may be given")
    max_items: int = _setting(10_000, _count, "Most items that `with_items` of a task may have")
    retention_seconds: float = _setting(
        30 * 86_400.0, _duration, "How long events, verdicts, enforcements and notifications are kept"
    )
    environment_allow: tuple[str, ...] = _setting(
        (), _names, "More environment variables that actions may see"
    )
    busy_timeout_seconds: float = _setting(30.0, _duration, "How long to wait for a busy database")
    container_memory_bytes: int = _setting(512 * MEBIBYTE, _size, "Memory of a container that asks for none")
    container_cpus: float = _setting(1.0, _processors, "Processors of a container that asks for none")
    container_pids: int = _setting(256, _count, "Processes and threads of a container that asks for none")
    container_tmpfs_bytes: int = _setting(
        64 * MEBIBYTE, _size, "Room in /tmp of a container, which is memory"
    )
    container_max_memory_bytes: int = _setting(4096 * MEBIBYTE, _size, "Most memory a container may ask for")
    container_max_cpus: float = _setting(4.0, _processors, "Most processors a container may ask for")
    container_max_pids: int = _setting(4096, _count, "Most processes and threads a container may ask for")
    container_max_tmpfs_bytes: int = _setting(
        1024 * MEBIBYTE, _size, "Most room in memory file systems a container may ask for"
    )
    container_networks: tuple[str, ...] = _setting(
        ("none", "bridge"), _names, "Networks of the engine that containers may ask for"
    )
    container_mounts: tuple[str, ...] = _setting(
        (), _names, "Folders of this machine of which containers may mount parts"
    )
    container_root: bool = _setting(default=False, read=_flag, help_text="Whether containers may run as root")
    container_pull: str = _setting(
        "missing", _one_of("missing", "always", "never"), "When images are pulled, unless an action says so"
    )
    container_warm: int = _setting(
        4, _count_or_none, "Containers that a daemon starts ahead for busy actions, at most; 0 starts none"
    )
    container_warm_seconds: float = _setting(
        60.0, _duration, "How long such a container waits; an action is busy that runs twice within this time"
    )
    roles: Roles = _setting(
        (), _roles, "Who has which role, for inquiries; a role that is not named is a group of the system"
    )
    host: str = _setting("127.0.0.1", _text, "Address the daemon's server listens at")
    port: int = _setting(8080, _port, "Port the daemon's server listens at; 0 takes a free one")
    public_url: str = _setting("", _text, "How others reach the daemon's server, e.g. behind a proxy")
    output: str = _setting(
        "text",
        _one_of("text", "json", "jsonl", "yaml", "csv", "name", "none"),
        "Form of the output; from a file it holds on terminals only",
    )
    color: str = _setting("auto", _one_of("auto", "always", "never"), "When to use colours")


SETTINGS = {setting.name: setting for setting in fields(Settings)}


@immutable
class Configuration:
    """The settings in force, and where each was found (`default`, a path, or a variable's name)."""

    settings: Settings
    origins: dict[str, str]

    @classmethod
    def load(cls, *, directory: Path | None, environment: Mapping[str, str]) -> Configuration:
        """Merge all sources; raises UsageError with every fault of every source together."""
        faults: list[Detail] = []
        values: dict[str, Any] = {}
        origins = dict.fromkeys(SETTINGS, "default")
        for path in reversed([*files(directory=directory, environment=environment).values()]):
            for name, value in _read(path, faults).items():
                values[name], origins[name] = value, str(path)
        for name, setting in SETTINGS.items():
            variable = f"ATTUNE_{name.upper()}"
            if environment.get(variable):
                try:
                    values[name] = setting.metadata["read"](environment[variable])
                except ValueError as error:
                    faults.append(Detail(path=variable, message=str(error), value=environment[variable]))
                origins[name] = variable
        if faults:
            raise UsageError("the configuration is invalid", code="invalid_config", details=faults)
        return cls(Settings(**values), origins)


def files(*, directory: Path | None, environment: Mapping[str, str]) -> dict[str, Path]:
    """Return the files settings are read from, strongest first: `project` (if there is one), `user`, `machine`."""
    project = find_project(directory, environment)
    named = {"project": project / PROJECT_FILE} if project else {}
    return {**named, "user": user_config_file(environment), "machine": MACHINE_FILE}


_ROLE = "roles."
"""What stands before the name of one role where a setting is named."""


def check_name(name: str) -> None:
    """Raise NotFoundError with the nearest name when there is no such setting."""
    if name not in SETTINGS and not (name.startswith(_ROLE) and name.removeprefix(_ROLE)):
        near = did_you_mean(name, SETTINGS)
        raise NotFoundError(f"no setting {name!r}", code="unknown_setting", hint=near or "attune config list")


def read_value(name: str, value: object) -> Value:
    """Return `value` as setting `name` has it; raises NotFoundError or UsageError."""
    check_name(name)
    try:
        return _names(value) if name.startswith(_ROLE) else SETTINGS[name].metadata["read"](value)
    except ValueError as error:
        raise UsageError(f"{name}: {error}, got {value!r}") from error


def _read(path: Path, faults: list[Detail]) -> dict[str, Any]:
    """Return the valid settings of one file; what is wrong with it goes to `faults` with file, line and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        faults.append(Detail(path=str(path), message=str(error)))
        return {}
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.append(Detail(path=str(path), message=str(error)))
        return {}
    values: dict[str, Any] = {}
    for name, value in document.items():
        try:
            values[name] = read_value(name, value)
        except (NotFoundError, UsageError) as error:
            near = did_you_mean(name, SETTINGS) if isinstance(error, NotFoundError) else None
            message = f"{error.message}; {near}" if near else error.message
            faults.append(Detail(path=f"{path}:{_line_of(name, text)}", message=message))
    return values


def _line_of(name: str, text: str) -> int:
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if line.lstrip("[ \t\"'").startswith(name)), 1)


def _place_in(document: MutableMapping[str, Any], name: str) -> tuple[MutableMapping[str, Any], str]:
    """Return the table that holds a setting, made when there is none, and its key there."""
    if not name.startswith(_ROLE):
        return document, name
    import tomlkit

    if "roles" not in document:
        document["roles"] = tomlkit.table()
    return document["roles"], name.removeprefix(_ROLE)


def value_of(settings: Settings, name: str) -> Value:
    """Return the value in force of a setting, or of one role; raises NotFoundError."""
    check_name(name)
    if not name.startswith(_ROLE):
        return getattr(settings, name)
    people = dict(settings.roles).get(name.removeprefix(_ROLE))
    if people is None:
        raise NotFoundError(f"no setting {name!r}", code="unknown_setting", hint="attune config get roles")
    return people


def change_file(path: Path, name: str, value: object | None) -> bool:
    """Set one setting of a file, or remove it (None); comments and order stay. Tells whether the file changed.

    The new file replaces the old one by rename. Raises UsageError for a file that is not TOML, OSError as open does.
    """
    import tomlkit
    from tomlkit.exceptions import ParseError

    path = path.resolve()
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        document = tomlkit.parse(old)
    except ParseError as error:
        raise UsageError(f"{path}: {error}", hint=f"mend it by hand: {path}") from error
    table, key = _place_in(document, name)
    if value is None:
        if key in table:
            del table[key]
    else:
        table[key] = value
    new = tomlkit.dumps(document)
    if new == old:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(new, encoding="utf-8")
    draft.replace(path)
    return True
