"""Questions: how they are found in what actions print, and what answers come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.model.inquiries import is_approval, question_in, verdict_field, without_question
from attune_cli.runtime.runners.results import outcome_of
from attune_cli.runtime.supervisor import RunExit, StreamSummary

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.actions import OutputFormat

ASKS = '{"__inquiry": {"prompt": "Go?"}}'
BOOLEAN = {"type": "boolean"}


@pytest.mark.parametrize(
    ("output_format", "printed", "question"),
    [
        ("text", f"three changes\n{ASKS}\n", {"prompt": "Go?"}),
        ("text", f"{ASKS}\nthree changes\n", None),
        ("text", f"not alone {ASKS}\n", None),
        ("text", '{"__inquiry": \n', None),
        ("text", '["__inquiry"]', None),
        ("text", f"{'x' * 300_000}\n{ASKS}", {"prompt": "Go?"}),
        ("json", ASKS, {"prompt": "Go?"}),
        ("json", '{"deeper": ' + ASKS + "}", None),
        ("yaml", "__inquiry: {prompt: Go?}", {"prompt": "Go?"}),
        ("jsonl", f'{{"n": 1}}\n{ASKS}\n', {"prompt": "Go?"}),
        ("jsonl", f'{ASKS}\n{{"n": 1}}\n', None),
    ],
)
def test_a_question_is_found_where_an_output_ends(
    output_format: OutputFormat, printed: str, question: Any, tmp_path: Path
) -> None:
    (tmp_path / "stdout").write_text(printed)
    summary = StreamSummary(bytes=len(printed), lines=printed.count("\n"), dropped_bytes=0)
    run = RunExit(
        run="1:run", why="exited", exit_code=0, signal=None, started=0, finished=1, duration_ms=1, stdout=summary,
        stderr=StreamSummary(bytes=0, lines=0, dropped_bytes=0), error=None,
    )  # fmt: skip
    action = ActionDefinition(ref="a.b", pack_ref="a", output_format=output_format)
    outcome = outcome_of(run, tmp_path, action=action, timeout_seconds=None, max_result_bytes=1_000_000)
    assert outcome.result is not None
    assert question_in(outcome.result.get("data")) == question


def test_the_question_is_no_part_of_the_result() -> None:
    assert without_question({"n": 1, "__inquiry": {}}) == {"n": 1}
    assert without_question([{"n": 1}, {"__inquiry": {}}]) == [{"n": 1}]


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"approved": BOOLEAN, "loud": BOOLEAN}, "approved"),
        ({"go": BOOLEAN, "n": {"type": "integer"}}, "go"),
        ({"go": BOOLEAN, "loud": BOOLEAN}, None),
        ({"approved": {"type": "string"}}, None),
        ({}, None),
    ],
)
def test_yes_and_no_are_said_in_one_member(schema: dict[str, Any], field: str | None) -> None:
    assert verdict_field(schema) == field
    assert is_approval(schema, {} if field is None else {field: True})
    assert field is None or not is_approval(schema, {field: False})
