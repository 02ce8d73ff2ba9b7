"""Start-up is a promise, kept by counting imported modules, which no load can change (cli.md 4.7)."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attune_cli.main import Attune
from tests.cli.conftest import DEADLINE_SECONDS, REPOSITORY

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

HEAVY = {
    "rich", "pydantic", "yaml", "jinja2", "httpx", "docker", "asyncio", "importlib.metadata", "pkg_resources",
    "logging.config", "jsonschema_rs", "cryptography", "sqlite_utils", "tomllib", "tomlkit", "platformdirs",
}  # fmt: skip

# -S leaves out what .pth files of a development environment import.
PRELUDE = f"""
import sys
sys.path[:0] = {[str(REPOSITORY), sysconfig.get_path("purelib")]!r}
def keep():
    names = sorted(sys.modules)
    with open("modules", "w") as file:
        file.write("\\n".join(names))
"""
CALL = f"""{PRELUDE}
sys.argv = ["attune", *sys.argv[1:]]
import os
os._exit = sys.exit
from attune_cli.__main__ import main
try:
    main()
finally:
    keep()
"""


def imported_by(code: str, *arguments: str, isolated: bool = False) -> set[str]:
    flags = ["-I", "-S"] if isolated else ["-S"]
    done = subprocess.run(
        [sys.executable, *flags, "-c", code, *arguments],
        capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return set(Path("modules").read_text().split())


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("line", "most"), [("--version", 60), ("-V", 60), ("--help", 150), ("-h", 150), ("config list -j", 190)]
)
def test_a_command_imports_no_more_than_its_budget(line: str, most: int) -> None:
    modules = imported_by(CALL, *line.split())
    assert modules & HEAVY == set()
    assert len(modules) <= most


@pytest.mark.parametrize(("noun", "most"), [("execution", 193), ("rule", 210), ("trigger", 210)])
def test_a_list_from_the_database_imports_no_more_than_its_budget(process: Run, noun: str, most: int) -> None:
    assert process("run", "action", "core.noop").exit_code == 0
    modules = imported_by(CALL, noun, "list", "-j")
    assert modules & HEAVY == set()
    assert len(modules) <= most


def test_a_run_imports_no_more_than_its_budget(process: Run) -> None:
    assert process("run", "action", "core.noop").exit_code == 0
    modules = imported_by(CALL, "run", "action", "core.noop", "-qq")
    assert modules & HEAVY == set()
    assert len(modules) <= 290


@pytest.mark.usefixtures("home")
def test_a_question_for_yes_or_no_is_read_without_the_schema_checker() -> None:
    code = f"""{PRELUDE}
from attune_cli.runtime.model.inquiries import default_schema
from attune_cli.runtime.packs.questions import read_question
assert read_question({{"response_schema": default_schema()}}).response_schema == default_schema()
keep()
"""
    assert "jsonschema_rs" not in imported_by(code)


@pytest.mark.usefixtures("home")
def test_completion_of_refs_imports_next_to_nothing() -> None:
    script = REPOSITORY / "attune_cli" / "_complete.py"
    code = f"""{PRELUDE}
scope = {{"__name__": "complete"}}
exec(compile(open({str(script)!r}).read(), "complete", "exec"), scope)
scope["main"](sys.argv[1:])
keep()
"""
    modules = imported_by(code, "action", "core.", isolated=True)
    assert not any(name.startswith(("typer", "attune_cli")) for name in modules)
    assert len(modules) <= 45


@pytest.mark.usefixtures("home")
def test_no_command_module_imports_anything_heavy() -> None:
    names = [module for module, _ in Attune.nouns.values()]
    code = (
        f"{PRELUDE}\nfrom importlib import import_module\nfor name in {names!r}: import_module(name)\nkeep()"
    )
    assert imported_by(code) & HEAVY == set()


def test_help_creates_nothing(home: Home) -> None:
    imported_by(CALL, "--help")
    imported_by(CALL, "config", "list")
    assert not home.path.exists()
