"""The triggers that make the transition table law: made from model/states.py, made again after every migration.

`execution_guard` aborts an illegal change, `execution_final` any change of an ended row, and the other two
write history and notification of each change in the statement that makes it, so none can be forgotten. Events,
enforcements and the processes of sensors tell of themselves in the same way, and whatever changes a rule counts in
`rules_version`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.states import TERMINAL, TRANSITIONS

if TYPE_CHECKING:
    import sqlite3

_PAYLOAD = """json_object(
    'entity_type', 'execution', 'entity_id', NEW.id, 'id', NEW.id, 'action_ref', NEW.action_ref,
    'status', NEW.status, {old_status} 'enforcement', NEW.enforcement, 'rule_ref', NEW.rule_ref,
    'trigger_ref', NEW.trigger_ref, 'parent', NEW.parent, 'depth', NEW.depth, 'started_at', NEW.started,
    'created', NEW.created, 'updated', NEW.updated)"""

_EVENT_PAYLOAD = """json_object(
    'entity_type', 'event', 'entity_id', NEW.id, 'id', NEW.id, 'trigger_ref', NEW.trigger_ref,
    'source', NEW.source, 'source_ref', NEW.source_ref, 'rule_ref', NEW.rule_ref,
    'has_payload', json(iif(NEW.payload IS NULL, 'false', 'true')), 'created', NEW.created)"""

_ENFORCEMENT_PAYLOAD = """json_object(
    'entity_type', 'enforcement', 'entity_id', NEW.id, 'id', NEW.id, 'rule', NEW.rule, 'rule_ref', NEW.rule_ref,
    'trigger_ref', NEW.trigger_ref, 'event', NEW.event, 'status', NEW.status, {old_status}
    'execution', NEW.execution, 'created', NEW.created, 'resolved_at', NEW.resolved)"""

_SENSOR_PAYLOAD = """json_object(
    'entity_type', 'sensor', 'entity_id', sensor.id, 'id', sensor.id, 'sensor_ref', sensor.ref,
    'status', NEW.status, 'old_status', OLD.status, 'error', NEW.error, 'updated', NEW.updated)"""

_INQUIRY_PAYLOAD = """json_object(
    'entity_type', 'inquiry', 'entity_id', NEW.id, 'id', NEW.id, 'execution', NEW.execution,
    'action_ref', (SELECT action_ref FROM execution WHERE id = NEW.execution), 'assigned_to', NEW.assigned_to,
    'status', NEW.status, 'timeout_at', NEW.timeout_at, 'created', NEW.created, 'updated', NEW.updated)"""

_TASK_PAYLOAD = """json_object(
    'entity_type', 'workflow_execution', 'entity_id', NEW.workflow, 'id', NEW.workflow, 'execution', NEW.workflow,
    'action_ref', (SELECT action_ref FROM execution WHERE id = NEW.workflow), 'task_name', NEW.name,
    'iteration', NEW.iteration, 'status', NEW.status, {old_status} 'updated', {at})"""

_RULES_CHANGE_WITH = ("rule", "trigger", "action", "pack", "sensor")
"""The tables whose rows say what rules there are, what they do, and what watches for them."""


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
        *_waiting_statements(),
        *_reaction_statements(),
    ]


def _waiting_statements() -> list[str]:
    """The triggers that wake a workflow when a part of it ends, and close and tell of inquiries."""
    return [
        """CREATE TRIGGER workflow_woken AFTER UPDATE OF status ON execution
WHEN NEW.finished IS NOT NULL AND NEW.workflow_task IS NOT NULL
BEGIN UPDATE workflow_execution SET due = 0 WHERE execution = NEW.parent; END""",
        f"""CREATE TRIGGER workflow_task_created AFTER INSERT ON workflow_task
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('workflow_execution_status_changed', 'workflow_execution', NEW.workflow,
    {_TASK_PAYLOAD.format(old_status="", at="NEW.created")}, NEW.created);
END""",
        f"""CREATE TRIGGER workflow_task_changed AFTER UPDATE OF status ON workflow_task
WHEN NEW.status <> OLD.status
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('workflow_execution_status_changed', 'workflow_execution', NEW.workflow, {
            _TASK_PAYLOAD.format(
                old_status="'old_status', OLD.status,", at="coalesce(NEW.finished, NEW.started, NEW.created)"
            )
        }, coalesce(NEW.finished, NEW.started, NEW.created));
END""",
        """CREATE TRIGGER inquiry_guard BEFORE UPDATE OF status ON inquiry
WHEN OLD.status <> 'pending' AND NEW.status <> OLD.status
BEGIN SELECT RAISE(ABORT, 'a closed inquiry does not change'); END""",
        """CREATE TRIGGER inquiry_closed AFTER UPDATE OF status ON execution
WHEN NEW.finished IS NOT NULL
BEGIN
  UPDATE inquiry SET status = 'cancelled', due = NULL, updated = NEW.updated
  WHERE execution = NEW.id AND status = 'pending';
END""",
        f"""CREATE TRIGGER inquiry_created AFTER INSERT ON inquiry
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('inquiry_created', 'inquiry', NEW.id, {_INQUIRY_PAYLOAD}, NEW.created);
END""",
        f"""CREATE TRIGGER inquiry_changed AFTER UPDATE OF status ON inquiry
WHEN NEW.status <> OLD.status
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('inquiry_' || NEW.status, 'inquiry', NEW.id, {_INQUIRY_PAYLOAD}, NEW.updated);
END""",
        f"""CREATE TRIGGER inquiry_reminded AFTER UPDATE OF next_reminder ON inquiry
WHEN NEW.next_reminder > OLD.next_reminder AND NEW.status = 'pending'
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('inquiry_reminder', 'inquiry', NEW.id, {_INQUIRY_PAYLOAD}, NEW.updated);
END""",
    ]


def _reaction_statements() -> list[str]:
    """The triggers that tell of events and enforcements, stop a timer at once, and count the changes of rules."""
    return [
        f"""CREATE TRIGGER event_created AFTER INSERT ON event
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('event_created', 'event', NEW.id, {_EVENT_PAYLOAD}, NEW.created);
END""",
        f"""CREATE TRIGGER enforcement_created AFTER INSERT ON enforcement
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('enforcement_created', 'enforcement', NEW.id, {_ENFORCEMENT_PAYLOAD.format(old_status="")}, NEW.created);
END""",
        f"""CREATE TRIGGER enforcement_changed AFTER UPDATE OF status ON enforcement
WHEN NEW.status <> OLD.status
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  VALUES ('enforcement_status_changed', 'enforcement', NEW.id,
    {_ENFORCEMENT_PAYLOAD.format(old_status="'old_status', OLD.status,")}, NEW.resolved);
END""",
        """CREATE TRIGGER rule_disabled AFTER UPDATE OF enabled ON rule
WHEN NOT NEW.enabled
BEGIN DELETE FROM timer WHERE rule = NEW.id; END""",
        f"""CREATE TRIGGER sensor_process_changed AFTER UPDATE OF status ON sensor_process
WHEN NEW.status <> OLD.status
BEGIN
  INSERT INTO notification (notification_type, entity_type, entity_id, payload, created)
  SELECT 'sensor_status_changed', 'sensor', sensor.id, {_SENSOR_PAYLOAD}, NEW.updated
  FROM sensor WHERE sensor.ref = NEW.sensor_ref;
END""",
        *(
            f"""CREATE TRIGGER {table}_{word}_counts AFTER {event} ON "{table}"
BEGIN
  INSERT INTO meta (name, value) VALUES ('rules_version', '1')
  ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1;
END"""
            for table in _RULES_CHANGE_WITH
            for word, event in (("insert", "INSERT"), ("update", "UPDATE"), ("delete", "DELETE"))
        ),
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
