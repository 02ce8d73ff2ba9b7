"""The scenarios of the existing platform's plan, through real processes: workflows, and people who answer."""

from __future__ import annotations

import json
import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.daemon_story import serving
from tests.e2e.story import Attune, show, until
from tests.e2e.workflow_pack import diary_of, most_at_once, write_workflow_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@pytest.fixture
def diary(run: Run, tmp_path: Path) -> Path:
    """Where steps write what they do; the pack of these stories is installed."""
    install(run, tmp_path)
    return tmp_path / "diary"


def install(run: Run, tmp_path: Path, **replaced: object) -> None:
    done = run("pack", "install", str(write_workflow_pack(tmp_path, **replaced)), "--upgrade")
    assert done.exit_code == 0, done.stderr


def document(run: Run, *arguments: str, exit_code: int = 0) -> Any:
    done = run(*arguments, "-j")
    assert done.exit_code == exit_code, done.stderr
    return json.loads(done.stdout)


def workflow(run: Run, name: str, *parameters: str, exit_code: int = 0) -> dict[str, Any]:
    return document(run, "run", "workflow", f"flow.{name}", *parameters, "--no-logs", exit_code=exit_code)


def children(run: Run, execution: int) -> list[dict[str, Any]]:
    return document(run, "execution", "list", "--parent", str(execution), "--all")


def pending(run: Run) -> list[dict[str, Any]]:
    return document(run, "inquiry", "list", "--pending")


# --- without a daemon


def test_tasks_follow_each_other_and_hand_on_what_they_found(run: Run, diary: Path) -> None:
    record = workflow(run, "sequence", "name=bed", f"diary={diary}")
    assert record["result"] == {"name": "bed!3", "length": 3, "succeeded": True}
    assert [line["name"] for line in diary_of(diary)] == ["bed", "bed", "bed!3", "bed!3"]


def test_with_five_at_once_all_five_items_overlap_and_results_keep_the_order_of_items(
    run: Run, diary: Path
) -> None:
    names = ["a", "bb", "ccc", "dddd", "eeeee"]
    record = workflow(run, "items", f"diary={diary}", f"names:={json.dumps(names)}", "meets=5")
    assert most_at_once(diary) == 5
    assert record["result"]["names"] == names


def test_with_one_at_once_no_two_items_ever_overlap(run: Run, tmp_path: Path) -> None:
    install(run, tmp_path, CONCURRENCY=1)
    diary = tmp_path / "diary"
    record = workflow(run, "items", f"diary={diary}", 'names:=["a", "b", "c", "d"]')
    assert most_at_once(diary) == 1
    assert [line["name"] for line in diary_of(diary) if line["word"] == "begun"] == ["a", "b", "c", "d"]
    assert record["result"]["names"] == ["a", "b", "c", "d"]


def test_no_items_at_all_are_a_success(run: Run, diary: Path) -> None:
    assert workflow(run, "items", f"diary={diary}", "names:=[]")["result"]["names"] == []


def test_workflows_nest_three_deep_and_carry_results_up(run: Run, diary: Path) -> None:
    record = workflow(run, "outer", "name=x", f"diary={diary}")
    assert record["result"]["found"] == "x!1 by middle by outer"


def test_a_failure_that_is_handled_is_no_failure_of_the_workflow(run: Run, diary: Path) -> None:
    record = workflow(run, "handled", f"diary={diary}")
    assert record["status"] == "completed"
    assert "valve is stuck" in record["result"]["why"]
    assert {line["name"] for line in diary_of(diary)} == {"mends"}


def test_a_failure_that_nobody_handles_fails_the_workflow_and_is_named(run: Run, diary: Path) -> None:
    assert not diary.exists()
    record = workflow(run, "unhandled", exit_code=1)
    assert record["status"] == "failed"
    assert "breaks" in record["error"]["message"]
    assert "valve is stuck" in record["error"]["message"]


def test_a_task_that_succeeds_the_third_time_was_tried_three_times(run: Run, diary: Path) -> None:
    record = workflow(run, "retried", f"diary={diary}")
    tries = sorted(children(run, record["id"]), key=lambda child: child["attempt"])
    assert [(one["attempt"], one["status"]) for one in tries] == [
        (1, "failed"),
        (2, "failed"),
        (3, "completed"),
    ]


def test_a_task_that_runs_out_of_time_is_told_from_one_that_fails(run: Run, diary: Path) -> None:
    record = workflow(run, "late", f"diary={diary}")
    waits, told = sorted(children(run, record["id"]), key=lambda child: child["id"])
    assert (waits["status"], waits["timed_out"]) == ("failed", True)
    assert told["result"]["stdout"] == "it took too long\n"


# --- people


def test_an_answer_lets_the_workflow_go_on_with_what_was_said(run: Run, diary: Path) -> None:
    assert not diary.exists()
    with Attune("run", "workflow", "flow.asks", "-j", "--no-logs") as asking:
        until(lambda: pending(run), "the question")
        inquiry = pending(run)[0]
        assert inquiry["prompt"] == "Open the valve?"
        assert run("inquiry", "respond", str(inquiry["id"]), "approved=maybe").exit_code == 2
        assert run("inquiry", "respond", str(inquiry["id"]), "--approve", "litres=7").exit_code == 0
        code, stdout, _ = asking.end()
    assert code == 0
    assert json.loads(stdout)["result"]["litres"] == 7
    assert run("inquiry", "respond", str(inquiry["id"]), "--reject").exit_code == 5


def test_a_question_that_nobody_answers_times_out(run: Run, tmp_path: Path) -> None:
    install(run, tmp_path, PATIENCE=1)
    record = workflow(run, "asks")
    asked, given_up = sorted(children(run, record["id"]), key=lambda child: child["id"])
    assert asked["status"] == "timeout"
    assert given_up["result"]["stdout"] == "nobody answered\n"
    assert document(run, "inquiry", "show", "1")["status"] == "timeout"
    assert run("inquiry", "respond", "1", "--approve").exit_code == 5


def test_who_cancels_a_workflow_closes_its_question(run: Run, diary: Path) -> None:
    assert not diary.exists()
    with Attune("run", "workflow", "flow.asks", "--no-logs") as asking:
        until(lambda: pending(run), "the question")
        assert run("execution", "cancel", "1").exit_code == 0
        assert asking.end()[0] == 130
    assert document(run, "inquiry", "show", "1")["status"] == "cancelled"
    assert show(run, "1")["status"] == "cancelled"
    assert run("inquiry", "respond", "1", "--approve").exit_code == 5


def test_two_approvals_are_asked_for_one_after_the_other(run: Run, diary: Path) -> None:
    with Attune("run", "workflow", "flow.two_approvals", f"diary={diary}", "-j", "--no-logs") as asking:
        for prompt in ("Is it tested?", "May it go live?"):
            until(lambda: pending(run), prompt)
            (inquiry,) = pending(run)
            assert inquiry["prompt"] == prompt
            assert not diary.exists()
            assert run("inquiry", "respond", "@last", "--approve").exit_code == 0
        assert asking.end()[0] == 0
    assert [line["word"] for line in diary_of(diary)] == ["begun", "ended"]


# --- with a daemon, which dies


def test_from_a_webhook_over_a_person_to_the_key_store_and_a_notice(
    run: Run, process: Run, diary: Path, home: Home
) -> None:
    assert process("key", "set", "flow.threshold", "--plain", "-", input="30").exit_code == 0
    assert run("trigger", "create", "flow.soil", "--label", "Soil").exit_code == 0
    assert run("webhook", "enable", "flow.soil").exit_code == 0
    made = run(
        "rule", "create", "flow.dry", "--trigger", "flow.soil", "--action", "flow.watering",
        "--when", "event.payload.moisture < number(keystore.flow.threshold)",
        "--param", "bed={{ event.payload.bed }}", "--param", "moisture={{ event.payload.moisture }}",
        "--param", f"diary={diary}",
    )  # fmt: skip
    assert made.exit_code == 0, made.stderr
    with serving(home):
        for bed, moisture in (("wet", 50), ("dry", 10)):
            sent = run("webhook", "send", "flow.soil", f"bed={bed}", f"moisture:={moisture}", "--real")
            assert sent.exit_code == 0, sent.stderr
        until(lambda: pending(run), "the question")
    with serving(home):  # it was killed between two steps
        (inquiry,) = pending(run)
        assert "Water dry" in inquiry["prompt"]
        assert run("inquiry", "respond", str(inquiry["id"]), "--approve").exit_code == 0
        until(lambda: run("key", "get", "flow.watered").stdout == "dry\n", "what it remembers")
        until(lambda: not document(run, "execution", "list", "-s", "running"), "the workflow's end")
    assert [line["name"] for line in diary_of(diary)] == ["dry", "dry"]
    rows = document(run, "db", "query", "SELECT DISTINCT notification_type FROM notification")
    types = [row["notification_type"] for row in rows]
    assert {"inquiry_created", "inquiry_responded", "workflow_execution_status_changed"} <= set(types)


def test_an_action_that_posts_to_the_webhook_of_another_rule_sets_that_off(
    run: Run, diary: Path, home: Home
) -> None:
    assert run("trigger", "create", "flow.done", "--label", "Done").exit_code == 0
    assert run("webhook", "enable", "flow.done").exit_code == 0
    assert run(
        "rule", "create", "flow.chained", "--trigger", "flow.done", "--action", "flow.step",
        "--param", "name={{ event.payload.name }}", "--param", f"diary={diary}",
    ).exit_code == 0  # fmt: skip
    with serving(home):
        url = run("webhook", "url", "flow.done").stdout.strip()
        assert run("run", "action", "flow.post", f"url={url}", 'body:={"name": "chained"}').exit_code == 0
        until(lambda: len(diary_of(diary)) == 2, "the run of the other rule")
    (chained,) = document(run, "execution", "list", "--rule", "flow.chained")
    assert chained["parameters"]["name"] == "chained"


def test_a_daemon_that_is_killed_between_any_two_steps_loses_none_and_repeats_none(
    run: Run, diary: Path, home: Home, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with serving(home) as first:
        done = run("run", "workflow", "flow.three_steps", f"diary={diary}", f"gate={gate}", "--detach", "-q")
        assert done.exit_code == 0, done.stderr
        until(lambda: diary.exists() and diary.read_text() == "begun\n", "the second step")
        first.signal(signal.SIGKILL)
        first.end()
    gate.touch()  # the second step ends while nobody looks
    until(lambda: diary.read_text() == "begun\nended\n", "the second step's end")
    with serving(home) as second:
        until(lambda: pending(run), "the question")
        second.signal(signal.SIGKILL)
        second.end()
    assert run("inquiry", "respond", "@last", "--approve").exit_code == 0  # nobody is there but the file
    with serving(home) as third:
        until(lambda: show(run, "1")["status"] == "completed", "the end")
        third.signal(signal.SIGKILL)
        third.end()
    assert show(run, "1")["result"]["last"] == "four"
    assert len(children(run, 1)) == 4
    steps = diary.with_name("diary.steps")
    assert [line["name"] for line in diary_of(steps)] == ["one", "one", "four", "four"]
    assert diary.read_text() == "begun\nended\n"


# --- the example that is shipped


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has there
        pass


@pytest.fixture
def fleet(run: Run, tmp_path: Path) -> Iterator[list[str]]:
    """Two hosts, folders that a real server serves, and the parameters of a release to them."""
    pack = Path(__file__).parents[2] / "packs" / "deploy"
    assert run("pack", "install", str(pack)).exit_code == 0
    (tmp_path / "site").mkdir()
    (tmp_path / "web").mkdir()
    handler = partial(_Quiet, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield [
            f"source={tmp_path / 'site'}", f"root={tmp_path / 'web'}", 'hosts:=["web1", "web2"]',
            f"url=http://127.0.0.1:{server.server_port}", f"announce_to={tmp_path / 'news'}",
            'approvers:=["ada", "grace"]',
        ]  # fmt: skip
        server.shutdown()


def released(run: Run, version: str, fleet: list[str], *answers: str) -> tuple[int, dict[str, Any]]:
    """Release a version, answered by ada and grace as they please."""
    with Attune(
        "run", "workflow", "deploy.release", f"version={version}", *fleet, "-j", "--no-logs"
    ) as asking:
        until(lambda: pending(run), "the question")
        for person, answer in zip(("ada", "grace"), answers, strict=False):
            assert run("inquiry", "respond", "@last", answer, "--as", person).exit_code == 0
        code, stdout, _ = asking.end()
    return code, json.loads(stdout)


def test_a_release_that_two_people_approve_goes_live_everywhere(
    run: Run, tmp_path: Path, fleet: list[str]
) -> None:
    (tmp_path / "site" / "health").write_text("ok")
    code, record = released(run, "1.0", fleet, "--approve", "--approve")
    assert (code, record["result"]["released"]) == (0, True)
    assert record["result"]["hosts"] == ["web1", "web2"]
    assert (tmp_path / "news").read_text() == "1.0 is live on web1, web2\n"


def test_a_release_that_is_not_healthy_is_rolled_back_on_every_host(
    run: Run, tmp_path: Path, fleet: list[str]
) -> None:
    (tmp_path / "site" / "health").write_text("ok")
    assert released(run, "1.0", fleet, "--approve", "--approve")[0] == 0
    (tmp_path / "site" / "health").write_text("out of memory")
    code, record = released(run, "2.0", fleet, "--approve", "--approve")
    assert (code, record["status"]) == (1, "failed")
    assert "give_up" in record["error"]["message"]
    currents = {host: (tmp_path / "web" / host / "current").readlink().name for host in ("web1", "web2")}
    assert currents == {"web1": "1.0", "web2": "1.0"}
    assert "2.0 is not healthy" in (tmp_path / "news").read_text()


def test_a_release_that_one_person_declines_never_goes_live(
    run: Run, tmp_path: Path, fleet: list[str]
) -> None:
    (tmp_path / "site" / "health").write_text("ok")
    code, _ = released(run, "1.0", fleet, "--approve", "--reject")
    assert code == 1
    assert not (tmp_path / "web" / "web1" / "current").exists()
    assert (tmp_path / "news").read_text() == "1.0 was declined by grace\n"
