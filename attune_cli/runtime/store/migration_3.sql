-- From version 2 to 3: workflows and inquiries.

ALTER TABLE execution ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execution ADD COLUMN workflow_task INTEGER;
ALTER TABLE execution ADD COLUMN item INTEGER NOT NULL DEFAULT 0;
ALTER TABLE execution ADD COLUMN executor TEXT;
DROP INDEX execution_live;
CREATE INDEX execution_live ON execution (waits, status, due, id) WHERE finished IS NULL;
CREATE INDEX execution_waits ON execution (host, status, due, id) WHERE waits AND finished IS NULL;
CREATE UNIQUE INDEX execution_item ON execution (workflow_task, item, attempt) WHERE workflow_task IS NOT NULL;
CREATE INDEX execution_item_live ON execution (workflow_task) WHERE workflow_task IS NOT NULL AND finished IS NULL;

CREATE TABLE workflow_execution (
  execution INTEGER PRIMARY KEY REFERENCES execution (id) ON DELETE CASCADE,
  variables TEXT NOT NULL DEFAULT '{}',
  sealed BLOB,
  due INTEGER,
  paused INTEGER,
  pause_reason TEXT,
  faults TEXT NOT NULL DEFAULT '[]',
  closing TEXT
) STRICT;
CREATE INDEX workflow_execution_due ON workflow_execution (due) WHERE due IS NOT NULL;
CREATE TABLE workflow_task (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow INTEGER NOT NULL REFERENCES execution (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  iteration INTEGER NOT NULL DEFAULT 1,
  within INTEGER,
  triggered_by TEXT,
  arrivals TEXT NOT NULL DEFAULT '[]',
  status TEXT NOT NULL,
  handled INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  origin INTEGER,
  created INTEGER NOT NULL,
  started INTEGER,
  finished INTEGER,
  items TEXT,
  items_sealed BLOB,
  UNIQUE (workflow, name, iteration)
) STRICT;
CREATE INDEX workflow_task_open ON workflow_task (workflow, status) WHERE finished IS NULL;
CREATE INDEX workflow_task_within ON workflow_task (within) WHERE within IS NOT NULL;
CREATE INDEX workflow_task_origin ON workflow_task (origin) WHERE origin IS NOT NULL;
CREATE TABLE inquiry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  execution INTEGER NOT NULL UNIQUE REFERENCES execution (id) ON DELETE CASCADE,
  prompt TEXT NOT NULL,
  response_schema TEXT NOT NULL DEFAULT '{}',
  assigned_to TEXT,
  status TEXT NOT NULL DEFAULT 'pending',
  required INTEGER NOT NULL DEFAULT 1,
  approvers TEXT,
  response TEXT,
  sealed BLOB,
  default_response TEXT,
  comment TEXT,
  requester TEXT,
  responded_by TEXT,
  responded_at INTEGER,
  timeout_at INTEGER,
  reminder_seconds REAL,
  next_reminder INTEGER,
  due INTEGER,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;
CREATE INDEX inquiry_due ON inquiry (due) WHERE due IS NOT NULL;
CREATE INDEX inquiry_pending ON inquiry (id) WHERE status = 'pending';
CREATE INDEX inquiry_sealed ON inquiry (execution) WHERE sealed IS NOT NULL;
CREATE TABLE inquiry_answer (
  inquiry INTEGER NOT NULL REFERENCES inquiry (id) ON DELETE CASCADE,
  person TEXT NOT NULL,
  approved INTEGER NOT NULL,
  response TEXT NOT NULL,
  sealed BLOB,
  comment TEXT,
  created INTEGER NOT NULL,
  PRIMARY KEY (inquiry, person)
) STRICT, WITHOUT ROWID;
