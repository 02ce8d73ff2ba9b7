"""All contact with Typer: nouns, commands and the global options (cli.md 4.6), so that it stays reversible.

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

A command's first parameter is `context`; the global options come by themselves and never appear in its signature. A
parameter whose type is one of `attune_cli.options` stands for all options of that group.
It raises an `AttuneError` when it fails, and returns None or an exit code. A module whose app has a command of the
noun's own name is that single command: `app = Noun("…")` with `@app.command("doctor", …)` is `attune doctor`.
`explain=` of a command takes a function (context, arguments) -> text that is added to its help page.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_group

from attune_cli import __version__, pages
from attune_cli.errors import CancelledError, UsageError, did_you_mean
from attune_cli.invocation import Context, confirm, is_set, moves, progress
from attune_cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from attune_cli.pages import Page

    Explain = Callable[[Context, list[str]], str]
    Function = Callable[..., int | None]

__all__ = [
    "GLOBAL_OPTIONS",
    "Context",
    "Noun",
    "RefGroup",
    "Root",
    "confirm",
    "glance",
    "is_set",
    "moves",
    "progress",
    "tree_of",
]

Typers = pages.Typers

_ANSWERS = {
    **dict.fromkeys(("answer", "reply"), "attune inquiry respond ID"),
    "approve": "attune inquiry respond ID --approve",
    **dict.fromkeys(("reject", "deny", "decline"), "attune inquiry respond ID --reject"),
}
"""Verbs that people try for an answer → the command that gives it."""

_OF_RULES = frozenset({"show", "update", "edit", "delete", "enable", "disable", "test", "history"})

_GIVEN = "attune.given"
_ARGUMENTS = "attune.arguments"


# --- the global options (cli.md 3.1)


def _remember(ctx: typer.Context, param: TyperOption, value: Typers) -> None:
    """Keep a given option; what stands nearer to the end of the line wins, and counted flags add up."""
    if value in (None, False, 0):
        return
    given = ctx.meta.setdefault(_GIVEN, {})
    name = str(param.name).removeprefix("global_")
    given[name] = given.get(name, 0) + value if param.count else value


def _print_version(_ctx: typer.Context, _param: TyperOption, value: Typers) -> None:
    if value:
        sys.stdout.write(f"attune {__version__}\n")
        raise typer.Exit


def _flag(*names: str, text: str) -> TyperOption:
    return _option(*names, text=text, is_flag=True, default=False)


def _counted(*names: str, text: str) -> TyperOption:
    return _option(*names, text=text, count=True, type=int, default=0)


def _option(
    *names: str, text: str, callback: Callable[..., None] = _remember, **details: Typers
) -> TyperOption:
    """Declare one; eager, so that a help page made from the home finds it wherever --home stands.

    Its name begins with `global_`, because Typer keeps it beside the parameters of every command.
    """
    return TyperOption(
        param_decls=list(names), help=text, callback=callback, expose_value=False, is_eager=True, **details
    )


GLOBAL_OPTIONS = (
    _option(
        "global_output", "-o", "--output", metavar="FMT", text="text, json, jsonl, yaml, csv, name or none."
    ),
    _flag("global_json", "-j", "--json", text="Same as -o json."),
    _counted("global_quiet", "-q", "--quiet", text="Only ids and refs; -qq nothing, the exit code speaks."),
    _option("global_fields", "--fields", metavar="A,B.C", text="Keep only these fields."),
    _option("global_field_path", "--field", metavar="PATH", text="Print one raw value, e.g. result.id."),
    _flag("global_header", "--header", text="A header line also when stdout is not a terminal."),
    _counted("global_verbosity", "-v", "--verbose", text="Log lines on stderr; -vv more."),
    _option("global_color", "--color", metavar="WHEN", text="auto, always or never."),
    _flag("global_no_color", "--no-color", text="Same as --color never."),
    _flag("global_no_progress", "--no-progress", text="No spinner, no live view."),
    _flag("global_no_input", "--no-input", text="Never ask; a needed answer is an error."),
    _flag("global_yes", "-y", "--yes", text="Accept confirmations."),
    _flag("global_dry_run", "-n", "--dry-run", text="Print what would change, change nothing."),
    _option(
        "global_directory", "-C", "--directory", metavar="DIR", text="Folder to look for attune.toml from."
    ),
    _option("global_home_option", "--home", metavar="DIR", text="Folder with database, packs and runs."),
    _option(
        "global_version",
        "-V",
        "--version",
        text="Print the version.",
        callback=_print_version,
        is_flag=True,
        default=False,
    ),
)
_VALUE_OPTIONS = {name for option in GLOBAL_OPTIONS if option.metavar for name in option.opts}


def _context_of(ctx: Typers) -> Context:
    """Return what has been given up to this command."""
    given = ctx.meta.get(_GIVEN, {})
    return Context.of(
        given, command=ctx.command_path.partition(" ")[2], tree=lambda: tree_of(ctx.find_root())
    )


def tree_of(ctx: Typers) -> Page:
    """Return the pages of a whole tree, from the root's context. Imports every noun."""
    return pages.page_of(ctx, GLOBAL_OPTIONS)


def glance(arguments: Sequence[str]) -> Context:
    """Return what a line says about its output, even if it cannot be parsed: an error needs to know."""
    command = TyperCommand("attune", params=list(GLOBAL_OPTIONS[:-1]), add_help_option=False)
    lenient: dict[str, Typers] = dict.fromkeys(
        ("ignore_unknown_options", "allow_extra_args", "resilient_parsing"), True
    )
    ctx = command.make_context("attune", list(arguments), **lenient)
    try:
        return _context_of(ctx)
    except UsageError:  # an option has a value it cannot have, which is what will be told
        return Context(output="json" if "json" in ctx.meta[_GIVEN] else None)


# --- nouns and commands


class _Page:
    """The options and help pages of commands and groups alike."""

    epilog: str | None

    def get_params(self, ctx: Typers) -> list[Typers]:
        own: list[Typers] = cast("Typers", super()).get_params(ctx)
        return [*own, *GLOBAL_OPTIONS]

    def parse_args(self, ctx: Typers, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        return cast("Typers", super()).parse_args(ctx, args)

    def format_options(self, ctx: Typers, formatter: Typers) -> None:
        full = "--help" in ctx.meta[_ARGUMENTS]
        pages.write_options(self, ctx, formatter, GLOBAL_OPTIONS, full=full)

    def format_epilog(self, ctx: Typers, formatter: Typers) -> None:  # noqa: ARG002 - Typer's signature
        pages.write_examples(self.epilog, formatter)


class Command(_Page, TyperCommand):
    """A leaf."""

    explain: Explain | None = None

    def collect_usage_pieces(self, ctx: Typers) -> list[str]:  # noqa: ARG002 - Typer's signature
        return pages.usage_words(self)

    def format_options(self, ctx: Typers, formatter: Typers) -> None:
        if self.explain is not None:
            text = self.explain(_context_of(ctx), ctx.meta[_ARGUMENTS])
            formatter.write(f"\n{text.rstrip()}\n" if text else "")
        super().format_options(ctx, formatter)


class Group(_Page, TyperGroup):
    """A noun: knows the aliases of verbs, and suggests."""

    verb_aliases: ClassVar = {"ls": "list", "get": "show", "rm": "delete", "rerun": "retry"}

    def get_command(self, ctx: Typers, cmd_name: str) -> Typers:
        alias = self.verb_aliases.get(cmd_name, cmd_name)
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, alias)

    def resolve_command(self, ctx: Typers, args: list[str]) -> Typers:
        command = self.get_command(ctx, args[0])
        if command is None:
            words = " ".join([*ctx.command_path.split(" ")[1:], args[0]])
            near = self.elsewhere(args[0]) or did_you_mean(args[0], self.list_commands(ctx))
            raise UsageError(
                f"no command {words!r}", code="unknown_command", hint=near or f"{ctx.command_path} --help"
            )
        return args[0], command, args[1:]

    def elsewhere(self, word: str) -> str | None:
        """Return what is meant by a word that belongs elsewhere, or None."""
        verb = self.verb_aliases.get(word, word)
        if self.name == "timer" and verb in _OF_RULES:
            return f"attune rule {verb}: a timer is a rule"
        return _ANSWERS.get(verb) if self.name == "inquiry" else None

    def format_options(self, ctx: Typers, formatter: Typers) -> None:
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


class RefGroup(Group):
    """`run REF …` means `run action REF …`: a ref always holds a dot, a kind of run never does."""

    def elsewhere(self, word: str) -> str | None:
        near = did_you_mean(word, self.commands)
        return near or f"attune run PACK.{word}: a ref holds a dot; attune action list"

    def parse_args(self, ctx: Typers, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["action", *args] if self._begins_with_ref(args) else args)

    def _begins_with_ref(self, args: list[str]) -> bool:
        """Tell whether the first word is a ref. A word after an option may be its value, which only a leaf knows."""
        after_option = False
        words = iter(args)
        for word in words:
            if word in _VALUE_OPTIONS:
                next(words, None)
            elif word.startswith("-"):
                after_option = True
            elif word in self.commands or not ("." in word or after_option):
                return False
            elif "." in word:
                return True
        return False


class Noun(typer.Typer):
    """The app of a command module."""

    def __init__(self, text: str, *, cls: type[TyperGroup] = Group, examples: Sequence[str] = ()) -> None:
        super().__init__(
            cls=cls,
            help=text,
            epilog="\n".join(examples),
            add_completion=False,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
        )

    def command(  # type: ignore[override] - narrower on purpose: every command has a name and examples
        self, name: str, *, examples: Sequence[str], hidden: bool = False, explain: Explain | None = None
    ) -> Callable[[Function], Function]:
        """Register `function(context, …) -> exit code or None`; its docstring is the help."""
        leaf = type("Command", (Command,), {"explain": staticmethod(explain)}) if explain else Command
        register = super().command(name, cls=leaf, epilog="\n".join(examples), hidden=hidden)

        def decorate(function: Function) -> Function:
            register(_adapted(function))
            return function

        return decorate


def _adapted(function: Function) -> Function:
    """Let Typer call `function(context, …)`: its own context takes the place of the first parameter.

    A group of options stands in the signature as one parameter; Typer sees its members, behind the command's own.
    """
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("ctx", keyword_only, annotation=typer.Context)]
    shared: list[inspect.Parameter] = []
    groups: dict[str, tuple[type[Options], list[str]]] = {}
    for parameter in list(inspect.signature(function, eval_str=True).parameters.values())[1:]:
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, Options):
            members = list(parameter.annotation.parameters())
            groups[parameter.name] = parameter.annotation, [member.name for member in members]
            shared += members
        else:
            parameters.append(parameter.replace(kind=keyword_only))

    def call(ctx: typer.Context, **values: Typers) -> int | None:
        for name, (group, members) in groups.items():
            values[name] = group(**{member: values.pop(member) for member in members})
        return function(_context_of(ctx), **values)

    parameters += shared
    vars(call)["__signature__"] = inspect.Signature(parameters)
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
    """two first words that scripts know from elsewhere → the words meant"""

    def list_commands(self, ctx: Typers) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(self.nouns)

    def get_command(self, ctx: Typers, cmd_name: str) -> Typers:  # noqa: ARG002 - Typer's signature
        name = self.aliases.get(cmd_name, cmd_name)
        if name not in self.nouns:
            return None
        group = get_group(import_module(self.nouns[name][0]).app)
        group.name = name
        return group.commands.get(name, group)

    def resolve_command(self, ctx: Typers, args: list[str]) -> Typers:
        meant = self.forms.get((args[0], args[1])) if len(args) > 1 else None
        return super().resolve_command(ctx, [*meant, *args[2:]] if meant else args)

    def format_commands(self, ctx: Typers, formatter: Typers) -> None:  # noqa: ARG002 - Typer's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.nouns.items()])

    def perform(self, arguments: Sequence[str]) -> int:
        """Parse, run and return the exit code; raises AttuneError for all that Typer finds wrong."""
        try:
            with self.make_context("attune", list(arguments) or ["-h"]) as ctx:
                result: object = self.invoke(ctx)
        except typer.Exit as end:
            return end.exit_code
        except (typer.Abort, EOFError) as error:
            raise CancelledError("nothing changed", code="declined") from error
        except Exception as error:
            if hasattr(error, "format_message"):
                raise pages.usage_error(error) from error
            raise
        return result if isinstance(result, int) else 0
