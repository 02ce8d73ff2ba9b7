"""The form that the page on asking people shows is filled in here, with the answers that stand on the page."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from tests.cli.conftest import home, run
from tests.docs.pages import DOCS, File, steps
from tests.e2e.screen import Screen

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["home", "run"]

_PAGE = DOCS / "how-to" / "ask-people.md"
_PROMPT = re.compile(r"^(  .*\): |.*\]: )(.*)$")


def _recording() -> list[str]:
    block = re.search(
        r"^```text\n(\$ attune run .*?)^```$", _PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert block is not None
    return block[1].splitlines()


def test_the_form_on_the_page_is_as_it_is_shown(home: object, tmp_path: Path) -> None:  # noqa: ARG001 - it sets the environment
    for step in steps(_PAGE.read_text("utf-8")):
        if isinstance(step, File) and "/" not in step.path:
            (tmp_path / "work" / step.path).write_text(step.text)
    command, *shown = _recording()
    typed = [match for line in shown if (match := _PROMPT.match(line))]
    with Screen(*shlex.split(command)[2:], columns=100, NO_COLOR="1", VISUAL="vi") as screen:
        for match in typed:
            screen.until(match[1]).type(f"{match[2]}\n")
        assert screen.end() == 0
    expected = "\n".join(shown).replace("inquiry 2", "inquiry 1").replace("execution 2", "execution 1")
    # The terminal shows no end of line after what is hidden; the form writes it.
    assert [line.rstrip() for line in screen.shown.splitlines()] == [
        line.rstrip() for line in expected.splitlines()
    ]
