-- The readable present. Migrations (migrations.py) lead here from every older version; a test holds both equal.
-- Instants are integer microseconds UTC. JSON is text. The guard and the log of status changes are triggers
-- generated from model/states.py (guard.py) after every migration.

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A process that runs an engine. Alive as long as hosts/<id>.lock is held.
CREATE TABLE host (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,                    -- inline | daemon
  pid INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  started INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pack (
  id INTEGER PRIMARY KEY,
  ref TEXT NOT NULL UNIQUE,
  label TEXT NOT NULL,
  version TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  digest TEXT NOT NULL,                  -- names packs/<ref>/<digest>/
  link TEXT,                             -- folder of a pack developed in place, else NULL
  source TEXT NOT NULL DEFAULT '',       -- where it came from, as the user wrote it
  manifest TEXT NOT NULL,                -- conf_schema, meta, tags, dependencies, runtime_deps, testing …
  config TEXT NOT NULL DEFAULT '{}',     -- secret values replaced by the redaction marker
  sealed BLOB,                           -- the secret values of config, AES-256-GCM
  is_standard INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;

-- Everything a pack defines besides itself has the same columns, a table for each noun.
CREATE TABLE action (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE runtime (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE "trigger" (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE sensor (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE rule (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE workflow (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE queue (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE permission_set (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;
CREATE TABLE policy (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, pack INTEGER REFERENCES pack (id) ON DELETE CASCADE,
  label TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1,
  is_adhoc INTEGER NOT NULL DEFAULT 0, definition TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT;

-- A sealed (or plain) value, owned by the system, a pack or an action (domain.md 7).
CREATE TABLE key (
  id INTEGER PRIMARY KEY,
  ref TEXT NOT NULL UNIQUE,
  owner_type TEXT NOT NULL,              -- system | identity | pack | action | sensor
  owner TEXT NOT NULL DEFAULT '',        -- ref of the pack, action or sensor; '' for system
  name TEXT NOT NULL,
  encrypted INTEGER NOT NULL,
  value BLOB NOT NULL,                   -- sealed JSON, or plain JSON when not encrypted
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  UNIQUE (owner_type, owner, name)
) STRICT;

-- What an execution was started with, shared by all that started with the same: an upgrade changes none.
CREATE TABLE job (
  id INTEGER PRIMARY KEY,
  checksum INTEGER NOT NULL,             -- finds candidates; the text decides
  definition TEXT NOT NULL
) STRICT;
CREATE INDEX job_checksum ON job (checksum);

CREATE TABLE execution (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: it names a log folder
  action_ref TEXT NOT NULL,
  job INTEGER NOT NULL,                  -- no foreign key: what no execution names any more is deleted in one pass
  status TEXT NOT NULL DEFAULT 'requested',
  host TEXT,                             -- the owner, or NULL; no foreign key: hosts are forgotten
  runner_ref TEXT,                       -- durable name of the run, committed with `running`
  parent INTEGER REFERENCES execution (id),
  root INTEGER REFERENCES execution (id),-- top of the tree; NULL at the top
  original_execution INTEGER REFERENCES execution (id),  -- first attempt; NULL on a first attempt
  next_attempt INTEGER,                  -- set in the commit that ends a retried attempt
  attempt INTEGER NOT NULL DEFAULT 1,
  rerun_of INTEGER,                      -- no foreign key: what was run again may be pruned
  nested INTEGER NOT NULL DEFAULT 0,     -- started from inside its parent's run: it runs in its parent's slot
  parameters TEXT NOT NULL DEFAULT '{}', -- secret values replaced by the redaction marker
  sealed BLOB,                           -- secret values by JSON pointer, AES-256-GCM
  environment TEXT NOT NULL DEFAULT '[]',-- names of extra variables; their values are sealed
  labels TEXT NOT NULL DEFAULT '{}',
  timeout_seconds REAL,                  -- NULL: none
  due INTEGER NOT NULL,                  -- not before this instant; what became due first starts first
  limit_group TEXT,                      -- executions of one group share limit_size slots
  limit_size INTEGER,
  idempotency_key TEXT,
  cancel_requested INTEGER,              -- the intent: when, or NULL
  cancel_reason TEXT,
  exit_code INTEGER,
  timed_out INTEGER NOT NULL DEFAULT 0,
  error TEXT,                            -- {"type", "message"}
  result TEXT,
  result_sealed BLOB,
  stdout_bytes INTEGER NOT NULL DEFAULT 0, stdout_lines INTEGER NOT NULL DEFAULT 0,
  stdout_dropped_bytes INTEGER NOT NULL DEFAULT 0,
  stderr_bytes INTEGER NOT NULL DEFAULT 0, stderr_lines INTEGER NOT NULL DEFAULT 0,
  stderr_dropped_bytes INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL,
  started INTEGER,
  finished INTEGER,
  updated INTEGER NOT NULL
) STRICT;
-- Live rows are few and change often, ended rows are many and never change: each has indexes of its own, so that
-- a change of status costs little however long the history is. Queries say `finished IS [NOT] NULL` to use them.
CREATE INDEX execution_live ON execution (status, due, id) WHERE finished IS NULL;
CREATE INDEX execution_nested ON execution (due, id) WHERE nested AND finished IS NULL;
CREATE INDEX execution_cancel ON execution (id) WHERE cancel_requested IS NOT NULL AND finished IS NULL;
CREATE INDEX execution_group ON execution (limit_group, status) WHERE limit_group IS NOT NULL AND finished IS NULL;
CREATE INDEX execution_ended ON execution (status, id) WHERE finished IS NOT NULL;
CREATE INDEX execution_ended_action ON execution (action_ref, status, id) WHERE finished IS NOT NULL;
CREATE INDEX execution_action ON execution (action_ref, id);
CREATE INDEX execution_parent ON execution (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX execution_root ON execution (root, id) WHERE root IS NOT NULL;
CREATE UNIQUE INDEX execution_attempt ON execution (original_execution, attempt)
  WHERE original_execution IS NOT NULL;
CREATE UNIQUE INDEX execution_idempotency ON execution (action_ref, idempotency_key)
  WHERE idempotency_key IS NOT NULL AND original_execution IS NULL;

-- Each change of status, written by a trigger in the statement that makes it.
CREATE TABLE execution_history (
  id INTEGER PRIMARY KEY,
  execution INTEGER NOT NULL,
  from_status TEXT,
  to_status TEXT NOT NULL,
  host TEXT,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX execution_history_of ON execution_history (execution, id);

-- The outbox: one row for each change, in the commit that makes it, read by sequence.
CREATE TABLE notification (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  notification_type TEXT NOT NULL,
  entity_type TEXT NOT NULL,
  entity_id INTEGER NOT NULL,
  payload TEXT NOT NULL,
  created INTEGER NOT NULL
) STRICT;
