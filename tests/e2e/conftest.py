"""Stories through real processes."""

from __future__ import annotations

from tests.cli.conftest import home, process, run, terminal
from tests.e2e.container_story import gate, no_container_is_left
from tests.e2e.daemon_story import nothing_is_left, slow

__all__ = ["gate", "home", "no_container_is_left", "nothing_is_left", "process", "run", "slow", "terminal"]
