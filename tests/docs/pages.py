"""What a page of the documentation shows: commands with their output, and files with their content.

A ```console or ```sh block holds lines that begin with `$ `, each followed by what it prints on a terminal. What
differs from run to run (durations, instants, host ids) may differ; `…` stands for anything else that does, a line
that is `…` alone for any number of lines, and `# exit 2` behind a command for its exit code. A block with a path
behind its language (```yaml greenhouse/pack.yaml) is a file to write. Other blocks are only read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
EXECUTED = (REPOSITORY / "README.md", DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md")))

_BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<path>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT_CODE = re.compile(r"\s+# exit (\d+)$")
_VARYING = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b\d+(?:\.\d+)?(?:ms|s|m)\b(?: ago)?",
        r"\b\d{4}-\d\d-\d\dT[\d:.]+Z",
        r"\b[0-9a-f]{16}\b",
        r'"duration_ms": ?\d+',
    )
)


@dataclass(frozen=True)
class File:
    """A file that the reader is told to write."""

    line: int
    path: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line that the reader is told to type, and what it says; `line` counts from 1."""

    line: int
    text: str
    exit_code: int
    output: tuple[str, ...] = ()


def steps(page: str) -> list[File | Command]:
    """Return what a page asks its reader to do, in order."""
    found: list[File | Command] = []
    for block in _BLOCK.finditer(page):
        first = page.count("\n", 0, block.start("text")) + 1
        if block["path"]:
            found.append(File(first, block["path"], block["text"]))
        elif block["language"] in {"console", "sh"}:
            found += _commands(block["text"], first)
    return found


def _commands(text: str, first: int) -> list[Command]:
    found: list[Command] = []
    for number, line in enumerate(text.splitlines(), start=first):
        if line.startswith("$ "):
            code = _EXIT_CODE.search(line)
            found.append(Command(number, _EXIT_CODE.sub("", line[2:]), int(code[1]) if code else 0))
        elif found:
            found[-1] = replace(found[-1], output=(*found[-1].output, line))
        elif line.strip():
            raise ValueError(f"line {number}: output without a command")
    return found


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Tell whether a page shows what was printed. How wide a column is, and empty lines at the end, do not count."""
    lines = _plain("\n".join(shown)).split("\n")
    pattern = "".join(r"(?:.*\n)*" if line == "…" else f"{_pattern(line)}\n" for line in lines)
    return re.fullmatch(pattern, f"{_plain(printed)}\n") is not None


def _pattern(line: str) -> str:
    return ".*?".join(re.escape(part) for part in line.split("…"))


def _plain(text: str) -> str:
    for varying in _VARYING:
        text = varying.sub("~", text)
    lines = [re.sub(r"(?<=\S) +", " ", line).rstrip() for line in text.split("\n")]
    return "\n".join(lines).strip("\n")
