"""Stories through real processes."""

from __future__ import annotations

from tests.cli.conftest import home, process, run, terminal

__all__ = ["home", "process", "run", "terminal"]
