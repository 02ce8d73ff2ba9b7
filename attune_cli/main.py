"""The root of the command tree, and the one place where a failure becomes an exit code (cli.md 3.4, 3.5)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from attune_cli.context import Noun, Root, glance, is_set
from attune_cli.errors import EXIT_CLOSED_PIPE, AttuneError, CancelledError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMMANDS = "attune_cli.commands"


class Attune(Root):
    """The table of nouns. A module is imported when its noun is chosen."""

    nouns: ClassVar[Mapping[str, tuple[str, str]]] = {
        "run": (f"{_COMMANDS}.run", "Run an action, a file or a command, and keep its record."),
        "execution": (f"{_COMMANDS}.execution", "Look at, wait for, cancel and retry what ran."),
        "action": (f"{_COMMANDS}.action", "Look at the actions of installed packs."),
        "pack": (f"{_COMMANDS}.pack", "Install, write, check and test packs."),
        "key": (f"{_COMMANDS}.key", "Keep secrets and values for actions, sealed."),
        "init": (f"{_COMMANDS}.init", "Start a project here."),
        "validate": (f"{_COMMANDS}.validate", "Check pack and project files; needs no database."),
        "doctor": (f"{_COMMANDS}.doctor", "Check that everything attune needs is there."),
        "db": (f"{_COMMANDS}.db", "Look after the database file."),
        "config": (f"{_COMMANDS}.config", "Show and change settings."),
        "schema": (f"{_COMMANDS}.schema", "Show the fields of files and of output."),
        "completion": (f"{_COMMANDS}.completion", "Print a completion script for a shell."),
        "version": (f"{_COMMANDS}.version", "Show the versions in use."),
        "help": (f"{_COMMANDS}.help", "Read about exit codes, output, parameters and more."),
    }
    aliases: ClassVar[Mapping[str, str]] = {
        "executions": "execution",
        "actions": "action",
        "packs": "pack",
        "keys": "key",
    }
    forms: ClassVar[Mapping[tuple[str, str], tuple[str, ...]]] = {
        ("action", "execute"): ("run", "action"),
        ("action", "run"): ("run", "action"),
        ("pack", "register"): ("pack", "install", "--link"),
        ("key", "create"): ("key", "set"),
        ("key", "update"): ("key", "set"),
    }

    def main(self, args: Sequence[str] | None = None, **_options: Any) -> NoReturn:  # type: ignore[override] - always ends the process
        arguments = sys.argv[1:] if args is None else list(args)
        sys.exit(_bounded(self, arguments))


app = Noun("Event automation in one command and one SQLite file.", cls=Attune)
app.info.context_settings = {"help_option_names": ["-h", "--help"]}
app.callback(epilog="attune run action core.echo message=hi\nattune execution list\nattune help scripting")(
    lambda: None
)


def main() -> NoReturn:
    """Run the command of this process's arguments."""
    from typer.main import get_group

    get_group(app).main()


def _bounded(root: Root, arguments: Sequence[str]) -> int:
    """Return the exit code of a command, whatever happens in it."""
    try:
        code = root.perform(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        return EXIT_CLOSED_PIPE
    except KeyboardInterrupt as interrupt:
        return _fail(arguments, CancelledError("interrupted"), interrupt)
    except AttuneError as error:
        return _fail(arguments, error, error)
    except Exception as error:  # noqa: BLE001 - the boundary: a bug must exit 70, never 1
        return _fail(arguments, _internal(error, arguments), error, unexpected=True)
    return code


def _fail(
    arguments: Sequence[str], error: AttuneError, cause: BaseException, *, unexpected: bool = False
) -> int:
    """Print an error in the form asked for and return its exit code."""
    context = glance(arguments)
    if is_set("ATTUNE_DEBUG") or (unexpected and context.verbosity):
        import traceback

        traceback.print_exception(cause)
    try:
        context.out.error(error)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        _drop_stdout()
    return error.exit_code


def _internal(error: Exception, arguments: Sequence[str]) -> AttuneError:
    """Make an error of a bug, with a report of it in a file."""
    from attune_cli.report import write_report

    if isinstance(error, OSError) and not sys.stdout.closed and error.filename is None:
        return UnavailableError(f"the system refused: {error.strerror or error}")
    path = write_report(error, arguments)
    return AttuneError(
        f"internal error: {type(error).__name__}: {error}",
        hint=f"a report is in {path}" if path else "run it again with ATTUNE_DEBUG=1",
    )


def _drop_stdout() -> None:
    """Let nothing be written at exit to a stdout whose reader has gone: Python would complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass
