"""`attune help TOPIC`: what people who write scripts look for."""

import re
from pathlib import Path
from typing import Annotated

from typer import Argument

from attune_cli import errors
from attune_cli.context import Context, Noun
from attune_cli.errors import NotFoundError, did_you_mean
from attune_cli.output import Column

app = Noun("Read about exit codes, output, parameters and more.")

_TEXTS = Path(__file__).parent / "topics"
TOPICS = {
    "exit-codes": "What each exit code means",
    "environment": "Variables that attune reads and sets",
    "output": "Forms of output, and what they promise",
    "params": "How to give parameters",
    "refs": "How to name things",
    "scripting": "Recipes",
}
_LISTED = (Column("TOPIC", "name"), Column("DESCRIPTION", "description", kind="text"))
_CODES = (
    Column("CODE", "exit_code", kind="number"),
    Column("NAME", "name"),
    Column("MEANING", "description", kind="text"),
)

# Codes that no error class has: success, a bug, and the shell's way to say that a pipe was closed.
_OTHER_CODES = (
    (errors.EXIT_OK, "ok", "done; the run completed; a list may be empty"),
    (errors.EXIT_INTERNAL, "internal", "a bug in attune; the report is named on stderr"),
    (errors.EXIT_CLOSED_PIPE, "closed_pipe", "the reader of stdout has gone"),
)


@app.command("help", examples=["attune help", "attune help exit-codes", "attune help exit-codes -j"])
def help_(
    context: Context,
    topic: Annotated[str | None, Argument(metavar="TOPIC", help=f"One of {', '.join(TOPICS)}.")] = None,
) -> None:
    """List the topics, or read one."""
    if topic is None:
        records = [{"kind": "topic", "name": name, "description": text} for name, text in TOPICS.items()]
        context.out.records(records, _LISTED)
        context.out.note("attune COMMAND --help tells about a command")
    elif topic == "exit-codes":
        context.out.records(exit_codes(), _CODES)
    elif topic in TOPICS:
        text = _text(topic)
        if context.out.format == "text":
            context.out.text(text)
        else:
            context.out.record({"kind": "topic", "name": topic, "text": text})
    else:
        commands = [page.path for page in context.tree().children]
        near = f"attune {topic} --help" if topic in commands else did_you_mean(topic, (*TOPICS, *commands))
        raise NotFoundError(f"no help topic {topic!r}", hint=near or "attune help")


def exit_codes() -> list[dict[str, object]]:
    """Return every exit code with its meaning, from the tree in attune_cli.errors."""
    branches = re.findall(r"── (\w+) +(\d+)  (.+)", errors.__doc__ or "")
    meanings = [(int(code), getattr(errors, name).default_code, text) for name, code, text in branches]
    return [
        {"kind": "exit_code", "exit_code": code, "name": name, "description": text}
        for code, name, text in sorted([*meanings, *_OTHER_CODES])
    ]


def _text(topic: str) -> str:
    text = (_TEXTS / f"{topic}.txt").read_text(encoding="utf-8")
    return text.replace("{settings}", _settings()) if topic == "environment" else text


def _settings() -> str:
    from attune_cli.config import SETTINGS

    width = max(map(len, SETTINGS)) + len("ATTUNE_")
    return "\n".join(
        f"  {f'ATTUNE_{name.upper()}':<{width}}  {setting.metadata['help']}"
        for name, setting in SETTINGS.items()
    )
