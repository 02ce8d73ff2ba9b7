"""What a change is called, and who wants to hear of it."""

from __future__ import annotations

import pytest

from attune_cli.runtime.model.notices import (
    NAMES,
    Rate,
    Subjects,
    Wish,
    kinds_of,
    level_of,
    names_of,
)


@pytest.mark.parametrize(
    ("notification_type", "status", "names"),
    [
        ("execution_created", "requested", ("execution.created",)),
        ("execution_status_changed", "running", ("execution.running",)),
        ("execution_status_changed", "completed", ("execution.completed", "execution.finished")),
        ("execution_status_changed", "abandoned", ("execution.abandoned", "execution.finished")),
        ("execution_status_changed", "timeout", ("execution.timed_out", "execution.finished")),
        ("execution_status_changed", "scheduled", ()),
        ("event_created", None, ("event.created",)),
        ("enforcement_created", "created", ("rule.fired",)),
        ("enforcement_status_changed", "processed", ()),
        ("inquiry_responded", "responded", ("inquiry.responded",)),
        ("inquiry_reminder", "pending", ("inquiry.reminder",)),
        ("sensor_status_changed", "waiting", ("sensor.failed",)),
        ("sensor_status_changed", "running", ()),
    ],
)
def test_a_change_has_the_names_that_can_be_asked_for(
    notification_type: str, status: str | None, names: tuple[str, ...]
) -> None:
    assert names_of(notification_type, status) == names
    assert set(names) <= set(NAMES)


def test_what_ran_out_of_time_has_failed_as_well() -> None:
    names = names_of("execution_status_changed", "failed", timed_out=True)
    assert names == ("execution.timed_out", "execution.failed", "execution.finished")
    assert level_of(names) == "failure"


def test_every_kind_of_subject_that_is_named_has_to_fit() -> None:
    payload = {"action_ref": "demo.go", "rule_ref": "home.night", "trigger_ref": "core.crontimer"}
    assert Subjects().include(payload)
    assert Subjects(actions=("demo.go", "demo.stop")).include(payload)
    assert Subjects(actions=("demo.*",), rules=("home.night",)).include(payload)
    assert not Subjects(actions=("demo.go",), rules=("home.day",)).include(payload)
    assert Subjects(packs=("home",)).include(payload)
    assert not Subjects(packs=("other",)).include(payload)
    assert not Subjects(actions=("demo.go",)).include({"trigger_ref": "demo.go"})


def test_a_wish_is_the_same_after_it_was_kept() -> None:
    wish = Wish(
        on=("execution.failed",),
        subjects=Subjects(packs=("demo",)),
        rate=Rate(messages=3, window_seconds=1.5),
        key="chat.url",
    )
    assert Wish.from_json(wish.to_json()) == wish
    assert Wish.from_json({}) == Wish()


def test_a_timer_is_an_event_and_a_rule_an_enforcement() -> None:
    assert kinds_of("event", "timer") == ("event", "timer")
    assert kinds_of("event", "webhook") == ("event",)
    assert "rule" in kinds_of("enforcement", None)
