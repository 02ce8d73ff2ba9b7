"""The reference says all there is, and the links of all pages lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from attune_cli.commands.help import exit_codes
from attune_cli.config import SETTINGS
from attune_cli.runtime.model.states import TRANSITIONS, Status
from tests.docs.pages import DOCS, REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = DOCS / "reference"
PAGES = (REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md")))

_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def reference(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def test_the_generated_pages_are_what_the_code_says() -> None:
    pages = sorted(map(str, REFERENCE.glob("*.md")))
    check = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", *pages], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, f"run: make docs\n{check.stdout}{check.stderr}"


def test_every_command_has_its_section() -> None:
    from typer.main import get_group

    from attune_cli.context import tree_of
    from attune_cli.main import app

    root = get_group(app)
    tree = tree_of(root.context_class(root, info_name="attune", **root.context_settings))
    paths = {page.path for page in tree.walk() if page.path}
    headings = set(re.findall(r"^##+ (.+)$", reference("cli"), re.MULTILINE))
    assert paths <= headings


def test_every_setting_status_step_and_exit_code_is_documented() -> None:
    assert [name for name in SETTINGS if f"| `{name}` |" not in reference("settings")] == []
    states = reference("states")
    assert [status for status in Status if f"| `{status}` |" not in states] == []
    assert [step for step in TRANSITIONS if f"| `{step[0]}` | `{step[1]}` |" not in states] == []
    codes = [str(one["exit_code"]) for one in exit_codes()]
    assert [code for code in codes if f"| {code} |" not in reference("errors")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    for link in _LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in _anchors(target), f"{link}: no such heading"


def test_every_page_can_be_found_from_another() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
    }
    folders = {target for target in linked if target.is_dir()}
    lost = {page for page in PAGES if page not in linked and not folders & set(page.parents)}
    assert lost - {REPOSITORY / "README.md"} == set()


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_examples_of_expressions_are_so() -> None:
    from attune_cli.runtime.expressions.expression import evaluate
    from attune_cli.runtime.expressions.scope import RuleScope

    event = {"id": 1, "trigger": "a.b", "trigger_ref": "a.b", "payload": {}, "created": ""}
    scope = RuleScope(event=event, pack_config={}, secret_config=frozenset(), system={}, key={}.__getitem__)
    rows = re.findall(
        r"^\| `(.+)` \| `(.+)` \|$",
        reference("expressions").split("| expression |")[1].split("## ")[0],
        re.MULTILINE,
    )
    assert len(rows) == 12
    for text, value in rows:
        assert evaluate(text.replace(r"\|", "|"), scope) == json.loads(value), text
