"""Executions in any status, led there by legal steps: nothing else gets past the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.states import TRANSITIONS, Status

if TYPE_CHECKING:
    import sqlite3


def path_to(status: Status) -> list[Status] | None:
    """Return the shortest way from `requested`, or None where no step leads."""
    ways = [[Status.REQUESTED]]
    seen = {Status.REQUESTED}
    while ways:
        way = ways.pop(0)
        if way[-1] is status:
            return way[1:]
        for old, new in TRANSITIONS:
            if old is way[-1] and new not in seen:
                seen.add(new)
                ways.append([*way, new])
    return None


def add_execution(
    connection: sqlite3.Connection, status: Status = Status.REQUESTED, host: str | None = None
) -> int:
    """Insert an execution and bring it to `status`; returns its id."""
    connection.execute("INSERT INTO job (checksum, definition) VALUES (0, '{}')")
    row = connection.execute(
        "INSERT INTO execution (action_ref, job, host, due, created, updated)"
        " VALUES ('core.echo', (SELECT max(id) FROM job), ?, 1, 1, 1) RETURNING id",
        (host,),
    ).fetchone()
    way = path_to(status)
    assert way is not None
    for step in way:
        finished = 2 if step.is_terminal else None
        connection.execute(
            "UPDATE execution SET status = ?, finished = ?, updated = 2 WHERE id = ?",
            (step, finished, row[0]),
        )
    return int(row[0])
