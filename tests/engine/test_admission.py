"""Stories about who may start: slots, order, limit groups, nested runs, policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.definitions import PolicyDefinition
from attune_cli.runtime.store import definitions, packs

if TYPE_CHECKING:
    from tests.engine.stage import Stage


def install(stage: Stage, *policies: PolicyDefinition) -> None:
    """Install a pack that brings policies."""
    with stage.store.write(stage.clock.now()) as tx:
        pack = packs.upsert(
            tx, ref="demo", label="", version="1.0.0", description="", digest="d", link=None, source="",
            manifest={}, is_standard=False,
        )  # fmt: skip
        for policy in policies:
            definitions.upsert(
                tx, "policy", pack=pack, ref=policy.ref, label="", description="", definition=policy.to_json()
            )


# --- slots and order


def test_no_more_run_at_once_than_there_are_slots(stage: Stage) -> None:
    stage.host()
    ids = [stage.submit() for _ in range(5)]
    assert stage.status(*ids) == ["running"] * 3 + ["requested"] * 2
    stage.end(ids[1])
    assert stage.status(*ids) == ["running", "completed", "running", "running", "requested"]
    assert stage.runs.started == ids[:4]


def test_what_is_prepared_holds_its_slot(stage: Stage) -> None:
    stage.host()
    stage.runner.prepares = True
    ids = [stage.submit() for _ in range(4)]
    assert stage.status(*ids) == ["scheduled"] * 3 + ["requested"]
    assert (stage.runs.prepared, stage.runs.started) == (ids[:3], [])
    stage.prepared(ids[0])
    assert stage.status(*ids) == ["running", "scheduled", "scheduled", "requested"]


def test_a_run_that_is_stopping_keeps_its_slot_until_it_ends(stage: Stage) -> None:
    stage.host()
    ids = [stage.submit() for _ in range(4)]
    stage.cancel(ids[0])
    assert stage.status(*ids) == ["canceling", "running", "running", "requested"]
    stage.end(ids[0])
    assert stage.status(*ids) == ["cancelled", "running", "running", "running"]


def test_hosts_share_the_slots_and_wake_each_other(stage: Stage) -> None:
    stage.host("a")
    stage.host("b")
    of_a = [stage.submit("a") for _ in range(3)]
    of_b = stage.submit("b")
    assert stage.status(*of_a, of_b) == ["running"] * 3 + ["requested"]
    stage.end(of_a[0], host="a")
    assert stage.pokes == ["b"]
    assert stage.status(of_b) == ["running"]


def test_what_became_due_first_starts_first(stage: Stage) -> None:
    stage.host()
    blockers = [stage.submit() for _ in range(3)]
    late = stage.submit(due=stage.clock.now() + 20 * SECOND)
    early = stage.submit(due=stage.clock.now() + 10 * SECOND)
    now = stage.submit()
    stage.advance(60)
    for blocker in blockers:
        stage.end(blocker)
    assert stage.runs.started[3:] == [now, early, late]


def test_what_is_not_due_waits_and_the_engine_knows_for_how_long(stage: Stage) -> None:
    engine = stage.host()
    assert engine.next_due is None
    due = stage.clock.now() + 10 * SECOND
    planned = stage.submit(due=due)
    assert engine.next_due == due
    stage.advance(9.9)
    assert stage.status(planned) == ["requested"]
    stage.advance(0.1)
    assert stage.status(planned) == ["running"]


def test_an_inline_host_runs_its_own_and_leaves_what_nobody_owns_alone(stage: Stage) -> None:
    stage.host("a")
    ownerless = stage.submit(None)
    assert stage.status(ownerless) == ["requested"]
    stage.host("d", kind="daemon")
    stage.tick()
    assert stage.status(ownerless) == ["running"]
    assert stage.row(ownerless).host == "d"


# --- limit groups


def test_executions_of_a_limited_action_start_one_after_another_in_order(stage: Stage) -> None:
    stage.host()
    ids = [stage.submit(concurrency=1) for _ in range(3)]
    assert stage.status(*ids) == ["running", "requested", "requested"]
    stage.end(ids[0])
    assert stage.status(*ids) == ["completed", "running", "requested"]
    stage.end(ids[1])
    assert stage.runs.started == ids


def test_the_values_of_its_key_make_groups_of_a_limited_action(stage: Stage) -> None:
    stage.host()
    limits: dict[str, Any] = {"concurrency": 1, "concurrency_key": ("parameters.valve",)}
    ids = [stage.submit(**limits, parameters={"valve": valve}) for valve in (1, 1, 2, "1")]
    assert stage.status(*ids) == ["running", "requested", "running", "running"]


def test_a_full_group_lets_others_pass(stage: Stage) -> None:
    stage.host()
    of_group = [stage.submit(concurrency=1) for _ in range(3)]
    other = stage.submit(action_ref="demo.other")
    assert stage.status(*of_group, other) == ["running", "requested", "requested", "running"]


def test_a_group_that_becomes_full_in_a_tick_lets_others_pass_in_that_tick(stage: Stage) -> None:
    """All are asked for before the first tick: those behind the full group must not wait for an end."""
    stage.host()
    of_group = [stage.ask(concurrency=1).id for _ in range(4)]
    other = stage.ask(action_ref="demo.other").id
    stage.tick()
    assert stage.status(*of_group, other) == ["running", "requested", "requested", "requested", "running"]


# --- nested runs


def test_a_nested_run_needs_no_slot_of_its_own(stage: Stage) -> None:
    stage.host("a")
    parents = [stage.submit() for _ in range(3)]
    stage.host("b")
    child = stage.submit("b", parent=parents[0])
    grandchild = stage.submit("b", parent=child)
    assert stage.status(*parents, child, grandchild) == ["running"] * 5
    assert (stage.row(grandchild).parent, stage.row(grandchild).root) == (child, parents[0])
    for one in (grandchild, child):
        stage.end(one, host="b")
    waiting = stage.submit("a")
    assert stage.status(waiting) == ["requested"]


def test_a_nested_run_obeys_the_limit_of_its_action(stage: Stage) -> None:
    stage.host()
    parent = stage.submit()
    first = stage.submit(action_ref="demo.limited", concurrency=1, parent=parent)
    second = stage.submit(action_ref="demo.limited", concurrency=1, parent=parent)
    assert stage.status(first, second) == ["running", "requested"]


# --- policies


@pytest.mark.parametrize("action_ref", ["demo.job", None])
def test_a_policy_that_enqueues_makes_executions_wait(stage: Stage, action_ref: str | None) -> None:
    install(stage, PolicyDefinition(ref="demo.one", pack_ref="demo", action_ref=action_ref, threshold=1))
    stage.host()
    first, second = stage.submit(), stage.submit()
    assert stage.status(first, second) == ["running", "requested"]
    stage.end(first)
    assert stage.status(second) == ["running"]


def test_a_policy_that_cancels_refuses_what_is_over_its_threshold(stage: Stage) -> None:
    policy = PolicyDefinition(
        ref="demo.one", pack_ref="demo", method="cancel", threshold=1, parameters=("bed",)
    )
    install(stage, policy)
    stage.host()
    first = stage.submit(parameters={"bed": "north"})
    refused = stage.submit(parameters={"bed": "north"})
    elsewhere = stage.submit(parameters={"bed": "south"})
    assert stage.status(first, refused, elsewhere) == ["running", "cancelled", "running"]
    row = stage.row(refused)
    assert row.error is not None
    assert row.error.type == "policy"
    assert row.error.message.startswith("policy: 1 executions of demo.one")
    assert row.result == {"succeeded": False, "cancelled": True, "error": row.error.message}
    stage.end(first)
    assert stage.status(stage.submit(parameters={"bed": "north"})) == ["running"]


def test_the_most_specific_policy_wins_and_a_disabled_one_never(stage: Stage) -> None:
    install(
        stage,
        PolicyDefinition(ref="demo.a_pack", pack_ref="demo", threshold=1),
        PolicyDefinition(ref="demo.b_action", pack_ref="demo", action_ref="demo.job", threshold=2),
        PolicyDefinition(
            ref="demo.c_off", pack_ref="demo", action_ref="demo.free", threshold=1, enabled=False
        ),
    )
    stage.host()
    ids = [stage.submit() for _ in range(3)]
    assert stage.status(*ids) == ["running", "running", "requested"]
    assert stage.row(ids[0]).limit_group == "demo.b_action"
    assert stage.row(stage.submit(action_ref="demo.free")).limit_group == "demo.a_pack"


def test_an_actions_own_limit_wins_over_every_policy(stage: Stage) -> None:
    install(stage, PolicyDefinition(ref="demo.one", pack_ref="demo", action_ref="demo.job", threshold=1))
    stage.host()
    ids = [stage.submit(concurrency=2) for _ in range(3)]
    assert stage.status(*ids) == ["running", "running", "requested"]


# --- what cannot be started


def test_a_kind_that_no_runner_knows_ends_with_a_message_that_names_it(stage: Stage) -> None:
    engine = stage.host()
    stage.runner.kind = "docker"
    assert "process" in engine._runners
    del engine._runners["process"]  # pyright: ignore[reportIndexIssue] - a dict, typed as a mapping
    refused = stage.submit()
    row = stage.row(refused)
    assert (str(row.status), stage.path(refused)) == ("failed", ["requested", "failed"])
    assert row.error is not None
    assert row.error.message == "this host has no runner for actions of kind 'process'"


def test_sealed_values_that_cannot_be_read_any_more_end_the_execution_with_a_message(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = {"parameters": {"pin": "1234"}}
    execution = stage.ask(None, **secret, environment={"PIN": "5678"}).id
    stage.sealer = type(stage.sealer)(tmp_path_factory.mktemp("other") / "secret.key")
    stage.host("d", kind="daemon")
    stage.tick()
    row = stage.row(execution)
    assert str(row.status) == "failed"
    assert row.error is not None
    assert "5678" not in row.error.message
