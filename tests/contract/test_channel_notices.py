"""What a channel hears of, read from a real outbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.actions import Retry
from attune_cli.runtime.model.entities import Outcome, RunError
from attune_cli.runtime.model.notices import Rate, Subjects, Wish
from attune_cli.runtime.services.channels import NewChannel, put, set_enabled
from attune_cli.runtime.services.notices import next_room, room_of, scan
from attune_cli.runtime.store import channels, enforcements
from tests.engine.question_stage import ask, respond
from tests.engine.stage import BAD, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.services.notices import Heard
    from attune_cli.runtime.store.channels import Channel


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def add(stage: Stage, name: str = "ops", **wish: Any) -> Channel:
    new = NewChannel(name=name, url="json://h", scheme="json", wish=Wish(**wish))
    with stage.store.write(stage.clock.now()) as tx:
        put(tx, new, sealer=stage.sealer)
    return channel(stage, name)


def channel(stage: Stage, name: str = "ops") -> Channel:
    with stage.store.read(stage.clock.now()) as tx:
        found = channels.get(tx, name)
    assert found is not None
    return found


def heard(stage: Stage, one: Channel) -> list[Heard]:
    with stage.store.read(stage.clock.now()) as tx:
        return list(scan(tx, one, one.cursor).heard)


def names(found: list[Heard]) -> list[str]:
    return [one.name for one in found]


def test_a_channel_hears_of_what_happens_after_it_was_added(stage: Stage) -> None:
    stage.host()
    stage.end(stage.submit(), BAD)
    ops = add(stage, on=("execution.failed",))
    assert heard(stage, ops) == []
    stage.end(stage.submit(), Outcome(succeeded=False, error=RunError(type="exit", message="no water")))
    (told,) = heard(stage, ops)
    assert (told.name, told.subject, told.notice.level) == ("execution.failed", "demo.job", "failure")
    assert told.notice.title == "demo.job failed"
    assert told.notice.body == "no water\nattune execution show 2"


def test_an_attempt_that_is_followed_by_another_has_not_failed(stage: Stage) -> None:
    stage.host()
    ops = add(stage, on=("execution.failed", "execution.finished"))
    first = stage.submit(retry=Retry(count=1, delay_seconds=0))
    stage.end(first, BAD)
    assert heard(stage, ops) == []
    stage.tick()
    stage.end(first + 1, BAD)
    assert [one.notice.body.splitlines()[-1] for one in heard(stage, ops)] == ["attune execution show 2"]


def test_what_ran_out_of_time_can_be_asked_for(stage: Stage) -> None:
    stage.host()
    slow, bad = add(stage, "slow", on=("execution.timed_out",)), add(stage, "bad", on=("execution.failed",))
    stage.end(stage.submit(), BAD)
    stage.end(stage.submit(), Outcome(succeeded=False, timed_out=True))
    assert names(heard(stage, slow)) == ["execution.timed_out"]
    assert len(heard(stage, bad)) == 2


def test_only_the_subjects_asked_for_are_told(stage: Stage) -> None:
    stage.host()
    ops = add(stage, on=("execution.finished",))
    stage.end(stage.submit())
    stage.end(stage.submit(action_ref="other.job"))
    assert [one.subject for one in heard(stage, ops)] == ["demo.job", "other.job"]
    only = Wish(on=("execution.finished",), subjects=Subjects(actions=("other.*",)))
    with stage.store.write(stage.clock.now()) as tx:
        channels.change(tx, "ops", sealed_url=None, scheme=None, wish=only.to_json())
    assert [one.subject for one in heard(stage, channel(stage))] == ["other.job"]


@pytest.mark.parametrize(
    ("notify", "hears"), [(["ops"], True), (["all"], True), (["else"], False), ([], False)]
)
def test_a_rule_leads_to_the_channels_it_names(stage: Stage, notify: list[str], hears: bool) -> None:
    ops = add(stage)
    with stage.store.write(stage.clock.now()) as tx:
        definition = json.dumps({"ref": "demo.night", "notify": notify})
        tx.execute(
            "INSERT INTO rule (ref, label, definition, created, updated) VALUES ('demo.night', '', ?, 0, 0)",
            (definition,),
        )
        enforcements.insert(
            tx, event=7, rule=1, rule_ref="demo.night", trigger_ref="core.alert", conditions=None
        )
    found = heard(stage, ops)
    assert names(found) == (["rule.fired"] if hears else [])
    assert [one.notice.title for one in found] == (["rule demo.night fired"] if hears else [])


def test_a_rate_leaves_room_again_when_its_span_is_over(stage: Stage) -> None:
    ops = add(stage, rate=Rate(messages=2, window_seconds=10))
    now = stage.clock.now()
    assert room_of(ops, now) == 2
    with stage.store.write(now) as tx:
        channels.delivered(tx, ops.id, cursor=5, suppressed=3, recent=(now - 4 * SECOND, now))
    full = channel(stage)
    assert (room_of(full, now), next_room(full, now)) == (0, now + 6 * SECOND)
    assert room_of(full, now + 6 * SECOND) == 1
    assert room_of(full, now - 3600 * SECOND) == 2, "a clock that was set back keeps nobody waiting"
    assert (full.cursor, full.sent, full.suppressed) == (5, 1, 3)


def test_enabling_begins_with_what_happens_from_then_on(stage: Stage) -> None:
    stage.host()
    add(stage, on=("execution.finished",))
    with stage.store.write(stage.clock.now()) as tx:
        assert channels.set_enabled(tx, "ops", enabled=False, cursor=0)
    stage.end(stage.submit())
    with stage.store.write(stage.clock.now()) as tx:
        assert set_enabled(tx, ["ops"], enabled=True)["changed"] == ["ops"]
    assert heard(stage, channel(stage)) == []


def test_a_question_says_what_is_asked_and_how_to_answer_and_never_what_was_answered(stage: Stage) -> None:
    stage.host()
    ops = add(stage, on=("inquiry.created", "inquiry.reminder", "inquiry.responded", "inquiry.timeout"))
    schema = {"pin": {"type": "string"}}
    ask(stage, prompt="Open valve 3?", assigned_to="ben", remind_every=60, response_schema=schema)
    stage.advance(61)
    ask(stage, timeout_seconds=5)
    stage.advance(6)
    (asked, reminded, other, expired) = heard(stage, ops)
    assert asked.notice.title == "core.ask asks"
    assert asked.notice.body.splitlines() == ["Open valve 3?", "for ben", "attune inquiry respond 1"]
    assert (reminded.name, reminded.notice.level) == ("inquiry.reminder", "warning")
    assert other.notice.body.splitlines()[-1] == "attune inquiry show 2"  # it is over meanwhile
    assert expired.notice.title == "nobody answered core.ask in time"
    respond(stage, "1", {"pin": "90210"})
    answered = heard(stage, ops)[-1].notice
    assert "answered by ben" in answered.body
    assert "90210" not in answered.body
