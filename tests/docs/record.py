"""Bring the recordings of a page up to date: `python -m tests.docs.record docs/tutorial.md`.

Types every command of the page and puts in what it prints, where the page shows something else. Read the difference
before it is committed: a recording that changed is a change that readers will see.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.pages import File, matches, steps
from tests.docs.reader import Reader


def record(page: Path, *, everything: bool) -> None:
    """Rewrite the outputs of one page; `everything` also where a command shows none."""
    lines = page.read_text(encoding="utf-8").split("\n")
    shift = 0
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(Path(folder) / "ada")
        for step in steps("\n".join(lines)):
            if isinstance(step, File):
                reader.write(step)
                continue
            exit_code, printed = reader.type(step)
            if exit_code != step.exit_code:
                print(f"{page}:{step.line}: exit {exit_code}: $ {step.text}\n{printed}")
            if (step.output or everything) and not matches(step.output, printed):
                after = step.line + shift
                new = printed.rstrip("\n").split("\n") if printed.strip() else []
                lines[after : after + len(step.output)] = new
                shift += len(new) - len(step.output)
        reader.leave()
    page.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        if not name.startswith("-"):
            record(Path(name), everything="--all" in sys.argv)
