"""A question outlives the daemon that was killed beside it, and is answered over HTTP to the next one."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.daemon_story import daemon_of, serving
from tests.e2e.story import show, until

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

PLAN = """#!/bin/sh
echo three changes
echo "$$" >> "$0.starts"
echo '{"__inquiry": {"prompt": "Apply them?"}}'
"""


@pytest.mark.usefixtures("nothing_is_left")
def test_a_question_of_an_action_outlives_the_daemon(run: Run, home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    (folder / "actions").mkdir(parents=True)
    (folder / "pack.yaml").write_text("ref: plan\nversion: 1.0.0\nlabel: Plan\n")
    (folder / "actions" / "go.yaml").write_text(
        "ref: plan.go\nlabel: Go\nrunner_type: shell\nentry_point: go.sh\noutput_format: text\n"
    )
    (folder / "actions" / "go.sh").write_text(PLAN)
    assert run("pack", "install", "--link", str(folder)).exit_code == 0
    with serving(home) as daemon:
        assert run("run", "plan.go", "--detach").exit_code == 0
        until(lambda: show(run, "1")["pending_inquiry"], "the question")
        daemon.signal(signal.SIGKILL)
        daemon.end()
    assert show(run, "1")["status"] == "running"
    with serving(home):
        token = home.administrator_token.read_text().strip()
        answer = httpx.post(
            f"{daemon_of(home).url}/api/v1/inquiries/1/respond",
            headers={"Authorization": f"Bearer {token}"},
            json={"response": {"approved": True}, "responded_by": "ben"},
        )
        assert answer.status_code == 200, answer.text
        assert run("execution", "wait", "1").exit_code == 0
    record = show(run, "1")
    assert (record["result"]["response"], record["result"]["responded_by"]) == ({"approved": True}, "ben")
    assert record["result"]["stdout"].startswith("three changes")
    assert [step["to"] for step in record["timeline"]] == ["requested", "running", "completed"]
    assert json.loads(run("execution", "logs", "1", "-o", "jsonl").stdout.splitlines()[0])
    assert len((folder / "actions" / "go.sh.starts").read_text().split()) == 1
