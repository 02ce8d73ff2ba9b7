"""Every command that README, tutorial and how-tos tell their reader to type is typed here, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import EXECUTED, Command, File, matches, steps
from tests.docs.reader import Reader

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "ada")
    try:
        follow(page, reader)
    finally:
        reader.leave()


def follow(page: Path, reader: Reader) -> None:
    todo = steps(page.read_text(encoding="utf-8"))
    assert any(isinstance(step, Command) for step in todo)
    for step in todo:
        if isinstance(step, File):
            reader.write(step)
            continue
        exit_code, printed = reader.type(step)
        where = f"{page.name}:{step.line}: $ {step.text}"
        assert exit_code == step.exit_code, f"{where}\nexit {exit_code}, and it printed:\n{printed}"
        if step.output:
            assert matches(step.output, printed), f"{where}\nprinted something else:\n{printed}"


def test_a_page_that_shows_something_else_does_not_match() -> None:
    assert matches(("ID  STATUS", " 1  completed", ""), "ID  STATUS   \n 1  completed\n")
    assert not matches(("ID  STATUS", " 1  completed"), "ID  STATUS\n 1  failed\n")
    assert not matches(("hi",), "hi\nthere\n")


def test_what_differs_from_run_to_run_matches() -> None:
    assert matches(("0s ago  running  aa9466f821c7c0be",), "12s ago  running  0123456789abcdef\n")
    assert matches(("a … c", "…", "z"), "a b c\nd\ne\nz\n")
    assert not matches(("a … c",), "a b d\n")


def test_commands_files_and_exit_codes_are_found() -> None:
    page = (
        "```yaml a/b.yaml\nx: 1\n```\n\n```console\n$ false  # exit 1\nno\n$ true\n```\n```bash\nmake\n```\n"
    )
    assert steps(page) == [
        File(2, "a/b.yaml", "x: 1\n"),
        Command(6, "false", 1, ("no",)),
        Command(8, "true", 0),
    ]
