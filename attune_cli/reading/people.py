"""Who stands behind a command line: a person, or an execution that calls attune from inside its run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.runtime.model.ids import is_id
from attune_cli.runtime.services import inquiries
from attune_cli.runtime.services.people import login

if TYPE_CHECKING:
    from attune_cli.context import Context
    from attune_cli.runtime.model.inquiries import Person
    from attune_cli.runtime.store.database import Transaction


def enclosing_execution(context: Context) -> int | None:
    """Return the execution of this home from inside which this command was called."""
    inside = os.environ.get("ATTUNE_EXEC_ID", "")
    if not is_id(inside):
        return None
    return int(inside) if _is_same(os.environ.get("ATTUNE_HOME", ""), context.home.path) else None


def _is_same(home: str, other: Path) -> bool:
    """Tell whether two paths lead to one home, however they are written: a detour must not hide who answers."""
    if home == str(other):
        return True
    try:
        return Path(home).samefile(other)
    except (OSError, ValueError):
        return False


def answerer(tx: Transaction, context: Context, name: str | None) -> Person:
    """Return who answers: who is named, else who is logged in; an action answers for whoever started it."""
    inside = enclosing_execution(context)
    if inside is None:
        return inquiries.person(tx, name or login())
    return inquiries.person(tx, name, inside=inside)
