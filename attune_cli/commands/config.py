"""`attune config`: which settings are in force, where from, and changing those in files."""

import os
from pathlib import Path
from typing import Annotated, cast

from typer import Argument, Option

from attune_cli.config import SETTINGS, Roles, change_file, files, read_value, value_of
from attune_cli.context import Context, Noun
from attune_cli.errors import NotFoundError, UnavailableError, UsageError
from attune_cli.output import Column

app = Noun("Show and change settings.")

LISTED = (Column("NAME", "name"), Column("VALUE", "value"), Column("DESCRIPTION", "description", kind="text"))
WITH_ORIGIN = (Column("NAME", "name"), Column("VALUE", "value"), Column("ORIGIN", "origin"))
FILES = (Column("NAME", "name"), Column("PATH", "path"), Column("EXISTS", "exists"))

Name = Annotated[str, Argument(metavar="SETTING", help="Name of a setting, see: attune config list.")]
InProject = Annotated[bool, Option("--project", help="Change attune.toml of the project.")]
InUser = Annotated[bool, Option("--user", help="Change the user's file.")]


def _records(context: Context) -> list[dict[str, object]]:
    configuration = context.configuration
    return [
        {
            "kind": "setting",
            "name": name,
            "value": _plain(getattr(configuration.settings, name), name),
            "origin": configuration.origins[name],
            "default": _plain(setting.default, name),
            "variable": f"ATTUNE_{name.upper()}",
            "description": setting.metadata["help"],
        }
        for name, setting in SETTINGS.items()
    ]


def _plain(value: object, name: str = "") -> object:
    """Return a value as documents hold it."""
    if name == "roles":
        return {role: list(people) for role, people in cast("Roles", value)}
    return list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value


@app.command("list", examples=["attune config list", "attune config list --fields name,value,variable"])
def list_settings(context: Context) -> None:
    """List all settings with their values."""
    context.out.records(_records(context), LISTED)


@app.command("show", examples=["attune config show", "attune config show --origin"])
def show(
    context: Context,
    origin: Annotated[bool, Option("--origin", help="Name the source of each value.")] = False,
) -> None:
    """Show the values in force, and with --origin where each comes from."""
    if origin:
        context.out.records(_records(context), WITH_ORIGIN)
    else:
        context.out.record({str(record["name"]): record["value"] for record in _records(context)})


@app.command("get", examples=["attune config get slots"])
def get(context: Context, name: Name) -> None:
    """Print the value of one setting."""
    context.out.value(_plain(value_of(context.settings, name), name))


@app.command("set", examples=["attune config set slots 4", "attune config set --user timeout_seconds 10m"])
def set_setting(
    context: Context,
    name: Name,
    value: Annotated[str, Argument(metavar="VALUE", help="Its value, e.g. 4, 10m, 64MiB, or A,B.")],
    in_project: InProject = False,
    in_user: InUser = False,
) -> None:
    """Set a setting in the project's file, or outside a project in the user's."""
    path = _file_to_change(context, in_project=in_project, in_user=in_user)
    stored = _as_stored(value, read_value(name, value))
    _change(context, path, name, stored, f"{name} = {value}")


@app.command("unset", examples=["attune config unset slots", "attune config unset --user color"])
def unset(context: Context, name: Name, in_project: InProject = False, in_user: InUser = False) -> None:
    """Remove a setting (or a key that is none) from the project's file, or outside a project from the user's."""
    path = _file_to_change(context, in_project=in_project, in_user=in_user)
    _change(context, path, name, None, f"{name} removed")


@app.command("path", examples=["attune config path", "attune config path -q"])
def path(context: Context) -> None:
    """List the files settings are read from, the strongest first."""
    found = files(directory=context.directory, environment=os.environ)
    context.out.records(
        [
            {"kind": "file", "name": name, "path": str(file), "exists": file.is_file()}
            for name, file in found.items()
        ],
        FILES,
    )


def _file_to_change(context: Context, *, in_project: bool, in_user: bool) -> Path:
    if in_project and in_user:
        raise UsageError("--project and --user exclude each other")
    found = files(directory=context.directory, environment=os.environ)
    if in_project and "project" not in found:
        raise NotFoundError("no attune.toml here or above", hint="attune init")
    return found["user"] if in_user else found.get("project", found["user"])


def _as_stored(text: str, value: object) -> object:
    """Keep units as the user wrote them; numbers and lists become TOML's own."""
    if isinstance(value, tuple):
        return _plain(cast("tuple[str, ...]", value))
    if isinstance(value, int | float) and text.replace(".", "", 1).isdecimal():
        return int(text) if text.isdecimal() else float(text)
    return text


def _change(context: Context, path: Path, name: str, value: object, told: str) -> None:
    if context.dry_run:
        context.out.note(f"{path}: would change: {told}")
        return
    try:
        changed = change_file(path, name, value)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error
    context.out.note(f"{path}: {told}" if changed else f"{path}: nothing to change")
