"""`attune event`, `enforcement` and `timer` from the outside, without a daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_schema_command import check_record
from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

FILES = {
    "pack.yaml": "ref: garden\nversion: 1.0.0\n",
    "actions/water.yaml": """\
ref: garden.water
entry_point: water.sh
parameters:
  area: {type: integer, required: true, maximum: 10}
""",
    "actions/water.sh": "cat\n",
    "triggers/dry.yaml": "ref: garden.dry\noutput:\n  area: {type: integer}\n",
    "triggers/wet.yaml": "ref: garden.wet\n",
    "rules/dry.yaml": """\
ref: garden.when_dry
trigger_ref: garden.dry
action_ref: garden.water
conditions:
  - {field: area, operator: gt, value: 2}
action_params: {area: "{{ event.payload.area }}"}
""",
}


@pytest.fixture
def garden(run: Run, tmp_path: Path) -> Run:
    write_files(tmp_path / "garden", FILES)
    assert run("pack", "install", str(tmp_path / "garden")).exit_code == 0
    return run


def document(run: Run, *arguments: str) -> Any:
    return json.loads(run(*arguments, "-j").stdout)


def test_an_event_is_judged_and_its_action_run_here(garden: Run) -> None:
    result = garden("event", "emit", "garden.dry", "area=4", "--process", "-j")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert [one["outcome"] for one in record["verdicts"]] == ["fired"]
    assert [one["status"] for one in record["executions"]] == ["completed"]
    execution = document(garden, "execution", "show", "@last")
    assert (execution["parameters"], execution["rule_ref"]) == ({"area": 4}, "garden.when_dry")


def test_a_rule_that_does_not_match_says_why(garden: Run) -> None:
    result = garden("event", "emit", "garden.dry", "area=1", "--process")
    assert (result.exit_code, result.stdout) == (0, "1\n")
    assert "rule garden.when_dry: no_match: area: wanted" in result.stderr


def test_what_an_event_caused_and_failed_is_the_exit_code(garden: Run) -> None:
    result = garden("event", "emit", "garden.dry", "area=11", "--process")
    assert result.exit_code == 1
    assert "area: must be at most 10" in result.stderr


def test_an_event_without_a_daemon_is_stored(garden: Run) -> None:
    result = garden("event", "emit", "garden.dry", "area=4")
    assert (result.exit_code, result.stdout) == (0, "1\n")
    assert "no daemon runs" in result.stderr
    assert document(garden, "event", "show", "1")["pending"] is True


def test_waiting_needs_a_daemon_and_stores_nothing_without(garden: Run) -> None:
    result = garden("event", "emit", "garden.dry", "area=4", "--wait")
    assert result.exit_code == 6
    assert "--process" in result.stderr
    assert document(garden, "event", "list") == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("garden.dri", "area=1"), 3, "did you mean garden.dry?"),
        (("garden.dry", "area=x"), 2, "expected integer"),
        (("garden.dry", "--payload", "{"), 2, "--payload"),
        (("garden.dry", "--payload", '{"area": "x"}'), 2, "the payload does not fit"),
        (("garden.dry", "area=1", "--rule", "garden.nope"), 3, "no rule 'garden.nope'"),
        (("garden.dry", "area=1", "--jsonl"), 2, "--jsonl reads stdin"),
    ],
)
def test_faulty_events_are_refused_and_nothing_is_stored(
    garden: Run, words: tuple[str, ...], code: int, told: str
) -> None:
    result = garden("event", "emit", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert document(garden, "event", "list") == []


def test_the_second_event_with_a_key_is_the_first(garden: Run) -> None:
    first = garden("event", "emit", "garden.dry", "area=4", "--key", "a", "--process")
    second = garden("event", "emit", "garden.dry", "area=5", "--key", "a", "--process")
    assert first.stdout == second.stdout == "1\n"
    assert "event 1 reused" in second.stderr
    assert len(document(garden, "execution", "list")) == 1


def test_a_payload_may_be_anything(garden: Run) -> None:
    garden("event", "emit", "garden.wet", "--payload", "[1, 2]")
    garden("event", "emit", "garden.wet", "-", input='"text"')
    garden("event", "emit", "garden.wet", "--payload", "null")
    garden("event", "emit", "garden.wet", "a.b:=1")
    payloads = [one["payload"] for one in document(garden, "event", "list")]
    assert payloads == [{"a": {"b": 1}}, None, "text", [1, 2]]


def test_lines_become_events_and_faulty_ones_are_told_at_the_end(garden: Run) -> None:
    lines = '{"area": 1}\nnope\n\n{"area": "x"}\n{"area": 2}\n'
    result = garden("event", "emit", "garden.dry", "-", "--jsonl", input=lines)
    assert (result.exit_code, result.stdout) == (2, "1\n2\n")
    assert "2 lines could not be taken in" in result.stderr
    assert "line 2" in result.stderr
    assert "line 4" in result.stderr
    assert garden("event", "emit", "garden.dry", "-", "--jsonl", "-q", input='{"area": 1}').stdout == "3\n"
    assert (
        json.loads(garden("event", "emit", "garden.dry", "-", "--jsonl", "-j", input='{"area": 1}').stdout)[
            "id"
        ]
        == 4
    )


def test_what_is_wrong_with_every_line_is_told_at_once(garden: Run) -> None:
    result = garden("event", "emit", "garden.dri", "-", "--jsonl", input='{"area": 1}\n' * 3)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "did you mean garden.dry?" in result.stderr
    many = garden("event", "emit", "garden.dry", "-", "--jsonl", input="nope\n" * 500)
    assert "500 lines could not be taken in" in many.stderr
    assert many.stderr.count("is not JSON") == 100


def test_nothing_is_stored_by_a_dry_run(garden: Run) -> None:
    assert garden("event", "emit", "garden.dry", "area=1", "-n").exit_code == 0
    assert garden("event", "emit", "garden.dry", "area=x", "-n").exit_code == 2
    assert document(garden, "event", "list") == []


def test_events_are_found_by_trigger_rule_and_what_no_rule_acts_on(garden: Run) -> None:
    for words in (("garden.dry", "area=4"), ("garden.dry", "area=1"), ("garden.wet",)):
        garden("event", "emit", *words, "--process", "-qq")
    listed = {
        name: garden("event", "list", *words, "-q").stdout.split()
        for name, words in {
            "all": (),
            "dry": ("--trigger", "garden.dry"),
            "concerned": ("--rule", "garden.when_dry"),
            "unmatched": ("--unmatched",),
            "two": ("-l", "2"),
            "below": ("--after", "2"),
        }.items()
    }
    assert listed == {
        "all": ["3", "2", "1"],
        "dry": ["2", "1"],
        "concerned": ["2", "1"],
        "unmatched": ["3", "2"],
        "two": ["3", "2"],
        "below": ["1"],
    }
    assert garden("event", "list", "--trigger", "x.y", "--fail-empty").exit_code == 3
    assert document(garden, "event", "show", "@last:garden.dry")["id"] == 2


def test_an_event_is_told_again(garden: Run) -> None:
    garden("event", "emit", "garden.dry", "area=4", "--process", "-qq")
    result = garden("event", "replay", "1", "--process")
    assert (result.exit_code, result.stdout) == (0, "2\n")
    again = document(garden, "event", "show", "2")
    assert (again["payload"], again["config"]) == ({"area": 4}, {"replay_of": 1})
    assert garden("event", "replay", "1", "99").exit_code == 3
    assert len(document(garden, "event", "list")) == 2
    assert garden("event", "list", "-l", "1", "--count").stdout == "2\n"
    assert garden("event", "list", "--trigger", "core.alert", "--count").stdout == "0\n"


def test_enforcements_lead_to_executions(garden: Run) -> None:
    garden("event", "emit", "garden.dry", "area=4", "--process", "-qq")
    (enforcement,) = document(garden, "enforcement", "list", "--rule", "garden.when_dry", "--event", "1")
    assert garden("enforcement", "list", "--rule", "garden.when_dry", "--count").stdout == "1\n"
    assert (enforcement["status"], enforcement["execution"], enforcement["config"]) == (
        "processed",
        1,
        {"area": 4},
    )
    assert garden("enforcement", "show", "1", "--field", "execution").stdout == "1\n"
    for option, ref, other in (
        ("--rule", "garden.when_dry", "garden.x"),
        ("--trigger", "garden.dry", "garden.wet"),
    ):
        assert garden("execution", "list", option, ref, "-q").stdout == "1\n"
        assert garden("execution", "list", option, other, "-q").stdout == ""
    assert garden("enforcement", "show", "9").exit_code == 3
    assert garden("enforcement", "list", "-s", "done").exit_code == 2


def test_pruning_takes_events_as_old_with_it(garden: Run) -> None:
    garden("event", "emit", "garden.dry", "area=4", "--process", "-qq")
    garden("event", "emit", "garden.dry", "area=4")
    kept = json.loads(garden("execution", "prune", "--older-than", "1h", "-y", "-j").stdout)
    assert (kept["executions"], kept["events"]) == (0, 0)
    gone = json.loads(garden("execution", "prune", "--older-than", "1ms", "-y", "-j").stdout)
    assert {name: gone[name] for name in ("executions", "events", "verdicts", "enforcements")} == {
        "executions": 1, "events": 1, "verdicts": 1, "enforcements": 1,
    }  # fmt: skip
    assert [event["pending"] for event in document(garden, "event", "list")] == [True]


@pytest.mark.parametrize("chosen", [("--action", "core.noop"), ("-s", "bad")])
def test_pruning_only_some_executions_leaves_every_event(garden: Run, chosen: tuple[str, ...]) -> None:
    garden("event", "emit", "garden.dry", "area=4", "--process", "-qq")
    pruned = json.loads(garden("execution", "prune", "--older-than", "1ms", *chosen, "-y", "-j").stdout)
    assert {name: pruned[name] for name in ("executions", "events", "verdicts", "notifications")} == {
        "executions": 0, "events": 0, "verdicts": 0, "notifications": 0,
    }  # fmt: skip
    assert len(document(garden, "event", "list")) == 1


def test_pruning_asks_before_it_deletes_events_alone(garden: Run) -> None:
    garden("event", "emit", "core.alert", "severity=info", "--process", "-qq")
    refused = garden("execution", "prune", "--older-than", "1ms", "--no-input")
    assert (refused.exit_code, "0 executions and 1 events" in refused.stderr) == (2, True)
    assert len(document(garden, "event", "list")) == 1


# --- timers


def test_a_timer_is_made_in_one_command_and_is_a_rule(garden: Run) -> None:
    result = garden(
        "timer", "create", "nightly", "--cron", "0 3 * * *", "--tz", "Europe/Berlin", "--jitter", "5m",
        "--action", "garden.water", "area=4",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "local.nightly\n")
    (timer,) = document(garden, "timer", "list", "--next", "3")
    assert (timer["schedule"], timer["state"]) == ("at 03:00 every day, Europe/Berlin", "active")
    assert len(timer["upcoming"]) == 3
    assert timer["policy"]["jitter_seconds"] == 300
    again = ("timer", "create", "nightly", "--every", "1h", "--action", "garden.water", "area=4")
    assert garden(*again).exit_code == 5
    assert garden(*again, "--replace").exit_code == 0
    assert document(garden, "timer", "list")[0]["schedule"] == "every 3600 seconds"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "say when"),
        (("--cron", "* * * * *", "--every", "5s"), 2, "cannot go together"),
        (("--cron", "61 * * * *", "--tz", "Europe/Berln"), 2, "did you mean Europe/Berlin?"),
        (("--every", "0.5s"), 2, "whole seconds"),
        (("--every", "soon"), 2, "--every"),
        (("--at", "tomorrow"), 2, "date-time"),
        (("--at", "2020-01-01", "--past", "refuse"), 2, "has passed"),
        (("--rrule", "FREQ=DAILY"), 2, "dtstart"),
    ],
)
def test_faulty_timers_are_not_made(garden: Run, words: tuple[str, ...], code: int, told: str) -> None:
    result = garden("timer", "create", "x", *words, "--action", "garden.water", "area=4")
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert document(garden, "timer", "list") == []


def test_all_faults_of_a_timer_are_told_together(garden: Run) -> None:
    words = ("--cron", "99 3 * *", "--tz", "Europe/Berln", "--action", "garden.watr", "stray")
    result = garden("timer", "create", "x", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    for told in ("no action 'garden.watr'; did you mean garden.water?", "stray ", "'99 3 * *'"):
        assert told in result.stderr
    assert "unknown time zone, got 'Europe/Berln'; did you mean Europe/Berlin?" in result.stderr
    missing = garden("timer", "create", "x", "--cron", "99 3 * *", "--action", "garden.watr")
    assert missing.exit_code == 3
    assert "'99 3 * *'" in missing.stderr


def test_a_date_that_has_passed_makes_a_rule_that_says_so(garden: Run) -> None:
    result = garden("timer", "create", "late", "--at", "2020-01-01", "--action", "garden.water", "area=4")
    assert (result.exit_code, result.stdout) == (0, "local.late\n")
    assert "never fires" in result.stderr
    assert document(garden, "timer", "list")[0]["state"] == "expired"


def test_a_date_that_has_passed_and_fires_at_once_is_due_now(garden: Run) -> None:
    words = ("--at", "2020-01-01", "--past", "immediately", "--action", "garden.water", "area=4")
    made = garden("timer", "create", "late", *words)
    assert "next None" not in made.stderr
    (timer,) = document(garden, "timer", "list")
    assert timer["next_fire_at"] > "2020-01-02"


def test_a_schedule_is_asked_for_its_next_instants(garden: Run) -> None:
    garden("timer", "create", "nightly", "--cron", "0 3 * * *", "--action", "garden.water", "area=4", "-qq")
    of_rule = garden("timer", "next", "nightly", "-l", "3").stdout.split()
    of_text = garden("timer", "next", "--cron", "0 3 * * *", "-l", "3").stdout.split()
    assert of_rule == of_text
    assert all(instant.endswith("T03:00:00.000000Z") for instant in of_rule)
    assert garden("timer", "next", "local.nope").exit_code == 3
    assert "no timer" in garden("timer", "next", "garden.when_dry").stderr
    assert garden("timer", "next", "--cron", "61 * * * *").exit_code == 2
    assert garden("timer", "next").exit_code == 2


def test_a_timer_is_tried_without_waiting_for_its_time(garden: Run) -> None:
    garden("timer", "create", "nightly", "--cron", "0 3 * * *", "--action", "garden.water", "area=4", "-qq")
    result = garden("timer", "fire", "local.nightly", "-j")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert (record["payload"]["type"], record["rule_ref"]) == ("cron", "local.nightly")
    assert [one["status"] for one in record["executions"]] == ["completed"]
    left = garden("timer", "fire", "nightly", "--no-wait")
    assert (left.exit_code, "attune up -d" in left.stderr) == (6, True)


def test_records_are_as_documented(garden: Run) -> None:
    garden("event", "emit", "garden.dry", "area=4", "--process", "-qq")
    garden("timer", "create", "nightly", "--cron", "0 3 * * *", "--action", "garden.water", "area=4", "-qq")
    check_record(garden, "event", document(garden, "event", "list")[0], full=False)
    event = document(garden, "event", "show", "1")
    check_record(garden, "event", event, full=True)
    check_record(garden, "verdict", event["verdicts"][0], full=False)
    check_record(garden, "enforcement", document(garden, "enforcement", "show", "1"), full=True)
    check_record(garden, "timer", document(garden, "timer", "list")[0], full=True)


def test_an_event_from_inside_a_run_names_it_as_its_cause_however_the_home_is_written(
    garden: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detour = tmp_path / "detour"
    detour.symlink_to(tmp_path / "attune_home")
    assert garden("run", "core.noop").exit_code == 0
    monkeypatch.setenv("ATTUNE_EXEC_ID", "1")
    for home in (tmp_path / "attune_home", detour):
        monkeypatch.setenv("ATTUNE_HOME", str(tmp_path / "attune_home"))
        assert garden("--home", str(home), "event", "emit", "garden.wet").exit_code == 0
    monkeypatch.setenv("ATTUNE_EXEC_ID", "9" * 23)
    assert garden("event", "emit", "garden.wet").exit_code == 0
    rows = json.loads(garden("db", "query", "SELECT cause FROM event ORDER BY id", "-j").stdout)
    assert [row["cause"] for row in rows] == [1, 1, None]
