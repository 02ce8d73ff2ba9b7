"""A home that another version of attune made gets this version's core pack, and keeps everything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attune_cli import __version__
from attune_cli.runtime.store.database import connect

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run


def test_the_core_pack_of_an_older_version_is_replaced_at_the_next_command(home: Home, run: Run) -> None:
    run("run", "core.echo", "message=before")
    connection = connect(home.database)
    connection.execute("UPDATE pack SET source = 'attune 0.0.1' WHERE ref = 'core'")
    connection.execute("UPDATE action SET label = 'Old' WHERE ref = 'core.echo'")
    connection.close()
    assert run("run", "core.echo", "message=after", "-r").stdout == "after\n"
    assert json.loads(run("pack", "show", "core", "-j").stdout)["source"] == f"attune {__version__}"
    assert json.loads(run("action", "show", "core.echo", "-j").stdout)["label"] == "Echo"
    assert run("execution", "list", "--count").stdout == "2\n"
