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
-- An event finds the rules it concerns, however many there are.
CREATE INDEX rule_trigger ON rule (json_extract(definition, '$.trigger_ref'));
CREATE INDEX rule_unless ON rule (json_extract(definition, '$.unless.trigger_ref'))
  WHERE json_extract(definition, '$.unless.trigger_ref') IS NOT NULL;
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
  expires INTEGER,                       -- from then on it is as if it were not there; NULL: never
  UNIQUE (owner_type, owner, name)
) STRICT;
CREATE INDEX key_expires ON key (expires) WHERE expires IS NOT NULL;

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
  updated INTEGER NOT NULL,
  enforcement INTEGER,                   -- why it was started, NULL when somebody asked for it
  rule_ref TEXT,
  trigger_ref TEXT,
  depth INTEGER NOT NULL DEFAULT 0,      -- how many rules stand between it and its first cause
  waits INTEGER NOT NULL DEFAULT 0,      -- for others: a workflow, or a question; it has no run and holds no slot
  workflow_task INTEGER,                 -- the task that it is a part of, NULL outside of workflows
  item INTEGER NOT NULL DEFAULT 0,       -- which of the task's items
  executor TEXT                          -- the person who asked for it; NULL: nobody did
) STRICT;
-- Live rows are few and change often, ended rows are many and never change: each has indexes of its own, so that
-- a change of status costs little however long the history is. Queries say `finished IS [NOT] NULL` to use them.
CREATE INDEX execution_live ON execution (waits, status, due, id) WHERE finished IS NULL;
CREATE INDEX execution_waits ON execution (host, status, due, id) WHERE waits AND finished IS NULL;
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
CREATE UNIQUE INDEX execution_enforcement ON execution (enforcement)
  WHERE enforcement IS NOT NULL AND original_execution IS NULL AND parent IS NULL;
CREATE UNIQUE INDEX execution_item ON execution (workflow_task, item, attempt) WHERE workflow_task IS NOT NULL;
CREATE INDEX execution_item_live ON execution (workflow_task) WHERE workflow_task IS NOT NULL AND finished IS NULL;
CREATE INDEX execution_rule ON execution (rule_ref, id) WHERE rule_ref IS NOT NULL;
CREATE INDEX execution_rule_live ON execution (rule_ref, status) WHERE rule_ref IS NOT NULL AND finished IS NULL;

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

-- Something happened. Written once; `pending` until the daemon has judged it.
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trigger_ref TEXT NOT NULL,
  payload TEXT,                          -- JSON, or NULL: no payload
  config TEXT NOT NULL DEFAULT '{}',     -- how it came here
  source TEXT NOT NULL,                  -- user | api | webhook | timer | sensor | attune
  source_ref TEXT,                       -- the sensor's ref, the token's owner …
  rule_ref TEXT,                         -- when set, no other rule is meant
  dedup_key TEXT,                        -- the second event with the same key is the first
  cause INTEGER,                         -- the execution that it came from; no foreign key: that may be pruned
  depth INTEGER NOT NULL DEFAULT 0,      -- how many rules stand between it and its first cause
  pending INTEGER NOT NULL DEFAULT 1,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX event_pending ON event (id) WHERE pending;
CREATE INDEX event_trigger ON event (trigger_ref, id);
CREATE UNIQUE INDEX event_dedup ON event (trigger_ref, dedup_key) WHERE dedup_key IS NOT NULL;

-- What one rule made of one event, and why. No foreign keys from here on: rules and events go, their story stays.
CREATE TABLE verdict (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event INTEGER NOT NULL,
  rule INTEGER NOT NULL,
  rule_ref TEXT NOT NULL,
  outcome TEXT NOT NULL,                 -- see model/events.py
  reason TEXT NOT NULL,                  -- a sentence
  trace TEXT NOT NULL DEFAULT '{}',      -- what was seen and what was wanted
  group_key TEXT NOT NULL DEFAULT '',
  due INTEGER,                           -- while it waits: when the rule fires unless something comes between
  enforcement INTEGER,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  UNIQUE (event, rule)
) STRICT;
CREATE INDEX verdict_rule ON verdict (rule_ref, id);
CREATE INDEX verdict_due ON verdict (due) WHERE due IS NOT NULL;
CREATE INDEX verdict_waiting ON verdict (rule, group_key) WHERE due IS NOT NULL;

-- A rule decided to act.
CREATE TABLE enforcement (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event INTEGER NOT NULL,
  rule INTEGER NOT NULL,
  rule_ref TEXT NOT NULL,
  trigger_ref TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'created',-- created | processed | disabled
  config TEXT NOT NULL DEFAULT '{}',     -- parameters filled in; secret values replaced by the redaction marker
  conditions TEXT NOT NULL DEFAULT 'null',
  error TEXT,
  execution INTEGER,                     -- its first attempt
  created INTEGER NOT NULL,
  resolved INTEGER,
  UNIQUE (event, rule)
) STRICT;
CREATE INDEX enforcement_rule ON enforcement (rule_ref, id);
CREATE INDEX enforcement_waiting ON enforcement (rule, id) WHERE status = 'created';

-- What a rule remembers from one event to the next: its windows, for each group of events.
CREATE TABLE rule_memory (
  rule INTEGER NOT NULL REFERENCES rule (id) ON DELETE CASCADE,
  name TEXT NOT NULL,                    -- once_within | after
  group_key TEXT NOT NULL,
  value TEXT NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (rule, name, group_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX rule_memory_expires ON rule_memory (expires);

-- When a rule on a core timer fires next.
CREATE TABLE timer (
  rule INTEGER PRIMARY KEY REFERENCES rule (id) ON DELETE CASCADE,
  rule_updated INTEGER NOT NULL,         -- the rule as it was when this was made
  schedule TEXT NOT NULL,
  policy TEXT NOT NULL,                  -- missed fires, jitter, past dates
  state TEXT NOT NULL,                   -- active | expired | faulty
  error TEXT,
  anchor INTEGER NOT NULL,               -- what intervals are counted from
  planned INTEGER,                       -- the next instant of the schedule
  due INTEGER,                           -- the same with its jitter
  last_planned INTEGER,                  -- never again at or before this instant
  last_fired INTEGER,
  fired INTEGER NOT NULL DEFAULT 0,
  missed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX timer_due ON timer (due) WHERE due IS NOT NULL;

-- The address under which a trigger takes requests from outside.
CREATE TABLE webhook (
  id INTEGER PRIMARY KEY,
  trigger_ref TEXT NOT NULL UNIQUE,
  key TEXT NOT NULL UNIQUE,
  previous_key TEXT UNIQUE,              -- still taken until
  previous_until INTEGER,
  enabled INTEGER NOT NULL DEFAULT 1,
  config TEXT NOT NULL DEFAULT '{}',
  sealed BLOB,                           -- signing secret, and the previous one
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;
CREATE TABLE webhook_call (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trigger_ref TEXT,                      -- NULL: no such key
  event INTEGER,
  status_code INTEGER NOT NULL,
  error TEXT,
  source_address TEXT,
  user_agent TEXT,
  delivery TEXT,                         -- the sender's name for it
  headers TEXT NOT NULL DEFAULT '{}',
  size_bytes INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  signature_verified INTEGER,            -- NULL: none was asked for
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_call_trigger ON webhook_call (trigger_ref, id);
CREATE INDEX webhook_call_accepted ON webhook_call (trigger_ref, id) WHERE event IS NOT NULL;

-- A sensor's process as its daemon last saw it, and what the sensor keeps for itself.
CREATE TABLE sensor_process (
  sensor_ref TEXT PRIMARY KEY,
  status TEXT NOT NULL,                  -- starting | running | waiting | stopped | failed
  pid INTEGER,
  started INTEGER,
  restarts INTEGER NOT NULL DEFAULT 0,
  events INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,    -- lines that were to be events, or state, and could not
  last_event INTEGER,
  next_start INTEGER,
  error TEXT,
  updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sensor_state (
  sensor_ref TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (sensor_ref, name)
) STRICT, WITHOUT ROWID;

-- Somebody outside who wants to hear of changes.
CREATE TABLE channel (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  sealed_url BLOB NOT NULL,
  scheme TEXT NOT NULL,                  -- all of the URL that may be shown
  filter TEXT NOT NULL DEFAULT '{}',
  enabled INTEGER NOT NULL DEFAULT 1,
  cursor INTEGER NOT NULL,               -- the last notification it has dealt with
  sent INTEGER NOT NULL DEFAULT 0,
  suppressed INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,   -- in a row
  last_error TEXT,
  next_attempt INTEGER,
  recent TEXT NOT NULL DEFAULT '[]',     -- instants of what was sent within the rate's window
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;

-- A workflow that goes on: a row beside its execution, and one for each time that one of its tasks is begun.
CREATE TABLE workflow_execution (
  execution INTEGER PRIMARY KEY REFERENCES execution (id) ON DELETE CASCADE,
  variables TEXT NOT NULL DEFAULT '{}',  -- secret ones replaced by the redaction marker
  sealed BLOB,                           -- secret variables by JSON pointer
  due INTEGER,                           -- when to look at it: 0 now, NULL when one of its executions ends
  paused INTEGER,                        -- since when, or NULL
  pause_reason TEXT,
  faults TEXT NOT NULL DEFAULT '[]',     -- what went wrong between tasks: [{"task", "field", "message"}]
  closing TEXT                           -- how it ends once all below it is over; NULL: it is open
) STRICT;
CREATE INDEX workflow_execution_due ON workflow_execution (due) WHERE due IS NOT NULL;
CREATE TABLE workflow_task (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow INTEGER NOT NULL REFERENCES execution (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  iteration INTEGER NOT NULL DEFAULT 1,  -- which lap of a cycle
  within INTEGER,                        -- the parallel task that it is a part of
  triggered_by TEXT,                     -- the task that led here
  arrivals TEXT NOT NULL DEFAULT '[]',   -- the tasks that led here while it waits for its join
  status TEXT NOT NULL,                  -- see model/workflows/states.py
  handled INTEGER NOT NULL DEFAULT 0,    -- what follows it was begun: a failure that leads on is handled
  error TEXT,                            -- why it failed, where no execution of it says so
  origin INTEGER,                        -- the task of an earlier run whose results count as its own
  created INTEGER NOT NULL,
  started INTEGER,
  finished INTEGER,
  items TEXT,                            -- what it is done with, one after another; NULL: once. Last: it may be long
  items_sealed BLOB,                     -- secret values in it by JSON pointer
  UNIQUE (workflow, name, iteration)
) STRICT;
CREATE INDEX workflow_task_open ON workflow_task (workflow, status) WHERE finished IS NULL;
CREATE INDEX workflow_task_within ON workflow_task (within) WHERE within IS NOT NULL;
CREATE INDEX workflow_task_origin ON workflow_task (origin) WHERE origin IS NOT NULL;

-- A question to people. An execution asks one at most.
CREATE TABLE inquiry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  execution INTEGER NOT NULL UNIQUE REFERENCES execution (id) ON DELETE CASCADE,
  prompt TEXT NOT NULL,
  response_schema TEXT NOT NULL DEFAULT '{}',
  assigned_to TEXT,                      -- a person, or role:NAME; NULL: anybody
  status TEXT NOT NULL DEFAULT 'pending',-- pending | responded | timeout | cancelled
  required INTEGER NOT NULL DEFAULT 1,   -- how many have to approve
  approvers TEXT,                        -- JSON list of persons and roles; NULL: it is no approval
  response TEXT,                         -- secret values replaced by the redaction marker
  sealed BLOB,                           -- secret values of the response by JSON pointer
  default_response TEXT,                 -- what counts as the answer when time is over
  comment TEXT,
  requester TEXT,                        -- the person for whom it is asked
  responded_by TEXT,
  responded_at INTEGER,
  timeout_at INTEGER,
  reminder_seconds REAL,
  next_reminder INTEGER,
  due INTEGER,                           -- when to look at it: 0 when its execution has to be told, NULL never
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
  response TEXT NOT NULL,                -- secret values replaced by the redaction marker
  sealed BLOB,
  comment TEXT,
  created INTEGER NOT NULL,
  PRIMARY KEY (inquiry, person)
) STRICT, WITHOUT ROWID;
