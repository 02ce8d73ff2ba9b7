"""`attune version`."""

import platform
import sqlite3

from attune_cli import __version__
from attune_cli.context import Context, Noun

app = Noun("Show the versions in use.")


@app.command("version", examples=["attune version", "attune version --field sqlite"])
def version(context: Context) -> None:
    """Show the versions of attune, Python and SQLite."""
    context.out.record(
        {
            "kind": "version",
            "name": "attune",
            "version": __version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "platform": platform.platform(),
        }
    )
