"""All contact with Typer: nouns, commands, the global options, and what a command is given.

A complete command module, `commands/pack.py` (no `from __future__ import annotations`: Typer reads annotations):

    from typing import Annotated

    from typer import Argument, Option

    from attune_cli.context import Context, Noun, confirm, progress
    from attune_cli.output import Column

    app = Noun("Look at, install and remove packs.")

    COLUMNS = (
        Column("REF", "ref"),
        Column("VERSION", "version"),
        Column("DESCRIPTION", "description", kind="text"),
    )

    @app.command("list", examples=["attune pack list", "attune pack list -j | jq -r '.[].ref'"])
    def list_packs(context: Context, limit: Annotated[int, Option("--limit", "-l", help="Rows at most.")] = 50) -> None:
        \"\"\"List installed packs.\"\"\"
        from attune_cli.runtime.services import packs

        context.out.records(packs.list_packs(context.home, limit=limit), COLUMNS)

    @app.command("uninstall", examples=["attune pack uninstall demo"])
    def uninstall(context: Context, ref: Annotated[str, Argument(metavar="REF", help="The pack.")]) -> int | None:
        \"\"\"Remove a pack.\"\"\"
        confirm(context, f"Remove pack {ref}?")            # declined: exit 130, nothing changed; --yes: not asked
        with progress(context, f"removing {ref}"):         # a spinner, on terminals only
            ...
        context.out.note(f"pack {ref} removed")            # stderr
        return None                                        # or an exit code, when the output says the rest

A command's first parameter is `context`; the global options come by themselves and never appear in its signature.
It raises an `AttuneError` when it fails, and returns None or an exit code. A module whose app has a command of the
noun's own name is that single command: `app = Noun("…")` with `@app.command("doctor", …)` is `attune doctor`.
`explain=` of a command takes a function (context, arguments) -> text that is added to its help page.
"""

from __future__ import annotations

import inspect
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_group

from attune_cli import __version__
from attune_cli.errors import AttuneError, CancelledError, Detail, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from attune_cli.config import Configuration, Home, Settings
    from attune_cli.output import Color, Format, Printer

    Explain = Callable[["Context", list[str]], str]

_GIVEN = "attune.given"
_ARGUMENTS = "attune.arguments"


# --- the global options (cli.md 3.1)


def _remember(ctx: typer.Context, param: TyperOption, value: Any) -> None:
    """Keep a given option; what stands nearer to the end of the line wins, and counted flags add up."""
    if value in (None, False, 0):
        return
    given = ctx.meta.setdefault(_GIVEN, {})
    name = str(param.name)
    given[name] = given.get(name, 0) + value if param.count else value


def _print_version(ctx: typer.Context, param: TyperOption, value: Any) -> None:  # noqa: ARG001 - Typer's signature
    if value:
        sys.stdout.write(f"attune {__version__}\n")
        raise typer.Exit


def _global(*names: str, help: str, metavar: str | None = None, count: bool = False) -> TyperOption:  # noqa: A002 - Typer's word
    return TyperOption(
        param_decls=list(names),
        help=help,
        metavar=metavar,
        count=count,
        is_flag=metavar is None and not count,
        expose_value=False,
        is_eager=True,  # so that --help of an action knows the home, wherever it stands
        callback=_remember,
        default=None if metavar else 0 if count else False,
    )


GLOBAL_OPTIONS = (
    _global("output", "-o", "--output", metavar="FMT", help="text, json, jsonl, yaml, csv, name or none."),
    _global("json", "-j", "--json", help="Same as -o json."),
    _global(
        "quiet", "-q", "--quiet", count=True, help="Only ids and refs; -qq nothing, the exit code speaks."
    ),
    _global("fields", "--fields", metavar="A,B.C", help="Keep only these fields."),
    _global("field", "--field", metavar="PATH", help="Print one raw value, e.g. result.id."),
    _global("header", "--header", help="A header line also when stdout is not a terminal."),
    _global("verbose", "-v", "--verbose", count=True, help="Log lines on stderr; -vv more."),
    _global("color", "--color", metavar="WHEN", help="auto, always or never."),
    _global("no_color", "--no-color", help="Same as --color never."),
    _global("no_progress", "--no-progress", help="No spinner."),
    _global("no_input", "--no-input", help="Never ask; a needed answer is an error."),
    _global("yes", "-y", "--yes", help="Accept confirmations."),
    _global("dry_run", "-n", "--dry-run", help="Print what would change, change nothing."),
    _global("directory", "-C", "--directory", metavar="DIR", help="Folder to look for attune.toml from."),
    _global("home", "--home", metavar="DIR", help="Folder with database, packs and runs."),
)
_VERSION_OPTION = TyperOption(
    param_decls=["version", "-V", "--version"],
    help="Print the version.",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
)
_ALL_GLOBAL = (*GLOBAL_OPTIONS, _VERSION_OPTION)
_VALUE_OPTIONS = {name for option in GLOBAL_OPTIONS if option.metavar for name in option.opts}


# --- what a command is given


@dataclass(frozen=True)
class Context:
    """How this command was called. Home and settings are looked for when they are first asked for."""

    command: str = ""
    """The words that lead to it, e.g. `execution list`."""
    output: Format | None = None
    quiet: int = 0
    fields: tuple[str, ...] = ()
    field: str | None = None
    header: bool = False
    verbosity: int = 0
    color: Color | None = None
    no_progress: bool = False
    no_input: bool = False
    yes: bool = False
    dry_run: bool = False
    directory: Path | None = None
    home_option: Path | None = None

    @classmethod
    def of(cls, ctx: typer.Context) -> Context:
        """Build it from what Typer has parsed so far; raises UsageError for a value no option has."""
        from attune_cli.output import COLORS, FORMATS

        given: dict[str, Any] = ctx.meta.get(_GIVEN, {})
        output = "json" if given.get("json") else given.get("output")
        color = "never" if given.get("no_color") else given.get("color")
        _check_choice("--output", output, FORMATS)
        _check_choice("--color", color, COLORS)
        return cls(
            command=ctx.command_path.partition(" ")[2],
            output=output,
            quiet=given.get("quiet", 0),
            fields=tuple(name.strip() for name in given.get("fields", "").split(",") if name.strip()),
            field=given.get("field"),
            header=bool(given.get("header")),
            verbosity=given.get("verbose", 0),
            color=color,
            no_progress=bool(given.get("no_progress")),
            no_input=bool(given.get("no_input")),
            yes=bool(given.get("yes")),
            dry_run=bool(given.get("dry_run")),
            directory=Path(given["directory"]) if "directory" in given else None,
            home_option=Path(given["home"]) if "home" in given else None,
        )

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
        """The printer for this command's output (attune_cli.output)."""
        from attune_cli.output import Printer

        output, color = self._display_settings()
        return Printer(
            format=cast("Format", self.output or output),
            quiet=self.quiet,
            fields=self.fields,
            field=self.field,
            header=self.header,
            color=cast("Color", self.color or color),
        )

    def _display_settings(self) -> tuple[str, str]:
        """Return output form and colours as set; a form from a file holds on terminals only (cli.md 3.7)."""
        from attune_cli.config import SETTINGS
        from attune_cli.output import is_terminal

        try:
            configuration = self.configuration
        except AttuneError:
            if self.command.partition(" ")[0] not in _USED_TO_REPAIR:
                raise
            return SETTINGS["output"].default, SETTINGS["color"].default
        settings = configuration.settings
        from_file = not configuration.origins["output"].startswith("ATTUNE_")
        return "text" if from_file and not is_terminal(sys.stdout) else settings.output, settings.color

    @property
    def interactive(self) -> bool:
        """Whether a person may be asked: stdin and stderr are terminals, no --no-input, no CI."""
        from attune_cli.output import is_terminal

        forbidden = self.no_input or is_set("ATTUNE_NO_INPUT") or is_set("CI")
        return not forbidden and is_terminal(sys.stdin) and is_terminal(sys.stderr)


_USED_TO_REPAIR = frozenset({"config", "doctor", "help", "init", "version", "completion"})
"""These must work when a settings file is broken."""


def is_set(variable: str) -> bool:
    """Tell whether an environment variable says yes."""
    return os.environ.get(variable, "").lower() not in ("", "0", "false", "no", "off")


def _check_choice(option: str, value: str | None, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        known = ", ".join(choices)
        raise UsageError(f"{option} {value!r} is none of {known}", hint=did_you_mean(value, choices))


def confirm(context: Context, question: str) -> None:
    """Ask a yes/no question on stderr. --yes skips it; raises CancelledError when declined, UsageError when nobody can be asked."""
    if context.yes:
        return
    if not context.interactive:
        raise UsageError(
            f"{question} needs an answer, and nobody can be asked here", hint="add --yes to accept"
        )
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CancelledError("nothing changed", code="declined")


@contextmanager
def progress(context: Context, text: str) -> Generator[Callable[[str], None]]:
    """Show a spinner on stderr while the block runs, on terminals only; yields a function that changes its text."""
    from attune_cli.output import is_terminal

    hidden = context.no_progress or context.quiet or is_set("ATTUNE_NO_PROGRESS") or is_set("CI")
    if hidden or not is_terminal(sys.stderr):
        yield lambda _text: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True, no_color=not context.out.wants_color(sys.stderr)).status(
        escape(text)
    ) as status:
        yield lambda new: status.update(escape(new))


# --- nouns and commands


class Command(TyperCommand):
    """A leaf: takes the global options, and shows its examples in its help."""

    explain: Explain | None = None

    def get_params(self, ctx: Any) -> list[Any]:
        return [*super().get_params(ctx), *_ALL_GLOBAL]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *(_usage_word(param) for param in self.params if _is_shown_argument(param))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _format_options(self, ctx, formatter)
        if self.explain is not None:
            text = self.explain(Context.of(ctx), ctx.meta[_ARGUMENTS])
            formatter.write(f"\n{text.rstrip()}\n" if text else "")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        _format_examples(self.epilog, formatter)


class Group(TyperGroup):
    """A noun: knows the aliases of verbs, and takes the global options before the verb too."""

    verb_aliases: ClassVar = {"ls": "list", "get": "show", "rm": "delete", "rerun": "retry"}

    def get_params(self, ctx: Any) -> list[Any]:
        return [*super().get_params(ctx), *_ALL_GLOBAL]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        alias = self.verb_aliases.get(cmd_name, cmd_name)
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, alias)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        command = self.get_command(ctx, args[0])
        if command is None:
            names = [name for name in self.list_commands(ctx) if not name.startswith("_")]
            word = " ".join([*ctx.command_path.split(" ")[1:], args[0]])
            raise UsageError(
                f"no command {word!r}",
                code="unknown_command",
                hint=did_you_mean(args[0], names) or f"{ctx.command_path} --help",
            )
        return args[0], command, args[1:]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _format_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        _format_examples(self.epilog, formatter)


class RefGroup(Group):
    """`run REF …` means `run action REF …`: a ref always holds a dot, a kind of run never does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["action", *args] if self._begins_with_ref(args) else args)

    def _begins_with_ref(self, args: list[str]) -> bool:
        words = iter(args)
        for word in words:
            if word in _VALUE_OPTIONS:
                next(words, None)
            elif word in self.commands or word == "--":
                return False
            elif "." in word and not word.startswith("-"):
                return True
        return False


class Noun(typer.Typer):
    """The app of a command module."""

    def __init__(self, help: str, *, cls: type[TyperGroup] = Group) -> None:  # noqa: A002 - Typer's word
        super().__init__(
            cls=cls, help=help, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
        )

    def command(  # type: ignore[override] - narrower on purpose: every command has a name, help and examples
        self,
        name: str,
        *,
        examples: Sequence[str],
        hidden: bool = False,
        explain: Explain | None = None,
    ) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
        """Register `function(context, …) -> exit code or None` as a command with its docstring as help."""
        leaf = type("Command", (Command,), {"explain": staticmethod(explain)}) if explain else Command
        register = super().command(name, cls=leaf, epilog="\n".join(examples), hidden=hidden)

        def decorate(function: Callable[..., int | None]) -> Callable[..., int | None]:
            register(common(function))
            return function

        return decorate


def common(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Let Typer call `function(context, …)`: the first parameter becomes a `Context` instead of Typer's own."""
    signature = inspect.signature(function, eval_str=True)
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in signature.parameters.values()
    ][1:]

    def call(ctx: typer.Context, **values: Any) -> int | None:
        return function(Context.of(ctx), **values)

    first = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [first, *own]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] - functions take attributes
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    call.__name__, call.__doc__ = function.__name__, function.__doc__
    return call


class Root(Group):
    """The whole tree: imports a noun's module when it is chosen, never before (cli.md 4.6)."""

    nouns: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """noun → (module, one line of help)"""
    aliases: ClassVar[Mapping[str, str]] = {}
    """hidden name of a noun → noun"""
    forms: ClassVar[Mapping[tuple[str, str], tuple[str, ...]]] = {}
    """two first words scripts know from elsewhere → the words meant"""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(self.nouns)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        name = self.aliases.get(cmd_name, cmd_name)
        if name not in self.nouns:
            return None
        group = get_group(import_module(self.nouns[name][0]).app)
        group.name = name
        return group.commands.get(name, group)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        meant = self.forms.get((args[0], args[1])) if len(args) > 1 else None
        return super().resolve_command(ctx, [*meant, *args[2:]] if meant else args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.nouns.items()])

    def perform(self, arguments: Sequence[str]) -> int:
        """Parse, run and return the exit code; raises AttuneError for all that Typer finds wrong."""
        try:
            with self.make_context("attune", list(arguments) or ["-h"]) as ctx:
                result: object = self.invoke(ctx)
        except typer.Exit as exit_:
            return exit_.exit_code
        except (typer.Abort, EOFError) as error:
            raise CancelledError("nothing changed", code="declined") from error
        except Exception as error:
            if hasattr(error, "format_message"):
                raise _usage_error(error) from error
            raise
        return result if isinstance(result, int) else 0


def glance(arguments: Sequence[str]) -> Context:
    """Return what a line says about its output, even when it cannot be parsed: an error needs to know."""
    command = TyperCommand("attune", params=list(GLOBAL_OPTIONS), add_help_option=False)
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "resilient_parsing": True}
    ctx = command.make_context("attune", list(arguments), **settings)
    try:
        context = Context.of(cast("typer.Context", ctx))
        _ = context.out
    except AttuneError:
        return Context(output="json" if ctx.meta.get(_GIVEN, {}).get("json") else "text", color="auto")
    return context


def _usage_error(error: Any) -> UsageError:
    """Say in our form what Typer found wrong. Its classes are not public in all versions: their attributes are."""
    ctx = error.ctx if hasattr(error, "ctx") else None
    page = f"{ctx.command_path} --help" if ctx else "attune --help"
    if hasattr(error, "possibilities"):
        known = [name for param in ctx.command.get_params(ctx) for name in param.opts] if ctx else []
        near = did_you_mean(error.option_name, known)
        return UsageError(f"no option {error.option_name!r}", code="unknown_option", hint=near or page)
    if ctx and error.message == "Missing command.":
        return _missing_command(ctx, page)
    message = str(error.format_message()).rstrip(".")
    return UsageError(message[:1].lower() + message[1:], hint=page)


def _missing_command(ctx: typer.Context, page: str) -> UsageError:
    group = cast("TyperGroup", ctx.command)
    commands = [(name, group.get_command(ctx, name)) for name in group.list_commands(ctx)]
    details = [
        Detail(path=name, message=command.get_short_help_str(80))
        for name, command in commands
        if command and not command.hidden
    ]
    return UsageError(
        f"{ctx.command_path} needs a command", code="missing_command", details=details, hint=page
    )


# --- help pages


def _is_shown_argument(param: Any) -> bool:
    return param.param_type_name == "argument" and not param.hidden


def _usage_word(param: Any) -> str:
    word = (param.metavar or param.name or "").strip("[]").upper()
    word = f"{word}…" if param.nargs != 1 and not word.endswith("…") else word
    return word if param.required else f"[{word}]"


def _format_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Write arguments and own options; the global ones on the full page (--help) only."""
    own = [*command.params, command.get_help_option(ctx)]
    arguments = [(_usage_word(param), param.help or "") for param in own if _is_shown_argument(param)]
    _format_section("Arguments", arguments, formatter)
    options = [param for param in own if param.param_type_name == "option"]
    _format_section("Options", [param.get_help_record(ctx) for param in options], formatter)
    if "--help" in ctx.meta[_ARGUMENTS]:
        _format_section("Global options", [param.get_help_record(ctx) for param in _ALL_GLOBAL], formatter)
    else:
        formatter.write(f"\nGlobal options: {ctx.command_path} --help\n")


def _format_section(title: str, rows: Sequence[tuple[str, str] | None], formatter: Any) -> None:
    shown = [row for row in rows if row]
    if shown:
        with formatter.section(title):
            formatter.write_dl(shown)


def _format_examples(epilog: str | None, formatter: Any) -> None:
    if epilog:
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in epilog.splitlines()))
