"""The triggers that make the transition table law: made from model/states.py, made again after every migration.

`execution_guard` aborts an illegal change, `execution_final` any change of an ended row, and the other two
write history and notification of each change in the statement that makes it, so none can be forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.states import TERMINAL, TRANSITIONS

if TYPE_CHECKING:
    import sqlite3

_PAYLOAD = """json_object(
    'entity_type', 'execution', 'entity_id', NEW.id, 'id', NEW.id, 'action_ref', NEW.action_ref,
    'status', NEW.status, {old_status} 'parent', NEW.parent, 'started_at', NEW.started,
    'created', NEW.created, 'updated', NEW.updated)"""


def guard_statements() -> list[str]:
    """Return the CREATE TRIGGER statements, in a fixed order."""
    legal = ", ".join(sorted(f"'{old}>{new}'" for old, new in TRANSITIONS))
    terminal = ", ".join(sorted(f"'{status}'" for status in TERMINAL))
    return [
        f"""CREATE TRIGGER execution_guard BEFORE UPDATE OF status ON execution
WHEN NEW.status <> OLD.status AND OLD.status || '>' || NEW.status NOT IN ({legal})
BEGIN SELECT RAISE(ABORT, 'illegal change of status'); END""",
        f"""CREATE TRIGGER execution_final BEFORE UPDATE ON execution
WHEN OLD.status IN ({terminal})
BEGIN SELECT RAISE(ABORT, 'an ended execution does not change'); END""",
        """CREATE TRIGGER execution_begins BEFORE INSERT ON execution
WHEN NEW.status <> 'requested'
BEGIN SELECT RAISE(ABORT, 'an execution begins as requested'); END""",
        f"""CREATE TRIGGER execution_created AFTER INSERT ON execution
BEGIN
  INSERT INTO execution_history (execution, from_status, to_status, host, at)
  VALUES (NEW.id, NULL, NEW.status, NEW.host, NEW.created);
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('execution_created', 'execution', NEW.id, {_PAYLOAD.format(old_status="")}, NEW.created);
END""",
        f"""CREATE TRIGGER execution_changed AFTER UPDATE OF status ON execution
WHEN NEW.status <> OLD.status
BEGIN
  INSERT INTO execution_history (execution, from_status, to_status, host, at)
  VALUES (NEW.id, OLD.status, NEW.status, NEW.host, NEW.updated);
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('execution_status_changed', 'execution', NEW.id,
    {_PAYLOAD.format(old_status="'old_status', OLD.status,")}, NEW.updated);
END""",
    ]


def install_guard(connection: sqlite3.Connection) -> None:
    """Drop and make again every trigger of ours, inside the caller's transaction."""
    for statement in guard_statements():
        name = statement.split()[2]
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        connection.execute(statement)


def guard_is_whole(connection: sqlite3.Connection) -> bool:
    """Tell whether the database has exactly the triggers this version would make."""
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")}
    return found >= set(guard_statements())
