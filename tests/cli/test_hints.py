"""Hints that lead somewhere, and lists that say why they are empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pack_files import write_files

if TYPE_CHECKING:
    from tests.cli.conftest import Run

GREET = """\
version: 1.0.0
parameters: {name: {type: string, required: true}}
tasks: [{name: say, action: core.echo, input: {message: "{{ parameters.name }}"}}]
"""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("help", "nonsense"), "attune help"),
        (("help", "rule"), "attune rule --help"),
        (("help", "exit-code"), "did you mean exit-codes?"),
        (("help", "executon"), "did you mean execution?"),
        (("rule", "show", "local.nope"), "attune rule list"),
        (("sensor", "show", "local.nope"), "attune sensor list"),
        (("action", "show", "zzz.nope"), "attune action list"),
        (("trigger", "show", "zzz.nope"), "attune trigger list"),
    ],
)
def test_what_is_not_there_is_told_with_where_to_look(run: Run, words: tuple[str, ...], hint: str) -> None:
    refused = run(*words)
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert refused.stderr.splitlines()[-1] == f"hint: {hint}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("rule", "list", "--trigger", "core.corntimer"),
            "no trigger 'core.corntimer'; did you mean core.crontimer?",
        ),
        (("rule", "list", "--action", "core.ecko"), "no action 'core.ecko'; did you mean core.echo?"),
        (("rule", "list", "--pack", "cor"), "no pack 'cor'; did you mean core?"),
        (
            ("event", "list", "--trigger", "core.corntimer"),
            "no trigger 'core.corntimer'; did you mean core.crontimer?",
        ),
        (("event", "list", "--rule", "zzz.y"), "no rule 'zzz.y'; attune rule list"),
        (("enforcement", "list", "--rule", "zzz.y"), "no rule 'zzz.y'; attune rule list"),
        (("execution", "list", "--action", "core.ecko"), "no action 'core.ecko'; did you mean core.echo?"),
        (("execution", "list", "--action", "cor.*"), "no pack 'cor'; did you mean core?"),
        (("execution", "list", "--trigger", "core.corntimer", "--count"), "no trigger 'core.corntimer'"),
        (("action", "list", "--pack", "cor"), "no pack 'cor'; did you mean core?"),
        (("trigger", "list", "--pack", "cor"), "no pack 'cor'; did you mean core?"),
        (("sensor", "list", "--pack", "cor"), "no pack 'cor'; did you mean core?"),
        (("timer", "list", "--pack", "cor"), "no pack 'cor'; did you mean core?"),
    ],
)
def test_a_list_that_is_empty_by_a_slip_says_so(run: Run, words: tuple[str, ...], told: str) -> None:
    listed = run(*words)
    assert listed.exit_code == 0
    assert listed.stdout in {"", "0\n"}
    assert f"warning: there is {told}" in listed.stderr
    as_json = run(*words, "-j")
    assert json.loads(as_json.stdout) in ([], 0)
    if "--count" not in words:
        failed = run(*words, "--fail-empty")
        assert (failed.exit_code, f"there is {told}" in failed.stderr) == (3, True)


def test_a_list_that_is_empty_for_no_slip_says_nothing(run: Run) -> None:
    for words in (
        ("rule", "list", "--trigger", "core.crontimer"),
        ("event", "list", "--trigger", "core.crontimer"),
        ("execution", "list", "--action", "core.*", "--pack", "core"),
    ):
        assert run(*words).stderr == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("execution", "list", "-s", "live"), "running, canceling, completed"),
        (
            ("run", "core.ask", 'response_schema:={"z":{"type":"strng"}}'),
            "got 'strng'; did you mean string?",
        ),
        (
            ("webhook", "enable", "core.alert", "--style", "githb"),
            "got 'githb'; did you mean github?",
        ),
        (("webhook", "send", "core.alert", '{"host": 1}'), "hint: a whole body comes from a file, @FILE"),
    ],
)
def test_a_slip_is_told_what_was_meant(run: Run, words: tuple[str, ...], told: str) -> None:
    refused = run(*words)
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert refused.stderr.count("running") <= 1


def test_the_hint_of_a_workflow_runs_a_workflow(run: Run) -> None:
    folder = Path("hall")
    write_files(folder, {"pack.yaml": "ref: hall\nversion: 1.0.0\n", "workflows/greet.yaml": GREET})
    assert run("pack", "install", "hall").exit_code == 0
    refused = run("run", "workflow", "hall.greet")
    assert refused.stderr.endswith("hint: attune run workflow hall.greet --help\n")
    assert "attune run workflow hall.greet name=" in run("run", "workflow", "hall.greet", "--help").stdout
