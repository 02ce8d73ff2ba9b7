-- From version 1 to 2: events, rules that act on them, timers, webhooks, sensors, channels.

ALTER TABLE execution ADD COLUMN enforcement INTEGER;
ALTER TABLE execution ADD COLUMN rule_ref TEXT;
ALTER TABLE execution ADD COLUMN trigger_ref TEXT;
ALTER TABLE execution ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX execution_enforcement ON execution (enforcement)
  WHERE enforcement IS NOT NULL AND original_execution IS NULL AND parent IS NULL;
CREATE INDEX execution_rule ON execution (rule_ref, id) WHERE rule_ref IS NOT NULL;
CREATE INDEX execution_rule_live ON execution (rule_ref, status) WHERE rule_ref IS NOT NULL AND finished IS NULL;

ALTER TABLE key ADD COLUMN expires INTEGER;
CREATE INDEX key_expires ON key (expires) WHERE expires IS NOT NULL;

CREATE INDEX rule_trigger ON rule (json_extract(definition, '$.trigger_ref'));
CREATE INDEX rule_unless ON rule (json_extract(definition, '$.unless.trigger_ref'))
  WHERE json_extract(definition, '$.unless.trigger_ref') IS NOT NULL;
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trigger_ref TEXT NOT NULL,
  payload TEXT,
  config TEXT NOT NULL DEFAULT '{}',
  source TEXT NOT NULL,
  source_ref TEXT,
  rule_ref TEXT,
  dedup_key TEXT,
  cause INTEGER,
  depth INTEGER NOT NULL DEFAULT 0,
  pending INTEGER NOT NULL DEFAULT 1,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX event_pending ON event (id) WHERE pending;
CREATE INDEX event_trigger ON event (trigger_ref, id);
CREATE UNIQUE INDEX event_dedup ON event (trigger_ref, dedup_key) WHERE dedup_key IS NOT NULL;
CREATE TABLE verdict (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event INTEGER NOT NULL,
  rule INTEGER NOT NULL,
  rule_ref TEXT NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT NOT NULL,
  trace TEXT NOT NULL DEFAULT '{}',
  group_key TEXT NOT NULL DEFAULT '',
  due INTEGER,
  enforcement INTEGER,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  UNIQUE (event, rule)
) STRICT;
CREATE INDEX verdict_rule ON verdict (rule_ref, id);
CREATE INDEX verdict_due ON verdict (due) WHERE due IS NOT NULL;
CREATE INDEX verdict_waiting ON verdict (rule, group_key) WHERE due IS NOT NULL;
CREATE TABLE enforcement (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event INTEGER NOT NULL,
  rule INTEGER NOT NULL,
  rule_ref TEXT NOT NULL,
  trigger_ref TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'created',
  config TEXT NOT NULL DEFAULT '{}',
  conditions TEXT NOT NULL DEFAULT 'null',
  error TEXT,
  execution INTEGER,
  created INTEGER NOT NULL,
  resolved INTEGER,
  UNIQUE (event, rule)
) STRICT;
CREATE INDEX enforcement_rule ON enforcement (rule_ref, id);
CREATE INDEX enforcement_waiting ON enforcement (rule, id) WHERE status = 'created';
CREATE TABLE rule_memory (
  rule INTEGER NOT NULL REFERENCES rule (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  group_key TEXT NOT NULL,
  value TEXT NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (rule, name, group_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX rule_memory_expires ON rule_memory (expires);
CREATE TABLE timer (
  rule INTEGER PRIMARY KEY REFERENCES rule (id) ON DELETE CASCADE,
  rule_updated INTEGER NOT NULL,
  schedule TEXT NOT NULL,
  policy TEXT NOT NULL,
  state TEXT NOT NULL,
  error TEXT,
  anchor INTEGER NOT NULL,
  planned INTEGER,
  due INTEGER,
  last_planned INTEGER,
  last_fired INTEGER,
  fired INTEGER NOT NULL DEFAULT 0,
  missed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX timer_due ON timer (due) WHERE due IS NOT NULL;
CREATE TABLE webhook (
  id INTEGER PRIMARY KEY,
  trigger_ref TEXT NOT NULL UNIQUE,
  key TEXT NOT NULL UNIQUE,
  previous_key TEXT UNIQUE,
  previous_until INTEGER,
  enabled INTEGER NOT NULL DEFAULT 1,
  config TEXT NOT NULL DEFAULT '{}',
  sealed BLOB,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;
CREATE TABLE webhook_call (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trigger_ref TEXT,
  event INTEGER,
  status_code INTEGER NOT NULL,
  error TEXT,
  source_address TEXT,
  user_agent TEXT,
  delivery TEXT,
  headers TEXT NOT NULL DEFAULT '{}',
  size_bytes INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  signature_verified INTEGER,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_call_trigger ON webhook_call (trigger_ref, id);
CREATE INDEX webhook_call_accepted ON webhook_call (trigger_ref, id) WHERE event IS NOT NULL;
CREATE TABLE sensor_process (
  sensor_ref TEXT PRIMARY KEY,
  status TEXT NOT NULL,
  pid INTEGER,
  started INTEGER,
  restarts INTEGER NOT NULL DEFAULT 0,
  events INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
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
CREATE TABLE channel (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  sealed_url BLOB NOT NULL,
  scheme TEXT NOT NULL,
  filter TEXT NOT NULL DEFAULT '{}',
  enabled INTEGER NOT NULL DEFAULT 1,
  cursor INTEGER NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0,
  suppressed INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  next_attempt INTEGER,
  recent TEXT NOT NULL DEFAULT '[]',
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;
