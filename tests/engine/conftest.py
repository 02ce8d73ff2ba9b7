from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage with three slots and no host yet."""
    return Stage(tmp_path, slots=3)
