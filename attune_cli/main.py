"""The root of the command tree, and the one place where a failure becomes an exit code (cli.md 3.4, 3.5).

SIGPIPE stays ignored, as Python has it: commands write to pipes of child processes, and a child that goes away must
not take this process with it. A closed stdout is caught here instead and exits 141, which shells see alike.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, NoReturn, cast

from attune_cli.context import Noun, Root, glance, is_set
from attune_cli.errors import EXIT_CLOSED_PIPE, AttuneError, CancelledError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import TextIOWrapper

_COMMANDS = "attune_cli.commands"


class Attune(Root):
    """The table of nouns. A module is imported when its noun is chosen."""

    nouns: ClassVar[Mapping[str, tuple[str, str]]] = {
        "run": (f"{_COMMANDS}.run", "Run an action, a workflow, a file or a command, and keep its record."),
        "execution": (f"{_COMMANDS}.execution", "Look at, wait for, cancel and retry what ran."),
        "inquiry": (f"{_COMMANDS}.inquiry", "Look at what runs ask people, and answer it."),
        "inbox": (f"{_COMMANDS}.inbox", "Pick and answer what waits for you."),
        "action": (f"{_COMMANDS}.action", "Look at the actions of installed packs."),
        "workflow": (f"{_COMMANDS}.workflow", "Look at, draw, check and write workflows."),
        "sensor": (f"{_COMMANDS}.sensor", "Look at sensors, try them, and see what they write."),
        "trigger": (f"{_COMMANDS}.trigger", "Look at kinds of events, and make your own."),
        "rule": (f"{_COMMANDS}.rule", "Say which action runs when an event comes."),
        "event": (f"{_COMMANDS}.event", "Look at what happened, and tell that something has."),
        "enforcement": (f"{_COMMANDS}.enforcement", "Look at what rules decided to do."),
        "timer": (f"{_COMMANDS}.timer", "Look at, make and try what fires by the clock."),
        "pack": (f"{_COMMANDS}.pack", "Install, write, check and test packs."),
        "webhook": (f"{_COMMANDS}.webhook", "Let triggers take requests from outside."),
        "key": (f"{_COMMANDS}.key", "Keep secrets and values for actions, sealed."),
        "up": (f"{_COMMANDS}.up", "Start the daemon: timers, webhooks, sensors."),
        "down": (f"{_COMMANDS}.down", "End the daemon."),
        "serve": (f"{_COMMANDS}.serve", "Be the daemon, in the foreground."),
        "status": (f"{_COMMANDS}.status", "Show whether the daemon runs, and what it does."),
        "engine": (f"{_COMMANDS}.engine", "Operate the daemon: its log, its settings, its service."),
        "watch": (f"{_COMMANDS}.watch", "Watch what happens, as it happens."),
        "notify": (f"{_COMMANDS}.notify", "Tell the world outside: mail, chat, desktop and more."),
        "apply": (f"{_COMMANDS}.apply", "Make things as files declare them."),
        "diff": (f"{_COMMANDS}.diff", "Show how things differ from what files declare."),
        "export": (f"{_COMMANDS}.export", "Write what there is as documents that apply makes again."),
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
        "inquiries": "inquiry",
        "actions": "action",
        "packs": "pack",
        "workflows": "workflow",
        "keys": "key",
        "webhooks": "webhook",
        "events": "event",
        "enforcements": "enforcement",
        "timers": "timer",
        "triggers": "trigger",
        "sensors": "sensor",
        "rules": "rule",
    }
    forms: ClassVar[Mapping[tuple[str, str], tuple[str, ...]]] = {
        ("action", "execute"): ("run", "action"),
        ("action", "run"): ("run", "action"),
        ("workflow", "run"): ("run", "workflow"),
        ("pack", "register"): ("pack", "install", "--link"),
        ("key", "create"): ("key", "set"),
        ("key", "update"): ("key", "set"),
    }

    def main(self, args: Sequence[str] | None = None, **_options: object) -> NoReturn:  # type: ignore[override] - always ends the process
        arguments = sys.argv[1:] if args is None else list(args)
        sys.exit(_bounded(self, arguments))


app = Noun(
    "Event automation in one command and one SQLite file.",
    cls=Attune,
    examples=["attune run action core.echo message=hi", "attune execution list", "attune help scripting"],
)
app.info.context_settings = {"help_option_names": ["-h", "--help"]}


@app.callback()
def attune() -> None:
    """Make Typer see a tree where it sees no command: the table is read by `Attune`."""


def main() -> None:
    """Run the command this process was started with, and end it."""
    _open_streams()
    app()


def _open_streams() -> None:
    """Let the three streams exist and speak UTF-8.

    Where one is closed, the next file to be opened would get its number, and stray output would go into the database.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open till the end
    for stream in (sys.stdout, sys.stderr):
        cast("TextIOWrapper", stream).reconfigure(encoding="utf-8", errors="backslashreplace")


def _bounded(root: Root, arguments: Sequence[str]) -> int:
    """Return the exit code of a line, whatever happens in its command."""
    try:
        code = root.perform(arguments)
        _flush()
    except BrokenPipeError:
        _drop_stdout()
        return EXIT_CLOSED_PIPE
    except KeyboardInterrupt as interrupt:
        return _fail(arguments, CancelledError("interrupted"), interrupt)
    except AttuneError as error:
        return _fail(arguments, error, error)
    except UnicodeEncodeError as error:
        word = next((word for word in arguments if not _is_text(word)), None)
        told = _internal(error, arguments) if word is None else UsageError(f"{word!r} is no UTF-8 text")
        return _fail(arguments, told, error)
    except Exception as error:  # noqa: BLE001 - the boundary: a bug must exit 70, never 1
        return _fail(arguments, _internal(error, arguments), error, debug=bool(glance(arguments).verbosity))
    return code


def _is_text(word: str) -> bool:
    """Tell whether a word can be looked up in the database: bytes that are no UTF-8 cannot."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _flush() -> None:
    """Write out what is left; what cannot be written was not told."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_stdout()
        raise UnavailableError(f"the output cannot be written: {error.strerror}") from error


def _fail(arguments: Sequence[str], error: AttuneError, cause: BaseException, *, debug: bool = False) -> int:
    """Print an error in the form asked for and return its exit code."""
    if debug or is_set("ATTUNE_DEBUG"):
        import traceback

        traceback.print_exception(cause)
    with suppress(AttuneError, OSError):  # nobody is left to tell
        glance(arguments).out.error(error)
        sys.stdout.flush()
        sys.stderr.flush()
        return error.exit_code
    _drop_stdout()
    return error.exit_code


def _internal(error: Exception, arguments: Sequence[str]) -> AttuneError:
    """Make an error of a bug, with a report of it in a file."""
    from attune_cli.report import write_report

    path = write_report(error, arguments)
    hint = f"a report is in {path}" if path else "run it again with ATTUNE_DEBUG=1"
    return AttuneError(f"internal error: {type(error).__name__}: {error}", hint=hint)


def _drop_stdout() -> None:
    """Let nothing be written at exit to a stdout that takes nothing: Python would complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
