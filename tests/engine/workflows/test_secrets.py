from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.model.actions import INQUIRY_RUNNER
from attune_cli.runtime.store import keys
from tests.engine.workflows.stage import task

if TYPE_CHECKING:
    from tests.engine.workflows.stage import WorkflowStage


def test_secrets_go_through_a_workflow_sealed_and_only_where_they_may(stage: WorkflowStage) -> None:
    secret = {"type": "string", "secret": True}
    stage.action("demo.login", parameters={"pin": secret}, output={"token": secret})
    stage.workflow(
        {
            "name": "login",
            "action": "demo.login",
            "input": {"pin": "{{ parameters.pin }}"},
            "next": [{"publish": [{"saved": "{{ parameters.pin + '!' }}"}], "do": ["again"]}],
        },
        task("again", action="demo.login", input={"pin": "{{ saved }}"}),
        vars={"saved": "none yet", "open": 1},
        secret_vars=("saved",),
        parameters={"pin": secret},
        output={"pin": secret},
        output_map={"pin": "{{ saved }}"},
    )
    flow = stage.begin(parameters={"pin": "hush-hush"})
    assert stage.parameters(flow, "login") == {"pin": "hush-hush"}
    stage.ends(flow, "login")
    assert stage.parameters(flow, "again") == {"pin": "hush-hush!"}
    stage.ends(flow, "again")
    redacted = {"$attune_secret": True, "redacted": True}
    assert stage.row(flow).result == {"pin": redacted, "succeeded": True}
    assert "hush" not in "\n".join(stage.store.connection.iterdump())


def test_a_plain_key_may_stand_anywhere_and_a_sealed_one_may_not(stage: WorkflowStage) -> None:
    with stage.store.write(stage.clock.now()) as tx:
        for name, encrypted in (("limit", False), ("pin", True)):
            value = stage.sealer.seal(20) if encrypted else b"20"
            keys.upsert(
                tx,
                ref=f"demo.{name}",
                owner_type="pack",
                owner="demo",
                name=name,
                encrypted=encrypted,
                value=value,
            )
    tasks = (
        {"name": "a", "action": "demo.job", "input": {"n": "{{ keystore.demo.limit }}"},
         "next": [{"publish": [{"v": "{{ keystore.demo.limit + 1 }}"}]}]},
    )  # fmt: skip
    stage.workflow(*tasks, vars={"v": 0}, output_map={"n": "{{ keystore.demo.limit + v }}"})
    flow = stage.begin()
    assert stage.parameters(flow, "a") == {"n": 20}
    stage.ends(flow, "a")
    assert stage.row(flow).result == {"n": 41, "succeeded": True}
    stage.workflow(task("a", input={"n": "{{ keystore.demo.pin }}"}), ref="demo.other")
    assert "a secret value may only be given to" in stage.error(stage.begin("demo.other"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"next": [{"publish": [{"v": "{{ parameters.pin }}"}]}]},
            "v: a secret value may only be published as a variable that secret_vars names",
        ),
        (
            {"input": {"x": ["{{ parameters.pin }}"]}},
            "input.x.0: a secret value may only be given to a parameter that is declared secret",
        ),
        (
            {"input": {"pin": "{{ parameters.pin }}"}},
            "input.pin: a secret value may only be given to a parameter that is declared secret",
        ),
        (
            {"permission_set_refs": ["demo.{{ parameters.pin }}"]},
            "permission_set_refs: a secret value may only be given to a parameter that is declared secret",
        ),
    ],
)
def test_a_secret_that_would_get_out_fails_where_it_would(
    stage: WorkflowStage, fields: dict[str, Any], said: str
) -> None:
    stage.workflow(
        task("a") | fields, parameters={"pin": {"type": "string", "secret": True}}, vars={"v": "x"}
    )
    flow = stage.begin(parameters={"pin": "hush-hush"})
    if stage.children(flow, "a"):
        stage.ends(flow, "a")
    assert said in stage.error(flow)
    assert "hush" not in "\n".join(stage.store.connection.iterdump())


@pytest.mark.parametrize("is_secret", [True, False])
def test_a_secret_may_be_the_default_of_an_answer_that_is_declared_secret(
    stage: WorkflowStage, *, is_secret: bool
) -> None:
    stage.action("demo.ask", runner_type=INQUIRY_RUNNER)
    answer = {"response_schema": {"pin": {"type": "string", "secret": is_secret}}}
    stage.workflow(
        task("ask", action="demo.ask", input=answer | {"default_response": {"pin": "{{ parameters.pin }}"}}),
        parameters={"pin": {"type": "string", "secret": True}},
    )
    flow = stage.begin(parameters={"pin": "hush-hush"})
    refused = stage.row(flow).error is not None and "is declared secret" in stage.error(flow)
    assert (refused, len(stage.children(flow, "ask"))) == (not is_secret, int(is_secret))
    assert "hush" not in "\n".join(stage.store.connection.iterdump())


def test_a_secret_output_that_is_not_declared_secret_fails_the_workflow(stage: WorkflowStage) -> None:
    stage.workflow(
        task("a"),
        output_map={"pin": "{{ parameters.pin }}"},
        parameters={"pin": {"type": "string", "secret": True}},
    )
    flow = stage.begin(parameters={"pin": "hush-hush"})
    stage.action("demo.job", parameters={})
    stage.ends(flow, "a")
    assert "output_map.pin: a secret value may only be an output that is declared secret" in stage.error(flow)


def test_what_a_workflow_is_given_may_not_name_a_key(stage: WorkflowStage) -> None:
    stage.action("demo.login", parameters={"pin": {"type": "string", "secret": True}})
    stage.workflow(task("a", action="demo.login", input={"pin": "{{ parameters.name }}"}))
    flow = stage.begin(parameters={"name": "key://admin.password"})
    assert "input.pin: what a workflow is given may not name a key; it may itself" in stage.error(flow)
