from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.reactions.stage import ReactionStage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> ReactionStage:
    """A daemon with the trigger `demo.push` and the action `demo.job`, and no rule yet."""
    return ReactionStage(tmp_path)
