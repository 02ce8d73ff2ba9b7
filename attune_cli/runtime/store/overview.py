"""What is to come, as far as the file tells: for whoever asks how the daemon is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.store.database import Transaction


def upcoming_timers(tx: Transaction, *, limit: int) -> list[tuple[str, Instant]]:
    """Return which rules' timers fire next, and when."""
    rows = tx.execute(
        """SELECT rule.ref, timer.due FROM timer JOIN rule ON rule.id = timer.rule
            WHERE timer.due IS NOT NULL ORDER BY timer.due LIMIT ?""",
        (limit,),
    ).fetchall()
    return [(ref, due) for ref, due in rows]


def totals(tx: Transaction) -> tuple[int, int]:
    """Return how many events there have ever been, and how many decisions of rules to act; of any size at once."""
    rows = tx.execute("SELECT name, seq FROM sqlite_sequence WHERE name IN ('event', 'enforcement')")
    found: dict[str, int] = dict(rows.fetchall())
    return found.get("event", 0), found.get("enforcement", 0)


def open_inquiries(tx: Transaction) -> int:
    """Count the questions that nobody has answered."""
    return int(tx.execute("SELECT count(*) FROM inquiry WHERE status = 'pending'").fetchone()[0])
