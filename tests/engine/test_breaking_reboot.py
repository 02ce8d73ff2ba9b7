"""The machine went down: what was synced is known, what was only written may be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.model.actions import Retry

if TYPE_CHECKING:
    from tests.engine.stage import Stage


@pytest.mark.parametrize("kind", ["daemon", "inline"])
def test_a_run_of_an_earlier_boot_that_nothing_tells_of_is_not_run_again(stage: Stage, kind: str) -> None:
    """Its journal was lost with the machine, so that it never ran cannot be known (simulation.md)."""
    stage.host("a")
    once, again = stage.submit(), stage.submit(retry=Retry(count=1, delay_seconds=60))
    stage.dies("a", with_its_runs=True)
    stage.runs.started.clear()
    stage.store.connection.execute("UPDATE host SET boot_id = 'an earlier one'")
    stage.host("b", kind=kind, dead=("a",))
    assert stage.status(once, again) == ["abandoned", "abandoned"]
    assert stage.runs.started == []
    following = stage.row(again).next_attempt
    assert following is not None
    assert stage.status(following) == ["requested"]
