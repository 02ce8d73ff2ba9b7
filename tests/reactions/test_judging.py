"""Events become verdicts, enforcements and executions; each verdict says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.services import pack_config
from attune_cli.runtime.store import keys, packs

if TYPE_CHECKING:
    import pytest

    from tests.reactions.stage import ReactionStage

ERRORS = [{"field": "severity", "operator": "equals", "value": "error"}]


def test_an_event_starts_the_action_of_a_rule_on_its_trigger(stage: ReactionStage) -> None:
    stage.action("demo.job", parameters={"host": {"type": "string"}, "count": {"type": "integer"}})
    rule = stage.rule(action_params={"host": "{{ event.payload.host }}", "count": "{{ event.payload.n }}"})
    event = stage.emit(payload={"host": "a", "n": 3})
    verdict = stage.verdict(event)
    assert (verdict.outcome, verdict.rule_ref) == ("fired", rule)
    (enforcement,) = stage.enforcements()
    assert (enforcement.status, enforcement.execution, enforcement.config) == (
        "processed",
        1,
        {"host": "a", "count": 3},
    )
    assert verdict.enforcement == enforcement.id
    execution = stage.row(1)
    assert (execution.enforcement, execution.rule_ref, execution.trigger_ref, execution.depth) == (
        enforcement.id, rule, "demo.push", 1,
    )  # fmt: skip
    assert stage.runs.started == [1]
    assert stage.parameters() == [{"host": "a", "count": 3}]
    assert not stage.event(event).pending


def test_an_event_and_what_it_starts_are_one_commit(stage: ReactionStage) -> None:
    stage.rule()
    stage.store_event()
    before = stage.ticks
    stage.engines["a"].tick()
    assert stage.runs.started == [1]
    assert stage.ticks == before


def test_a_rule_that_does_not_fire_says_why(stage: ReactionStage) -> None:
    stage.rule(conditions=ERRORS)
    verdict = stage.verdict(stage.emit(payload={"severity": "warning"}))
    assert verdict.outcome == "no_match"
    assert verdict.reason == "severity: wanted equals 'error', seen 'warning'"
    assert verdict.trace["conditions.0"]["held"] is False
    assert stage.all_ids() == []


def test_an_event_without_payload_matches_whatever_the_conditions_say(stage: ReactionStage) -> None:
    stage.rule(conditions=ERRORS)
    assert stage.verdict(stage.emit(payload=None)).outcome == "fired"


def test_a_condition_that_cannot_be_judged_is_an_error(stage: ReactionStage) -> None:
    stage.rule(conditions={"expression": "event.payload.host > 5"})
    verdict = stage.verdict(stage.emit())
    assert verdict.outcome == "error"
    assert stage.all_ids() == []


def test_each_rule_on_a_trigger_judges_once_and_others_do_not(stage: ReactionStage) -> None:
    stage.trigger("demo.other")
    stage.rule("one")
    stage.rule("two", conditions=ERRORS)
    stage.rule("elsewhere", "demo.other")
    stage.rule("off", enabled=False)
    event = stage.emit()
    stage.tick()
    assert [(one.rule_ref, one.outcome) for one in stage.verdicts(event=event)] == [
        ("demo.one", "fired"),
        ("demo.two", "no_match"),
    ]


def test_an_event_that_names_a_rule_concerns_that_rule_only(stage: ReactionStage) -> None:
    stage.rule("one")
    stage.rule("two")
    event = stage.emit(rule_ref="demo.two")
    assert [one.rule_ref for one in stage.verdicts(event=event)] == ["demo.two"]


def test_an_event_that_names_a_rule_on_another_trigger_concerns_nobody(stage: ReactionStage) -> None:
    stage.trigger("demo.other")
    stage.rule("one")
    event = stage.emit("demo.other", rule_ref="demo.one")
    assert stage.verdicts(event=event) == []
    assert not stage.event(event).pending


def test_an_event_that_waits_while_its_trigger_is_disabled_concerns_nobody(stage: ReactionStage) -> None:
    stage.rule()
    event = stage.store_event()
    stage.enable("trigger", "demo.push", enabled=False)
    stage.tick()
    assert stage.verdicts(event=event) == []
    assert not stage.event(event).pending


def test_a_changed_rule_judges_as_it_is_now(stage: ReactionStage) -> None:
    stage.rule(conditions=ERRORS)
    stage.emit()
    stage.rule()
    stage.emit()
    assert stage.outcomes() == ["no_match", "fired"]


# --- what cannot be started


def test_faulty_parameters_are_an_execution_that_failed_and_names_every_fault(stage: ReactionStage) -> None:
    stage.action(
        "demo.job",
        parameters={
            "count": {"type": "integer", "required": True},
            "host": {"type": "string", "required": True},
        },
    )
    stage.rule(action_params={"count": "{{ event.payload.host }}"})
    verdict = stage.verdict(stage.emit(payload={"host": "many"}))
    assert verdict.outcome == "fired"
    execution = stage.row(1)
    assert execution.status == "failed"
    assert execution.error is not None
    assert "count: expected integer" in execution.error.message
    assert "host: required" in execution.error.message
    assert stage.enforcements()[0].execution == 1
    assert stage.runs.started == []


def test_what_faulty_parameters_hold_in_secret_stays_secret(stage: ReactionStage) -> None:
    stage.action("demo.job", parameters={"token": {"type": "integer", "secret": True}})
    stage.rule(action_params={"token": "hunter22"})
    stage.emit()
    assert stage.status(1) == ["failed"]
    assert "hunter22" not in "".join(stage.store.connection.iterdump()).replace('"token":"hunter22"', "", 1)
    assert "hunter22" not in str(stage.row(1))


def test_an_unknown_action_leaves_an_enforcement_that_says_so(stage: ReactionStage) -> None:
    stage.rule(action_ref="demo.gone")
    verdict = stage.verdict(stage.emit())
    assert (verdict.outcome, verdict.reason) == ("error", "action 'demo.gone' is gone")
    (enforcement,) = stage.enforcements()
    assert (enforcement.status, enforcement.error, enforcement.execution) == (
        "disabled", "action 'demo.gone' is gone", None,
    )  # fmt: skip


def test_a_disabled_action_is_not_started(stage: ReactionStage) -> None:
    stage.rule()
    stage.enable("action", "demo.job", enabled=False)
    stage.emit()
    assert stage.enforcements()[0].error == "action 'demo.job' is disabled"


def test_an_action_whose_runtime_is_not_installed_is_an_error(stage: ReactionStage) -> None:
    from attune_cli.runtime.model.actions import ActionDefinition

    stage.define("action", ActionDefinition(ref="demo.odd", pack_ref="demo", runner_type="demo.cobol"))
    stage.rule(action_ref="demo.odd")
    assert "demo.cobol" in stage.verdict(stage.emit()).reason
    assert stage.enforcements()[0].status == "processed"


def test_a_template_that_cannot_be_filled_is_an_error(stage: ReactionStage) -> None:
    stage.rule(action_params={"x": "{{ event.payload.host / 2 }}"})
    verdict = stage.verdict(stage.emit())
    assert verdict.outcome == "error"
    assert "action_params.x" in verdict.reason


def test_a_missing_path_becomes_null_and_the_trace_says_so(stage: ReactionStage) -> None:
    stage.rule(action_params={"x": "{{ event.payload.nowhere }}"})
    verdict = stage.verdict(stage.emit())
    assert verdict.outcome == "fired"
    assert "event.payload.nowhere is missing" in verdict.trace["action_params"]["note"]
    assert stage.parameters() == [{"x": None}]


def test_a_rule_that_cannot_be_read_is_an_error_and_that_rules_alone(stage: ReactionStage) -> None:
    stage.rule("broken", action_params={"x": "{{ event.payload. }}"})
    stage.rule("sound")
    stage.emit()
    assert [(one.rule_ref, one.outcome) for one in stage.verdicts()] == [
        ("demo.broken", "error"),
        ("demo.sound", "fired"),
    ]


def test_a_row_that_is_no_rule_is_that_rules_fault_alone(stage: ReactionStage) -> None:
    for name, trigger_ref in (
        ("odd", "demo.push"),
        ("clock", "core.intervaltimer"),
        ("told", "core.rule_fired"),
    ):
        stage.rule(name, trigger_ref)
    stage.store.connection.execute("UPDATE rule SET definition = json_set(definition, '$.mood', 'grim')")
    stage.rule("sound")
    stage.emit()
    assert [(one.rule_ref, one.outcome) for one in stage.verdicts(event=1)] == [
        ("demo.odd", "error"),
        ("demo.sound", "fired"),
    ]
    timer = stage.timer("demo.clock")
    assert timer is not None
    assert (timer.state, "mood" in (timer.error or "")) == ("faulty", True)


def test_what_breaks_within_one_rule_is_taken_back_and_told_of_it(
    stage: ReactionStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attune_cli.runtime.reactions import enforcing

    real = enforcing.submit

    def submit(tx: Any, submission: Any, **rest: Any) -> Any:
        started = real(tx, submission, **rest)
        if submission.origin.rule_ref == "demo.broken":
            raise ZeroDivisionError("division by zero")
        return started

    monkeypatch.setattr(enforcing, "submit", submit)
    stage.rule("broken")
    stage.rule("sound")
    stage.emit()
    broken, sound = stage.verdicts()
    assert (broken.outcome, broken.reason) == ("error", "it failed: ZeroDivisionError: division by zero")
    assert sound.outcome == "fired"
    assert len(stage.all_ids()) == len(stage.enforcements()) == 1


# --- secrets


def _configure(stage: ReactionStage) -> None:
    schema = {"token": {"type": "string", "secret": True}, "url": {"type": "string"}}
    with stage.store.write(stage.clock.now()) as tx:
        packs.upsert(
            tx, ref="demo", label="demo", version="1", description="", digest="1", link=None, source="",
            manifest={"ref": "demo", "label": "demo", "version": "1", "conf_schema": schema}, is_standard=False,
        )  # fmt: skip
        pack = packs.get(tx, "demo")
        assert pack is not None
        pack_config.set_values(tx, pack, {"token": "hunter22", "url": "http://x"}, stage.sealer)


def test_a_secret_may_go_into_a_secret_parameter_only(stage: ReactionStage) -> None:
    _configure(stage)
    stage.action(
        "demo.job", parameters={"token": {"type": "string", "secret": True}, "note": {"type": "string"}}
    )
    stage.rule("good", action_params={"token": "{{ pack.config.token }}", "note": "{{ pack.config.url }}"})
    stage.rule("leaky", action_params={"note": "see {{ pack.config.token }}"})
    stage.emit()
    leaky = stage.verdicts(rule_ref="demo.leaky")[0]
    assert leaky.outcome == "error"
    assert "note" in leaky.reason
    assert stage.parameters() == [{"token": "hunter22", "note": "http://x"}]
    assert "hunter22" not in "".join(stage.store.connection.iterdump())


def test_a_rule_reads_keys_of_the_system_and_of_its_pack_only(stage: ReactionStage) -> None:
    with stage.store.write(stage.clock.now()) as tx:
        for ref, owner_type, owner in (("mine", "pack", "demo"), ("theirs", "pack", "core")):
            keys.upsert(
                tx, ref=ref, owner_type=owner_type, owner=owner, name=ref, encrypted=True,
                value=stage.sealer.seal("hunter22"),
            )  # fmt: skip
    stage.action("demo.job", parameters={"token": {"type": "string", "secret": True}})
    stage.rule("mine", action_params={"token": "{{ keystore.mine }}"})
    stage.rule("theirs", action_params={"token": "{{ keystore.theirs }}"})
    stage.emit()
    assert stage.parameters() == [{"token": "hunter22"}, {"token": None}]


def test_an_event_cannot_choose_the_key_that_an_action_gets(stage: ReactionStage) -> None:
    with stage.store.write(stage.clock.now()) as tx:
        for ref in ("prod.token", "test.token"):
            keys.upsert(
                tx, ref=ref, owner_type="system", owner="", name=ref, encrypted=True,
                value=stage.sealer.seal("hunter22" if ref == "test.token" else "sesame66"),
            )  # fmt: skip
    stage.action(
        "demo.job", parameters={"token": {"type": "string", "secret": True}, "note": {"type": "string"}}
    )
    stage.rule("chosen", action_params={"token": "{{ event.payload.x }}"})
    stage.rule("named", action_params={"token": "key://{{ event.payload.stage }}.token"})
    stage.rule("noted", action_params={"note": "{{ event.payload.x }}"})
    stage.emit(payload={"x": "key://prod.token", "stage": "test"})
    chosen = stage.verdicts(rule_ref="demo.chosen")[0]
    assert (chosen.outcome, "token" in chosen.reason) == ("error", True)
    assert stage.parameters() == [{"token": "hunter22"}, {"note": "key://prod.token"}]


# --- loops


def test_a_loop_of_rules_stops_at_a_bound_and_says_so(stage: ReactionStage) -> None:
    stage.rule()
    stage.emit()
    for depth in range(1, 10):
        stage.emit(cause=depth)
        assert stage.row(depth + 1).depth == depth + 1
    last = stage.emit(cause=10)
    verdict = stage.verdict(last)
    assert verdict.outcome == "too_deep"
    assert verdict.trace["depth"]["seen"] == 10
    assert stage.all_ids() == list(range(1, 11))
