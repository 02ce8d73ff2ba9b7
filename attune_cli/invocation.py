"""What a command is given: how it was called, and the ways to ask and to show that work goes on (cli.md 3.1, 3.6)."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import AttuneError, CancelledError, UsageError, did_you_mean
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import TextIO

    from attune_cli.config import Configuration, Home, Settings
    from attune_cli.output import Color, Format, Printer
    from attune_cli.pages import Page

_USED_TO_REPAIR = frozenset({"", "config", "doctor", "help", "init", "version", "completion"})
"""Nouns that must work when a settings file is broken."""


def _no_tree() -> Page:
    from attune_cli.pages import Page

    return Page(path="", text="", examples=(), parameters=(), children=())


@immutable
class Context:
    """How this command was called. Home and settings are looked for when they are first asked for."""

    command: str = ""
    """The words that lead to it, e.g. `execution list`."""
    output: Format | None = None
    quiet: int = 0
    fields: tuple[str, ...] = ()
    field_path: str | None = None
    header: bool = False
    verbosity: int = 0
    color: Color | None = None
    no_progress: bool = False
    no_input: bool = False
    yes: bool = False
    dry_run: bool = False
    directory: Path | None = None
    home_option: Path | None = None
    tree: Callable[[], Page] = field(default=_no_tree, repr=False, compare=False)
    """Reads the pages of all commands; imports every noun."""

    @classmethod
    def of(cls, given: Mapping[str, Any], *, command: str, tree: Callable[[], Page] = _no_tree) -> Context:
        """Build it from the global options given on the line; raises UsageError for a value no option has."""
        from attune_cli.output import COLORS, FORMATS

        values = {name: value for name, value in given.items() if name not in ("json", "no_color")}
        if os.environ.get("ATTUNE_LOG") == "debug":
            values.setdefault("verbosity", 1)
        if given.get("json"):
            values["output"] = "json"
        if given.get("no_color"):
            values["color"] = "never"
        _check_choice("--output", values.get("output"), FORMATS)
        _check_choice("--color", values.get("color"), COLORS)
        for name in ("directory", "home_option"):
            if name in values:
                values[name] = Path(values[name])
        if "fields" in values:
            values["fields"] = tuple(name.strip() for name in values["fields"].split(",") if name.strip())
        return cls(command=command, tree=tree, **values)

    @cached_property
    def home(self) -> Home:
        from attune_cli.config import Home

        return Home.resolve(option=self.home_option, directory=self.directory, environment=os.environ)

    @cached_property
    def configuration(self) -> Configuration:
        """The settings with their origins; raises UsageError with all faults of all files."""
        from attune_cli.config import Configuration

        return Configuration.load(directory=self.directory, environment=os.environ)

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    @cached_property
    def out(self) -> Printer:
        """The printer of this command's output (attune_cli.output)."""
        from attune_cli.output import Printer

        output, color = self._display_settings()
        return Printer(
            format=self.output or output,
            quiet=self.quiet,
            fields=self.fields,
            field=self.field_path,
            header=self.header,
            color=self.color or color,
        )

    def _display_settings(self) -> tuple[Format, Color]:
        """Return form and colours as set; a form from a file holds on terminals only (cli.md 3.7)."""
        from attune_cli.output import FORMATS, is_terminal

        try:
            configuration = self.configuration
        except AttuneError:
            if self.command.partition(" ")[0] not in _USED_TO_REPAIR:
                raise
            asked = os.environ.get("ATTUNE_OUTPUT")
            return (asked if asked in FORMATS else "text"), "auto"
        from_file = not configuration.origins["output"].startswith("ATTUNE_")
        output = "text" if from_file and not is_terminal(sys.stdout) else configuration.settings.output
        return cast("Format", output), cast("Color", configuration.settings.color)

    @property
    def interactive(self) -> bool:
        """Whether a person may be asked: stdin and stderr are terminals, no --no-input, no CI."""
        from attune_cli.output import is_terminal

        forbidden = self.no_input or is_set("ATTUNE_NO_INPUT") or is_set("CI")
        return not forbidden and is_terminal(sys.stdin) and is_terminal(sys.stderr)


def is_set(variable: str) -> bool:
    """Tell whether an environment variable says yes."""
    return os.environ.get(variable, "").lower() not in ("", "0", "false", "no", "off")


def moves(context: Context, stream: TextIO) -> bool:
    """Tell whether what changes may be drawn on a stream: a terminal, where nobody asked for less."""
    from attune_cli.output import is_terminal

    hidden = context.no_progress or context.quiet or is_set("ATTUNE_NO_PROGRESS") or is_set("CI")
    return not hidden and is_terminal(stream)


def _check_choice(option: str, value: str | None, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        known = ", ".join(choices)
        raise UsageError(f"{option} {value!r} is none of {known}", hint=did_you_mean(value, choices))


def confirm(context: Context, question: str) -> None:
    """Ask a yes/no question on stderr; --yes skips it.

    Raises CancelledError when it is declined, and UsageError naming --yes when nobody can be asked.
    """
    if context.yes:
        return
    if not context.interactive:
        raise UsageError(
            f"not asked, because nobody can answer here: {question}",
            code="confirmation_needed",
            hint="add --yes to accept",
        )
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CancelledError("nothing changed", code="declined")


@contextmanager
def progress(context: Context, text: str) -> Generator[Callable[[str], None]]:
    """Show a spinner on stderr while the block runs, on terminals only; yields a function that changes its text."""
    if not moves(context, sys.stderr):
        yield lambda _text: None
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, no_color=not context.out.wants_color(sys.stderr))
    with console.status(escape(text)) as status:
        yield lambda new: status.update(escape(new))
