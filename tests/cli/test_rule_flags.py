"""Flags of rules and triggers that say in one line what files say in several."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.conftest import Run

RULE = ("rule", "create", "local.wet", "--trigger", "core.alert", "--action", "core.noop")


def unless(run: Run) -> Any:
    return json.loads(run("rule", "show", "local.wet", "-j").stdout)["unless"]


def test_what_averts_a_firing_may_have_conditions(run: Run) -> None:
    made = run(
        *RULE, "--unless", "core.rule_fired/5m", "--unless-when", "event.payload.rule_ref == 'local.dry'"
    )
    assert made.exit_code == 0, made.stderr
    assert unless(run)["conditions"] == {"expression": "event.payload.rule_ref == 'local.dry'"}
    changed = run("rule", "update", "local.wet", "--unless-when", "true", "--unless-when", "not false")
    assert changed.exit_code == 0, changed.stderr
    assert unless(run)["conditions"] == {"all": [{"expression": "true"}, {"expression": "not false"}]}
    assert unless(run)["within_seconds"] == 300
    assert "unless" not in run("rule", "update", "local.wet", "--unset", "unless").stderr


def test_conditions_without_what_averts_are_refused_and_a_faulty_one_is_told_with_its_place(run: Run) -> None:
    refused = run(*RULE, "--unless-when", "true")
    assert (refused.exit_code, "--unless-when" in refused.stderr) == (2, True)
    faulty = run(*RULE, "--unless", "core.rule_fired/5m", "--unless-when", "event.payload.x = 1")
    assert (faulty.exit_code, "unless.conditions" in faulty.stderr) == (2, True)
    assert run("rule", "list", "-q").stdout == ""


def test_a_trigger_is_made_with_its_webhook(run: Run) -> None:
    planned = run("trigger", "create", "app.push", "--webhook", "-n")
    assert (planned.exit_code, "with a webhook" in planned.stderr) == (0, True)
    assert run("trigger", "show", "app.push").exit_code == 3
    made = run("trigger", "create", "app.push", "--webhook", "-j")
    assert made.exit_code == 0, made.stderr
    url = run("webhook", "url", "app.push").stdout.strip()
    assert json.loads(made.stdout)["webhook_url"] == url
    assert run("trigger", "create", "app.push", "--webhook").exit_code == 5
    assert json.loads(run("trigger", "create", "app.other", "-j").stdout).get("webhook_url") is None
