"""A project comes up: its files are applied, then the daemon starts; not when there is a fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.story import until

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_a_project_comes_up_with_what_its_files_declare(run: Run) -> None:
    run("init", "garden", "-qq")
    rule = Path("garden/rules/water.yaml")
    rule.parent.mkdir()
    rule.write_text("ref: local.water\ntrigger_ref: core.alert\naction_ref: garden.helo\n")
    refused = run("-C", "garden", "up", "-d", "--port", "0", "--no-http")
    assert (refused.exit_code, "garden/rules/water.yaml:3:13" in refused.stderr) == (2, True)
    assert "the daemon is not started; --no-apply" in refused.stderr
    assert run("status", "-qq").exit_code == 6
    rule.write_text(rule.read_text().replace("helo", "hello") + "action_params: {name: soil}\n")
    started = run("-C", "garden", "up", "-d", "--port", "0", "--no-http")
    assert started.exit_code == 0, started.stderr
    assert "created rule local.water" in started.stderr
    assert run("event", "emit", "core.alert", "severity=info", "summary=dry").exit_code == 0
    until(lambda: "completed" in run("execution", "list", "-j").stdout, "what the rule does")
    (execution,) = json.loads(run("execution", "list", "-j").stdout)
    assert (execution["action_ref"], execution["rule_ref"]) == ("garden.hello", "local.water")


def test_a_project_is_left_alone_when_that_is_said(run: Run) -> None:
    run("init", "garden", "-qq")
    assert run("-C", "garden", "up", "-d", "--port", "0", "--no-http", "--no-apply").exit_code == 0
    assert "garden" not in run("pack", "list", "-q").stdout.split()
