"""What the stories of people who are asked share: a question, how it is asked, and what is known of it."""

from __future__ import annotations

import json
import sqlite3
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.conftest import Run

ATTUNE = f"{sys.executable} -m attune_cli"
SHIP = ("run", "action", "core.ask", "prompt=Ship it?")
PROMPT = "approved (yes or no): "


def inquiry(run: Run, word: str) -> dict[str, Any]:
    return json.loads(run("inquiry", "show", word, "-j").stdout)


def pending(run: Run) -> list[str]:
    return run("inquiry", "list", "--pending", "-q").stdout.split()


def host_of(run: Run, number: int) -> str | None:
    """Return the host that entered the last step of an execution's timeline, None while nobody owns it."""
    connection = sqlite3.connect(run("db", "path").stdout.strip())
    (host,) = connection.execute("SELECT host FROM execution WHERE id = ?", (number,)).fetchone()
    connection.close()
    return host
