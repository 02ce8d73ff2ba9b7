"""Rules of the house that no linter knows: sizes, names, who may ask the time, who may speak SQL (docs/style.md)."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

LONGEST_FILE = 500
LONG_FILES = {
    "tests/cli/test_db_commands.py": "a database is damaged, asked, saved and brought back by the same few fixtures",
}
"""path → why it is long all the same."""
LONGEST_FUNCTION = 60
LONG_FUNCTIONS: dict[str, str] = {}
"""`path:function` → why it is long all the same."""

EMPTY_NAMES = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}

CLOCK = "attune_cli/runtime/clock.py"
ASK_THE_TIME = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep", "localtime", "gmtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
MAY_ASK = {
    "attune_cli/runtime/runners/http_request.py": "a child process of its own, which imports nothing of ours",
    "attune_cli/runtime/runners/containers/shim.py": "a child process of its own, which each container pays for",
    "attune_cli/runtime/supervisor/leftovers.py": "waits a moment for killed processes to be gone",
    "attune_cli/running/viewing.py": "looks again at a log that another process writes",
}

SQL = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE FROM|WITH RECURSIVE|PRAGMA|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|VACUUM"
    r"|(CREATE|DROP|ALTER) (TABLE|INDEX|TRIGGER))\b"
)
STORE = "attune_cli/runtime/store/"
MAY_SPEAK_SQL = {
    "attune_cli/_complete.py": "completion answers before anything else is imported",
}

SPEAKS_OF_OTHER_THINGS = re.compile(
    r"\b(?<!user-)(agents?|sub-?agents?|assistants?|claude|anthropic|openai|chatbots?|llms?)\b|/work/(main|shared|notes)\b",
    re.IGNORECASE,
)
SESSION = re.compile(r"(?<!scope=\")\bsessions?\b", re.IGNORECASE)
MAY_SAY_SESSION = (
    "attune_cli/runtime/supervisor/",
    "tests/contract/",
    "tests/unit/test_supervisor",
    "docs/adr/0005",
)
"""Where a session is one of processes (setsid(2))."""
TEXTS = ("*.py", "*.md", "*.yaml", "*.sql", "*.sh", "*.txt", "*.toml", "*.template")


@cache
def texts() -> dict[str, str]:
    """Return every text of the repository by its path."""
    folders = ("attune_cli", "packs", "tests", "benchmarks", "demo", "docs", ".ci")
    files = [file for folder in folders for kind in TEXTS for file in (ROOT / folder).rglob(kind)]
    files += [file for kind in (*TEXTS, "Makefile") for file in ROOT.glob(kind)]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8", errors="replace") for file in files}


def python(start: str = "") -> dict[str, str]:
    return {path: text for path, text in texts().items() if path.startswith(start) and path.endswith(".py")}


def test_no_file_is_too_long() -> None:
    long = {path for path, text in python().items() if text.count("\n") > LONGEST_FILE}
    assert long == set(LONG_FILES)


def test_no_function_is_too_long() -> None:
    long = {
        f"{path}:{node.name}"
        for path, text in python().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    }
    assert long == set(LONG_FUNCTIONS)


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = {path for path in python() if EMPTY_NAMES & {*Path(path).with_suffix("").parts}}
    assert named == set()


def test_only_the_clock_asks_the_time() -> None:
    asking = {path for path, text in python("attune_cli/").items() if any(_asks_the_time(ast.parse(text)))}
    assert asking == {CLOCK, *MAY_ASK}


def _asks_the_time(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                if name in ASK_THE_TIME.get(owner, ()):
                    yield f"{owner}.{name}"
            case ast.ImportFrom(module="time", names=names):
                yield from (name.name for name in names)
            case _:
                pass


def test_only_the_store_speaks_sql() -> None:
    speaking = {
        path
        for path, text in python("attune_cli/").items()
        if not path.startswith(STORE)
        and any(
            isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
            for node in ast.walk(ast.parse(text))
        )
    }
    assert speaking == set(MAY_SPEAK_SQL)


def test_the_project_speaks_of_itself_only() -> None:
    here = str(Path(__file__).relative_to(ROOT))
    found = {
        f"{path}: {line.strip()}"
        for path, text in texts().items()
        if path != here
        for line in text.splitlines()
        if SPEAKS_OF_OTHER_THINGS.search(line)
        or (SESSION.search(line) and not path.startswith(MAY_SAY_SESSION))
    }
    assert found == set()
