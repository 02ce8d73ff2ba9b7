from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.workflows.stage import WorkflowStage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> WorkflowStage:
    """A stage for workflows, with a host."""
    made = WorkflowStage(tmp_path)
    made.host()
    return made
