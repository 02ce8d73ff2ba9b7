"""One walk over the whole command tree holds the design in place (cli.md 3.12)."""

from __future__ import annotations

import inspect
from collections import defaultdict
from importlib import import_module
from typing import TYPE_CHECKING

from attune_cli.main import Attune

if TYPE_CHECKING:
    from attune_cli.pages import Page
    from tests.cli.conftest import Run

GLOBAL = {
    "--output", "--json", "--quiet", "--fields", "--field", "--header", "--verbose", "--color", "--no-color",
    "--no-progress", "--no-input", "--yes", "--dry-run", "--directory", "--home", "--version",
}  # fmt: skip
LETTERS = {
    "-C": {"--directory"}, "-P": {"--param"}, "-R": {"--recursive"},
    "-V": {"--version"}, "-d": {"--detach"}, "-e": {"--env"},
    "-f": {"--follow", "--file"}, "-h": {"--help"}, "-j": {"--json"}, "-l": {"--limit"}, "-n": {"--dry-run"},
    "-o": {"--output"}, "-q": {"--quiet"}, "-r": {"--result"}, "-s": {"--status"}, "-v": {"--verbose"},
    "-y": {"--yes"},
}  # fmt: skip
"""Every short letter and what it may mean (cli.md 3.1; --file is the one exception, from kubectl)."""


def leaves(pages: list[Page]) -> list[Page]:
    return [page for page in pages if not page.children]


def test_every_noun_of_the_table_has_a_module(pages: list[Page]) -> None:
    assert {page.path.split(" ")[0] for page in pages} - {""} == set(Attune.nouns)


def test_every_command_has_help_and_an_example_that_calls_it(pages: list[Page]) -> None:
    without = [
        page.path
        for page in leaves(pages)
        if not page.text.strip() or not any(f"attune {page.path}" in example for example in page.examples)
    ]
    assert without == []


def test_every_option_and_argument_has_help(pages: list[Page]) -> None:
    without = [
        (page.path, parameter.names)
        for page in pages
        for parameter in page.parameters
        if not parameter.text.strip()
    ]
    assert without == []


def test_every_command_takes_the_global_options(pages: list[Page]) -> None:
    for page in pages:
        names = {name for parameter in page.parameters if parameter.is_global for name in parameter.names}
        assert GLOBAL - names == set(), page.path


def test_no_command_has_an_option_twice(pages: list[Page]) -> None:
    for page in pages:
        names = [
            name for parameter in page.parameters if not parameter.is_argument for name in parameter.names
        ]
        assert len(names) == len(set(names)), page.path


def test_a_short_letter_means_one_thing_in_the_whole_tree(pages: list[Page]) -> None:
    meanings: dict[str, set[str]] = defaultdict(set)
    for page in pages:
        for parameter in page.parameters:
            for letter in parameter.names:
                if len(letter) == 2 and letter.startswith("-"):
                    long = {name for name in parameter.names if name.startswith("--")}
                    allowed = LETTERS.get(letter, set())
                    meanings[letter] |= (long & allowed) or long
    assert {letter: long for letter, long in meanings.items() if long - LETTERS.get(letter, set())} == {}


def test_help_of_every_command_is_printed(pages: list[Page], run: Run) -> None:
    for page in pages:
        result = run(*page.path.split(), "--help")
        assert result.exit_code == 0, page.path
        assert result.stdout.startswith(f"Usage: attune {page.path}".rstrip()), page.path
        assert "Global options:" in result.stdout
        assert all(f"  {example}\n" in result.stdout for example in page.examples)


def test_no_help_line_is_wider_than_a_terminal(pages: list[Page], run: Run) -> None:
    for page in pages:
        lines = run(*page.path.split(), "-h").stdout.partition("Examples:")[0].splitlines()
        assert [line for line in lines if len(line) > 80] == [], page.path


def test_an_unknown_option_of_every_command_is_a_usage_error(pages: list[Page], run: Run) -> None:
    for page in pages:
        result = run(*page.path.split(), "--bogus-option", "-j")
        assert (result.exit_code, result.stdout) == (2, ""), page.path
        assert '"code":"unknown_option"' in result.stderr, page.path


def test_command_modules_keep_typer_behind_the_kit() -> None:
    for module, _ in Attune.nouns.values():
        source = inspect.getsource(import_module(module))
        imports = [line for line in source.splitlines() if line.startswith(("import typer", "from typer"))]
        assert [line for line in imports if not line.startswith("from typer import")] == [], module
        assert not {"Context", "Typer", "Exit", "echo"} & set(" ".join(imports).replace(",", " ").split()), (
            module
        )
