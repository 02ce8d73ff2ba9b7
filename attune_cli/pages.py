"""Help pages, and what Typer finds wrong with a line said in our form.

Typer's classes of errors, parameters and formatters are not public in every version: only their attributes are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import Detail, UsageError, did_you_mean
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Typers = Any
"""An object of Typer: context, command, parameter, formatter or error."""


@immutable
class Parameter:
    """An option (its `names` begin with dashes) or an argument."""

    names: tuple[str, ...]
    text: str
    value: str
    """The word that stands for its value, as on the usage line; empty for a flag."""
    choices: tuple[str, ...]
    is_argument: bool
    is_global: bool


@immutable
class Page:
    """What the tree says about one command: the source of completion, of the reference and of the tests."""

    path: str
    """Its words without `attune`; empty for the root."""
    text: str
    examples: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    children: tuple[Page, ...]

    def walk(self) -> Iterator[Page]:
        yield self
        for child in self.children:
            yield from child.walk()


def page_of(ctx: Typers, global_options: Sequence[Typers]) -> Page:
    """Return the page of a context's command with those below it. Imports every noun; leaves hidden ones out."""
    command = ctx.command
    names = command.list_commands(ctx) if hasattr(command, "list_commands") else ()
    below = [(name, command.get_command(ctx, name)) for name in names]
    return Page(
        path=ctx.command_path.partition(" ")[2],
        text=command.help or "",
        examples=tuple((command.epilog or "").splitlines()),
        parameters=tuple(
            _parameter(param, global_options) for param in command.get_params(ctx) if not param.hidden
        ),
        children=tuple(
            page_of(type(ctx)(child, info_name=name, parent=ctx), global_options)
            for name, child in below
            if not child.hidden
        ),
    )


def _parameter(param: Typers, global_options: Sequence[Typers]) -> Parameter:
    is_flag = not is_argument(param) and (param.is_flag or param.count)
    return Parameter(
        names=(*param.opts, *param.secondary_opts),
        text=param.help or "",
        value="" if is_flag else _value_word(param),
        choices=_choices(param),
        is_argument=is_argument(param),
        is_global=param in global_options,
    )


def _choices(param: Typers) -> tuple[str, ...]:
    """Return the values a parameter may have: of its type, or as its word lists them (`queue|skip|fail`)."""
    words = tuple(_value_word(param).split("|"))
    if len(words) > 1 and all(word.isalpha() and word.islower() for word in words):
        return words
    return tuple(map(str, getattr(param.type, "choices", ())))


def write_options(
    command: Typers, ctx: Typers, formatter: Typers, global_options: Sequence[Typers], *, full: bool
) -> None:
    """Write arguments and the command's own options; the global ones on the full page only."""
    own = [*command.params, command.get_help_option(ctx)]
    arguments = [(usage_word(param), param.help or "") for param in own if is_argument(param)]
    _write_section("Arguments", arguments, formatter)
    options = [param for param in own if param.param_type_name == "option"]
    _write_section("Options", [param.get_help_record(ctx) for param in options], formatter)
    if full:
        _write_section("Global options", [param.get_help_record(ctx) for param in global_options], formatter)
    else:
        formatter.write(f"\nGlobal options: {ctx.command_path} --help\n")


def write_examples(epilog: str | None, formatter: Typers) -> None:
    """Write example lines as they are, so that they can be copied."""
    if epilog:
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in epilog.splitlines()))


def usage_words(command: Typers) -> list[str]:
    return ["[OPTIONS]", *(usage_word(param) for param in command.params if is_argument(param))]


def is_argument(param: Typers) -> bool:
    return param.param_type_name == "argument" and not param.hidden


def usage_word(param: Typers) -> str:
    """Return `REF`, `[DIR]`, `ID…` or `[KEY=VALUE…]`."""
    word = _value_word(param)
    word = f"{word}…" if param.nargs != 1 else word
    return word if param.required else f"[{word}]"


def _value_word(param: Typers) -> str:
    """Return the word for a parameter's value, without the marks some write around it."""
    word = (param.metavar or param.name or "").removesuffix("...").removesuffix("…")
    word = word[1:-1] if word.startswith("[") and word.endswith("]") else word
    return word if param.metavar else word.upper()


def _write_section(title: str, rows: Sequence[tuple[str, str] | None], formatter: Typers) -> None:
    shown = [row for row in rows if row]
    if shown:
        with formatter.section(title):
            formatter.write_dl(shown)


_OPTIONS_MEANT = {
    ("attune execution retry", "--from"): "--from-failed goes on where it failed;"
    " attune run workflow REF --from TASK begins at a task",
}
"""What to write instead of an option that another command has, and that by its spelling is nearest to a wrong one."""


def usage_error(error: Typers) -> UsageError:
    """Return Typer's error as ours, with a suggestion over the command's options."""
    ctx = getattr(error, "ctx", None)
    page = f"{ctx.command_path} --help" if ctx else "attune --help"
    if hasattr(error, "possibilities"):
        known = [name for param in ctx.command.get_params(ctx) for name in param.opts] if ctx else []
        meant = _OPTIONS_MEANT.get((ctx.command_path, error.option_name)) if ctx else None
        near = meant or did_you_mean(error.option_name, known)
        return UsageError(f"no option {error.option_name!r}", code="unknown_option", hint=near or page)
    if ctx and error.message == "Missing command.":
        return _missing_command(ctx, page)
    message = str(error.format_message()).rstrip(".")
    return UsageError(message[:1].lower() + message[1:], hint=page)


def _missing_command(ctx: Typers, page: str) -> UsageError:
    commands = [(name, ctx.command.get_command(ctx, name)) for name in ctx.command.list_commands(ctx)]
    details = [
        Detail(path=name, message=command.get_short_help_str(80))
        for name, command in commands
        if not command.hidden
    ]
    return UsageError(
        f"{ctx.command_path} needs a command", code="missing_command", details=details, hint=page
    )
