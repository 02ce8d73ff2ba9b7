"""`attune completion`: a static script for a shell, made from the command tree (cli.md 4.8).

Words and flags stand in the script, so that completing them starts no Python. Refs, ids and parameter names are
asked of `_complete.py`. One POSIX walk over the line serves all shells; each has only its own way in.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args

from typer import Argument, Option

from attune_cli import _complete
from attune_cli.config import SETTINGS
from attune_cli.context import Context, Noun
from attune_cli.errors import UnavailableError
from attune_cli.output import COLORS, FORMATS
from attune_cli.pages import Page, Parameter
from attune_cli.runtime.model.automations import RuleMode
from attune_cli.runtime.model.states import Status

app = Noun("Print a completion script for a shell.")

_PARTS = Path(__file__).parent / "shells"
Shell = Literal["bash", "zsh", "fish"]

_OF_OPTION = {
    "--output": FORMATS,
    "--color": COLORS,
    "--status": ("running", "done", "bad", *Status),
    "--field": (":nothing",),
    "--pack": (":pack",),
    "--action": (":action",),
    "--workflow": (":workflow",),
    "--execution": (":execution",),
    "--from": (":task",),
    "--only": (":task",),
    "--task": (":task",),
    "--rule": (":rule",),
    "--trigger": (":trigger",),
    "--event": (":event",),
    "--mode": get_args(RuleMode),
    "--parent": (":execution",),
    "--on-inquiry": ("prompt", "wait", "fail"),
}
_OF_WORD = {
    "ACTION": (":action",),
    "PACK": (":pack",),
    "ID": (":execution",),
    "TRIGGER": (":trigger",),
    "TIMER": (":timer",),
    "EVENT": (":event",),
    "INQUIRY": (":inquiry",),
    "ENFORCEMENT": (":enforcement",),
    "REF|FILE": (":rule", ":files"),
    "KEY=VALUE": (":parameter",),
    "SETTING": tuple(SETTINGS),
    "DIR": (":dirs",),
    **dict.fromkeys(("FILE", "PATH", "SOURCE"), (":files",)),
}
_OF_REF = {
    "run": (":action",),
    "action": (":action",),
    "workflow": (":workflow",),
    "pack": (":pack",),
    "key": (":key",),
    "rule": (":rule",),
    "trigger": (":trigger",),
    "sensor": (":sensor",),
    "execution": (":execution",),
}


@app.command("completion", examples=["attune completion bash --install", "attune completion zsh > _attune"])
def completion(
    context: Context,
    shell: Annotated[Shell, Argument(metavar="SHELL", help="bash, zsh or fish.")],
    install: Annotated[bool, Option("--install", help="Write it where the shell looks for it.")] = False,
) -> None:
    """Print a completion script, or install it; startup files are never touched."""
    text = script(shell, context.tree())
    if install:
        _install(context, shell, text)
    elif context.out.format == "text":
        context.out.text(text)
    else:
        context.out.record({"kind": "completion", "name": shell, "text": text})


def _install(context: Context, shell: Shell, text: str) -> None:
    path = install_path(shell)
    if not context.dry_run:
        _write(path, text)
    context.out.outcome({"kind": "completion", "name": shell, "path": str(path)}, [path])
    context.out.note("it is used from the next shell on")
    if shell == "zsh":
        context.out.note(f"if it is not: add fpath+=({path.parent}) above compinit in .zshrc")


def install_path(shell: Shell) -> Path:
    """Return the file that the shell loads by itself when `attune` is first completed."""
    base = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or base / ".local/share")
    if shell == "bash":
        return data / "bash-completion/completions/attune"
    if shell == "zsh":
        return data / "zsh/site-functions/_attune"
    return Path(os.environ.get("XDG_CONFIG_HOME") or base / ".config") / "fish/completions/attune.fish"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error


def script(shell: Shell, root: Page) -> str:
    """Return the whole script of one shell."""
    walk = f"{_tables(root)}\n{_part('walk.sh')}"
    if shell == "bash":
        return f"# attune completion for bash\n{walk}\n{_part('bash.sh')}"
    if shell == "zsh":
        return f"#compdef attune\n{walk}\n{_part('zsh.sh')}"
    quoted = f'{walk}\n_attune_complete "$@"\n'.replace("\\", "\\\\").replace("'", "\\'")
    return f"# attune completion for fish\nset -g __attune_walk '{quoted}'\n{_part('fish.fish')}"


def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _tables(root: Page) -> str:
    """Return the tree as shell functions: path → words, flags, values of flags, values of arguments."""
    shared = [parameter for parameter in root.parameters if parameter.is_global]
    parts = [
        f"_attune_python={shlex.quote(sys.executable)}",
        f"_attune_script={shlex.quote(_complete.__file__)}",
        _function("_attune_words", root, _words),
        _function("_attune_flags", root, _own_flags, otherwise=_flags(shared)),
        _function("_attune_takes", root, lambda page: _takes(_own_options(page)), otherwise=_takes(shared)),
        _function("_attune_first", root, lambda page: _argument(page, 0)),
        _function("_attune_further", root, lambda page: _argument(page, -1)),
    ]
    return "\n".join(parts)


def _function(name: str, root: Page, body: Callable[[Page], str], otherwise: str = "") -> str:
    """Return a shell function that looks at the path ($1), then does what all paths share."""
    cases = [f"    {shlex.quote(page.path)}) {text} ;;" for page in root.walk() if (text := body(page))]
    return "\n".join([f"{name}() {{", "  case $1 in", *cases, "  esac", f"  {otherwise or ':'}", "}"])


def _lines(lines: Iterable[str]) -> str:
    words = " ".join(shlex.quote(line) for line in lines)
    return f"printf '%s\\n' {words}" if words else ""


def _words(page: Page) -> str:
    return _lines(
        f"{child.path.rpartition(' ')[2]}\t{_first_sentence(child.text)}" for child in page.children
    )


def _own_flags(page: Page) -> str:
    return _flags(_own_options(page))


def _own_options(page: Page) -> list[Parameter]:
    return [parameter for parameter in page.parameters if not (parameter.is_argument or parameter.is_global)]


def _flags(parameters: Iterable[Parameter]) -> str:
    return _lines(
        f"{name}\t{_first_sentence(parameter.text)}"
        for parameter in parameters
        for name in parameter.names
        if name.startswith("--")
    )


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].removesuffix(".")


def _takes(parameters: Iterable[Parameter]) -> str:
    """Return cases over the flag ($2): what its value may be."""
    cases = [
        f"{'|'.join(parameter.names)}) {_lines(_values(parameter, '') or [':nothing'])} ;;"
        for parameter in parameters
        if parameter.value
    ]
    return f"case $2 in {' '.join(cases)} esac" if cases else ""


def _argument(page: Page, position: int) -> str:
    arguments = [parameter for parameter in page.parameters if parameter.is_argument]
    if page.children:
        return _lines(_OF_REF["run"]) if page.path == "run" else ""
    return _lines(_values(arguments[position], page.path)) if arguments else ""


def _values(parameter: Parameter, path: str) -> tuple[str, ...]:
    if parameter.choices:
        return parameter.choices
    for name in parameter.names:
        if name in _OF_OPTION:
            return tuple(_OF_OPTION[name])
    if parameter.value == "REF|FILE" and "workflow" in path:
        return (":workflow", ":files")
    if parameter.value == "REF":
        return _OF_REF.get(path.partition(" ")[0], ())
    if parameter.value == "ID" and not parameter.is_argument:
        return ()
    return _OF_WORD.get(parameter.value, ())
